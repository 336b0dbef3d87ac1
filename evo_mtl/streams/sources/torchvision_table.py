"""How each classification data set of torchvision is asked for its splits.

Left out are sets without one class an image: detection, segmentation, stereo, flow, video, captions,
image pairs (LFWPairs, PhotoTour, Kitti, WIDERFace, Kinetics and the like), and the generic folders
(use ``folder:``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

REFUSED = {"LSUN": "torchvision unpickles a file of the working directory for it; use folder:"}
"""Sets of one class an image whose reader runs what a file says. (CIFAR's are pickles too, but torchvision
opens none whose checksum is not the published one.)"""

DEFAULT_ROOT = "~/.cache/evo-mtl/data"


@dataclass(frozen=True)
class TorchvisionSet:
    """One row of the table.

    Args:
        train: Arguments that give the training split.
        test: Those of the test split; None if the set has none.
        validation: Those of a given validation split, or None.
        kind: The class in ``torchvision.datasets``, where it is not the name.
        can_download: Whether its constructor takes ``download``.
        files: Whether it reads files at all.
        names: Its attribute with the names of the classes.
    """

    train: Mapping[str, Any]
    test: Mapping[str, Any] | None = None
    validation: Mapping[str, Any] | None = None
    kind: str | None = None
    can_download: bool = True
    files: bool = True
    names: str = "classes"


def _flags(kind: str | None = None, **fixed: Any) -> TorchvisionSet:
    return TorchvisionSet({"train": True, **fixed}, {"train": False, **fixed}, kind=kind)


def _splits(
    train: str = "train",
    test: str = "test",
    validation: str | None = None,
    can_download: bool = True,
    **fixed: Any,
) -> TorchvisionSet:
    given = None if validation is None else {"split": validation, **fixed}
    return TorchvisionSet(
        {"split": train, **fixed}, {"split": test, **fixed}, given, can_download=can_download
    )


_FAKE = {"size": 500, "image_size": (3, 32, 32)}

SETS: Mapping[str, TorchvisionSet] = {
    "MNIST": _flags(),
    "FashionMNIST": _flags(),
    "KMNIST": _flags(),
    "QMNIST": _flags(),
    "EMNIST": _flags(split="balanced"),
    "EMNIST-letters": _flags("EMNIST", split="letters"),
    "EMNIST-digits": _flags("EMNIST", split="digits"),
    "EMNIST-byclass": _flags("EMNIST", split="byclass"),
    "USPS": _flags(),
    "CIFAR10": _flags(),
    "CIFAR100": _flags(),
    "SVHN": _splits(),
    "STL10": _splits(),
    "GTSRB": _splits(),
    "Food101": _splits(),
    "StanfordCars": _splits(can_download=False),
    "Flowers102": _splits(validation="val"),
    "DTD": _splits(validation="val"),
    "FGVCAircraft": _splits(validation="val"),
    "PCAM": _splits(validation="val"),
    "RenderedSST2": _splits(validation="val"),
    "Country211": _splits(validation="valid"),
    "OxfordIIITPet": _splits(train="trainval"),
    "Imagenette": _splits(test="val"),
    "CLEVRClassification": _splits(test="val"),
    "FER2013": _splits(can_download=False),
    "ImageNet": _splits(test="val", can_download=False),
    "Places365": _splits(train="train-standard", test="val", small=True),
    "INaturalist": TorchvisionSet(
        {"version": "2021_train_mini"}, {"version": "2021_valid"}, names="all_categories"
    ),
    "FakeData": TorchvisionSet(_FAKE, {**_FAKE, "random_offset": 1_000_000}, can_download=False, files=False),
    # without a given test split, or with one whose classes are not those of training
    "EuroSAT": TorchvisionSet({}),
    "SUN397": TorchvisionSet({}),
    "SEMEION": TorchvisionSet({}),
    "Caltech101": TorchvisionSet({}, names="categories"),
    "Caltech256": TorchvisionSet({}, names="categories"),
    "Omniglot": TorchvisionSet({"background": True}, names="_characters"),
    "LFWPeople": TorchvisionSet({"split": "10fold"}),
    "CelebA": TorchvisionSet({"split": "all", "target_type": "identity"}),
}
