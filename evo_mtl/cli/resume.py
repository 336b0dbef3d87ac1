"""``evo-mtl resume``: go on with a run as it was configured."""

from __future__ import annotations

from evo_mtl.cli import options
from evo_mtl.cli.environment import set_threads_of
from evo_mtl.cli.interruption import resumable
from evo_mtl.cli.text import say


def resume(
    run: options.RunArgument,
    workers: options.Workers = 1,
    engine: options.Engine = "local",
    minutes: options.Minutes = None,
    per_task: options.PerTask = None,
    cache: options.Cache = None,
    research: options.Research = False,
    optuna_storage: options.OptunaStorage = None,
    passes: options.Passes = 1,
    quiet: options.Quiet = False,
    trust_python: options.TrustPython = False,
    json: options.Json = False,
) -> None:
    """Go on with a run as it was configured; tasks added to its stream file are searched, too.

    Example: evo-mtl resume runs/a --workers 2
    """
    set_threads_of(run)
    import sys

    from evo_mtl.engines.choice import engines
    from evo_mtl.run.folder import reopen
    from evo_mtl.streams.task import refuse_untrusted

    engines.get(engine, "--engine")
    folder, config, state = reopen(run, passes)
    refuse_untrusted(config.stream.tasks, trust_python)
    if optuna_storage is not None:
        from evo_mtl.telling.optuna_storage import check_storage

        check_storage(optuna_storage)
    finished = all(state.passes.get(task.name, 0) >= config.passes for task in config.stream.tasks)
    with resumable(folder.path):
        from evo_mtl.cli.carry_out import carry_out
        from evo_mtl.run.options import Options

        asked = Options(
            workers=workers,
            engine=engine,
            cache=cache,
            minutes=minutes,
            minutes_per_task=per_task,
            research=research,
            optuna_storage=optuna_storage,
            trust_python=trust_python,
        )
        carry_out(folder, config, asked, quiet, json)
    if finished and not research and not quiet:
        say(f"{folder.path}: the run is finished; there was nothing to do", file=sys.stderr)
