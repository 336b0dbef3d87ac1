"""A run: the one place that joins search, network and archive.

* ``config`` - everything that decides a run's result, resolved and written down
* ``folder`` - the files of a run, opened and checked; ``opened`` - what that found out, kept for next time
* ``beginning``, ``checks`` - what must be right before anything is written, and the first lines
* ``root`` - the root trunk put into the store
* ``founders`` - routes of other tasks as parents, read when they are needed
* ``runner`` - the search, new or resumed by the same code; ``turns`` - one task's; ``ground`` - what every turn stands on
* ``trials`` - a turn's jobs; ``first_looks`` - the first of them; ``usage`` - who uses which component; ``progress`` - what a search tells meanwhile
* ``incumbent`` - a task's own route, where a later pass begins; ``offers`` - routes through newer components
* ``estimate`` - what a search would cost, before it
* ``model`` - an archived network, loaded to answer
* ``evaluation``, ``prediction``, ``summary`` - what ``evaluate``, ``predict`` and ``show`` tell; ``hindsight`` - were the looks right
* ``comparison`` - runs and baselines in one table
* ``face`` - the Python face
"""
