"""A search space as JSON Schema, for editors: every key with its meaning, and the names that are known.

Pydantic gives the shape; what :mod:`evo_mtl.genome.space` checks by its own rules (hyperparameters and their
ranges, kinds of components) is added here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from evo_mtl.documents import json_schema
from evo_mtl.genome.genome import Value
from evo_mtl.genome.hyperparameters import CHOICES, RANGES, known_hyperparameters
from evo_mtl.genome.kinds import hyperparameters_of_kinds, listed_kinds
from evo_mtl.genome.space import LIKE, SearchSpace

MEANINGS = {
    "image_size": "side of the images in pixels",
    "views": "versions of the training images that epochs take in turn: the images as they are, the others augmented",
    "crop_area_min": "a random crop keeps at least this share of the area; 1: no crop",
    "crop_aspect_min": "a crop's width over height is drawn from [this, 1/this]; 1: square",
    "flip": "mirror left and right, half of the time",
    "answer_views": "an answer may be the mean over so many views of the image (mirrored: 2, zoomed: 2, both: 4); validation images choose, each view at the price of `objective: compute_factor`",
    "brightness": "brightness changes by a factor from [1 - this, 1 + this]",
    "contrast": "the same for contrast",
    "saturation": "the same for saturation",
    "hue": "hue turns by [-this, this] of the colour circle",
    "rand_augment": "strength of two operations of RandAugment on each view but the first; 0: none",
    "mutation_probability": "probability of each mutation where mutation.rates is shared; inherited and mutated itself",
    "optimizer": "gradient descent with momentum, or AdamW",
    "learning_rate": "its peak",
    "common_learning_rate": "the same of stages that follow, which all tasks train",
    "schedule": "of the learning rate after the warm-up: constant, or half a cosine down to 0",
    "warmup_share": "share of the steps in which the learning rate rises from 0",
    "momentum": "of sgd; the first beta of adamw",
    "nesterov": "whether the momentum of sgd looks ahead",
    "weight_decay": "on matrices and kernels, not on norms and biases",
    "label_smoothing": "share of the target that is spread over all classes",
    "clip_norm": "gradients are cut to this length; 0: never",
    "batch_size": "images a step (online: a batch of the stream is cut into such)",
    "epochs": "passes over the training images, each over the next view",
    "norm": "whether open norm layers renew their statistics (train) or keep them (eval)",
    "head_start": "a linear head starts at zero, or at the ridge solution on the frozen features (online: where a solved "
    "head of the population reads them already)",
    "head_finish": "a linear head ends as it was trained, or as its mixture with the ridge solution on the trained features (ridge); "
    "validation images choose the shares",
    "repeats": "online: how often a batch is gone through while it is there",
    "average": "what answers is a copy that follows the trained weights, this share of it kept a step; 0: none",
    "mask_classes": "online: while it learns only the classes of the batch compete",
}
"""What each hyperparameter is that belongs to no kind of component."""


def meanings() -> dict[str, str]:
    """What each hyperparameter is."""
    return MEANINGS | {name: one.meaning for name, one in hyperparameters_of_kinds().items()}


def space_schema(algorithms: Iterable[str]) -> dict[str, Any]:
    """The JSON Schema of a search-space file; ``algorithms`` are the names that ``algorithm:`` may have."""
    schema = json_schema(SearchSpace, "evo-mtl search space")
    keys, parts = schema["properties"], schema["$defs"]
    alone = [key for key in schema["required"] if key != "name"]
    schema |= {"if": {"not": {"required": [LIKE]}}, "then": {"required": alone}, "required": ["name"]}
    keys[LIKE] = {
        "description": "name or file of a space of which this one tells but the differences: mappings are joined, null "
        "takes a key away, the rest is replaced",
        "type": "string",
    }
    keys["algorithm"]["enum"] = list(algorithms)
    heads, adapters = listed_kinds("head"), listed_kinds("adapter")
    keys["heads"]["items"]["enum"] = list(heads)
    parts["SeedCandidate"]["properties"]["head"]["enum"] = list(heads)
    parts["AdapterRules"]["properties"]["kinds"]["items"]["enum"] = list(adapters)
    values = {name: hyperparameter_schema(name) for name in known_hyperparameters()}
    parts["SeedCandidate"]["properties"]["values"] |= _only(values)
    keys["hyperparameters"] |= _only(
        {
            name: {
                "description": value["description"],
                "type": "object",
                "properties": {
                    "values": {"type": "array", "items": value, "minItems": 1},
                    "default": value,
                },
                "required": ["values", "default"],
                "additionalProperties": False,
            }
            for name, value in values.items()
        }
    )
    return schema


def hyperparameter_schema(name: str) -> dict[str, Any]:
    """What a value of a hyperparameter may be, in the words of JSON Schema."""
    usual = known_hyperparameters()[name]
    found: dict[str, Any] = {"description": meanings()[name], **_kind(usual)}
    if name in CHOICES:
        found["enum"] = list(CHOICES[name])
    if name in RANGES:
        found["minimum"], found["maximum"] = RANGES[name]
    return found


def _kind(usual: Value) -> dict[str, Any]:
    if isinstance(usual, bool):
        return {"type": "boolean"}
    if isinstance(usual, int):
        return {"type": "integer", "minimum": 1}
    return {"type": "string"} if isinstance(usual, str) else {"type": "number", "minimum": 0}


def _only(keys: dict[str, Any]) -> dict[str, Any]:
    return {"properties": keys, "additionalProperties": False}
