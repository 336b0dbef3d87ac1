"""Files that somebody made to hurt: nothing in them is run, none is waited for, each is one line."""

from __future__ import annotations

import io
import os
import pickle
import signal
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from evo_mtl.errors import ConfigError, DataError, InputError
from evo_mtl.files import read_file
from evo_mtl.network.inputs import Pixels
from evo_mtl.streams.config import TaskConfig
from evo_mtl.streams.sources import SOURCES, find_source
from evo_mtl.streams.task import load_batch, open_splits

from .worlds import files, png, write, write_zip


@pytest.fixture(autouse=True)
def _no_waiting() -> Iterator[None]:
    """A test that waits for ever ends."""

    def end(*_: object) -> None:
        raise TimeoutError("waited for ever")

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def refusal(source: str, root: str | None = None) -> str:
    with pytest.raises(DataError) as caught:
        load_batch(
            open_splits(TaskConfig(name="t", source=source, root=root), trust_python=True).train,
            Pixels(8, (), ()),
            threads=1,
        )
    assert "\n" not in str(caught.value)
    return str(caught.value)


class Payload:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (self.folder,)


def test_the_payload_of_these_tests_works(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Payload(tmp_path / "hurt")))
    assert (tmp_path / "hurt").is_dir()


def test_lsun_is_refused_since_its_reader_unpickles() -> None:
    with pytest.raises(ConfigError, match=r"^torchvision:LSUN is not read: .*unpickles.*working directory"):
        find_source("torchvision:LSUN")
    assert "LSUN" not in find_source("torchvision:MNIST").names


@pytest.mark.parametrize(
    ("name", "folder", "members"),
    [
        ("CIFAR10", "cifar-10-batches-py", ["data_batch_1", "test_batch", "batches.meta"]),
        ("CIFAR100", "cifar-100-python", ["train", "test", "meta"]),
    ],
)
def test_pickles_in_the_place_of_the_published_batches_are_not_opened(
    tmp_path: Path, name: str, folder: str, members: list[str]
) -> None:
    hurt = pickle.dumps(Payload(tmp_path / "hurt"))
    write(tmp_path / folder, dict.fromkeys(members, hurt))
    assert "not found" in refusal(f"torchvision:{name}", root=str(tmp_path))
    assert not (tmp_path / "hurt").exists()


def test_no_torchvision_set_that_is_listed_unpickles_what_has_no_checksum() -> None:
    import inspect

    from torchvision import datasets

    unpickling = set()
    for name in find_source("torchvision:MNIST").names:
        kind = getattr(datasets, name.partition("-")[0])
        if "pickle" in Path(inspect.getfile(kind)).read_text():
            unpickling.add(name)
    assert unpickling == {"CIFAR10", "CIFAR100"}


@pytest.mark.parametrize("place", ["a/5.png", "a/pipe", "train/a/5.png"])
def test_a_pipe_in_a_class_folder_is_not_waited_for(tmp_path: Path, place: str) -> None:
    write(tmp_path, files({"train/a": 4, "train/b": 4} if "train" in place else {"a": 4, "b": 4}))
    os.mkfifo(tmp_path / place)
    assert place in refusal(f"folder:{tmp_path}")


def test_a_file_without_end_or_without_measure_is_not_read(tmp_path: Path) -> None:
    with open(tmp_path / "large.png", "wb") as file:
        file.truncate(200 * 10**9)
    os.mkfifo(tmp_path / "pipe")
    for path, said in (
        (tmp_path / "large.png", "larger than"),
        (tmp_path / "pipe", "met something else"),
        (Path("/dev/zero"), "met something else"),
        (tmp_path, "met something else"),
        (tmp_path / "none", "No such file"),
        (tmp_path / "no\0name", "null byte"),
    ):
        with pytest.raises(DataError, match=said):
            read_file(path, 1000)


def test_folders_in_a_zip_are_so_deep_and_no_deeper(tmp_path: Path) -> None:
    deep = write_zip(tmp_path / "deep.zip", {"x/" * 3000 + "a/0.png": png(0)})
    assert "deep.zip: folders more than 32 deep" in refusal(f"folder:{deep}")
    some = write_zip(tmp_path / "some.zip", {f"x/x/x/{k}": v for k, v in files({"a": 4, "b": 4}).items()})
    assert open_splits(TaskConfig(name="t", source=f"folder:{some}")).classes == ("a", "b")


def npz(path: Path, member: bytes, name: str = "images.npy") -> str:
    with zipfile.ZipFile(path / "a.npz", "w") as archive:
        archive.writestr(name, member)
    return f"npz:{path}/a.npz"


def header(text: str) -> bytes:
    """A member that begins as NumPy's do, with a header of somebody's making."""
    raw = text.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(raw).to_bytes(2, "little") + raw


@pytest.mark.parametrize(
    "text",
    [
        "(" * 9000,
        "[" * 9000 + "]" * 9000,
        "-" * 9000 + "1",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (1000000000000000, 8, 8)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (-1, 8, 8)}",
        "{'descr': '<U1000000000', 'fortran_order': False, 'shape': (9,)}",
        "{'descr': '|u1', 'fortran_order': 3, 'shape': 7}",
        "\x00",
        "",
    ],
)
def test_a_header_of_an_array_that_was_made_up_is_refused(tmp_path: Path, text: str) -> None:
    assert "a.npz" in refusal(npz(tmp_path, header(text)))


def test_class_names_that_are_no_text_are_refused(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (8, 4, 4), dtype=np.uint8)
    np.savez(tmp_path / "a.npz", images=images, labels=np.array(["caf\udce9", "tea"] * 4))
    assert "the class name 'caf\\udce9' is not UTF-8 text" in refusal(f"npz:{tmp_path}/a.npz")
    np.savez(tmp_path / "b.npz", images=images, labels=np.arange(8) % 2, classes=np.array(3))
    assert "b.npz: classes: expected a list of names" in refusal(f"npz:{tmp_path}/b.npz")
    write(tmp_path / "d", files({"a": 4}))
    os.mkdir(os.fsencode(tmp_path / "d") + b"/caf\xe9")
    assert "'caf\\udce9' is not UTF-8" in refusal(f"folder:{tmp_path}/d")


RAISING = """\
import sys
def ends(): sys.exit("the\\nend")
def exits(): raise SystemExit
def cancelled():
    import asyncio
    raise asyncio.CancelledError
def many_lines(): raise ValueError("first\\nsecond\\nthird")
class Unsayable(Exception):
    def __str__(self): raise RuntimeError("no")
def unsayable(): raise Unsayable
class Lazy(dict):
    def __iter__(self): raise OSError("gone")
def lazy(): return Lazy(train_images=1)
def ragged(): return dict(train_images=[], train_labels=[[1, 2], [3]])
class Half:
    @property
    def train_images(self): raise ZeroDivisionError("half")
def half(): return Half()
"""


@pytest.mark.parametrize(
    ("function", "said"),
    [
        ("ends", "the function failed: SystemExit: the"),
        ("exits", "the function failed: SystemExit"),
        ("cancelled", "the function failed: CancelledError"),
        ("many_lines", "the function failed: ValueError: first"),
        ("unsayable", "the function failed: Unsayable"),
        ("lazy", "what the function returned failed: OSError: gone"),
        ("ragged", "what the function returned failed: ValueError"),
        ("half", "what the function returned failed: ZeroDivisionError: half"),
    ],
)
def test_whatever_a_function_raises_is_one_line_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str, said: str
) -> None:
    (tmp_path / "raising_in_tests.py").write_text(RAISING)
    monkeypatch.syspath_prepend(str(tmp_path))
    message = refusal(f"python:raising_in_tests:{function}")
    assert message.startswith(f"python:raising_in_tests:{function}: {said}")
    assert "second" not in message
    sys.modules.pop("raising_in_tests")


def test_a_module_that_ends_the_program_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ending_in_tests.py").write_text("raise SystemExit(0)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "the module failed: SystemExit: 0" in refusal("python:ending_in_tests:make")


def test_a_file_that_claims_to_be_a_zip_is_refused_whatever_its_reader_raises(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, raw in files({"a": 3, "b": 3}).items():
            archive.writestr(name, raw)
    whole = packed.getvalue()
    rng, told = np.random.default_rng(0), []
    for _ in range(40):
        broken = bytearray(whole)
        for place in rng.integers(len(whole) - 600, len(whole), 4):
            broken[place] = rng.integers(256)
        (tmp_path / "a.zip").write_bytes(bytes(broken))
        try:
            load_batch(
                open_splits(TaskConfig(name="t", source=f"folder:{tmp_path}/a.zip")).train,
                Pixels(8, (), ()),
                threads=1,
            )
        except DataError as error:
            told.append(str(error))
    assert len(told) > 20
    assert not any("\n" in line for line in told)


@pytest.mark.parametrize("name", [["x"], {}, None, 3])
def test_what_is_no_name_is_in_no_registry(name: object) -> None:
    assert name not in SOURCES
    with pytest.raises(InputError, match="unknown data source"):
        SOURCES.get(name)  # type: ignore[arg-type]
