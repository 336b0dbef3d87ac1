"""Where candidates are tried: in this process, or in worker processes; never what comes of them.

* ``workbench`` - a trial's surroundings, made from plain data
* ``local`` - the engine: serial, or processes that are kept alive
"""
