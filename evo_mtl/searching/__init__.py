"""The search: the one place that joins evolution, network and archive.

* ``beginning``, ``checks`` - what must be right before anything is written, and the first lines
* ``estimate`` - what a search would cost, before it
* ``runner`` - the search, new or resumed by the same code; ``ground`` - the run that it stands on
* ``session`` - what a first visit, a later pass and an offer have in common; ``turns`` - the first two; ``offers`` - the
  third: routes through newer components
* ``trials`` - a session's jobs; ``first_looks`` - the step a visit begins with; ``usage`` - who uses which component
* ``founders`` - routes of other tasks as parents; ``incumbent`` - a task's own route, where a later pass begins
* ``front`` - routes kept beside the archived one
* ``correction`` - how much the best one's quality flatters
"""
