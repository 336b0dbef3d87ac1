"""Optuna's storages as a place to look at a run: opened by URL, and a candidate as a trial there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evo_mtl.errors import InputError
from evo_mtl.evolution.candidate import Evaluation
from evo_mtl.evolution.optuna_trial import trial_of
from evo_mtl.evolution.parameters import choices, parameters_of
from evo_mtl.genome.space import SearchSpace
from evo_mtl.genome.trunk_facts import TrunkFacts

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial

OPTION = "--optuna-storage"
JOURNAL = "journal:"
LOCK_SECONDS = 1.0
"""How long SQLite waits for a lock before it says so."""


def check_storage(url: str) -> None:
    """Raises ``InputError`` for a URL that cannot name a storage; an existing file is not looked at."""
    if url.startswith(JOURNAL):
        _check_file(url.removeprefix(JOURNAL))
        return
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    forms = "sqlite:///FILE, journal:FILE, or what SQLAlchemy takes"
    try:
        parsed = make_url(url)
        parsed.get_dialect().import_dbapi()
    except ArgumentError:  # an unknown kind of database is one too
        raise InputError(f"no storage has this address; expected {forms}", OPTION) from None
    except ImportError as error:
        raise InputError(f"this database needs the Python package {error.name!r}", OPTION) from None
    if parsed.get_backend_name() == "sqlite":
        _check_file("" if parsed.database == ":memory:" else parsed.database or "")


def _check_file(name: str) -> None:
    file = Path(name)
    if not name:
        raise InputError("expected a file, as in sqlite:///FILE or journal:FILE", OPTION)
    if file.is_dir():
        raise InputError("this is a folder; expected a file", f"{OPTION}: {file}")
    if not file.parent.is_dir():
        raise InputError(f"there is no folder {file.parent}", f"{OPTION}: {file}")


def open_storage(url: str) -> BaseStorage:
    """The storage at a URL that :func:`check_storage` accepts. Raises whatever its database raises."""
    from optuna.storages import JournalStorage, RDBStorage
    from optuna.storages.journal import JournalFileBackend

    if url.startswith(JOURNAL):
        return JournalStorage(JournalFileBackend(url.removeprefix(JOURNAL)))
    options = {"connect_args": {"timeout": LOCK_SECONDS}} if url.startswith("sqlite") else {}
    return RDBStorage(url, engine_kwargs=options)


def shown(
    evaluation: Evaluation, space: SearchSpace, facts: TrunkFacts, attributes: Mapping[str, Any]
) -> FrozenTrial:
    """A candidate as people want to see it: its parameters, and what it costs.

    Args:
        evaluation: As committed.
        space: What its parameters were chosen from; others than it lists are left out.
        facts: The root trunk.
        attributes: More user attributes.
    """
    from optuna.distributions import CategoricalDistribution

    candidate, known = evaluation.candidate, choices(space, facts)
    params = parameters_of(candidate.genome, space, facts)
    distributions = {name: CategoricalDistribution(known[name]) for name in params}
    about = {
        "candidate": str(candidate.id),
        "pass": candidate.pass_,
        "parent": candidate.parent and str(candidate.parent),
        "mate": candidate.mate and str(candidate.mate),
        "origin": str(candidate.origin),
        "status": str(evaluation.status),
        "quality": evaluation.quality,
        "admitted": evaluation.admitted,
        "added_parameters": evaluation.cost.added_parameters,
        "multiply_adds": evaluation.cost.inference,
        **attributes,
    }
    return trial_of(evaluation, params, distributions, about)


def reason(error: BaseException) -> str:
    """What went wrong in a storage, in one line, without the SQL statement."""
    inner = error.__cause__ or error
    inner = getattr(inner, "orig", None) or inner
    return next(iter(str(inner).splitlines()), "") or type(inner).__name__
