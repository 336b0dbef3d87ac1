"""Genomes that come from a file: only such as a search makes are let in."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from evo_mtl.genome.genome import Genome, illegality
from evo_mtl.genome.hyperparameters import IMAGE_HYPERPARAMETERS, check_values, known_hyperparameters


def check_genome(genome: Genome) -> Genome:
    """The genome itself.

    Raises:
        ValueError: It is not legal, lacks a hyperparameter, or one has a value that it cannot have.
    """
    if wrong := illegality(genome):
        raise ValueError(wrong)
    held = dict(genome.hyperparameters)
    # Only genomes for images have what is said of images, and then all of it.
    needed = [n for n in known_hyperparameters() if n not in IMAGE_HYPERPARAMETERS or "image_size" in held]
    if missing := [name for name in needed if name not in held]:
        raise ValueError(f"it has no {missing[0]}")
    for name, value in held.items():
        check_values(name, (value,))
    return genome


CheckedGenome = Annotated[Genome, AfterValidator(check_genome)]
"""A genome, checked wherever a record that holds it is read."""
