"""Continual-learning metrics of a stored accuracy matrix and of curves, each by the id of its definition.

The literature gives one name to different numbers, so each is asked for, and printed, by an id such as
``forgetting/chaudhry2018``. Tasks count from 1 here: ``R[i, j]`` is the accuracy on task ``j`` after task ``i``
of ``T``. What the data do not define (forgetting, of one task) is undefined, never 0.

    record = Record(matrix=R)
    figure("forgetting/chaudhry2018", record)         # Figure(id=..., value=0.15, undefined=None)
    [one for one in figures(record) if one.value is not None]
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from evo_mtl.registry import Registry

WINDOW = 1000
"""Examples that the windowed prequential accuracy looks back on."""
FADING = 0.001
"""What each example weighs when it comes, in the faded prequential accuracy."""


class Undefined(ValueError):
    """The data do not define a metric; the message says why."""


@dataclass(frozen=True)
class Curve:
    """Accuracy on every task, measured ``N`` times while the stream went by.

    Attributes:
        examples: ``(N,)`` examples seen by then, growing.
        task: ``(N,)`` the task that was being learnt then, from 0, never falling; tasks up to it are the seen ones.
        accuracy: ``(N, T)``, in [0, 1]; NaN where it was not measured.
    """

    examples: np.ndarray
    task: np.ndarray
    accuracy: np.ndarray

    def __post_init__(self) -> None:
        shape = np.shape(self.accuracy)
        if (
            len(shape) != 2
            or shape[0] == 0
            or not np.shape(self.examples) == np.shape(self.task) == shape[:1]
        ):
            raise ValueError(f"expected examples (N,), task (N,), accuracy (N, T), N >= 1; met {shape}")
        if np.any(np.diff(self.examples, prepend=0) <= 0) or np.any(np.diff(self.task) < 0):
            raise ValueError("expected examples that grow and tasks in their order")
        if np.min(self.task) < 0 or np.max(self.task) >= shape[1]:
            raise ValueError(f"expected tasks from 0 to {shape[1] - 1}")
        _check_shares("accuracy", self.accuracy)


@dataclass(frozen=True)
class Resources:
    """What learning and answering took; ``None`` where it was not measured.

    Attributes:
        stored_examples: Examples kept from the stream, at most at any time.
        added_parameters: Of all tasks together, beyond the trunk that they began with.
        active_parameters: That answer one example, mean over tasks.
        multiply_adds: Of one example, mean over tasks.
        processor_seconds: Of all threads, for the whole stream.
        examples: Of the whole stream.
        peak_memory: Bytes.
    """

    stored_examples: float | None = None
    added_parameters: float | None = None
    active_parameters: float | None = None
    multiply_adds: float | None = None
    processor_seconds: float | None = None
    examples: float | None = None
    peak_memory: float | None = None


@dataclass(frozen=True)
class Record:
    """What was measured of one stream; what was not is ``None``.

    Attributes:
        matrix: ``(T, T)``, ``R``: accuracy in [0, 1] on each task (column) after each task (row); NaN where it
            was not measured.
        untrained: ``(T,)``, ``b``: accuracy on each task of the network before it has learnt any.
        joint: ``(T,)``, ``a*``: on each task, of a reference that learnt it with all before it at once.
        num_test: ``(T,)`` test examples of each task.
        foreseen: Whether a task that is still to come can be answered at all. Where its classes are unknown
            until then, forward transfer is undefined, whatever the matrix says.
        curve: Accuracies measured between the ends of tasks.
        right: ``(N,)`` whether each example was answered rightly before it was learnt from, in their order.
        resources: What it took.
    """

    matrix: np.ndarray | None = None
    untrained: np.ndarray | None = None
    joint: np.ndarray | None = None
    num_test: np.ndarray | None = None
    foreseen: bool = True
    curve: Curve | None = None
    right: np.ndarray | None = None
    resources: Resources | None = None

    def __post_init__(self) -> None:
        if self.matrix is not None:
            shape = np.shape(self.matrix)
            if len(shape) != 2 or shape[0] != shape[1] or not shape[0]:
                raise ValueError(f"expected a matrix (T, T), T >= 1; met {shape}")
            _check_shares("matrix", self.matrix)
            for name in ("untrained", "joint", "num_test"):
                if getattr(self, name) is not None and np.shape(getattr(self, name)) != shape[:1]:
                    raise ValueError(f"{name}: expected {shape[:1]}, met {np.shape(getattr(self, name))}")
            if self.curve is not None and np.shape(self.curve.accuracy)[1] != shape[0]:
                raise ValueError(
                    f"a curve of {np.shape(self.curve.accuracy)[1]} tasks for a matrix of {shape[0]}"
                )
        if self.right is not None and (np.ndim(self.right) != 1 or len(self.right) == 0):
            raise ValueError(f"right: expected (N,), N >= 1; met {np.shape(self.right)}")


Compute = Callable[[Record], float]


@dataclass(frozen=True)
class Definition:
    """One way to turn a record into a number.

    Attributes:
        id: ``name/origin``.
        says: Its formula in words, the first line of its docstring.
        reference: Where it is from.
        needs: Fields of a record that it reads.
        compute: Raises :class:`Undefined` where the record does not define it.
    """

    id: str
    says: str
    reference: str
    needs: tuple[str, ...]
    compute: Compute


@dataclass(frozen=True)
class Figure:
    """A metric's value; where it has none, ``value`` is ``None`` and ``undefined`` says why."""

    id: str
    value: float | None
    undefined: str | None


DEFINITIONS: Registry[Definition] = Registry("continual-learning metric")


def figure(name: str, record: Record) -> Figure:
    """The metric of that id.

    Raises:
        InputError: No such id; the message suggests a near one.
    """
    definition = DEFINITIONS.get(name)
    for need in definition.needs:
        if getattr(record, need) is None:
            return Figure(name, None, f"{need.replace('_', ' ')}: not measured")
    try:
        return Figure(name, float(definition.compute(record)), None)
    except Undefined as reason:
        return Figure(name, None, str(reason))


def figures(record: Record) -> list[Figure]:
    """Every metric, in the order in which they are registered."""
    return [figure(name, record) for name in DEFINITIONS]


def _metric(name: str, reference: str, *needs: str) -> Callable[[Compute], Compute]:
    """Registers a function as the metric of that id."""

    def enter(compute: Compute) -> Compute:
        says = inspect.getdoc(compute)
        assert says, name
        DEFINITIONS.add(name, Definition(name, says.partition("\n")[0], reference, needs, compute))
        return compute

    return enter


LOPEZ_PAZ = "Lopez-Paz 2017, Gradient episodic memory, arXiv 1706.08840"
DIAZ = "Diaz-Rodriguez 2018, Don't forget, there is more than forgetting, arXiv 1810.13166"
CHAUDHRY = "Chaudhry 2018, Riemannian walk, arXiv 1801.10112"
DE_LANGE = "De Lange 2023, Continual evaluation: identifying the stability gap, arXiv 2205.13452"


@_metric("average_accuracy/lopez_paz2017", LOPEZ_PAZ, "matrix")
def average_accuracy(record: Record) -> float:
    """Mean over tasks of the accuracy after the last: ``mean_j R[T, j]``. Higher is better."""
    return float(_ends(record).mean())


@_metric(
    "average_accuracy/micro", "the share of all test examples that are answered rightly", "matrix", "num_test"
)
def average_accuracy_micro(record: Record) -> float:
    """The same with each task weighed by its test examples."""
    counts = np.asarray(record.num_test, np.float64)
    if counts.sum() <= 0:
        raise Undefined("there are no test examples")
    return float(_ends(record) @ counts / counts.sum())


@_metric("average_incremental_accuracy/rebuffi2017", "Rebuffi 2017, iCaRL, arXiv 1611.07725", "matrix")
def average_incremental_accuracy(record: Record) -> float:
    """Mean over the ends of tasks of the mean accuracy on those seen: ``mean_i mean_{j<=i} R[i, j]``."""
    count = _num_tasks(record)
    return float(np.mean([_taken(record, i, np.arange(i + 1)).mean() for i in range(count)]))


@_metric("accuracy/diaz_rodriguez2018", DIAZ, "matrix")
def accuracy_of_all_ends(record: Record) -> float:
    """Mean of ``R[i, j]`` over all ``j <= i``: each pair counts the same, so early tasks count often."""
    return float(_taken(record, *np.tril_indices(_num_tasks(record))).mean())


@_metric("learning_accuracy/riemer2019", "Riemer 2019, Meta-experience replay, arXiv 1810.11910", "matrix")
def learning_accuracy(record: Record) -> float:
    """Mean accuracy on each task right after it: ``mean_j R[j, j]``. Higher is better."""
    return float(_right_after(record).mean())


@_metric("backward_transfer/lopez_paz2017", LOPEZ_PAZ, "matrix")
def backward_transfer(record: Record) -> float:
    """What the end differs from right after each task but the last: ``mean_{j<T} (R[T, j] - R[j, j])``."""
    return -first_minus_last(record)


@_metric("backward_transfer/diaz_rodriguez2018", DIAZ, "matrix")
def backward_transfer_of_all_ends(record: Record) -> float:
    """Mean of ``R[i, j] - R[j, j]`` over all ``j < i``."""
    rows, columns = np.tril_indices(_several(record), -1)
    return float((_taken(record, rows, columns) - _right_after(record)[columns]).mean())


@_metric("remembering/diaz_rodriguez2018", DIAZ, "matrix")
def remembering(record: Record) -> float:
    """``1 - |min(BWT, 0)|`` of ``backward_transfer/diaz_rodriguez2018`` (REM). 1 is the best."""
    return 1 - abs(min(backward_transfer_of_all_ends(record), 0.0))


@_metric("positive_backward_transfer/diaz_rodriguez2018", DIAZ, "matrix")
def positive_backward_transfer(record: Record) -> float:
    """``max(BWT, 0)`` of ``backward_transfer/diaz_rodriguez2018`` (BWT+)."""
    return max(backward_transfer_of_all_ends(record), 0.0)


@_metric("forward_transfer/lopez_paz2017", LOPEZ_PAZ, "matrix", "untrained")
def forward_transfer(record: Record) -> float:
    """Accuracy on each task right before it, above the untrained network's: ``mean_{j>1} (R[j-1, j] - b[j])``."""
    before = forward_transfer_unreferenced(record)
    untrained = np.asarray(record.untrained, np.float64)[1:]
    if np.isnan(untrained).any():
        raise Undefined("accuracy of the untrained network: not measured on every task")
    return before - float(untrained.mean())


@_metric("forward_transfer/continuum", "Continuum's metrics.forward_transfer", "matrix")
def forward_transfer_unreferenced(record: Record) -> float:
    """The same without ``b``: ``mean_{j>1} R[j-1, j]``."""
    before = np.arange(_several(record) - 1)
    _check_foreseen(record)
    return float(_taken(record, before, before + 1).mean())


@_metric("forward_transfer/diaz_rodriguez2018", DIAZ, "matrix")
def forward_transfer_of_all_ends(record: Record) -> float:
    """Mean of ``R[i, j]`` over all ``j > i``."""
    above = np.triu_indices(_several(record), 1)
    _check_foreseen(record)
    return float(_taken(record, *above).mean())


@_metric("forgetting/chaudhry2018", CHAUDHRY, "matrix")
def forgetting(record: Record) -> float:
    """The best before the last task minus the end, but for the last: ``mean_{j<T} (max_{l<T} R[l, j] - R[T, j])``.

    Rows before a task was learnt count where they were measured. Below 0 where a task has gained. Lower is better.
    """
    count = _several(record)
    return float((_best(record, count - 1)[:-1] - _ends(record)[:-1]).mean())


@_metric("forgetting/avalanche", "Avalanche's Forgetting: first minus last", "matrix")
def first_minus_last(record: Record) -> float:
    """Right after each task minus the end, but for the last: ``mean_{j<T} (R[j, j] - R[T, j])``."""
    early = np.arange(_several(record) - 1)
    return float((_taken(record, early, early) - _taken(record, -1, early)).mean())


@_metric("forgetting/mammoth", "Mammoth, and PyCIL: the best of all rows, the last among them", "matrix")
def forgetting_from_best(record: Record) -> float:
    """The best ever minus the end, but for the last: ``mean_{j<T} (max_l R[l, j] - R[T, j])``; never below 0."""
    return float((_best(record, _several(record)) - _ends(record))[:-1].mean())


@_metric("forgetting/raptormai", "RaptorMai's online-continual-learning", "matrix")
def forgetting_of_all(record: Record) -> float:
    """The same over all ``T`` tasks, the last, which can hardly be forgotten, among them."""
    return float((_best(record, _several(record)) - _ends(record)).mean())


@_metric("intransigence/chaudhry2018", CHAUDHRY, "matrix", "joint")
def intransigence(record: Record) -> float:
    """What the last task lacks to the joint reference: ``a*[T] - R[T, T]``. Lower is better; below 0 it gained."""
    last = _num_tasks(record) - 1
    return float(_joint(record, last) - _taken(record, last, last))


@_metric(
    "intransigence/mean", "the mean over tasks of intransigence as Chaudhry 2018 has it", "matrix", "joint"
)
def mean_intransigence(record: Record) -> float:
    """The mean over tasks of ``a*[k] - R[k, k]``."""
    tasks = np.arange(_num_tasks(record))
    return float((_joint(record, tasks) - _taken(record, tasks, tasks)).mean())


@_metric(
    "average_anytime_accuracy/caccia2022",
    "Caccia 2022, New insights on reducing abrupt change, arXiv 2203.03798",
    "curve",
)
def average_anytime_accuracy(record: Record) -> float:
    """Mean over the measurements of the mean accuracy on the tasks seen by then."""
    return float(_accuracy_of_seen(record)[0].mean())


@_metric(
    "area_under_accuracy/koh2022",
    "Koh 2022, Online continual learning on class incremental blurry task configuration, arXiv 2110.10031",
    "curve",
)
def area_under_accuracy(record: Record) -> float:
    """The same by examples: each measurement counts the examples since the one before it (A_AUC)."""
    accuracy, examples = _accuracy_of_seen(record)
    return float(accuracy @ np.diff(examples, prepend=0) / examples[-1])


@_metric("min_accuracy/delange2023", DE_LANGE, "curve")
def min_accuracy(record: Record) -> float:
    """Mean over all tasks but the last of the lowest accuracy measured after their end (min-ACC)."""
    return float(_lowest(record).mean())


@_metric("worst_case_accuracy/delange2023", DE_LANGE, "matrix", "curve")
def worst_case_accuracy(record: Record) -> float:
    """``R[T, T] / T + (1 - 1 / T) min-ACC`` (WC-ACC). Higher is better."""
    count = _several(record)
    return float(_taken(record, -1, -1) / count + (1 - 1 / count) * min_accuracy(record))


@_metric("stability_gap/delange2023", DE_LANGE, "matrix", "curve")
def stability_gap(record: Record) -> float:
    """Mean over all tasks but the last of how far accuracy ever fell below that at their end. Lower is better."""
    early = np.arange(_several(record) - 1)
    return float((_taken(record, early, early) - _lowest(record)).mean())


@_metric("prequential/gama2013", "Gama 2013, On evaluating stream learning algorithms", "right")
def prequential(record: Record) -> float:
    """Share of examples answered rightly before they were learnt from; neighbours that are alike inflate it."""
    assert record.right is not None
    return float(np.mean(record.right))


@_metric("prequential_window/gama2013", "Gama 2013, On evaluating stream learning algorithms", "right")
def prequential_window(record: Record) -> float:
    """The same of the last 1000 examples."""
    assert record.right is not None
    if len(record.right) < WINDOW:
        raise Undefined(f"fewer than {WINDOW} examples")
    return float(np.mean(record.right[-WINDOW:]))


@_metric("prequential_faded/gama2013", "Gama 2013, On evaluating stream learning algorithms", "right")
def prequential_faded(record: Record) -> float:
    """The same with older examples fading: at each, 0.999 of what it was and 0.001 of whether it was right."""
    assert record.right is not None
    return float(faded(record.right, FADING)[-1])


def windowed(right: np.ndarray, window: int) -> np.ndarray:
    """Prequential accuracy of the last ``window`` examples at each, of fewer at the beginning: ``(N,)``."""
    sums = np.concatenate([[0.0], np.cumsum(right, dtype=np.float64)])
    ends = np.arange(1, len(right) + 1)
    starts = np.maximum(ends - window, 0)
    found: np.ndarray = (sums[ends] - sums[starts]) / (ends - starts)
    return found


def faded(right: np.ndarray, fading: float) -> np.ndarray:
    """Prequential accuracy ``p = (1 - fading) p + fading [right]`` at each example, from the first's own: ``(N,)``."""
    found = np.empty(len(right))
    now = float(right[0])
    for i, one in enumerate(np.asarray(right, np.float64)):
        now += fading * (one - now)
        found[i] = now
    return found


def _resource(name: str, says: str) -> None:
    def compute(record: Record) -> float:
        value = getattr(record.resources, name)
        if value is None:
            raise Undefined(f"{name.replace('_', ' ')}: not measured")
        return float(value)

    compute.__doc__ = says
    _metric(f"resources/{name}", "counted", "resources")(compute)


for _name, _says in MappingProxyType(
    {
        "stored_examples": "Examples kept from the stream, at most at any time.",
        "added_parameters": "Parameters of all tasks together beyond the trunk that they began with.",
        "active_parameters": "Parameters that answer one example, mean over tasks.",
        "multiply_adds": "Multiply-adds of one example, mean over tasks.",
        "processor_seconds": "Processor seconds of all threads for the whole stream.",
        "peak_memory": "Bytes of memory at most at any time.",
    }
).items():
    _resource(_name, _says)


@_metric("resources/added_parameters_per_task", "counted", "matrix", "resources")
def added_parameters_per_task(record: Record) -> float:
    """Added parameters, mean over tasks."""
    assert record.resources is not None
    if record.resources.added_parameters is None:
        raise Undefined("added parameters: not measured")
    return record.resources.added_parameters / _num_tasks(record)


@_metric("resources/seconds_per_example", "counted", "resources")
def seconds_per_example(record: Record) -> float:
    """Processor seconds by the examples of the stream."""
    its = record.resources
    assert its is not None
    if its.processor_seconds is None or not its.examples:
        raise Undefined("processor seconds or examples: not measured")
    return its.processor_seconds / its.examples


def _num_tasks(record: Record) -> int:
    assert record.matrix is not None
    return len(record.matrix)


def _several(record: Record) -> int:
    """How many tasks. Raises ``Undefined`` for one, which has none before or after it."""
    count = _num_tasks(record)
    if count == 1:
        raise Undefined("there is one task only")
    return count


def _taken(record: Record, rows: np.ndarray | int, columns: np.ndarray | int) -> np.ndarray:
    """``R`` there, counted from 0. Raises ``Undefined`` where it was not measured."""
    assert record.matrix is not None
    matrix = np.asarray(record.matrix, np.float64)
    found: np.ndarray = matrix[rows, columns]
    if np.isnan(found).any():
        row, column = (part[np.isnan(found)][0] for part in np.broadcast_arrays(rows, columns))
        raise Undefined(f"accuracy on task {column + 1} after task {row % len(matrix) + 1}: not measured")
    return found


def _ends(record: Record) -> np.ndarray:
    """``R[T, j]`` of all tasks."""
    return _taken(record, -1, np.arange(_num_tasks(record)))


def _right_after(record: Record) -> np.ndarray:
    """``R[j, j]`` of all tasks."""
    tasks = np.arange(_num_tasks(record))
    return _taken(record, tasks, tasks)


def _best(record: Record, rows: int) -> np.ndarray:
    """The best of the first rows; from a task's own on, all must be measured. No number where a task has none."""
    _taken(record, *np.tril_indices(_num_tasks(record)))
    assert record.matrix is not None
    return np.fmax.reduce(np.asarray(record.matrix, np.float64)[:rows])


def _check_foreseen(record: Record) -> None:
    if not record.foreseen:
        raise Undefined("classes of tasks still to come are unknown")


def _joint(record: Record, tasks: np.ndarray | int) -> np.ndarray:
    found: np.ndarray = np.asarray(record.joint, np.float64)[tasks]
    if np.isnan(found).any():
        raise Undefined("accuracy of the joint reference: not measured on every task")
    return found


def _accuracy_of_seen(record: Record) -> tuple[np.ndarray, np.ndarray]:
    """Mean accuracy on the tasks seen at each measurement, and the examples seen by then, ``(N,)`` each."""
    curve = record.curve
    assert curve is not None
    accuracy = np.asarray(curve.accuracy, np.float64)
    seen = np.arange(accuracy.shape[1]) <= np.asarray(curve.task)[:, None]
    if np.isnan(accuracy[seen]).any():
        raise Undefined("the curve lacks the accuracy on a task that was seen")
    return np.where(seen, accuracy, 0.0).sum(1) / seen.sum(1), np.asarray(curve.examples, np.float64)


def _lowest(record: Record) -> np.ndarray:
    """Of all tasks but the last, the lowest accuracy while later ones were learnt, ``(T - 1,)``."""
    curve = record.curve
    assert curve is not None
    accuracy, now = np.asarray(curve.accuracy, np.float64), np.asarray(curve.task)
    if accuracy.shape[1] == 1:
        raise Undefined("there is one task only")
    lowest = []
    for task in range(accuracy.shape[1] - 1):
        later = accuracy[now > task, task]
        if not len(later) or np.isnan(later).any():
            raise Undefined(f"the curve lacks the accuracy on task {task + 1} after its end")
        lowest.append(later.min())
    return np.array(lowest)


def _check_shares(name: str, values: np.ndarray) -> None:
    values = np.asarray(values, np.float64)
    if ((values < 0) | (values > 1)).any() or np.isinf(values).any():
        raise ValueError(f"{name}: expected accuracies from 0 to 1")
