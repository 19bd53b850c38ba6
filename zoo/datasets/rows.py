"""What the parsers of all formats give: a schema, and samples or rejections one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from zoo.datasets.errors import MisfitError
from zoo.datasets.schema import Schema
from zoo.datasets.snapshot import PARTS, Part

MAX_LABEL = 100
"""Characters of a label, a group's or a feature's name."""

MAX_NAMES = 200_000
"""Characters of all features' names together: they are in every answer that shows the schema."""

_PART_NAMES: dict[str, Part] = {
    **{part: part for part in PARTS},
    "training": "train",
    "valid": "validation",
    "val": "validation",
    "testing": "test",
}


@dataclass(frozen=True)
class Limits:
    """Bounds of one upload; every parser keeps to them before it allocates."""

    rows: int = 100_000
    values: int = 1 << 20
    sample_bytes: int = 128 * 1024 * 1024
    line_bytes: int = 1024 * 1024
    columns: int = 16_384
    document_bytes: int = 8 * 1024 * 1024
    document_depth: int = 8
    members: int = 20_000
    unpacked_bytes: int = 128 * 1024 * 1024
    ratio: int = 200
    pixels: int = 16 * 1024 * 1024


@dataclass(frozen=True)
class Options:
    """What a caller says about an upload.

    `label` is that of every sample that brings none of its own; without it an acquisition's comes from the file's name
    unless `label_from_name` is off. The columns are those of a CSV file or the arrays of an
    .npz. `shape` is one sample's: a CSV's columns are laid out so, images are resized to it. `window` cuts a recording
    into samples of so many readings, one every `stride`. `key` is what acquisitions have to be signed with.
    """

    label: str | None = None
    label_from_name: bool = True
    label_column: str | None = None
    group_column: str | None = None
    target_columns: tuple[str, ...] = ()
    ignored_columns: tuple[str, ...] = ()
    shape: tuple[int, ...] | None = None
    window: int | None = None
    stride: int | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A sample in its schema's shape and type; `origin` is its group, `part` where the uploader put it."""

    place: str
    values: NDArray[Any]
    label: str | None = None
    target: tuple[float, ...] = ()
    origin: str | None = None
    part: Part | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that cannot be used: where it stood, why, and the beginning of what it was."""

    place: str
    reason: str
    content: str = ""


Rows = Iterator[Row | Rejected]
Parsed = tuple[Schema, Rows]


def part_of(name: str) -> Part | None:
    """The part of a split that a folder or a cell names."""
    return _PART_NAMES.get(name.strip().lower())


def name_problem(text: str) -> str | None:
    """Why a text cannot name a class or a group; None when it can."""
    if not text:
        return "is empty"
    if len(text) > MAX_LABEL:
        return f"is longer than {MAX_LABEL} characters"
    if not text.isprintable():
        return "has control characters"
    if text.lower() in {"nan", "null", "none"}:
        return f"is {text}, which is no name"
    return None


def feature_names(names: list[str], what: str) -> tuple[str, ...]:
    """Checked names of columns or sensors; raises MisfitError for one that cannot be used or stands twice."""
    for name in names:
        problem = name_problem(name)
        if problem is not None:
            raise MisfitError(f"The {what} {name[:40]!r} {problem}.")
    if sum(map(len, names)) > MAX_NAMES:
        raise MisfitError(f"The names of the {what}s have more than {MAX_NAMES} characters together.")
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise MisfitError(f"The {what} {twice!r} stands twice.")
    return tuple(names)
