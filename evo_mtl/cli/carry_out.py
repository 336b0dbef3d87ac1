"""A search, with its progress shown and its summary printed: what ``search`` and ``resume`` share."""

from __future__ import annotations

from evo_mtl.cli.pace import plan_of
from evo_mtl.cli.progress import shown
from evo_mtl.cli.show import summary_text
from evo_mtl.cli.text import say, show_json
from evo_mtl.run.config import RunConfig
from evo_mtl.run.folder import RunFolder
from evo_mtl.run.options import Options
from evo_mtl.searching.runner import run_search
from evo_mtl.telling.summary import summarize


def carry_out(folder: RunFolder, config: RunConfig, options: Options, quiet: bool, json: bool) -> None:
    """Searches what is left to search and prints what the run then holds."""
    with shown(plan_of(config.space), quiet, options.minutes, options.minutes_per_task) as progress:
        run_search(folder, config, options, progress)
    found = summarize(folder.path)
    show_json(found) if json else say(summary_text(found))
