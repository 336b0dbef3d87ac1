"""Numbers from networks.

* ``images`` - a task's pixels by size and view
* ``kept`` - activations of frozen prefixes, computed once
* ``fit`` - gradient descent on the open part
* ``closed_form`` - ridge and nearest-mean heads
* ``calibration``, ``metrics`` - probabilities and scores
* ``trial`` - a candidate tried, whole
"""
