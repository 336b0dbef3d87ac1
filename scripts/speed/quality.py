"""Time to quality: the published search done naively, on two spaces, against ours, with the simple baselines beside.

Every side sees the same training and validation images, has one thread, and chooses on validation as it goes;
seconds are the processor's, which a busy machine stretches least;
what it had chosen by then is scored on the test images afterwards. The naive sides follow the mu2Net rules
(Gesmundo 2022), each child alone and every batch through the whole trunk; like ours they decode once.
Several processes share the work (``--processes``), so all sides meet the same machine.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from evo_mtl.archive.store import ComponentStore
from evo_mtl.cli.text import table
from evo_mtl.engines.local import SerialEngine
from evo_mtl.engines.plan import BenchPlan, Site
from evo_mtl.engines.workbench import set_threads
from evo_mtl.evolution.algorithms import algorithms
from evo_mtl.evolution.candidate import Candidate, Evaluation
from evo_mtl.evolution.looks import Looks
from evo_mtl.evolution.population import Founder, settled
from evo_mtl.evolution.turn import Turn, World
from evo_mtl.genome.genome import Genome, as_founder
from evo_mtl.genome.sections import TrunkChoice
from evo_mtl.learners.comparison import Request, compute_row
from evo_mtl.network.assembly import assemble
from evo_mtl.network.components import Modules
from evo_mtl.network.forward import SharedRoutes
from evo_mtl.run.config import make_config
from evo_mtl.run.root import read_root, write_root
from evo_mtl.searching.first_looks import first_looks
from evo_mtl.searching.session import evaluated
from evo_mtl.searching.trials import Trials
from evo_mtl.seeding import generator
from evo_mtl.streams.config import TaskConfig, read_stream
from evo_mtl.streams.task import load_batch, open_task, open_test
from evo_mtl.testing.worlds import write_space, write_stream
from evo_mtl.training.metrics import score
from evo_mtl.training.pricing import Pricing
from speed.measure import finish, head, parser
from speed.plot import write_svg


@dataclass(frozen=True)
class Point:
    """What a side had chosen at a moment of a task.

    Attributes:
        task: Its name.
        seconds: Of the processor since the task began; all work is done in one process with one thread.
        validation: Quality on the validation images.
        test: The same on the test images.
    """

    task: str
    seconds: float
    validation: float
    test: float


@dataclass(frozen=True)
class Side:
    """A search, or a learner on a grid of its own.

    Attributes:
        name: For people.
        space: A search space, with ``overrides`` (``key=value``); empty for a learner.
        keeping: Whether frozen activations are kept and passes shared.
        learner: A learner's name, empty for a search, and its grid.
    """

    name: str
    space: str = ""
    overrides: tuple[str, ...] = ()
    keeping: bool = True
    learner: str = ""
    grid: str = ""


def sides(options: Any) -> list[Side]:
    """What is compared; the long ones first."""
    naive = (f"budget.generations={options.generations}", "budget.children=4")
    own = (
        "objective.size_factor=1.0",
        "objective.compute_factor=1.0",
        "seeds=[{name: root, open_from: 17, taps: last}]",
    )
    naive_own = Side("mu2net rules, naive, our space", options.space, (*naive, *own), keeping=False)
    return [
        Side("mu2net rules, naive, published space", options.published, naive, keeping=False),
        naive_own,
        Side("ours", options.space),
        *(Side(f"fine-tuning {grid}", learner="fine_tuning", grid=grid) for grid in options.grids.split()),
        Side("depth ridge", learner="depth_ridge"),
    ]


def main(arguments: Sequence[str]) -> int:
    """Prints every side's way to quality and when ours passed the naive ones."""
    parse = parser("quality", __doc__)
    parse.add_argument("--tasks", metavar="STREAM.yaml", help="tasks of your own; tiny ones with --quick")
    parse.add_argument("--space", default="small", help="our search space (small)")
    parse.add_argument("--published", default="mu2net", help="the published one (mu2net)")
    parse.add_argument("--generations", type=int, default=5, help="of four children, of the naive sides (5)")
    parse.add_argument("--grids", default="2e-3x4 2e-3x8 1e-3x12", help="points of fine-tuning")
    parse.add_argument("--size", type=int, default=96, help="image size of the learners (96)")
    parse.add_argument("--processes", type=int, default=2, help="sides at once (2)")
    parse.add_argument("--svg", type=Path, metavar="FILE", help="draw the plot there")
    options = parse.parse_args(arguments)
    if not (options.tasks or options.quick):
        parse.error("--tasks is needed, unless --quick")
    here = head(f"Time to quality, {options.processes} side(s) at once, one thread each")
    with tempfile.TemporaryDirectory() as name:
        if options.quick:
            options.tasks = str(write_stream(Path(name), ["a", "b"]))
            options.space = options.published = str(write_space(Path(name)))
            options.generations, options.grids, options.size = 1, "2e-3x1", 32
        jobs = sides(options)
        work = [(side, options.tasks, options.size, str(Path(name) / str(i))) for i, side in enumerate(jobs)]
        if options.processes == 1:
            points = [measure(*one) for one in work]
        else:
            # Spawned, since forked processes inherit torch's threads in no good state.
            with ProcessPoolExecutor(options.processes, get_context("spawn")) as pool:
                points = list(pool.map(measure, *zip(*work, strict=True)))
    found = {side.name: one for side, one in zip(jobs, points, strict=True)}
    ours, naive = found["ours"], {side: points for side, points in found.items() if "naive" in side}
    print(_ways(found))
    verdicts = {}
    for side, points in naive.items():
        goal, took = curve(points)[-1][1], curve(points)[-1][0]
        when = next((seconds for seconds, quality in curve(ours) if quality >= goal), None)
        verdicts[side] = {"goal": goal, "seconds": took, "ours": when, "ratio": when and took / when}
        reached = "never" if when is None else f"after {when:.0f} s a task, ratio {took / when:.1f}"
        print(f"\n{side}: mean test quality {goal:.4f} after {took:.0f} s a task; ours had it {reached}")
    if options.svg:
        write_svg(options.svg, {side: curve(points) for side, points in found.items()})
    plain = {side: [asdict(point) for point in points] for side, points in found.items()}
    return finish(options, here, points=plain, verdicts=verdicts)


def curve(points: Sequence[Point]) -> list[tuple[float, float]]:
    """Mean over the tasks of test quality, by seconds a task; from the moment on when every task has an answer."""
    tasks = {point.task for point in points}
    steps = []
    for seconds in sorted({point.seconds for point in points}):
        now = {p.task: p.test for p in points if p.seconds <= seconds}
        if len(now) == len(tasks):
            steps.append((seconds, float(np.mean(list(now.values())))))
    return steps


def _ways(found: Mapping[str, Sequence[Point]]) -> str:
    """A line a side: mean test quality at some moments, and at its end."""
    moments = (5, 10, 20, 40, 80, 160, 320, 640)
    rows = []
    for side, points in found.items():
        steps = curve(points)
        cells = []
        for moment in moments:
            had = [quality for seconds, quality in steps if seconds <= moment]
            cells.append(f"{had[-1]:.3f}" if had else "")
        rows.append([side, *cells, f"{steps[-1][1]:.4f}", f"{steps[-1][0]:.0f}"])
    return table(["mean test quality after seconds a task", *map(str, moments), "end", "seconds"], rows)


def measure(side: Side, tasks: str, size: int, folder: str) -> list[Point]:
    """A side on every task, in the order of the stream."""
    stream = read_stream(tasks)
    if side.learner:
        return [_learned(side, task, size) for task in stream.tasks]
    return list(_searched(side, tasks, stream.tasks, Path(folder)))


def _learned(side: Side, task: TaskConfig, size: int) -> Point:
    choice = TrunkChoice()
    row = compute_row(Request(side.learner, task, 0, size, choice.name, choice.weights, side.grid))
    return Point(task.name, row["cpu_seconds"], row["validation"], row["test"])


def _searched(side: Side, stream: str, tasks: Sequence[TaskConfig], folder: Path) -> Iterator[Point]:
    config = make_config(stream, side.space, overrides=side.overrides)
    space = config.space
    set_threads(1)
    store = ComponentStore(folder)
    root = read_root(write_root(space.trunk, store))
    layout, facts = root.layout, root.facts
    founders: list[Founder] = []
    descriptors: dict[str, str] = {}
    for number, one in enumerate(tasks):
        task = open_task(one)
        pricing = Pricing(
            layout=layout,
            num_train=len(task.train),
            num_validation=len(task.validation),
            num_classes=len(task.classes),
            users=dict.fromkeys(facts.components, 1),
            image_size=space.image_size,
            validations=space.validations,
        )
        plan = BenchPlan(
            seed=0,
            layout=layout,
            task=task.name,
            metric=task.metric,
            digest=task.digest,
            validations=space.validations,
            sizes=space.image_sizes,
            threads=1,
            device="cpu",
            keeping=side.keeping,
        )
        site = Site(folder, folder / f"cache-{number}", 2**32, tasks={task.digest: one})
        trials = Trials(
            SerialEngine(site),
            plan,
            folder / "timings.jsonl",
            len(task.classes),
            lambda c, pricing=pricing: pricing.cost(c.genome).multiply_adds,  # type: ignore[misc]
        )
        start = time.process_time()
        looks = Looks()
        if side.keeping:
            looks, own = first_looks(
                space, facts, founders, descriptors, trials, generator(0, "task", task.name)
            )
            descriptors |= {task.name: own} if own else {}
        turn = Turn(
            World(task.name, 0, space, facts, tuple(founders), pricing, looks),
            algorithms.get(space.algorithm),
        )
        chosen = list(_turn(turn, trials, pricing, start))
        best = turn.population.best
        assert best is not None
        founders.append(Founder(task.name, as_founder(settled(best))))
        test = open_test(one)
        shared = SharedRoutes(Modules(store.read))
        for seconds, evaluation in chosen:
            answers = _logits(settled(evaluation), test, shared, layout).argmax(1)
            quality = score(task.metric, answers, test.labels)
            yield Point(task.name, seconds, evaluation.quality, quality)


def _turn(turn: Turn, trials: Trials, pricing: Pricing, start: float) -> Iterator[tuple[float, Evaluation]]:
    """Each new choice and when it was made: the best score so far, as candidates end one after another."""
    best = -np.inf
    while candidates := turn.ask():
        ended: dict[str, float] = {}

        def told(one: Candidate, seconds: float, ended: dict[str, float] = ended) -> None:
            ended[one.id] = time.process_time() - start

        outcomes = trials.generation(candidates, told)
        evaluations = [
            evaluated(candidate, outcome, pricing, turn.world.space.objective)
            for candidate, outcome in zip(candidates, outcomes, strict=True)
        ]
        for evaluation in sorted(turn.tell(evaluations), key=lambda e: ended[e.candidate.id]):
            if evaluation.ok and evaluation.score > best:
                best = evaluation.score
                yield ended[evaluation.candidate.id], evaluation


def _logits(genome: Genome, test: Any, shared: SharedRoutes, layout: Any) -> np.ndarray:
    route = assemble(genome, layout)
    return shared.logits([route], {route.input.size: load_batch(test, route.input)})[0].numpy()
