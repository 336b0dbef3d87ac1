"""What happens in a run that is made up: for tests of journals, without a network or a search."""

from __future__ import annotations

from dataclasses import replace

from evo_mtl.evolution.candidate import Cost, Evaluation, OfTurn
from evo_mtl.files import digest
from evo_mtl.genome.genome import Genome, HeadGene, StageGene, TapGene
from evo_mtl.network.inputs import Pixels
from evo_mtl.network.layout import TrunkLayout
from evo_mtl.network.route import INPUT, Node, Route
from evo_mtl.run.events import (
    Answer,
    Arrived,
    Begun,
    Data,
    Found,
    Generation,
    Looked,
    Member,
    Rooted,
    Told,
    Way,
)
from evo_mtl.testing.genomes import a_space, a_world, played

COST = Cost(10, 20.0, 100, 3, 50.0, 7.0)
BEGUN = Begun(digest(b"configuration"), 0)
ROOT = digest(b"root")


def named(name: str) -> str:
    """The digest of a component of that name."""
    return digest(name.encode())


def rooted(*components: str) -> Rooted:
    """A root trunk of such stages."""
    count = len(components)
    layout = TrunkLayout(
        name="made_up",
        cut="group",
        kind="conv",
        num_prefix_tokens=0,
        channels=(4,) * count,
        group_ends=(count - 1,),
        final_norm=count - 1,
        input=Pixels(0, (0.5,) * 3, (0.5,) * 3),
        stage_names=components,
    )
    return Rooted(ROOT, "space", layout, tuple(map(named, components)), "random")


def arrived(task: str, data: str = "data", classes: tuple[str, ...] = ("yes", "no")) -> Arrived:
    """A task with some data."""
    return Arrived(task, Data(ROOT, named(data), "accuracy", len(classes), 30, 10, private=False), classes)


def looked(task: str, descriptor: str | None = None, pass_: int = 1) -> Looked:
    """Looks that saw nothing."""
    return Looked(task, pass_, (), descriptor)


def generation(task: str, number: int, pass_: int = 1, tried: tuple[Evaluation, ...] = ()) -> Generation:
    """A generation; of nobody when nobody is given."""
    return Generation(task, pass_, number, tried)


def evaluations(task: str) -> tuple[Evaluation, ...]:
    """Candidates of a task as a search tries them."""
    _, told = played(a_world(a_space()), "mu2net")
    return tuple(replace(one, candidate=replace(one.candidate, task=task)) for one in told)


def told(child: int = 0, quality: float = 0.5, pass_: int = 1) -> Told:
    """A candidate of the first generation."""
    return Told(pass_, OfTurn(0, child), quality, quality, COST)


def way(stage: str, head: str) -> Way:
    """A route of one stage and a head."""
    values = a_space().defaults()
    genome = Genome(
        root=ROOT,
        boundary=1,
        stages=(StageGene(named(stage)),),
        adapters=(),
        taps=(TapGene(0),),
        head=HeadGene("ridge", named(head)),
        hyperparameters=tuple(sorted(values.items())),
    )
    nodes = (
        Node("stage", (INPUT,), named(stage), "stage:0"),
        Node("pool", (0,), grid=1),
        Node("concatenate", (1,)),
        Node("head", (2,), named(head), "head"),
    )
    route = Route(Pixels(genome.image_size, (0.5,) * 3, (0.5,) * 3), nodes)
    return Way(genome, route, temperature=1.0, pooled=None)


def answer(
    stage: str, head: str, quality: float = 0.5, pass_: int = 1, front: tuple[Member, ...] = ()
) -> Answer:
    """That route as an answer."""
    fingerprint = named(f"{stage} {head}")
    return Answer(told(0, quality, pass_), way(stage, head), fingerprint, None, front, None)


def found(
    task: str,
    stage: str = "a",
    head: str = "h",
    quality: float = 0.5,
    pass_: int = 1,
    front: tuple[Member, ...] = (),
) -> Found:
    """The end of a task's turn."""
    return Found(task, pass_, answer(stage, head, quality, pass_, front))
