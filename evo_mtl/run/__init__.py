"""A run: the one place that joins search, network and archive.

* ``config`` - everything that decides a run's result, resolved and written down
* ``folder`` - the files of a run, opened and checked
* ``root`` - the root trunk put into the store
* ``runner`` - the search, new or resumed by the same code
* ``estimate`` - what a search would cost, before it
* ``model`` - an archived network, loaded to answer
* ``evaluation`` - test accuracy and the other numbers of an archived network
* ``summary`` - what ``show`` tells
"""
