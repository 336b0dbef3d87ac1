"""The search, new or resumed by the same code: what is in the journal is replayed, what is not is done."""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import product

from evo_mtl.engines.choice import engines, make_engine
from evo_mtl.errors import InputError
from evo_mtl.files import lock, make_folder, remove_temporaries
from evo_mtl.run import progress as tell
from evo_mtl.run.config import RunConfig
from evo_mtl.run.folder import RunFolder
from evo_mtl.run.options import Options
from evo_mtl.run.snapshot import MOST_UNCOVERED
from evo_mtl.run.state import ArchiveState
from evo_mtl.searching.beginning import Planned, begin, checked
from evo_mtl.searching.checks import check_places
from evo_mtl.searching.ground import Ground
from evo_mtl.searching.online import check_stream, learn_stream
from evo_mtl.searching.turns import Place, take_turn, tell_done
from evo_mtl.searching.usage import in_use
from evo_mtl.telling.mirror import mirrored
from evo_mtl.telling.optuna_storage import check_storage
from evo_mtl.training.arrays import mark_cache_folder


def run_search(
    folder: RunFolder, config: RunConfig, options: Options, progress: tell.Progress = tell.silent
) -> ArchiveState:
    """Searches every task of the stream as often as the configuration says, as far as that has not been done.

    All tasks once, then all again: a later pass starts from each task's own route and all the others'.

    Args:
        folder: New, empty, or a run of this very configuration (its stream may have grown).
        config: What is searched; if the run has recorded more passes, those count.
        options: How.
        progress: Hears what happens.

    Returns:
        The archive when all is done.

    Raises:
        RunError: The folder is no run, or another configuration's, or in use.
        InputError: Data, trunk or cache cannot be used, or the address of the Optuna storage makes no sense.
    """
    if options.workers < 1:
        raise InputError(f"expected at least one worker, met {options.workers}", "--workers")
    engines.get(options.engine, "--engine")
    if options.optuna_storage is not None:
        check_storage(options.optuna_storage)
    check_places(folder, options.cache)
    online, tasks = config.stream.regime == "online", []
    if online:
        check_stream(folder, config, options)
    else:
        tasks = checked(folder, config, options.research, options.trust_python)
    if options.cache is not None:
        mark_cache_folder(options.cache)
    make_folder(folder.path)
    if folder.exists():
        passes = max(config.passes, folder.read_config().passes)
        config = config.model_copy(update={"passes": passes})
    with (
        lock(folder.lock),
        begin(folder, config, tasks) as archive,
        mirrored(options.optuna_storage, folder.path, folder.read_config().spaces, progress) as progress,
    ):
        whole = folder.read_config()  # with the spaces that the run had before
        ground = Ground(
            folder, whole, archive, progress, options.cache, options.cache_bytes, options.trust_python
        )
        ground.store.sweep(in_use(ground.state))  # what crashes left, here and beside the journal
        remove_temporaries(ground.folder.path)
        deadline = None if options.minutes is None else time.monotonic() + 60 * options.minutes
        if online:
            learn_stream(ground, options, deadline)
        else:
            _Search(ground, options, tasks, deadline).all_tasks()
        ground.archive.snapshot()
        return ground.state


class _Search:
    """One process's work on one run, the lock held."""

    def __init__(
        self, ground: Ground, options: Options, tasks: list[Planned], deadline: float | None
    ) -> None:
        self.ground, self.options, self.tasks, self.deadline = ground, options, tasks, deadline

    def all_tasks(self) -> None:
        ground, passes = self.ground, self.ground.config.passes
        turns = passes * len(self.tasks)
        engine = make_engine(self.options.engine, self.options.workers, ground.site)
        try:
            for number, (pass_, which) in enumerate(product(range(1, passes + 1), range(len(self.tasks)))):
                planned = self.tasks[which]
                place = Place(number, turns, pass_, self._end_of_turn(turns - number))
                if not self._is_done(planned, pass_):
                    self.tasks[which] = replace(planned, opened=None)  # its data can be freed after its turn
                    take_turn(ground, place, planned.config, planned.open(self.options.trust_python), engine)
                    ground.archive.snapshot(MOST_UNCOVERED)
                else:
                    tell_done(ground, place, planned.config.name, 0.0, skipped=True)
        finally:
            engine.close()

    def _is_done(self, planned: Planned, pass_: int) -> bool:
        """Whether the task has had this pass on the data it has now."""
        state, name = self.ground.state, planned.config.name
        same = name in state.answered and state.answered[name].brief.digest == planned.digest
        return same and state.passes.get(name, 0) >= pass_

    def _end_of_turn(self, turns_left: int) -> float | None:
        """Until when a turn that begins now may take: its share of what is left, and no more than a task may."""
        now, limits = time.monotonic(), []
        if self.deadline is not None:
            limits.append(now + (self.deadline - now) / turns_left)
        if self.options.minutes_per_task is not None:
            limits.append(now + 60 * self.options.minutes_per_task)
        return min(limits, default=None)
