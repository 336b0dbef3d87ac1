from __future__ import annotations

import json

import numpy as np
import pytest

from evo_mtl.learners.answers import pack, unpack


@pytest.mark.parametrize("count", [1, 7, 8, 9, 1000])
def test_what_is_packed_goes_through_json_and_comes_out_again(count: int, rng: np.random.Generator) -> None:
    answers, labels = rng.integers(0, 300, (2, count))
    answers[::2] = labels[::2]
    correct, known = unpack(json.loads(json.dumps(pack(answers, labels))))
    assert (correct == (answers == labels)).all()
    assert (known == labels).all()


def test_a_row_of_a_thousand_images_takes_little(rng: np.random.Generator) -> None:
    labels = rng.integers(0, 10, 1000)
    assert sum(map(len, pack(labels, labels).values())) < 1200
