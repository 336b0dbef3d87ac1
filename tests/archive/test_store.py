import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors
import safetensors.numpy
import torch

import evo_mtl
from evo_mtl.archive import ComponentStore, Problem, UnknownComponentError, verify_components
from evo_mtl.errors import CorruptionError, RunError

ROOT = Path(evo_mtl.__file__).parents[1]
DTYPES = [torch.bfloat16, torch.float16, torch.float32, torch.float64, torch.int64, torch.uint8, torch.bool]
WRITER = """
import sys
from pathlib import Path
import numpy as np
from evo_mtl.archive import ComponentStore
store = ComponentStore(Path(sys.argv[1]))
tensors = {name: np.arange(size, dtype=kind) for name, size, kind in
           [("weight", 6, "float32"), ("steps", 3, "int64"), ("bias", 2, "float32")]}
print(store.write(tensors, {"kind": "linear", "shape": [2, 3], "options": {"b": 1, "a": 2.5}}))
assert "torch" not in sys.modules
"""


@pytest.fixture
def store(tmp_path):
    return ComponentStore(tmp_path)


def some(value=1.0):
    return {"weight": torch.full((3, 4), value), "bias": torch.arange(3.0)}


@pytest.mark.parametrize("dtype", DTYPES)
def test_tensors_of_each_dtype_come_back_equal(store, dtype):
    written = {
        "matrix": torch.arange(6).reshape(2, 3).to(dtype),
        "turned": torch.arange(6).reshape(2, 3).to(dtype).t(),
        "scalar": torch.tensor(1).to(dtype),
        "empty": torch.zeros(2, 0).to(dtype),
    }
    read, spec = store.read(store.write(written, {"kind": "x", "é": [1, 0.1, None]}))
    assert spec == {"kind": "x", "é": [1, 0.1, None]}
    assert read.keys() == written.keys()
    for name, tensor in written.items():
        assert read[name].dtype == dtype
        assert torch.equal(read[name], tensor)


def test_tensors_read_are_the_callers_own(store):
    name = store.write(some(), {})
    store.read(name)[0]["weight"].zero_()
    assert torch.equal(store.read(name)[0]["weight"], some()["weight"])


def test_equal_content_has_one_name_whatever_its_order_library_and_layout(store):
    weight = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    first = store.write({"weight": weight, "bias": torch.zeros(2)}, {"a": 1, "b": 2})
    channels_last = torch.nn.Parameter(weight.to(memory_format=torch.channels_last))
    again = [
        store.write({"bias": torch.zeros(2), "weight": weight}, {"b": 2, "a": 1}),
        store.write({"bias": torch.zeros(2), "weight": channels_last}, {"a": 1, "b": 2}),
        store.write({"bias": np.zeros(2, "float32"), "weight": weight.numpy()}, {"a": 1, "b": 2}),
        store.write({"bias": np.zeros(2, ">f4"), "weight": weight.numpy()}, {"a": 1, "b": 2}),
    ]
    assert set(again) == {first}
    assert store.digests() == (first,)


def test_other_weights_or_another_spec_give_another_name(store):
    assert len({store.write(some(1), {}), store.write(some(2), {}), store.write(some(1), {"a": 1})}) == 3


def test_the_bytes_of_a_component_are_equal_in_processes_with_other_hash_seeds(tmp_path):
    names = {run(WRITER, tmp_path / str(seed), PYTHONHASHSEED=str(seed)).stdout for seed in range(3)}
    assert len(names) == 1


def test_a_component_is_a_plain_safetensors_file_with_one_metadata_key(store):
    path = store.path(store.write(some(), {"kind": "x"}))
    with safetensors.safe_open(path, "np") as file:
        assert file.metadata() == {"spec": '{"kind":"x"}'}
    assert np.array_equal(safetensors.numpy.load_file(path)["weight"], some()["weight"].numpy())


def test_the_layout_is_the_one_the_safetensors_library_writes(store):
    tensors = {"b": np.zeros(3, "float32"), "a": np.ones((2, 2), "float32"), "n": np.array(7)}
    path = store.path(store.write(tensors, {}))
    assert path.read_bytes() == safetensors.numpy.save(tensors, {"spec": "{}"})


def test_a_component_is_read_only_and_not_written_again(store):
    name = store.write(some(), {})
    before = store.path(name).stat()
    assert store.write(some(), {}) == name
    after = store.path(name).stat()
    assert before.st_mode & 0o777 == 0o444
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: data[:-1] + b"\xff"])
def test_writing_over_a_damaged_component_mends_it(store, damage):
    name = store.write(some(), {})
    overwrite(store.path(name), damage(store.path(name).read_bytes()))
    assert store.write(some(), {}) == name
    assert verify_components(store, [name]) == ()


def test_any_flipped_byte_is_refused_and_the_file_is_named(store, tmp_path):
    name = store.write(some(), {"kind": "x"})
    path = store.path(name)
    data = path.read_bytes()
    for position in [*range(0, len(data), 5), len(data) - 1]:
        overwrite(path, data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :])
        with pytest.raises(CorruptionError, match=name):
            ComponentStore(tmp_path).read(name)
        assert verify_components(store, [name]) == (
            Problem(str(path), f"its {len(data)} bytes are not what was written"),
        )


@pytest.mark.parametrize("part", [0, 1, 0.5, -1])
def test_a_component_cut_short_is_refused_by_every_reader(store, part):
    name = store.write(some(), {"kind": "x"})
    data = store.path(name).read_bytes()
    overwrite(store.path(name), data[: int(part * len(data)) if part == 0.5 else part])
    for reader in (store.read, store.spec, store.num_parameters):
        with pytest.raises(CorruptionError, match=name):
            reader(name)
    assert len(verify_components(store, [name])) == 1


def test_damage_after_a_first_read_is_seen_by_the_same_store(store):
    name = store.write(some(), {})
    store.read(name)
    data = store.path(name).read_bytes()
    overwrite(store.path(name), data[:-1] + b"\xff")
    with pytest.raises(CorruptionError):
        store.read(name)


def test_a_header_that_claims_more_than_the_file_is_refused_before_memory_is_taken(store):
    name = store.write(some(), {})
    overwrite(store.path(name), b"\xff" * 7 + b"\x7f" + store.path(name).read_bytes()[8:])
    with pytest.raises(CorruptionError, match="claims"):
        store.spec(name)


@pytest.mark.parametrize("name", ["0" * 64, "../../etc/passwd", "", "A" * 64])
def test_what_the_store_does_not_hold_is_unknown_to_every_reader(store, name):
    assert name not in store
    for reader in (store.read, store.spec, store.size, store.num_parameters):
        with pytest.raises(UnknownComponentError):
            reader(name)
    assert len(verify_components(store, [name])) == 1


def test_header_size_and_count_are_known_without_the_tensors(store):
    name = store.write({**some(), "steps": torch.tensor(5)}, {"kind": "x"})
    assert store.spec(name) == {"kind": "x"}
    assert store.num_parameters(name) == 15
    assert store.size(name) == store.path(name).stat().st_size


def test_a_dtype_that_cannot_be_kept_is_refused_by_name(store):
    with pytest.raises(ValueError, match="'phase': dtype complex64"):
        store.write({"phase": torch.zeros(1, dtype=torch.complex64)}, {})
    assert store.digests() == ()


def test_a_sweep_removes_all_but_what_is_kept_and_stray_temporaries(store):
    kept, gone = store.write(some(1), {}), store.write(some(2), {})
    stray = store.path(kept).parent / ".evo-mtl-abcdefgh.tmp"
    stray.write_bytes(b"half")
    assert store.sweep({kept}) == (gone,)
    assert store.digests() == (kept,)
    assert kept in store
    assert gone not in store
    assert not stray.exists()


def test_a_full_disk_leaves_no_file_behind(store, monkeypatch):
    write = os.write
    with monkeypatch.context() as patch:

        def full(fd, data):
            if len(data) > 10:
                return write(fd, data[:10])
            raise OSError(errno.ENOSPC, "No space left on device")

        patch.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space left"):
            store.write(some(), {})
    assert [path for path in store.folder.rglob("*") if path.is_file()] == []
    assert store.write(some(), {}) in store


def overwrite(path, data):
    """Damage a file as a failing disk would: same name, other bytes, at another time."""
    later = path.stat().st_mtime_ns + 1
    path.chmod(0o644)
    path.write_bytes(data)
    os.utime(path, ns=(later, later))


def run(script, *arguments, **environment):
    return subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        env={**os.environ, **environment}, cwd=ROOT, capture_output=True, check=True,
    )  # fmt: skip


@pytest.mark.parametrize("which", ["components", "part"])
def test_nothing_is_written_or_removed_through_a_folder_that_is_a_link(tmp_path, which):
    outside = ComponentStore(tmp_path / "outside")
    theirs = outside.write(some(1), {})
    store = ComponentStore(tmp_path / "run")
    if which == "components":
        store.folder.parent.mkdir()
        store.folder.symlink_to(outside.folder)
    else:
        store.folder.mkdir(parents=True)
        store.path(theirs).parent.symlink_to(outside.path(theirs).parent)
    (outside.path(theirs).parent / ".evo-mtl-abcdefgh.tmp").write_bytes(b"half")
    before = sorted(outside.folder.rglob("*"))
    for act in (lambda: store.sweep(()), lambda: store.remove([theirs]), lambda: store.write(some(1), {})):
        with pytest.raises(RunError, match="met a link"):
            act()
    assert sorted(outside.folder.rglob("*")) == before
    assert torch.equal(store.read(theirs)[0]["weight"], some(1)["weight"])


def test_a_component_that_is_a_link_is_replaced_by_a_file(store, tmp_path):
    name = store.write(some(), {})
    store.path(name).rename(tmp_path / "elsewhere")
    store.path(name).symlink_to(tmp_path / "elsewhere")
    store.write(some(), {})
    assert not store.path(name).is_symlink()
    assert (tmp_path / "elsewhere").exists()


def test_a_component_that_is_a_pipe_is_refused_at_once(store):
    name = store.write(some(), {})
    store.path(name).unlink()
    os.mkfifo(store.path(name))
    for act in (store.read, store.spec):
        with pytest.raises(OSError, match="expected a file"):
            act(name)
    assert len(verify_components(store, [name])) == 1
    store.write(some(), {})
    assert store.read(name)[1] == {}
