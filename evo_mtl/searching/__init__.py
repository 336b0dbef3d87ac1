"""The search: the one place that joins evolution, network and archive.

* ``beginning``, ``checks`` - what must be right before anything is written, and the first lines
* ``estimate`` - what a search would cost, before it
* ``runner`` - the search, new or resumed by the same code; ``turns`` - one task's; ``ground`` - what every turn stands on
* ``trials`` - a turn's jobs; ``first_looks`` - the first of them; ``usage`` - who uses which component
* ``founders`` - routes of other tasks as parents; ``incumbent`` - a task's own route, where a later pass begins
* ``offers`` - routes through newer components; ``front`` - routes kept beside the archived one
* ``correction`` - how much the best one's quality flatters
"""
