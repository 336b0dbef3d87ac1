"""What a candidate is: tensors, modules and graphs.

* ``trunks`` - pretrained models cut into stages
* ``kinds`` - kinds of components, one module each; ``head``, ``projection``, ``closed_form`` - what heads share
* ``pooling`` - what heads read
* ``route`` - a task's model as a small graph with keys
* ``assembly`` - from a genome to a route; ``specs`` - to the specs of what its task would own
* ``folding`` - norms taken into convolutions where nothing is trained
* ``components`` - from a digest to a module
* ``forward`` - shared nodes run once
* ``cost`` - parameters and multiply-adds
"""
