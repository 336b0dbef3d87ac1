"""Hyperparameters: the numbers and words by which a candidate is trained, what each may be, and what it usually is."""

from __future__ import annotations

from evo_mtl.genome.genome import Value
from evo_mtl.genome.kinds import hyperparameters_of_kinds
from evo_mtl.registry import suggestion

DATA_HYPERPARAMETERS = (
    "image_size",
    "views",
    "crop_area_min",
    "crop_aspect_min",
    "flip",
    "brightness",
    "contrast",
    "saturation",
    "hue",
    "rand_augment",
)
"""Of training images; drawn once a generation and shared by its children (Gesmundo 2022)."""

IMAGE_HYPERPARAMETERS = (*DATA_HYPERPARAMETERS, "answer_views")
"""Of images; other inputs read none of them."""


KNOWN_HYPERPARAMETERS: dict[str, Value] = {
    **dict.fromkeys(("image_size",), 64),
    "views": 1,
    "crop_area_min": 1.0,
    "crop_aspect_min": 1.0,
    "flip": False,
    "answer_views": 1,
    **dict.fromkeys(("brightness", "contrast", "saturation", "hue"), 0.0),
    "mutation_probability": 0.2,
    "optimizer": "sgd",
    "learning_rate": 0.01,
    "common_learning_rate": 1e-5,
    "schedule": "cosine",
    "warmup_share": 0.05,
    "momentum": 0.9,
    "nesterov": False,
    "weight_decay": 0.0,
    "label_smoothing": 0.0,
    "clip_norm": 1.0,
    "batch_size": 32,
    "epochs": 4,
    "norm": "train",
    "head_start": "ridge",
    "head_finish": "trained",
    "rand_augment": 0.0,
    "repeats": 1,
    "average": 0.0,
    "mask_classes": False,
}
"""Every hyperparameter but those of kinds of components, with the value it has where a space does not list it."""


def known_hyperparameters() -> dict[str, Value]:
    """Every hyperparameter there is, with the value it has where a space does not list it."""
    return KNOWN_HYPERPARAMETERS | {name: one.usual for name, one in hyperparameters_of_kinds().items()}


CHOICES = {
    "optimizer": ("sgd", "adamw"),
    "schedule": ("constant", "cosine"),
    "norm": ("eval", "train"),
    "head_start": ("zero", "ridge"),
    "head_finish": ("trained", "ridge"),
}
"""Words that a hyperparameter may be."""


LARGEST_IMAGE = 1024
"""Pixels a side."""


RANGES = {
    "image_size": (1, LARGEST_IMAGE),
    "views": (1, 1000),
    "answer_views": (1, 4),
    "epochs": (1, 100_000),
    "repeats": (1, 1000),
    "average": (0.0, 0.9999),
    "batch_size": (1, 2**20),
    **dict.fromkeys(("adapter_width", "projection_width"), (1, 2**16)),
    **dict.fromkeys(("mutation_probability", "warmup_share", "label_smoothing"), (0.0, 1.0)),
    **dict.fromkeys(("brightness", "contrast", "saturation", "rand_augment"), (0.0, 1.0)),
    **dict.fromkeys(("crop_area_min", "crop_aspect_min"), (0.001, 1.0)),
    "momentum": (0.0, 0.9999),
    "hue": (0.0, 0.5),
}
"""Least and greatest value; of the other numbers 0 and what float32 can hold."""


def same_value(a: object, b: object) -> bool:
    """Equality that keeps ``True`` and ``1`` apart."""
    return a == b and isinstance(a, bool) == isinstance(b, bool)


def check_values(name: str, values: tuple[Value, ...], place: str = "") -> None:
    """Raises ``ValueError`` for an unknown hyperparameter or a value it cannot have."""
    known = known_hyperparameters()
    if name not in known:
        raise ValueError(
            f"{place}unknown hyperparameter {name!r}{suggestion(name, known)}; known: {', '.join(known)}"
        )
    usual = known[name]
    for value in values:
        if name in CHOICES and value not in CHOICES[name]:
            raise ValueError(f"{place}{name}: {value!r} is not one of {', '.join(CHOICES[name])}")
        if isinstance(usual, bool) != isinstance(value, bool) or isinstance(usual, str) != isinstance(
            value, str
        ):
            raise ValueError(f"{place}{name}: {value!r} is not a {_kind(usual)}")
        if isinstance(usual, int) and not isinstance(usual, bool):
            low, high = RANGES.get(name, (1, 2**20))
            if not isinstance(value, int) or not low <= value <= high:
                raise ValueError(f"{place}{name}: {value!r} is not a whole number between {low} and {high}")
        elif isinstance(usual, float):
            low, high = RANGES.get(name, (0.0, 1e30))
            if not (isinstance(value, int | float) and low <= value <= high):
                upto = f"between {low} and {high}" if name in RANGES else "of at least 0"
                raise ValueError(f"{place}{name}: {value!r} is not a number {upto}")


def _kind(value: Value) -> str:
    return "true or false" if isinstance(value, bool) else "word" if isinstance(value, str) else "number"
