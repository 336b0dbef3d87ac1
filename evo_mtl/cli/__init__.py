"""The command line: one file a command, each of which calls one function below.

* ``main`` - the commands by name, exit status, one line for an error
* ``search``, ``resume``, ``evaluate``, ``predict``, ``show``, ``tasks``, ``spaces`` - the commands
* ``progress``, ``pace`` - what a search shows while it runs, and how long it will still take
* ``environment`` - what must be set before torch is loaded
* ``text`` - tables, numbers and durations for people

Commands import what they call when they are called: torch takes seconds to load, and
``evo-mtl --help`` and a misspelt option should not wait for it.
"""
