"""What a candidate is: tensors, modules and graphs.

* ``trunks`` - pretrained models cut into stages
* ``kinds`` - kinds of components, one module for each; ``head``, ``projection``, ``closed_form`` - what heads share
* ``moments``, ``streaming`` - sums over a stream, and heads that are solved from them
* ``pooling`` - what heads read
* ``route`` - a task's model as a small graph with keys
* ``assembly`` - from a genome to a route; ``specs`` - to the specs of what its task would own
* ``depthwise`` - quick gradients of depthwise convolutions
* ``folding`` - norms folded into convolutions where nothing is trained
* ``components`` - from a digest to a module
* ``forward`` - runs nodes, shared ones once
* ``cost`` - parameters and multiply-adds
"""
