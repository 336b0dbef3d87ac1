"""What a search shows while it runs: a live line on a terminal, plain lines elsewhere, all on standard error."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from evo_mtl.cli.pace import Pace, Plan
from evo_mtl.cli.text import duration, ended_early, say, short
from evo_mtl.documents import visible
from evo_mtl.run.progress import (
    CandidateDone,
    EndedEarly,
    Event,
    GenerationDone,
    GenerationStarted,
    Looked,
    MirrorFailed,
    Progress,
    RoundDone,
    TaskDone,
    TaskStarted,
)


@contextmanager
def shown(
    plan: Plan, quiet: bool, minutes: float | None = None, minutes_per_task: float | None = None
) -> Iterator[Progress]:
    """A search's progress, shown while the context lasts.

    Args:
        plan: What a task's search is going to try.
        quiet: Show nothing but what went wrong.
        minutes: Clock limit of the search, if any.
        minutes_per_task: Of each of its tasks.
    """
    pace = Pace(plan, minutes, minutes_per_task)
    if quiet:
        yield _complain
    elif sys.stderr.isatty():
        console = Console(stderr=True, highlight=False)
        line = StatusLine(pace, plan)
        with Live(get_renderable=line.render, console=console, refresh_per_second=4, transient=True):
            yield lambda event: line.hear(event, lambda text: console.print(visible(text), markup=False))
    else:
        log = Log(pace)
        yield lambda event: log.hear(event, _write)


def _write(text: str) -> None:
    say(visible(text), file=sys.stderr)


def _complain(event: Event) -> None:
    if isinstance(event, MirrorFailed):
        _write(complaint(event))


class Log:
    """A line for each task and each generation.

    Args:
        pace: Knows the time left.
    """

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._generations = 0

    def hear(self, event: Event, say: Callable[[str], None]) -> None:
        """Says what happened, if it is worth a line."""
        self._pace.hear(event)
        match event:
            case TaskStarted():
                self._generations = event.num_generations
                say(started(event))
            case Looked():
                say(f"  {looked(event)}")
            case GenerationDone():
                say(f"  {self._generation(event)}")
            case RoundDone():
                say(f"  {raced(event)}")
            case EndedEarly():
                say(f"  {ended_early(event.generation, event.expected_gain)}")
            case TaskDone():
                say(finished(event))
            case MirrorFailed():
                say(complaint(event))

    def _generation(self, event: GenerationDone) -> str:
        text = (
            f"generation {event.number}/{self._generations}: "
            f"best {event.best_quality:.4f} (score {event.best_score:.4f}), {event.num_admitted} admitted"
        )
        if event.num_rejected:
            text += f", {event.num_rejected} given up early"
        if event.num_failed:
            text += f", {event.num_failed} failed"
        if event.replayed:
            return f"{text}, from the journal"
        left = self._pace.left()
        return f"{text}, {event.seconds:.1f} s" + ("" if left is None else f", about {duration(left)} left")


class StatusLine:
    """One line that is kept up to date, and above it a line for each finished task.

    Args:
        pace: Knows the time left.
        plan: What a task's search is going to try.
    """

    def __init__(self, pace: Pace, plan: Plan) -> None:
        self._pace, self._plan = pace, plan
        self._task = "opening the tasks"
        self._generation = ""
        self._best = ""
        self._spinner = Spinner("dots")

    def hear(self, event: Event, say: Callable[[str], None]) -> None:
        """Takes in what happened; says what stays on the screen."""
        self._pace.hear(event)
        match event:
            case TaskStarted():
                self._task = _place(event)
                self._generation, self._best = "", ""
            case Looked():
                self._best = f"best look {event.quality:.4f}"
            case GenerationStarted():
                self._generation = f"generation {event.number}/{self._plan.generations}"
            case GenerationDone():
                self._best = f"best {event.best_quality:.4f}"
            case RoundDone():
                self._best = raced(event)
            case TaskDone():
                self._generation, self._best = "", ""
                say(finished(event))
            case MirrorFailed():
                say(complaint(event))
            case CandidateDone() | EndedEarly():
                pass

    @property
    def text(self) -> str:
        """The line as it is now."""
        left = self._pace.left()
        tried = f"{self._pace.tried}/{self._plan.candidates} candidates" if self._generation else ""
        times = f"{duration(self._pace.elapsed)} gone"
        to_go = "" if left is None else f"about {duration(left)} left"
        return " · ".join(
            part for part in (self._task, self._generation, tried, self._best, times, to_go) if part
        )

    def render(self) -> Spinner:
        """For rich, several times a second."""
        self._spinner.update(text=Text(visible(self.text), no_wrap=True, overflow="ellipsis"))
        return self._spinner


def _place(event: TaskStarted | TaskDone) -> str:
    visit = "" if event.pass_ == 1 else f" (pass {event.pass_})"
    return f"task {event.place + 1}/{event.num_tasks} {event.name}{visit}"


def started(event: TaskStarted) -> str:
    """A task's turn begins, in words."""
    text = f"{_place(event)}: {event.num_classes} classes"
    if event.num_validation:
        return f"{text}, {event.num_train} training and {event.num_validation} validation examples"
    return f"{text}, {event.num_train} examples, each once" if event.num_train else f"{text}, a stream"


def looked(event: Looked) -> str:
    """What cheap looks said, in words."""
    text = f"{event.count} looks: ridge heads reach {event.quality:.4f}"
    if event.image_size:
        text += f", best at {event.image_size} px"
    if event.parent:
        text += f", more on the stages of {event.parent.task}"
    return f"{text}, from the journal" if event.replayed else f"{text}, {event.seconds:.1f} s"


def raced(event: RoundDone) -> str:
    """A round of a race, in words."""
    text = (
        f"{event.task}: {event.examples} examples, {event.prequential:.4f} of them answered rightly; "
        f"{event.leader} leads with {event.quality:.4f}"
    )
    if event.num_left or event.num_born:
        text += f", {event.num_left} left, {event.num_born} joined"
    return f"{text}, {event.seconds:.1f} s"


def finished(event: TaskDone) -> str:
    """A task has its route, in words."""
    share = event.added_parameters / event.root_parameters if event.root_parameters else 0.0
    done = "kept its route" if event.kept else "archived"
    how = (
        (f"{done} before" if event.kept else "was archived before")
        if event.skipped
        else f"{done} after {duration(event.seconds)}"
    )
    return (
        f"{_place(event)}: {how}, validation {event.quality:.4f}, "
        f"{short(event.added_parameters)} parameters added ({share:.1%} of the trunk)"
    )


def complaint(event: MirrorFailed) -> str:
    """What went wrong outside the search, in words."""
    return (
        f"evo-mtl: --optuna-storage cannot be written ({event.reason}); the search goes on, "
        "and what is missing there is added later, at the latest by evo-mtl resume"
    )
