"""What whoever adds a part can hold it against: functions that raise ``AssertionError`` with a reason.

A contract is a module with ``CHECKS``, functions that take the part (or a ``Case`` of it) and little else, so that
a test is

    @pytest.mark.parametrize("check", contracts.algorithms.CHECKS, ids=lambda check: check.__name__)
    def test_my_algorithm_keeps_the_contract(check):
        check(my_algorithm)

* ``algorithms`` - search algorithms: what they propose, and from what it follows
* ``engines`` - where candidates run: the same outcomes everywhere, errors handed on
* ``inputs`` - kinds of input: keys, batches, what is refused
* ``kinds`` - kinds of components: specs, birth, work, training, frozen and stacked forms
* ``sources`` - data sources: the same each time, splits apart, examples that fit into batches
* ``spaces`` - whether a genome lies inside a search space
* ``trunks`` - families of trunks: the same weights each time, stages built from names, trained
"""
