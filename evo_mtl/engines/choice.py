"""Engines by name. A name stands for where its engine is, so that a wrong one is found before torch is loaded."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

from evo_mtl.registry import Registry

if TYPE_CHECKING:
    from evo_mtl.engines.local import Engine
    from evo_mtl.engines.plan import Site

engines: Registry[str] = Registry("engine")
"""Name to ``"module:callable"``; what is called is given the number of workers and the site, and makes an engine."""

engines.add("local", "evo_mtl.engines.local:local_engine")
engines.add("serial", "evo_mtl.engines.local:serial_engine")
engines.add("processes", "evo_mtl.engines.local:ProcessEngine")


def make_engine(name: str, num_workers: int, site: Site) -> Engine:
    """An engine ready to do jobs.

    Args:
        name: Of its kind.
        num_workers: Jobs it does at once.
        site: Where this machine has what plans name; tasks may be added to it later.

    Raises:
        InputError: No such engine, or one that cannot have so many workers.
    """
    module, _, attribute = engines.get(name, "--engine").partition(":")
    make: Callable[[int, Site], Engine] = getattr(import_module(module), attribute)
    return make(num_workers, site)
