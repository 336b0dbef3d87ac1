from __future__ import annotations

from collections.abc import Callable

import pytest

from evo_mtl.testing.worlds import a_trunk, write_task
from tests.training.worlds import Workshop


@pytest.fixture(scope="session")
def workshops(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Workshop]:
    """Workshops on trunks by name and cut; each is made once."""
    made: dict[tuple[str, str], Workshop] = {}

    def make(name: str, cut: str) -> Workshop:
        if (name, cut) not in made:
            folder = tmp_path_factory.mktemp("workshop")
            npz = write_task(folder / "colours.npz", seed=3)
            made[name, cut] = Workshop(*a_trunk(folder, name, cut), npz)
        return made[name, cut]

    return make


@pytest.fixture(scope="session")
def workshop(workshops: Callable[[str, str], Workshop]) -> Workshop:
    return workshops("mobilenetv2_035", "group")
