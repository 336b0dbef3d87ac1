"""Kinds of components: one module for each kind, which says all that the program has to know about it.

* ``kind`` - what a kind says, and what is done with it: check a spec, build, start anew
* ``fields`` - what may stand in a spec
* ``stage`` - a piece of a trunk
* ``bottleneck`` - an adapter
* ``linear``, ``ridge``, ``projected_ridge``, ``nearest_mean``, ``slda`` - heads; ``multipath`` - the head of several lines
* ``stacking`` - weights of several components as one, to train them together

A new kind is a module with a ``KIND``, and a line in :mod:`evo_mtl.genome.kinds`; then run
:mod:`evo_mtl.testing.contracts.kinds` on it.
"""
