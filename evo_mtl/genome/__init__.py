"""What is searched: pure data, no tensors.

* ``genome`` - the genes of one candidate and its canonical digest
* ``space`` - which genomes there are, read from YAML; ``sections`` - its parts; ``hyperparameters`` - the settings of training
* ``trunk_facts`` - what genomes need to know of a trunk; ``kinds`` - kinds of components by name; ``checks`` - legal genomes
* ``schema`` - a JSON Schema for editors
* ``rates`` - how likely each mutation is
* ``mutation`` - from a parent to a child
* ``recombination`` - two routes joined
* ``paths`` - routes of several paths
* ``sampling`` - seed candidates and independent draws
"""
