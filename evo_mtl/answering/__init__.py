"""Answers of an archived network.

* ``model`` - an archived network, loaded to answer
* ``evaluation`` - the test score of each task; ``prediction`` - classes of images
"""
