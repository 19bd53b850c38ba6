"""Named arrays in one file that is read by mapping it into memory: the form of stored samples and of snapshots.

    0   8 bytes  b"TMLARR01"
    8   uint32   length of the header, little-endian
    12  header   JSON, keys sorted, without blanks: {"arrays": [{dtype, name, offset, shape}, ...], "meta": {...}}
    ..  zeros up to a multiple of 64
    ..  the arrays, C order, little-endian, each from a multiple of 64 on; offsets count from the first one's place

The same arrays and meta always give the same bytes, so the file's SHA-256 names its content.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.datasets.errors import BadSnapshotError

MAGIC = b"TMLARR01"
ALIGNMENT = 64
MAX_HEADER_BYTES = 4 * 1024 * 1024
_DTYPES = {"uint8": "|u1", "int8": "|i1", "int16": "<i2", "int32": "<i4", "float32": "<f4"}


@dataclass(frozen=True)
class Column:
    """An array to be written: its rows come as buffers, so that it never has to be in memory whole."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    rows: Iterable[bytes]

    @classmethod
    def of(cls, name: str, array: NDArray[Any]) -> Column:
        """A column of an array that is in memory."""
        data = np.ascontiguousarray(array).astype(_DTYPES[str(array.dtype)], copy=False)
        return cls(name, str(array.dtype), array.shape, [data.tobytes()])

    @property
    def size(self) -> int:
        """Bytes."""
        return math.prod(self.shape) * np.dtype(_DTYPES[self.dtype]).itemsize


def chunks(meta: Mapping[str, object], columns: Sequence[Column]) -> Iterator[bytes]:
    """The file, piece by piece. Raises ValueError when a column's rows are not as long as its shape says."""
    offset, arrays = 0, []
    for column in columns:
        arrays.append({"name": column.name, "dtype": column.dtype, "shape": list(column.shape), "offset": offset})
        offset += _aligned(column.size)
    document = {"arrays": arrays, "meta": meta}
    header = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
    if len(header) > MAX_HEADER_BYTES:
        raise ValueError(f"a header of {len(header)} bytes: the names are too long")
    start = len(MAGIC) + 4 + len(header)
    yield MAGIC + struct.pack("<I", len(header)) + header + bytes(_aligned(start) - start)
    for column in columns:
        written = 0
        for row in column.rows:
            written += len(row)
            yield row
        if written != column.size:
            raise ValueError(f"{column.name} has {written} bytes instead of {column.size}")
        yield bytes(_aligned(written) - written)


def read(path: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Meta and arrays of a file; the arrays are read-only and mapped, so only what is touched is read.

    Raises BadSnapshotError for a file that is not of this form, FileNotFoundError for none.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(len(MAGIC) + 4)
        if len(head) < len(MAGIC) + 4 or not head.startswith(MAGIC):
            raise BadSnapshotError(f"{path.name} is no file of arrays.")
        (length,) = struct.unpack("<I", head[len(MAGIC) :])
        if length > min(MAX_HEADER_BYTES, size):
            raise BadSnapshotError(f"{path.name} states a header of {length} bytes.")
        text = file.read(length)
    try:
        header = json.loads(text)
        arrays = _mapped(path, header["arrays"], _aligned(len(head) + length), size)
        meta = header["meta"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadSnapshotError(f"{path.name} has a damaged header: {error}") from error
    if not isinstance(meta, dict):
        raise BadSnapshotError(f"{path.name} has no meta data.")
    return meta, arrays


def _mapped(path: Path, stated: Sequence[Mapping[str, Any]], start: int, size: int) -> dict[str, NDArray[Any]]:
    arrays: dict[str, NDArray[Any]] = {}
    end = start
    for item in stated:
        dtype, shape = np.dtype(_DTYPES[item["dtype"]]), tuple(item["shape"])
        if not all(type(length) is int and length >= 0 for length in shape):
            raise ValueError(f"shape {shape}")
        if item["offset"] != end - start:
            raise ValueError(f"{item['name']} does not stand at {end - start}")
        end += _aligned(math.prod(shape) * dtype.itemsize)
        if end > size:
            raise ValueError(f"{item['name']} ends past the file")
        arrays[item["name"]] = (
            np.memmap(path, dtype, "r", start + item["offset"], shape) if math.prod(shape) else np.empty(shape, dtype)
        )
    if end != size:
        raise ValueError(f"{size - end} bytes are left over")
    return arrays


def _aligned(length: int) -> int:
    return -(-length // ALIGNMENT) * ALIGNMENT
