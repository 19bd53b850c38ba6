"""CSV: one sample in each row, with columns for label, group, part and targets."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from zoo.datasets.errors import MisfitError, UnreadableUploadError, UploadTooLargeError
from zoo.datasets.rows import Limits, Options, Parsed, Rejected, Row, Rows, feature_names, name_problem, part_of
from zoo.datasets.schema import Kind, Schema

LABEL_COLUMNS = ("label", "class")
GROUP_COLUMNS = ("group", "writer", "subject")
PART_COLUMNS = ("split", "part")
_DELIMITERS = (",", ";", "\t")
_REJECTED_CHARACTERS = 1000
_FLOAT32_MAX = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Layout:
    """Which column is what, by place."""

    names: tuple[str, ...]
    features: tuple[int, ...]
    targets: tuple[int, ...]
    label: int | None
    group: int | None
    part: int | None


def parse_csv(data: bytes, options: Options, limits: Limits) -> Parsed:
    """Read a CSV file in UTF-8, with or without a line of column names; ',', ';' or tab between the fields.

    Without names the columns are called 0, 1, ... Every column that is not named for something else is a feature.
    """
    delimiter = _delimiter(data[: limits.line_bytes].split(b"\n", 1)[0].decode("utf-8", "replace"))
    lines = _Lines(data, limits)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    numbered = _numbered(reader, lines)
    try:
        _, first = next(numbered)
    except StopIteration:
        raise UnreadableUploadError("The file has no rows.") from None
    if len(first) > limits.columns:
        raise UploadTooLargeError(
            f"The first row has more than {limits.columns} columns.",
            remedy="Send rows of more values as an .npz.",
        )
    headed = any(_number(cell) is None for cell in first)
    names = [cell.strip() for cell in first] if headed else [str(place) for place in range(len(first))]
    layout = _layout(feature_names(names, "column"), options)
    schema = _schema(layout, options)
    return schema, _rows(layout, schema, numbered, None if headed else first, options, limits)


class _Lines(Iterator[str]):
    """Lines of the file for csv.reader, which would join any number of them to one row: bounded between `begin`s."""

    def __init__(self, data: bytes, limits: Limits) -> None:
        self._file = io.BytesIO(data)
        self._limit = limits.line_bytes
        self._used = 0
        self.number = 0

    def begin(self) -> None:
        """The next line begins a row."""
        self._used = 0

    def __next__(self) -> str:
        line = self._file.readline(self._limit + 1)
        if not line:
            raise StopIteration
        self.number += 1
        self._used += len(line)
        if self._used > self._limit:
            raise UploadTooLargeError(
                f"The row at line {self.number} is longer than {self._limit} bytes.",
                remedy="Send samples of more values as an .npz; check for a quotation mark that is never closed.",
            )
        try:
            return line.decode("utf-8-sig" if self.number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise UnreadableUploadError(
                f"Line {self.number} is not UTF-8: byte {error.object[error.start]:#04x} at place {error.start}.",
                remedy="Save the file as UTF-8.",
            ) from error


def _numbered(reader: Iterator[list[str]], lines: _Lines) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not empty, each with the number of its first line."""
    while True:
        lines.begin()
        number = lines.number + 1
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise UnreadableUploadError(f"Line {lines.number}: {error}.") from error
        if row is None:
            return
        if any(cell.strip() for cell in row):
            yield number, row


def _delimiter(head: str) -> str:
    return max(_DELIMITERS, key=lambda delimiter: (head.count(delimiter), -_DELIMITERS.index(delimiter)))


def _layout(names: tuple[str, ...], options: Options) -> Layout:
    places = {name: place for place, name in enumerate(names)}

    def column(asked: str | None, usual: tuple[str, ...], field: str) -> int | None:
        if asked is None:
            found = [name for name in names if name.lower() in usual]
            return places[found[0]] if found else None
        if asked not in places:
            raise MisfitError(
                f"There is no column {asked[:40]!r}.",
                remedy=f"The columns are {', '.join(name[:40] for name in names[:20])}.",
                field=f"query.{field}",
            )
        return places[asked]

    label = column(options.label_column, LABEL_COLUMNS, "label_column")
    group = column(options.group_column, GROUP_COLUMNS, "group_column")
    part = column(None, PART_COLUMNS, "split")
    targets = tuple(place for name in options.target_columns if (place := column(name, (), "targets")) is not None)
    ignored = {column(name, (), "ignore") for name in options.ignored_columns}
    if targets and options.label_column is not None:
        raise MisfitError("A dataset has labels or targets, not both.", field="query.targets")
    if targets:
        label = None
    named = {label, group, part, *targets, *ignored}
    features = tuple(place for place in range(len(names)) if place not in named)
    if not features:
        raise MisfitError("No column is left for the features.", remedy="Send at least one column of numbers.")
    return Layout(names, features, targets, label, group, part)


def _schema(layout: Layout, options: Options) -> Schema:
    shape = options.shape or (len(layout.features),)
    if math.prod(shape) != len(layout.features):
        raise MisfitError(
            f"{len(layout.features)} columns of features do not make the shape {list(shape)}.", field="query.shape"
        )
    kind: Kind = "tabular" if len(shape) == 1 else "series" if len(shape) == 2 else "image"
    names = [layout.names[place] for place in layout.features]
    features = tuple(names) if kind == "tabular" else tuple(str(place) for place in range(shape[-1]))
    return Schema(kind, shape, "float32", features, targets=tuple(layout.names[place] for place in layout.targets))


def _rows(
    layout: Layout,
    schema: Schema,
    numbered: Iterator[tuple[int, list[str]]],
    first: list[str] | None,
    options: Options,
    limits: Limits,
) -> Rows:
    if first is not None:
        yield _row(1, first, layout, schema, options)
    for count, (number, cells) in enumerate(numbered, 1 if first is None else 2):
        if count > limits.rows:
            raise UploadTooLargeError(f"The file has more than {limits.rows} rows.")
        yield _row(number, cells, layout, schema, options)


def _row(number: int, cells: list[str], layout: Layout, schema: Schema, options: Options) -> Row | Rejected:
    place = f"line {number}"

    def rejected(reason: str) -> Rejected:
        return Rejected(place, reason, ",".join(cells[:1000])[:_REJECTED_CHARACTERS])

    if len(cells) != len(layout.names):
        return rejected(f"It has {len(cells)} fields instead of {len(layout.names)}.")
    numbers = []
    for index in (*layout.features, *layout.targets):
        value = _number(cells[index])
        if value is None or not abs(value) <= _FLOAT32_MAX:
            return rejected(f"Column {layout.names[index]}: {cells[index][:40]!r} is no finite number.")
        numbers.append(value)
    label = options.label
    if layout.label is not None:
        label = cells[layout.label].strip()
        problem = name_problem(label)
        if problem is not None:
            return rejected(f"Column {layout.names[layout.label]}: the label {problem}.")
    origin = cells[layout.group].strip() if layout.group is not None else None
    if origin is not None and (problem := name_problem(origin)) is not None:
        return rejected(f"The group {problem}.")
    part = part_of(cells[layout.part]) if layout.part is not None else None
    if layout.part is not None and part is None and cells[layout.part].strip():
        return rejected(f"Column {layout.names[layout.part]}: {cells[layout.part][:40]!r} is no part of a split.")
    width = len(layout.features)
    values = np.array(numbers[:width], np.float32).reshape(schema.shape)
    return Row(place, values, label, tuple(numbers[width:]), origin, part)


def _number(cell: str) -> float | None:
    """A cell as a number; Python's own 1_000 is none."""
    try:
        return None if "_" in cell else float(cell)
    except ValueError:
        return None
