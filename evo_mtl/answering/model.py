"""An archived network, loaded to answer: it needs the run folder, not the data sets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from evo_mtl.engines.workbench import set_threads
from evo_mtl.errors import CorruptionError, DataError, InputError, RunError, reason
from evo_mtl.files import digest
from evo_mtl.network.components import Modules
from evo_mtl.network.forward import CHUNK, SharedRoutes, apply, walk
from evo_mtl.network.inputs import Input
from evo_mtl.network.route import INPUT, Route, on_newest
from evo_mtl.run.asked import as_after, check_archived
from evo_mtl.run.config import RunConfig
from evo_mtl.run.folder import open_run
from evo_mtl.run.root import Root, read_root
from evo_mtl.run.state import ArchiveState
from evo_mtl.training.calibration import apply as softmax


@dataclass(frozen=True)
class Prediction:
    """Answers for ``B`` examples of one task.

    Attributes:
        task: Its name.
        classes: Names of the ``K`` classes.
        labels: The most probable class of each example.
        probabilities: ``(B, K)``, calibrated on validation images.
    """

    task: str
    classes: tuple[str, ...]
    labels: tuple[str, ...]
    probabilities: np.ndarray

    def top(self, image: int, count: int) -> list[tuple[str, float]]:
        """The most probable classes of an image and their probabilities, the best first."""
        order = np.argsort(-self.probabilities[image], kind="stable")[:count]
        return [(self.classes[k], float(self.probabilities[image, k])) for k in order]


class Model:
    """A run's network.

    Args:
        state: What its journal says.
        config: Its configuration.
        shared: Its components.
        place: Its folder, for messages.
    """

    def __init__(
        self,
        state: ArchiveState,
        config: RunConfig,
        shared: SharedRoutes,
        place: Path,
    ) -> None:
        self.state, self.config, self.place = state, config, place
        self.shared = shared
        self._routes: dict[str, Route] = {}

    @property
    def tasks(self) -> tuple[str, ...]:
        """Tasks that have a route, oldest first."""
        return tuple(self.state.routes)

    def classes(self, task: str) -> tuple[str, ...]:
        """Names of a task's classes, in the order of the logits."""
        self.route(task)
        return self.state.classes(task)

    def route(self, task: str) -> Route:
        """A task's route, with the newest version of what follows in it.

        Raises:
            InputError: No such task; the message suggests a near one.
        """
        check_archived(task, self.state, self.config, self.place)
        if task not in self._routes:
            newest = self.state.newest(self.state.answered[task].brief.root)
            self._routes[task] = on_newest(self.archived_route(task), newest)
        return self._routes[task]

    def archived_route(self, task: str) -> Route:
        """An archived task's route, with the versions that it had when it was archived."""
        return self.state.answer(task).way.route

    def root(self, task: str) -> Root:
        """The trunk that a task's route stands on."""
        self.route(task)
        return read_root(self.state.roots[self.state.answered[task].brief.root])

    def input_of(self, tasks: Sequence[str]) -> Input:
        """The input of the first of some tasks that read the same examples.

        Raises:
            InputError: No such task, or they read different ones.
        """
        inputs = [self.route(task).input for task in tasks]
        for task, one in zip(tasks, inputs, strict=True):
            # Of images the size is the route's affair.
            if (one.kind, one.at(0).shape) != (inputs[0].kind, inputs[0].at(0).shape):
                raise InputError(f"tasks {tasks[0]} and {task} read different examples; name one", self.place)
        return inputs[0]

    def logits(self, examples: Sequence[np.ndarray], tasks: Sequence[str]) -> list[Tensor]:
        """Calibrated logits ``(B, K)`` of several tasks for the same examples, shared parts run once.

        Args:
            examples: ``B`` images ``(H, W, 3)`` uint8 of any sizes, or rows ``(D,)`` float32.
            tasks: Names.
        """
        routes = [self.route(task) for task in tasks]
        inputs = {route.input.size: route.input for route in routes}
        batches = {size: np.stack([one.row(each) for each in examples]) for size, one in inputs.items()}
        return self.answer(routes, batches)

    def answer(self, routes: Sequence[Route], batches: Mapping[int, np.ndarray]) -> list[Tensor]:
        """Calibrated logits ``(B, K)`` of archived routes, from the batches that their inputs make.

        Raises:
            CorruptionError: Parts of a route do not fit together.
        """
        with fitting(self.place):
            return self.shared.logits(routes, batches)

    def predict(self, examples: np.ndarray | Tensor | Sequence[np.ndarray], task: str) -> Prediction:
        """Answers one task for some examples.

        Args:
            examples: Images: ``(B, H, W, C)`` uint8 with C 1, 3 or 4, ``(B, C, H, W)`` float in [0, 1], or a
                sequence of ``(H, W[, C])`` uint8 images of any sizes. For a task of vectors: ``(B, D)`` numbers.
            task: Its name.

        Raises:
            InputError: No such task, or examples of another form.
        """
        return self.predict_many(examples, [task])[0]

    def predict_many(
        self, examples: np.ndarray | Tensor | Sequence[np.ndarray], tasks: Sequence[str]
    ) -> list[Prediction]:
        """Answers several tasks for the same examples; components they share are run once."""
        plain = list(self.input_of(tasks).examples(examples))
        if not plain:
            raise DataError("expected at least one example")
        found: list[Prediction] = []
        for task, logits in zip(tasks, self.logits(plain, tasks), strict=True):
            classes = self.classes(task)
            if logits.shape[1] != len(classes):
                said = f"task {task!r} has {len(classes)} classes, its head {logits.shape[1]}"
                raise CorruptionError(said, self.place)
            probabilities = softmax(logits.numpy(), 1.0)
            labels = tuple(classes[k] for k in probabilities.argmax(1))
            found.append(Prediction(task, classes, labels, probabilities))
        return found

    def as_module(self, task: str) -> nn.Module:
        """A task's route as a plain module with weights of its own.

        It takes images ``(B, 3, H, W)`` float in [0, 1], which it resizes to the route's size if need be, or vectors
        ``(B, D)`` float, and gives calibrated logits ``(B, K)``.
        """
        return RouteModule(self.route(task), self.shared)

    def fingerprint(self, task: str) -> str:
        """Digest of a task's logits on synthetic probe images: equal exactly when the bits are.

        Of what follows the versions count with which the task was archived.
        """
        check_archived(task, self.state, self.config, self.place)
        with fitting(self.place):
            return fingerprint(self.archived_route(task), self.shared)


def load(path: str | Path, after: str | None = None) -> Model:
    """Loads a run's network.

    Args:
        path: The run.
        after: A task: the network is as it was when that had been archived; as it is now when ``None``.

    Raises:
        RunError: There is no run, or nothing in it yet, or routes were replaced since.
        InputError: No such task.
        CorruptionError: Something in it is not what was written.
    """
    folder, config, state = open_run(path)
    if after is not None:
        state = as_after(after, folder, config, state)
    if not state.roots:
        raise RunError("nothing has been archived in this run yet", folder.path)
    set_threads(config.threads)
    device = config.device if config.device == "cpu" or torch.cuda.is_available() else "cpu"
    modules = Modules(folder.store().read, device=device)
    shared = SharedRoutes(modules)
    return Model(state, config, shared, folder.path)


@contextmanager
def fitting(place: Path) -> Iterator[None]:
    """While an archived route is run: parts that do not fit together are the run's fault, not the program's."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        raise CorruptionError(f"{place}: parts of a route do not fit together: {reason(error)}") from error


def fingerprint(route: Route, shared: SharedRoutes) -> str:
    """Digest of a closed route's logits on made-up examples."""
    probes = {route.input.size: route.input.probes(CHUNK)}
    return digest(shared.logits([route], probes)[0].numpy().tobytes())


class RouteModule(nn.Module):
    """A route as a plain module.

    Args:
        route: A closed route.
        shared: Where its components come from; they are copied.
    """

    def __init__(self, route: Route, shared: SharedRoutes) -> None:
        super().__init__()
        self._route = route
        self.parts = nn.ModuleDict(
            {
                str(i): shared.modules.frozen(node.component)
                for i, node in enumerate(route.nodes)
                if node.component is not None
            }
        )
        self.input = route.input.module()
        self.to(shared.device).eval()

    def forward(self, examples: Tensor) -> Tensor:
        """Images ``(B, 3, H, W)`` float in [0, 1], or vectors ``(B, D)``, to calibrated logits ``(B, K)``."""
        nodes, last = self._route.nodes, len(self._route.nodes) - 1

        def run(i: int, inputs: Sequence[Any]) -> Any:
            module = self.parts[str(i)] if nodes[i].component is not None else None
            return apply(nodes[i], module, inputs)

        outputs: dict[int, Any] = {INPUT: self.input(examples)}
        walk(self._route, (last,), outputs, run)
        return outputs[last]
