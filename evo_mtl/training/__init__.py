"""Training, solving and scoring candidates.

* ``images`` - a task's pixels by size and view
* ``kept`` - activations of frozen stages, made in one sweep for all who read them; ``sweeps`` - a generation's
* ``inputs``, ``open_part`` - what a candidate is run from, and what of it is open
* ``descent`` - batches and steps of gradient descent; ``optimizers`` - what a step does
* ``fit`` - a candidate or several, trained and validated; ``stacked``, ``groups`` - those together
* ``looks`` - closed-form heads before anything is trained
* ``calibration``, ``metrics`` - probabilities and scores; ``continual`` - scores of a whole stream
* ``trial`` - a candidate tried, whole; ``own`` - its modules
* ``pricing`` - what that costs, planned; ``spent`` - what it took
"""
