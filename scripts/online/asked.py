"""From the options of the command to runs, each with its stream file and the digest of what decides its row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evo_mtl.documents import dump_yaml, parse_yaml
from evo_mtl.errors import InputError
from evo_mtl.files import canonical_json, digest, make_folder, write_atomic
from evo_mtl.seeding import generator
from online.methods import OFFLINE, Method

ORDERS = ("sequential", "mixed", "blurry")
FOUR = ("mnist", "cifar10", "cifar100", "fmnist")
EIGHT = (
    "gtsrb",
    "seedlings",
    "brain_mri",
    "clothing",
    "rsscn7",
    "pacs_sketch",
    "signdigits",
    "omniglot_alphabets",
)
SETS = {"four": FOUR, "eight": EIGHT}
"""Sets that have a name together."""


@dataclass(frozen=True)
class Asked:
    """What is to be compared.

    Attributes:
        folder: The benchmark's.
        data: Folder of zipped sets.
        sets: Their names, a task each.
        orders: In which they come, online.
        permutations: How many orders of the sets; the first is as they are named.
        seeds: Of draws and splits.
        methods: What is compared.
        limit: Training images of a set, and test images; all when ``None``.
        batch_size: Of online streams.
        keys: ``key=value``, more of online streams.
    """

    folder: Path
    data: Path
    sets: tuple[str, ...]
    orders: tuple[str, ...]
    permutations: int
    seeds: tuple[int, ...]
    methods: tuple[Method, ...]
    limit: int | None = None
    batch_size: int = 64
    keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class Work:
    """One run.

    Attributes:
        method: What is searched.
        order: In which the sets come; ``offline`` where that is the regime.
        permutation, seed: Name the row, with the two before.
        asked: Digest of all that decides the row.
        stream: The stream file.
    """

    method: Method
    order: str
    permutation: int
    seed: int
    asked: str
    stream: Path

    @property
    def name(self) -> str:
        """Of its run folder."""
        return f"{self.method.name}-{self.order}-p{self.permutation}-s{self.seed}".replace(" ", "_")

    @property
    def identity(self) -> tuple[str, str, int, int]:
        """What its row is found by."""
        return self.method.name, self.order, self.permutation, self.seed


def work(asked: Asked) -> list[Work]:
    """All runs; those of a seed before the next seed, so that what is there early can be compared.

    Raises:
        InputError: A set is not there, or a method's space is wrong.
    """
    for name in asked.sets:
        if not (asked.data / f"{name}.zip").is_file():
            raise InputError(f"no {name}.zip", asked.data)
    return list(_all(asked))


def _all(asked: Asked) -> Iterator[Work]:
    spaces = {method.name: method.resolved().digest() for method in asked.methods}
    for seed in asked.seeds:
        for permutation in range(asked.permutations):
            for order in asked.orders:
                for method in asked.methods:
                    offline = method.regime == OFFLINE
                    if offline and (permutation or order != asked.orders[0]):
                        continue  # its tasks stay: it is run once for all orders
                    order_of_it = OFFLINE if offline else order
                    stream = _stream(asked, order_of_it, permutation, seed)
                    decided = {"stream": stream, "space": spaces[method.name], "seed": seed}
                    path = asked.folder / "streams" / f"{stream['name']}.yaml"
                    make_folder(path.parent)
                    write_atomic(path, dump_yaml(stream).encode())
                    yield Work(method, order_of_it, permutation, seed, digest(canonical_json(decided)), path)


def _stream(asked: Asked, order: str, permutation: int, seed: int) -> dict[str, Any]:
    """A stream file's keys: the seed is that of every set's splits, too."""
    stream: dict[str, Any] = {"name": f"{order}-p{permutation}-s{seed}", "regime": "offline"}
    if order != OFFLINE:
        stream |= {"regime": "online", "order": order, "batch_size": asked.batch_size}
        for setting in asked.keys:
            key, _, value = setting.partition("=")
            stream[key] = parse_yaml(value.encode(), f"--stream {key}").data
    limit = {} if asked.limit is None else {"limit": asked.limit}
    stream["tasks"] = [
        {"name": name, "source": f"folder:{asked.data.absolute() / name}.zip", "seed": seed, **limit}
        for name in permuted(asked.sets, permutation)
    ]
    return stream


def permuted(sets: tuple[str, ...], permutation: int) -> tuple[str, ...]:
    """The sets in another order; number 0 is as they are.

    Example:
        >>> permuted(("a", "b", "c"), 0), sorted(permuted(("a", "b", "c"), 1))
        (('a', 'b', 'c'), ['a', 'b', 'c'])
    """
    if permutation == 0:
        return sets
    return tuple(sets[i] for i in generator(0, "order of the sets", permutation).permutation(len(sets)))


def read_sets(text: str) -> tuple[str, ...]:
    """Names of ``a,b``, or of ``four`` or ``eight``. Raises ``InputError`` for none, or for one that is there twice."""
    names = SETS.get(text, tuple(word.strip() for word in text.split(",")))
    if not all(names) or len(set(names)) < len(names):
        raise InputError(
            f"expected different names such as mnist,cifar10, or four, or eight, met {text!r}", "--sets"
        )
    return names


def read_orders(text: str) -> tuple[str, ...]:
    """Orders of ``sequential,mixed``. Raises ``InputError`` for others."""
    names = tuple(word.strip() for word in text.split(","))
    if not set(names) <= set(ORDERS) or len(set(names)) < len(names):
        raise InputError(f"expected some of {','.join(ORDERS)}, met {text!r}", "--orders")
    return names
