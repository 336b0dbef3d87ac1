"""Where candidates are tried: in this process, or in worker processes. It never affects the results.

* ``jobs`` - what a worker can be asked to do
* ``workbench`` - what a job needs around it, made from plain data
* ``allocator`` - keeps freed memory
* ``local`` - the engines of this machine: serial, or processes that are kept alive
* ``choice`` - engines by name
"""
