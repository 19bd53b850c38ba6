"""NumPy's .npz: arrays of samples, labels and groups."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.datasets.archive import Archive
from zoo.datasets.errors import MisfitError, UploadTooLargeError
from zoo.datasets.npy import NpyArray
from zoo.datasets.rows import Limits, Options, Parsed, Rejected, Row, Rows, name_problem
from zoo.datasets.schema import DTYPES, Kind, Schema
from zoo.datasets.snapshot import PARTS, Part

SAMPLE_NAMES = ("x", "X", "features", "data", "images")
LABEL_NAMES = ("y", "Y", "label", "labels", "target", "targets")
GROUP_NAMES = ("group", "groups", "writer", "writers", "subject")
MAX_TARGETS = 1000
_ENDINGS: tuple[tuple[Part | None, str], ...] = (
    (None, ""),
    *((part, f"_{part}") for part in PARTS),
    ("validation", "_val"),
)


@dataclass(frozen=True)
class _Block:
    """Arrays of one part: samples, and for each of them what is known."""

    part: Part | None
    x: NpyArray
    y: NDArray[Any] | None
    group: NDArray[Any] | None


def is_npz(archive: Archive) -> bool:
    """Whether an archive holds arrays."""
    return any(member.filename.endswith(".npy") for member in archive.members)


def parse_npz(archive: Archive, options: Options, limits: Limits) -> Parsed:
    """`x` with `y` and `group` if they are there, or x_train, y_train, x_test, ... for the parts of a split.

    Labels are whole numbers or texts; a float y is a target.
    """
    members = {member.filename.removesuffix(".npy"): member for member in archive.members}
    blocks = list(_blocks(archive, members, options, limits))
    first = blocks[0]
    if any(block.x.shape[1:] != first.x.shape[1:] or block.x.dtype != first.x.dtype for block in blocks):
        raise MisfitError("The arrays of the parts differ in shape or type.")
    if sum(len(block.x) for block in blocks) > limits.rows:
        raise UploadTooLargeError(f"The arrays have more than {limits.rows} samples.")
    schema = _schema(first, options)
    return schema, _rows(blocks, schema, options)


def _blocks(
    archive: Archive, members: dict[str, zipfile.ZipInfo], options: Options, limits: Limits
) -> Iterator[_Block]:
    def find(*names: str) -> NpyArray | None:
        found = next((name for name in names if name in members), None)
        return NpyArray(archive, members[found], limits) if found is not None else None

    def block(part: Part | None, ending: str) -> _Block | None:
        x = find(*(name + ending for name in SAMPLE_NAMES))
        if x is None:
            return None
        asked = options.label_column
        if asked is not None and asked + ending not in members:
            raise MisfitError(f"There is no array {asked + ending!r}.", field="query.label_column")
        y = find(*((asked + ending,) if asked is not None else (name + ending for name in LABEL_NAMES)))
        groups = (options.group_column,) if options.group_column else GROUP_NAMES
        group = find(*(name + ending for name in groups))
        if len(x.shape) < 2:
            raise MisfitError(f"The samples have the shape {list(x.shape)}; the first axis counts them.")
        for name, array in (("labels", y), ("groups", group)):
            if array is not None and len(array) != len(x):
                raise MisfitError(f"There are {len(x)} samples and {len(array)} {name}.")
        if y is not None and math.prod(y.shape[1:]) > MAX_TARGETS:
            raise UploadTooLargeError(f"A sample has more than {MAX_TARGETS} targets.")
        return _Block(part, x, y.whole() if y is not None else None, group.whole() if group is not None else None)

    found = [made for part, ending in _ENDINGS if (made := block(part, ending)) is not None]
    if not found:
        raise MisfitError(
            f"The file has the arrays {', '.join(name[:40] for name in list(members)[:10])}, and none of samples.",
            remedy="Call the samples `x` and their labels `y`: numpy.savez('data.npz', x=x, y=y).",
        )
    yield from found


def _schema(block: _Block, options: Options) -> Schema:
    shape = options.shape or block.x.shape[1:]
    if math.prod(shape) != math.prod(block.x.shape[1:]) or math.prod(shape) == 0:
        raise MisfitError(
            f"Samples of the shape {list(block.x.shape[1:])} do not make {list(shape)}.", field="query.shape"
        )
    if block.x.dtype.kind not in "biuf":
        raise MisfitError(f"The samples are of type {block.x.dtype}; send numbers.")
    # A picture without an axis of channels looks like a series; bytes tell the two apart.
    if len(shape) == 2 and options.shape is None and block.x.dtype == np.uint8:
        shape = (*shape, 1)
    kind: Kind = "tabular" if len(shape) == 1 else "series" if len(shape) == 2 else "image"
    dtype = block.x.dtype.newbyteorder("=").name
    targets: tuple[str, ...] = ()
    if block.y is not None and block.y.dtype.kind == "f":
        targets = tuple(f"target_{place}" for place in range(math.prod(block.y.shape[1:])))
    features = tuple(str(place) for place in range(shape[-1]))
    return Schema(kind, tuple(map(int, shape)), dtype if dtype in DTYPES else "float32", features, targets=targets)


def _rows(blocks: list[_Block], schema: Schema, options: Options) -> Rows:
    for block in blocks:
        ending = f"_{block.part}" if block.part else ""
        for number, values in enumerate(block.x.rows()):
            place = f"x{ending}[{number}]"
            label, target, problem = _answer(block.y, number, schema)
            origin = None if block.group is None else _text(block.group[number])
            if origin is not None and (wrong := name_problem(origin)) is not None:
                problem = f"The group {wrong}."
            with np.errstate(over="ignore"):  # what does not fit becomes infinite, and is rejected for it
                sample = values.astype(schema.dtype).reshape(schema.shape)
            if problem is not None:
                yield Rejected(place, problem)
            else:
                yield Row(place, sample, options.label if label is None else label, target, origin, block.part)


def _answer(y: NDArray[Any] | None, number: int, schema: Schema) -> tuple[str | None, tuple[float, ...], str | None]:
    """Label, target, and what is wrong with them."""
    if y is None:
        return None, (), None
    if schema.targets:
        target = tuple(float(value) for value in np.ravel(y[number]))
        return None, target, None
    if np.size(y[number]) != 1:
        return None, (), f"The label has {np.size(y[number])} values: send the class's number, or a float y as target."
    label = _text(y[number])
    problem = name_problem(label)
    return label, (), None if problem is None else f"The label {problem}."


def _text(value: Any) -> str:
    item = np.ravel(value)[0].item() if np.size(value) else ""
    return item.decode("utf-8", "replace").strip() if isinstance(item, bytes) else str(item).strip()
