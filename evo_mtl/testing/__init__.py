"""Tiny worlds for tests of this project and of what extends it; nothing else imports this.

* ``genomes`` - a search space, trunk facts, prices and evaluations without any network
* ``worlds`` - image tasks that any trunk tells apart, a stream of them, a bench on a small trunk
"""
