"""A run on disk: what decides it and the files that it is made of.

* ``config`` - everything that decides a run's result, resolved and written down
* ``folder`` - the files of a run, opened and checked; ``opened`` - what that found out, kept for next time
* ``events`` - a record for each kind of event of the journal; ``state`` - events folded into the state of a run;
  ``snapshot`` - both opened without reading all of the journal again
* ``options`` - how a search is carried out, which changes nothing of what comes of it
* ``root`` - the root trunk put into the store
* ``progress`` - what a search tells meanwhile
"""
