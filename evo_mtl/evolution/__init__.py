"""Who is tried: an evolutionary search over genomes and numbers, as ask and tell.

* ``candidate`` - the records: a candidate, its cost, its finished evaluation
* ``looks`` - what closed-form heads said before anything was trained, and what follows from it; ``descriptors`` - which tasks are similar
* ``fitness`` - one score from quality and cost
* ``population`` - those of a task that may become parents, by replay of what was told
* ``parents`` - who becomes a parent
* ``path_children`` - children that run other routes beside one of their own
* ``budget`` - what a task may still spend, and what no candidate may cost
* ``stopping`` - when a search ends before its budget does
* ``rejection`` - what a child must reach while it trains, or be given up
* ``offspring`` - how a generation of children is made, once it is known who becomes a parent
* ``pareto`` - sorting by several objectives
* ``offers`` - what an archived task is offered on newer routes; ``proof`` - whether a route is really better
* ``optimism`` - by how much the best one's quality flatters it; ``copies`` - what children of pooled candidates start from
* ``parameters`` - a genome as named parameters; ``optuna_trial`` - an evaluation as Optuna's trial; ``quiet``
* ``mu2net``, ``regularized_evolution``, ``nsga2``, ``tpe``, ``random_search`` - the algorithms, each a few lines
  joining these parts
* ``algorithms`` - their names
"""
