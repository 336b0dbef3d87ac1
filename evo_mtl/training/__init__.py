"""Numbers from networks.

* ``images`` - a task's pixels by size and view
* ``kept`` - activations of frozen stages, made in one pass for all who read them; ``passes`` - a generation's
* ``inputs``, ``open_part`` - what a candidate is run from, and what of it is open
* ``fit`` - gradient descent, of one candidate or several; ``stacked``, ``optimizers``, ``groups`` - those together
* ``closed_form``, ``heads`` - ridge and nearest-mean heads; ``looks`` - those before anything is trained
* ``calibration``, ``metrics`` - probabilities and scores
* ``trial`` - a candidate tried, whole; ``own`` - its modules
* ``multipath`` - heads of several paths, and what those cost
* ``pricing`` - what that costs, planned; ``spent`` - what it took
"""
