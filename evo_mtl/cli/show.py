"""``evo-mtl show``: what a run holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from evo_mtl.cli import options
from evo_mtl.cli.text import corrected, ended_early, places, say, short, show_json, table


def show(
    run: options.RunArgument,
    task: Annotated[
        str | None, typer.Option(metavar="NAME", help="One task: its route, settings and lineage.")
    ] = None,
    json: options.Json = False,
) -> None:
    """Show a run's tasks, routes, lineage and costs, from its files alone.

    Example: evo-mtl show runs/a --task digits
    """
    from evo_mtl.run.asked import check_archived
    from evo_mtl.run.folder import open_run

    folder, config, state = open_run(run)
    if task is not None:
        check_archived(task, state, config, folder.path)  # what is wrong is said before torch is loaded
    from evo_mtl.telling.summary import summarize, task_details

    if task is None:
        found = summarize(run)
        show_json(found) if json else say(summary_text(found))
    else:
        found = task_details(run, task)
        show_json(found) if json else say(details_text(found))


def summary_text(found: dict[str, Any]) -> str:
    """A run for people: a row for each task."""
    head = [
        "task",
        "classes",
        "examples",
        "validation",
        "corrected",
        "stages",
        "boundary",
        "open",
        "head",
        "size",
    ]
    head += ["added", "of trunk", "shared with", "tried", "winner", "parent"]
    rows = [
        [
            row["name"],
            str(row["classes"]),
            str(row["num_train"] + row["num_validation"]),
            f"{row['validation_quality']:.4f}",
            corrected(row),
            f"{row['depth']}/{row['trunk_depth']}",
            str(row["boundary"]),
            places(row["open_stages"]),
            row["head"] if row["paths"] == 1 else f"{row['head']} of {row['paths']}",
            str(row["image_size"] or "-"),
            short(row["added_parameters"]),
            f"{row['added_share']:.1%}",
            ", ".join(row["shared_with"]) or "-",
            str(row["candidates_tried"]),
            row["candidate"],
            row["parent"] or row["origin"],
        ]
        for row in found["tasks"]
    ]
    lines = []
    if found["trunks"]:
        told = [
            f"{trunk['name']} ({trunk['stages']} stages, {short(trunk['parameters'])} parameters)"
            for trunk in found["trunks"]
        ]
        lines.append(
            f"{found['run']}: {len(rows)} tasks on {' and '.join(told)}, "
            f"{short(found['total_parameters'])} in all"
        )
    else:
        lines.append(f"{found['run']}: nothing has been archived yet")
    if rows:
        lines.append(table(head, rows, left=(0, 7, 8, 12, 15)))
    if found["waiting"]:
        lines.append(f"still to be searched: {', '.join(found['waiting'])}")
    if found["clock_bound"]:
        lines.append("a limit by the clock ended the search of a task: another machine may give another run")
    return "\n".join(lines)


def details_text(found: dict[str, Any]) -> str:
    """One task for people: its route, settings and lineage."""
    kept = ", ".join(f"{name} {value}" for name, value in found["hyperparameters"].items())
    lineage = [
        [
            step["task"],
            step["candidate"],
            step["origin"] + (f", with {step['mate']} above" if step["mate"] else ""),
            f"{step['validation_quality']:.4f}",
            "-" if step["score"] is None else f"{step['score']:.4f}",
        ]
        for step in found["lineage"]
    ]
    return "\n".join(
        [
            f"{found['name']}: validation {found['validation_quality']:.4f}, {found['classes']} classes, "
            f"{short(found['active_parameters'])} parameters used, {short(found['added_parameters'])} added "
            f"({found['added_share']:.1%} of the trunk), {short(found['multiply_adds'])} multiply-adds an image",
            *_luck(found["corrected"], found["pooled"]),
            *_search(found),
            "",
            table(
                ["node", "step", "reads", "component", "whose", "parameters"],
                [_node(node) for node in _of_one_view(found["nodes"])],
                left=(1, 2, 3, 4),
            ),
            *_views(found["answer_views"]),
            "",
            f"settings: {kept}",
            "",
            "lineage, the winner first:",
            table(["task", "candidate", "origin", "validation", "score"], lineage, left=(0, 1, 2)),
            *_front(found["front"]),
            *_looks(found["hindsight"]),
        ]
    )


def _of_one_view(nodes: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Up to the first head: what the other views run is the same again."""
    heads = [i for i, node in enumerate(nodes) if node["operation"] == "head"]
    return list(nodes[: heads[0] + 1])


def _views(views: Sequence[str]) -> list[str]:
    if len(views) == 1:
        return []
    return [f"run for {len(views)} views of an image, whose answers are averaged: {', '.join(views)}"]


def _search(found: dict[str, Any]) -> list[str]:
    """How many candidates were tried, and why no more."""
    text = f"{found['candidates_tried']} candidates tried"
    for what, count in (("given up early", "candidates_rejected"), ("failed", "candidates_failed")):
        if found[count]:
            text += f", {found[count]} {what}"
    return [text, *([ended_early(**found["early_end"])] if found["early_end"] else [])]


def _luck(found: dict[str, Any] | None, pooled: dict[str, Any] | None) -> list[str]:
    """What the validation quality is worth after the choice among candidates."""
    lines = []
    if pooled is not None:
        lines.append(
            f"validation is pooled over {pooled['images']} images, of which {pooled['folds']} parts were left out of "
            f"the training images in turn; on the validation images alone: {pooled['validation']:.4f}"
        )
    if found is None:
        return lines
    return [
        *lines,
        f"corrected for the luck of the best of {found['candidates']}: {found['quality']:.4f} "
        f"({found['low']:.4f} to {found['high']:.4f})",
    ]


def _front(members: list[dict[str, Any]]) -> list[str]:
    """The Pareto front, and which of it may be chosen."""
    if not members:
        return []
    rows = [
        [
            one["candidate"],
            f"{one['validation_quality']:.4f}",
            f"{one['score']:.4f}",
            short(one["added_parameters"]),
            short(one["active_parameters"]),
            short(one["multiply_adds"]),
            "the route" if one["is_route"] else "kept" if one["kept"] else "",
        ]
        for one in members
    ]
    head = ["candidate", "validation", "score", "added", "active", "multiply-adds", ""]
    what = "the front of quality, added parameters and multiply-adds, and the best by score:"
    lines = ["", what, table(head, rows, left=(0, 6))]
    if not all(one["kept"] for one in members):
        lines.append("only the route was kept; with objective: {keep_front: true} another could be chosen")
    return lines


def _looks(found: dict[str, Any] | None) -> list[str]:
    """What cheap looks said, and whether they were right."""
    if found is None:
        return []
    rows = [
        [
            look["parent"] or "trunk",
            str(look["image_size"]),
            " ".join(
                f"{stage}:{quality:.3f}" for stage, quality in zip(look["stages"], look["alone"], strict=True)
            ),
            f"{look['together']:.3f}",
        ]
        for look in found["looks"]
    ]
    right = found["rank_correlation"]
    said = "too few candidates to say" if right is None else f"{right:.2f}"
    return [
        "",
        "cheap looks, before anything was trained (ridge heads, validation):",
        table(["stages of", "size", "a stage alone", "together"], rows, left=(0, 2)),
        f"rank correlation with what training then gave: {said} ({found['compared']} compared)",
    ]


def _node(node: dict[str, Any]) -> list[str]:
    what = node["slot"] or node["operation"]
    if node["stage_name"]:
        what += f" ({node['stage_name']})"
    if node["operation"] == "pool":
        what = f"pool {node['grid']}x{node['grid']}"
    whose = "own"
    if node["component"] is None:
        whose = ""
    elif node["of_trunk"]:
        whose = "trunk"
    if node["shared_with"]:
        whose += f", with {', '.join(node['shared_with'])}"
    reads = ", ".join("image" if i < 0 else str(i) for i in node["inputs"])
    name = (node["component"] or "-")[:12]
    return [
        str(node["node"]),
        what,
        reads,
        name,
        whose,
        short(node["parameters"]) if node["component"] else "",
    ]
