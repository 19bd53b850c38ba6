"""A snapshot: samples, labels and split of a dataset as they were, in one immutable file named by its SHA-256."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from zoo.datasets import arrays
from zoo.datasets.arrays import Column
from zoo.datasets.errors import BadSnapshotError
from zoo.datasets.schema import Schema

Part = Literal["train", "validation", "test"]
PARTS: tuple[Part, ...] = ("train", "validation", "test")
VERSION = 1


@dataclass(frozen=True)
class Snapshot:
    """A loaded snapshot; its arrays are read-only and mapped from the file.

    `x`: [samples, *schema.shape] in schema.dtype. `y`: int32 class indices [samples] when there are labels, float32
    [samples, targets] when there are targets, otherwise None. `group`: int32 [samples], who or what a sample comes from
    (a writer, a recording) as a number without a name, -1 for unknown; None when nobody said. `split`: row indices
    (int32) of each part; the parts are disjoint and together hold every row.
    """

    sha256: str
    schema: Schema
    x: NDArray[Any]
    y: NDArray[Any] | None
    group: NDArray[np.int32] | None
    split: Mapping[Part, NDArray[np.int32]]

    def __len__(self) -> int:
        return len(self.x)

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes; `y` holds indices into them."""
        return self.schema.labels

    def part(self, name: Part) -> tuple[NDArray[Any], NDArray[Any] | None]:
        """Copies of x and y of one part, in memory."""
        rows = self.split[name]
        return self.x[rows], None if self.y is None else self.y[rows]


def chunks(
    schema: Schema,
    rows: Iterable[bytes],
    y: NDArray[Any] | None,
    group: NDArray[np.int32] | None,
    split: Mapping[Part, NDArray[np.int32]],
) -> Iterator[bytes]:
    """The file of a snapshot, piece by piece; `rows` are the samples' bytes, as many as the split has indices."""
    samples = sum(len(part) for part in split.values())
    columns = [Column("x", schema.dtype, (samples, *schema.shape), rows)]
    columns += [Column.of("y", y)] if y is not None else []
    columns += [Column.of("group", group)] if group is not None else []
    columns += [Column.of(part, split[part]) for part in PARTS]
    return arrays.chunks({"schema": schema.to_json(), "version": VERSION}, columns)


def load(path: Path, sha256: str | None = None) -> Snapshot:
    """Open a snapshot's file; it is read once for its hash, which has to be `sha256` when that is given.

    Raises BadSnapshotError for a damaged file or another one, FileNotFoundError for none.
    """
    actual = file_sha256(path)
    if sha256 is not None and actual != sha256:
        raise BadSnapshotError(f"{path.name} hashes to {actual}, not to {sha256}.")
    meta, found = arrays.read(path)
    if meta.get("version") != VERSION:
        raise BadSnapshotError(f"{path.name} is of version {meta.get('version')!r}; this reads {VERSION}.")
    try:
        schema = Schema.of_json(meta["schema"])
        x, y, group = found["x"], found.get("y"), found.get("group")
        split = {part: found[part] for part in PARTS}
    except (KeyError, TypeError, ValueError) as error:
        raise BadSnapshotError(f"{path.name} is no snapshot: {error!r}") from error
    if x.shape[1:] != schema.shape or x.dtype != schema.dtype:
        raise BadSnapshotError(f"{path.name}: the samples are {x.dtype} {x.shape[1:]}, not as its schema says.")
    if any(column is not None and len(column) != len(x) for column in (y, group)):
        raise BadSnapshotError(f"{path.name}: its columns differ in length.")
    expected = "int32" if schema.labels else "float32" if schema.targets else None
    if (None if y is None else str(y.dtype)) != expected or (y is not None and y.ndim != (1 if schema.labels else 2)):
        raise BadSnapshotError(f"{path.name}: its y is not what its schema says.")
    if schema.labels and y is not None and len(y) and not 0 <= y.min() <= y.max() < len(schema.labels):
        raise BadSnapshotError(f"{path.name}: an index has no label.")
    if any(rows.ndim != 1 or rows.dtype != "int32" for rows in split.values()):
        raise BadSnapshotError(f"{path.name}: its split is no list of indices.")
    used = np.sort(np.concatenate([split[part] for part in PARTS]))
    if not np.array_equal(used, np.arange(len(x))):
        raise BadSnapshotError(f"{path.name}: its split does not hold every sample once.")
    return Snapshot(actual, schema, x, y, group, split)


def file_sha256(path: Path) -> str:
    """Of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
