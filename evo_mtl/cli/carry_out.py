"""A search, with its progress shown and its summary printed: what ``search`` and ``resume`` share."""

from __future__ import annotations

from pathlib import Path

from evo_mtl.cli.pace import plan_of
from evo_mtl.cli.progress import shown
from evo_mtl.cli.show import summary_text
from evo_mtl.cli.text import say, show_json
from evo_mtl.run.config import RunConfig
from evo_mtl.run.folder import RunFolder
from evo_mtl.searching.runner import Options, run_search
from evo_mtl.telling.summary import summarize


def carry_out(
    folder: RunFolder,
    config: RunConfig,
    workers: int,
    engine: str,
    cache: Path | None,
    minutes: float | None,
    research: bool,
    optuna_storage: str | None,
    quiet: bool,
    trust_python: bool,
    json: bool,
) -> None:
    """Searches what is left to search and prints what the run then holds."""
    how = Options(
        workers=workers,
        engine=engine,
        cache=cache and cache.expanduser(),
        minutes=minutes,
        research=research,
        optuna_storage=optuna_storage,
        trust_python=trust_python,
    )
    with shown(plan_of(config.space), quiet, minutes) as progress:
        run_search(folder, config, how, progress)
    found = summarize(folder.path)
    show_json(found) if json else say(summary_text(found))
