"""``folder:PATH``: images in class folders, on disk or in a .zip that is read in place.

train/<class>/*  test/<class>/*  [validation/<class>/*]      or      <class>/*
"""

from __future__ import annotations

import re
import unicodedata
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from evo_mtl.documents import is_text
from evo_mtl.errors import DataError, reason
from evo_mtl.registry import suggestion
from evo_mtl.streams.images import SUFFIXES, is_image_file
from evo_mtl.streams.raw import FileItems, Items, RawSplit, RawTask, Request, Source, ZipItems

JUNK = {"__MACOSX", "META.json", "Thumbs.db", "ehthumbs.db", "desktop.ini", "Desktop.ini", "@eaDir"}
SPLITS = {
    "train": ("train", "training"),
    "test": ("test", "testing"),
    "validation": ("validation", "val", "valid"),
}

MAX_DEPTH = 32
"""Names in the path of a zip's member."""

Tree = dict[str, Any]  # a folder: names to folders, or to a path (on disk) or a member's name (in a zip)
MakeItems = Callable[[list[Any]], Items]


def load(argument: str, request: Request) -> RawTask:
    """Class folders as a task; without a test folder a fifth is set aside by the task's seed."""
    path = Path(argument).expanduser()
    if path.is_dir():
        tree: Tree = _disk_tree(path, 0)
        make: MakeItems = lambda leaves: FileItems(tuple(leaves))  # noqa: E731
    elif path.is_file():
        archive = _open_zip(path)
        tree = _zip_tree(archive)
        make = lambda leaves: ZipItems(archive, argument, tuple(leaves))  # noqa: E731
    else:
        raise DataError("no such folder or .zip file" + _near(path), argument)
    return _task(_unwrapped(tree), make, argument)


def _near(path: Path) -> str:
    try:
        return suggestion(path.name, [p.name for p in path.parent.iterdir()])
    except OSError:
        return ""


def _junk(name: str) -> bool:
    return name.startswith(".") or name in JUNK


def _disk_tree(folder: Path, depth: int) -> Tree:
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}", folder) from None
    tree: Tree = {}
    for entry in entries:
        if not _junk(entry.name):
            deeper = entry.is_dir() and depth < 4
            tree[entry.name] = _disk_tree(entry, depth + 1) if deeper else entry
    return tree


def _open_zip(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except Exception as error:  # zipfile, struct and the disk each have their own
        raise DataError(f"expected a folder or a .zip file: {reason(error)}", path) from None


def _zip_tree(archive: zipfile.ZipFile) -> Tree:
    tree: Tree = {}
    for info in archive.infolist():
        parts = [part for part in info.filename.split("/") if part]
        if not parts or any(_junk(part) for part in parts):
            continue
        if len(parts) > MAX_DEPTH:
            raise DataError(f"folders more than {MAX_DEPTH} deep", archive.filename)
        node = tree
        for part in parts[:-1]:
            child = node.setdefault(part, {})
            if not isinstance(child, dict):
                raise DataError(f"{part!r} is both a file and a folder", archive.filename)
            node = child
        if info.is_dir():
            node.setdefault(parts[-1], {})
        else:
            node[parts[-1]] = info.filename
    return tree


def _folders(tree: Tree) -> Tree:
    return {name: node for name, node in tree.items() if isinstance(node, dict)}


def _unwrapped(tree: Tree) -> Tree:
    """Steps into a folder that holds everything else."""
    inside = _folders(tree)
    if len(inside) == 1:
        (name, only), *_ = inside.items()
        if name not in _split_names() and _folders(only) and not _images(only):
            return _unwrapped(only)
    return tree


def _split_names() -> dict[str, str]:
    return {alias: split for split, aliases in SPLITS.items() for alias in aliases}


def _images(tree: Tree) -> list[str]:
    return [name for name, node in tree.items() if not isinstance(node, dict) and is_image_file(name)]


def _task(tree: Tree, make: MakeItems, place: str) -> RawTask:
    if _images(tree):
        raise DataError(f"an image outside the class folders: {_images(tree)[0]}", place)
    folders = _folders(tree)
    if not folders:
        raise DataError("expected train/<class>/ and test/<class>/, or <class>/ folders, met none", place)
    found = {_split_names()[name]: name for name in folders if name in _split_names()}
    if "train" not in found or not _folders(folders[found["train"]]):
        if found and len(found) == len(folders):
            raise DataError(
                "expected class folders in train/, met none", f"{place}/{found.get('train', 'train')}"
            )
        return _one_split(folders, make, place)
    for name in folders:
        if name not in _split_names():
            raise DataError(
                f"unexpected folder {name!r} beside train/{suggestion(name, _split_names())}", place
            )
    classes = _class_names(folders[found["train"]], f"{place}/{found['train']}")
    splits = {
        split: _labelled(folders[name], classes, make, f"{place}/{name}") for split, name in found.items()
    }
    return RawTask(tuple(classes), splits["train"], splits.get("test"), splits.get("validation"), place=place)


def _one_split(folders: Tree, make: MakeItems, place: str) -> RawTask:
    classes = _class_names(folders, place)
    return RawTask(tuple(classes), _labelled(folders, classes, make, place), place=place)


def _class_names(tree: Tree, place: str) -> list[str]:
    """Names in natural order (2 before 10), the same on every file system."""
    names = {_normal(name, place) for name in _folders(tree)}
    return sorted(names, key=lambda name: ([(not d, int(d or 0), t) for d, t in _PARTS.findall(name)], name))


_PARTS = re.compile(r"([0-9]+)|([^0-9]+)")


def _normal(name: str, place: str) -> str:
    if not is_text(name):
        raise DataError(f"the folder name {name!r} is not UTF-8", place)
    return unicodedata.normalize("NFC", name)


def _labelled(tree: Tree, classes: list[str], make: MakeItems, place: str) -> RawSplit:
    if _images(tree):
        raise DataError(f"an image outside the class folders: {_images(tree)[0]}", place)
    if not _folders(tree):
        raise DataError("expected class folders, met none", place)
    leaves: list[Any] = []
    labels: list[int] = []
    for folder, inside in sorted(_folders(tree).items()):
        where, name = f"{place}/{folder}", _normal(folder, place)
        if name not in classes:
            raise DataError(f"class {name!r} is not in the training folder{suggestion(name, classes)}", where)
        if not inside:
            raise DataError("a class folder without images", where)
        for file, leaf in sorted(inside.items()):
            if isinstance(leaf, dict):
                raise DataError("a folder inside a class folder", f"{where}/{file}")
            if not is_image_file(file):
                raise DataError(f"expected an image ({' '.join(sorted(SUFFIXES))})", f"{where}/{file}")
            leaves.append(leaf)
            labels.append(classes.index(name))
    return RawSplit(make(leaves), np.array(labels, dtype=np.int64))


def files(argument: str, request: Request) -> list[Path]:
    """The images, or the .zip file."""
    path = Path(argument).expanduser()
    return list(_leaves(_disk_tree(path, 0))) if path.is_dir() else [path]


def _leaves(tree: Tree) -> Iterator[Path]:
    for node in tree.values():
        if isinstance(node, dict):
            yield from _leaves(node)
        else:
            yield node


SOURCE = Source(load, "images in class folders, or a .zip of them", "PATH", files=files)
