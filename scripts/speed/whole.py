"""Whole searches of head-only candidates, naive and ours, in full: nothing is extrapolated."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from evo_mtl.cli.text import table
from evo_mtl.engines.local import SerialEngine
from evo_mtl.engines.plan import BenchPlan, Site
from evo_mtl.engines.workbench import make_bench
from evo_mtl.evolution.candidate import Candidate
from evo_mtl.searching.trials import Trials
from speed.epochs import epochs, trial
from speed.measure import Reading, middle
from speed.world import NUM_CLASSES, Place, as_candidates

EPOCHS = 8
CANDIDATES = (20, 80)
GENERATION = 10


def measured(place: Place, plan: BenchPlan, size: int, quick: bool, rounds: int) -> dict[str, Any]:
    """Prints both sides of both searches beside the formula."""
    depth, (number, counts) = place.facts.num_stages, (2, (2, 3)) if quick else (EPOCHS, CANDIDATES)
    usual: dict[str, Any] = {"taps": "last", "image_size": size, "epochs": number}
    genomes = [
        place.genome(depth, depth, **usual, learning_rate=0.0005 * (1 + i), label_smoothing=0.05 * (i % 3))
        for i in range(counts[-1])
    ]
    candidates = as_candidates(plan.task, genomes)
    naive = _naive(candidates, plan, place.site, counts)
    ours = {count: _ours(candidates[:count], plan, place.site, count) for count in counts}
    one, _ = epochs(genomes[0], make_bench(plan, place.site), 2 if quick else 12, rounds)
    share = middle(one["ours"], "cpu") / middle(one["naive"], "cpu")
    rows, found = [], {}
    for count in counts:
        done = count * number
        wall, cpu = naive[count].wall / ours[count].wall, naive[count].cpu / ours[count].cpu
        formula = done / (1 + done * share)
        cells = [f"{naive[count].cpu:.1f}", f"{ours[count].cpu:.2f}", f"{wall:.1f}", f"{cpu:.1f}"]
        rows.append([str(done), *cells, f"{formula:.1f}"])
        found[str(done)] = {"naive": naive[count], "ours": ours[count], "formula": formula, "epsilon": share}
    print("Whole searches of head-only candidates from nothing, decoding and the first pass included")
    names = ["epochs of candidates", "naive CPU s", "ours CPU s", "ratio (wall)", "ratio (CPU)", "formula"]
    print(table(names, rows))
    print(f"formula: n / (1 + n e), n epochs of candidates, e = {share:.4f} our epoch over the naive one")
    return found


def _naive(
    candidates: list[Candidate], plan: BenchPlan, site: Site, counts: tuple[int, ...]
) -> dict[int, Reading]:
    """Each candidate alone, one after another; the clock is read when so many are done."""
    bench = replace(make_bench(plan, _fresh(site, "naive")), keeping=False)
    wall, cpu = time.perf_counter(), time.process_time()
    found = {}
    for done, candidate in enumerate(candidates, 1):
        trial(candidate.genome, bench, candidate.genome["epochs"], plan.validations)
        if done in counts:
            found[done] = Reading(time.perf_counter() - wall, time.process_time() - cpu)
    return found


def _ours(candidates: list[Candidate], plan: BenchPlan, site: Site, count: int) -> Reading:
    """The same as a search does it: generations of jobs, passes first."""
    site = _fresh(site, f"ours{count}")
    timings = Path(f"{site.cache}.timings.jsonl")
    trials = Trials(SerialEngine(site), plan, timings, NUM_CLASSES, lambda one: 0.0)
    wall, cpu = time.perf_counter(), time.process_time()
    for start in range(0, len(candidates), GENERATION):
        trials.generation(candidates[start : start + GENERATION], lambda one, seconds: None)
    return Reading(time.perf_counter() - wall, time.process_time() - cpu)


def _fresh(site: Site, name: str) -> Site:
    """The same data with nothing decoded or kept yet."""
    return replace(site, cache=Path(f"{site.cache}-{name}"))
