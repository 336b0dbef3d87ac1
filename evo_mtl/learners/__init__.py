"""What a search is compared with: learners that know one task at a time and share nothing.

===================  =========================================================================
``probe``            logistic regression on the frozen trunk's last features
``depth_ridge``      ridge on features of many depths: the strongest cheap one
``fine_tuning``      the whole trunk trained anew for every task: strong and expensive
===================  =========================================================================

A learner is a function from a task's training and validation images to a
:class:`~evo_mtl.learners.learner.Learned`. It fits on the training split, chooses on the validation
split, does not fit again on both, and never sees a test image.
"""
