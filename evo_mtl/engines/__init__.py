"""Where candidates are tried: in this process, or in worker processes. It never affects the results.

* ``jobs`` - what a worker can be asked to do
* ``plan`` - what is told of a task, without a path; and where a machine has what that names
* ``workbench`` - what a job needs around it, made from both
* ``allocator`` - keeps freed memory
* ``local`` - the engines of this machine: serial, or processes that are kept alive
* ``choice`` - engines by name
"""
