"""A genome as flat named parameters, each with a list of values: what samplers and dashboards understand.

Some parameters exist only for some values of others: a head that is solved in closed form has no learning
rate, a short route no tap on a late stage. What has no effect is left out, and so is a choice of one.

* ``head`` ``depth`` ``boundary`` - kind of head, number of stages, where the open part begins
* ``tap 4 x2`` - whether the head reads stage 4 pooled to 2 x 2; ``tap end x2`` of the last stage
* ``own_from`` - where the part begins that no other task trains; open stages below it follow
* ``open 7`` - whether stage 7 is an own copy, where single stages may be cloned
* ``adapter 7`` - whether an adapter stands behind stage 7, or which, where the space has several kinds
* the hyperparameters, by their names
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from evo_mtl.genome.genome import Genome, HeadGene, StageGene, TapGene, Value, solved_reads
from evo_mtl.genome.hyperparameters import same_value
from evo_mtl.genome.mutation import clone_final_norm, new_adapter, with_own_from
from evo_mtl.genome.space import SearchSpace
from evo_mtl.genome.trunk_facts import TrunkFacts

Pick = Callable[[str, tuple[Value, ...]], Value]
"""Chooses a value of a parameter; asked only where there are two or more."""

SWITCH = (False, True)


def genome_of(pick: Pick, space: SearchSpace, facts: TrunkFacts) -> Genome:
    """The genome on the root trunk that some choices make; every answer gives a legal one.

    A boundary behind the route's end counts as the last legal one, and where no tap on the last stage is
    chosen the first grid is read.

    Args:
        pick: Asked for one parameter after another, and only for those that have an effect.
        space: What may be chosen.
        facts: The root trunk.
    """

    def choose(name: str, values: tuple[Value, ...]) -> Value:
        return values[0] if len(values) == 1 else pick(name, values)

    def chosen(names: Iterable[tuple[str, int]]) -> list[int]:
        return [place for name, place in names if choose(name, SWITCH)]

    head = HeadGene(str(choose("head", space.heads)))
    depth = int(choose("depth", _depths(space, facts)))
    taps = {TapGene(i, grid) for i in _inner(space, facts, depth) for grid in chosen(_taps(i, space))}
    ends = chosen(_taps("end", space)) if len(space.taps.grids) > 1 else []
    taps |= {TapGene(depth - 1, grid) for grid in ends or space.taps.grids[:1]}
    boundary = depth
    opened: list[int] = []
    adapters: dict[int, Value] = {}
    own_from = 0
    if head.trained:
        boundary = _boundary(choose, space, depth)
        behind = range(boundary, depth)
        if space.stages.own_from:
            own_from = int(choose("own_from", tuple(sorted(space.stages.own_from))))
        opened = chosen((f"open {i}", i) for i in behind) if space.stages.clone else list(behind)
        places = _adapters(space, facts, boundary, depth)
        adapters = {i: choose(f"adapter {i}", _adapter_choices(space)) for i in places}
    values = space.defaults()
    for name in _acting(head, space):
        values[name] = choose(name, space.hyperparameters[name].values)
    genome = Genome(
        root=facts.root,
        boundary=boundary,
        stages=tuple(StageGene(facts.components[i], open=i in opened) for i in range(depth)),
        adapters=tuple(
            new_adapter(space.adapters.kinds[0] if kind is True else str(kind), i, values)
            for i, kind in adapters.items()
            if kind is not False
        ),
        taps=tuple(sorted(taps)),
        head=head,
        hyperparameters=tuple(sorted(values.items())),
    )
    if head.trained and space.stages.final_norm == "forced":
        genome = clone_final_norm(genome, facts)
    return with_own_from(genome, own_from, facts)


def choices(space: SearchSpace, facts: TrunkFacts) -> dict[str, tuple[Value, ...]]:
    """Every parameter that a genome of the space may have, with its values in order."""
    found: dict[str, tuple[Value, ...]] = {
        "head": space.heads,
        "depth": _depths(space, facts),
        "boundary": tuple(sorted(space.stages.boundaries)),
        "own_from": tuple(sorted(space.stages.own_from)),
    }
    most = max(_depths(space, facts))
    for stage in _inner(space, facts, most):
        found |= {name: SWITCH for name, _ in _taps(stage, space)}
    if len(space.taps.grids) > 1:
        found |= {name: SWITCH for name, _ in _taps("end", space)}
    if space.stages.clone:
        found |= {f"open {i}": SWITCH for i in range(most)}
    found |= {f"adapter {i}": _adapter_choices(space) for i in _adapters(space, facts, 0, most)}
    found |= {name: space.hyperparameters[name].values for name in sorted(space.hyperparameters)}
    return {name: values for name, values in found.items() if len(values) > 1}


def parameters_of(genome: Genome, space: SearchSpace, facts: TrunkFacts) -> dict[str, Value]:
    """The choices that describe a genome; what the space does not list is left out.

    They do not say whose weights its stages start from: see :func:`on_root_trunk`.
    """
    boundary = _listed_boundary(genome, space, facts)
    last = genome.depth - 1
    found: dict[str, Value] = {"head": genome.head.kind, "depth": genome.depth}
    for stage in _inner(space, facts, genome.depth):
        found |= {name: TapGene(stage, grid) in genome.taps for name, grid in _taps(stage, space)}
    found |= {name: TapGene(last, grid) in genome.taps for name, grid in _taps("end", space)}
    if genome.head.trained:
        if boundary is not None:
            found["boundary"] = boundary
        found["own_from"] = genome.own_from
        behind = genome.boundary if boundary is None else boundary
        found |= {f"open {i}": genome.stages[i].open for i in range(behind, genome.depth)}
        one_kind = len(space.adapters.kinds) == 1
        placed = {gene.stage: True if one_kind else gene.kind for gene in genome.adapters}
        found |= {f"adapter {i}": placed.get(i, False) for i in _adapters(space, facts, behind, genome.depth)}
    found |= {name: genome[name] for name in _acting(genome.head, space)}
    known = choices(space, facts)
    return {
        name: next(listed for listed in known[name] if same_value(listed, value))
        for name, value in found.items()
        if any(same_value(listed, value) for listed in known.get(name, ()))
    }


def on_root_trunk(genome: Genome, facts: TrunkFacts) -> bool:
    """Whether all weights but new ones are the root trunk's, so that :func:`genome_of` may make it."""
    roots = [(facts.components[i], facts.newest[i]) for i in range(genome.depth)]
    return (
        all(gene.component == both[gene.follows] for gene, both in zip(genome.stages, roots, strict=True))
        and all(gene.component is None for gene in genome.adapters)
        and genome.head.component is None
        and not genome.paths
    )


def _depths(space: SearchSpace, facts: TrunkFacts) -> tuple[int, ...]:
    return tuple(sorted(space.stages.depths)) or (facts.num_stages,)


def _boundary(choose: Pick, space: SearchSpace, depth: int) -> int:
    """The chosen boundary, or the last that a route of this depth may have; its end where it may have none."""
    listed = tuple(sorted(space.stages.boundaries))
    legal = [place for place in listed if place <= depth]
    return min(int(choose("boundary", listed)), legal[-1]) if legal else depth


def _listed_boundary(genome: Genome, space: SearchSpace, facts: TrunkFacts) -> int | None:
    """The boundary that was chosen, before the stage of a forced last norm was opened below it."""
    listed = sorted(place for place in space.stages.boundaries if place <= genome.depth)
    forced = space.stages.final_norm == "forced" and genome.boundary == min(
        facts.final_norm, genome.depth - 1
    )
    if forced:
        return next((place for place in listed if place >= genome.boundary), None)
    return genome.boundary if genome.boundary in listed else None


def _inner(space: SearchSpace, facts: TrunkFacts, depth: int) -> list[int]:
    """Stages before the last that a head may read."""
    places = {"last": (), "groups": facts.group_ends, "all": range(facts.num_stages)}[space.taps.stages]
    return [place for place in places if place < depth - 1]


def _taps(where: int | str, space: SearchSpace) -> list[tuple[str, int]]:
    """Names and grids of the taps on a stage."""
    return [(f"tap {where} x{grid}", grid) for grid in space.taps.grids]


def _adapters(space: SearchSpace, facts: TrunkFacts, boundary: int, depth: int) -> list[int]:
    """Stages behind which a new adapter may stand."""
    if not space.adapters.insert:
        return []
    places = facts.group_ends if space.adapters.stages == "groups" else range(facts.num_stages)
    return [place for place in places if max(boundary - 1, 0) <= place < depth]


def _adapter_choices(space: SearchSpace) -> tuple[Value, ...]:
    """No adapter or one; of which kind, where there are several."""
    return SWITCH if len(space.adapters.kinds) == 1 else (False, *space.adapters.kinds)


def _acting(head: HeadGene, space: SearchSpace) -> list[str]:
    """The space's hyperparameters that a route with this head depends on."""
    names = sorted(space.hyperparameters)
    if head.trained:
        return names
    return [name for name in names if name in solved_reads(head)]
