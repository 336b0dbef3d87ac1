"""Where candidates are tried: in this process, or in worker processes; never what comes of them.

* ``jobs`` - what a worker can be asked to do
* ``workbench`` - a job's surroundings, made from plain data
* ``allocator`` - freed memory is kept
* ``local`` - the engine: serial, or processes that are kept alive
"""
