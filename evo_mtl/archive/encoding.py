"""A component as bytes: safetensors, laid out so that equal content gives equal bytes everywhere.

The header is written here (sorted, one metadata key ``spec``), because a component is named by the digest
of its bytes and must not change its name with the version of a library. Reading is the library's.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from evo_mtl.files import canonical_json

if TYPE_CHECKING:
    import torch

MAX_HEADER = 16 * 2**20
_CODES = {
    "float64": "F64", "int64": "I64", "float32": "F32", "int32": "I32", "bfloat16": "BF16", "float16": "F16",
    "int16": "I16", "int8": "I8", "uint8": "U8", "bool": "BOOL",
}  # fmt: skip
_WIDTHS = {
    "F64": 8, "I64": 8, "F32": 4, "I32": 4, "BF16": 2, "F16": 2, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1,
}  # fmt: skip
FLOATING = frozenset({"F64", "F32", "BF16", "F16"})


def encode(tensors: Mapping[str, np.ndarray | torch.Tensor], spec: Mapping) -> bytes:
    """The bytes of a component.

    Args:
        tensors: Named arrays or tensors, on any device, in any memory layout; not changed.
        spec: What the component is, as JSON values.

    Raises:
        ValueError: A dtype that cannot be kept, or a spec with a number that is not finite.
    """
    if "__metadata__" in tensors:
        raise ValueError("no tensor can be named '__metadata__'")
    parts = {name: _raw(name, tensor) for name, tensor in tensors.items()}
    # Widest first, as safetensors does it, so that every tensor is aligned to its own width.
    order = sorted(parts, key=lambda name: (-_WIDTHS[parts[name][0]], name))
    header: dict[str, object] = {"__metadata__": {"spec": canonical_json(spec).decode("ascii")}}
    offset = 0
    for name in order:
        code, shape, raw = parts[name]
        header[name] = {"dtype": code, "shape": shape, "data_offsets": [offset, offset + len(raw)]}
        offset += len(raw)
    head = json.dumps(header, separators=(",", ":")).encode("ascii")
    head += b" " * (-len(head) % 8)
    if len(head) > MAX_HEADER:
        raise ValueError(f"a component's header would take {len(head)} bytes; at most {MAX_HEADER}")
    return b"".join([struct.pack("<Q", len(head)), head, *(parts[name][2] for name in order)])


def decode(data: bytes) -> tuple[dict[str, torch.Tensor], dict]:
    """Tensors, on the CPU, and the spec; what :func:`encode` was given.

    Raises:
        ValueError: These are not the bytes of a component.
    """
    import safetensors
    import safetensors.torch

    try:
        tensors = safetensors.torch.load(data)
    except safetensors.SafetensorError as error:
        raise ValueError(f"not a component ({error})") from error
    size = struct.unpack("<Q", data[:8])[0]
    return tensors, spec_of(parse_header(data[8 : 8 + size]))


def read_header(file: BinaryIO, size: int) -> dict:
    """The header of an open component file of ``size`` bytes; nothing after it is read.

    Raises:
        ValueError: It is cut short, too long, or not a header.
    """
    start = file.read(8)
    if len(start) < 8:
        raise ValueError("cut short: no header")
    length = struct.unpack("<Q", start)[0]
    if length > min(MAX_HEADER, size - 8):
        raise ValueError(f"its header claims {length} bytes")
    header = parse_header(file.read(length))
    if size != 8 + length + max((end for _, _, end in entries(header)), default=0):
        raise ValueError("its length is not what its header says")
    return header


def parse_header(raw: bytes) -> dict:
    """A header from its JSON text; ``ValueError`` if it is none."""
    try:
        header = json.loads(raw)
    except (ValueError, RecursionError):
        raise ValueError("its header is not JSON") from None
    if not isinstance(header, dict):
        raise ValueError("its header is not a JSON object")
    return header


def spec_of(header: Mapping) -> dict:
    """The spec in a header; ``ValueError`` if there is none."""
    try:
        spec = json.loads(header["__metadata__"]["spec"])
    except (KeyError, TypeError, ValueError, RecursionError):
        raise ValueError("its header holds no spec") from None
    if not isinstance(spec, dict):
        raise ValueError("its spec is not a JSON object")
    return spec


def entries(header: Mapping) -> list[tuple[str, int, int]]:
    """Dtype code, number of elements and end offset of each tensor in a header."""
    try:
        return [
            (str(entry["dtype"]), math.prod(map(int, entry["shape"])), int(entry["data_offsets"][1]))
            for name, entry in header.items()
            if name != "__metadata__"
        ]
    except (KeyError, TypeError, ValueError, IndexError):
        raise ValueError("its header does not describe tensors") from None


def shapes(header: Mapping) -> dict[str, tuple[int, ...]]:
    """Shape of each tensor in a header, by name."""
    return {name: tuple(map(int, entry["shape"])) for name, entry in header.items() if name != "__metadata__"}


def _raw(name: str, tensor: np.ndarray | torch.Tensor) -> tuple[str, list[int], bytes]:
    """Dtype code, shape and little-endian bytes in row-major order."""
    shape = [int(length) for length in tensor.shape]
    if isinstance(tensor, np.ndarray):
        kind = tensor.dtype.name
        raw = tensor.astype(tensor.dtype.newbyteorder("<"), copy=False).tobytes()
    else:
        import torch

        kind = str(tensor.dtype).removeprefix("torch.")
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        raw = flat.view(torch.uint8).numpy().tobytes() if len(flat) else b""  # nothing cannot be viewed
    if kind not in _CODES:
        raise ValueError(f"tensor {name!r}: dtype {kind} cannot be kept; one of {', '.join(_CODES)} can")
    return _CODES[kind], shape, raw
