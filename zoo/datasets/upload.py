"""One upload: its format is found out, samples are checked and kept, and what cannot be used is set aside."""

from __future__ import annotations

import hashlib
import json
import math
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import IO, Literal, Self

import numpy as np

from zoo.datasets import arrays
from zoo.datasets.acquisition import label_of_file, parse_acquisition
from zoo.datasets.archive import Archive, is_zip
from zoo.datasets.arrays import Column
from zoo.datasets.datarepo import parse_datarepo, parse_description
from zoo.datasets.errors import MisfitError, NothingAcceptedError, UnreadableUploadError, UploadTooLargeError
from zoo.datasets.images import parse_images
from zoo.datasets.npz import is_npz, parse_npz
from zoo.datasets.rows import Limits, Options, Parsed, Rejected, Row, Rows
from zoo.datasets.schema import Schema
from zoo.datasets.snapshot import Part
from zoo.datasets.table import parse_csv

Format = Literal["csv", "npz", "images", "acquisition-json", "acquisition-cbor", "datarepo"]
FORMATS: tuple[Format, ...] = ("csv", "npz", "images", "acquisition-json", "acquisition-cbor", "datarepo")
_ACQUISITIONS = frozenset({"acquisition-json", "acquisition-cbor"})
MAX_CLASSES = 1000
MAX_KEPT_REJECTIONS = 10_000
_CHUNK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Sample:
    """What is known of an accepted sample beside its values; `sha256` is over values and targets."""

    sha256: str
    label: str | None
    origin: str | None
    part: Part | None


class Batch:
    """Accepted samples, their values in a temporary file, and rejected rows. A context manager: it removes the file."""

    def __init__(self, schema: Schema, limits: Limits) -> None:
        self.schema = schema
        self.samples: list[Sample] = []
        self.rejections: list[Rejected] = []
        self.rejected = 0
        self.duplicates = 0
        self._limits = limits
        self._targets: list[tuple[float, ...]] = []
        self._values: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._values.close()

    def reject(self, row: Rejected) -> None:
        """Set a row aside; past a bound they are only counted."""
        self.rejected += 1
        if len(self.rejections) < MAX_KEPT_REJECTIONS:
            self.rejections.append(row)

    def add(self, row: Row, is_known: Callable[[str], bool] | None) -> None:
        """Keep a sample, unless its values are not finite, or `is_known` says that they are there already."""
        if not np.isfinite(row.values).all() or not all(map(math.isfinite, row.target)):
            self.reject(Rejected(row.place, "It has NaN or infinity."))
            return
        values = np.ascontiguousarray(row.values).tobytes()
        if self._values.tell() + len(values) > self._limits.sample_bytes:
            raise UploadTooLargeError(f"The samples take more than {self._limits.sample_bytes} bytes.")
        target = np.array(row.target, "<f4").tobytes()
        sha256 = hashlib.sha256(values + target).hexdigest()
        if is_known is not None and is_known(sha256):
            self.duplicates += 1
            self.reject(Rejected(row.place, "The same values are there already.", sha256))
            return
        self._values.write(values)
        self._targets.append(row.target)
        self.samples.append(Sample(sha256, row.label, row.origin, row.part))

    def chunks(self) -> Iterator[bytes]:
        """The file of the samples' values (`x`, and `targets` if there are any), piece by piece."""
        count = len(self.samples)
        columns = [Column("x", self.schema.dtype, (count, *self.schema.shape), self._stored())]
        if self.schema.targets:
            columns.append(Column.of("targets", np.array(self._targets, np.float32)))
        return arrays.chunks({}, columns)

    def rejected_lines(self) -> bytes:
        """The rejected rows as JSON lines."""
        return b"".join(
            json.dumps({"place": row.place, "reason": row.reason, "content": row.content}).encode() + b"\n"
            for row in self.rejections
        )

    def _stored(self) -> Iterator[bytes]:
        self._values.seek(0)
        while chunk := self._values.read(_CHUNK):
            yield chunk


def guess(data: bytes, name: str) -> Format:
    """The format of a file, by its first bytes and its name; UnreadableUploadError when it is none."""
    suffix = PurePosixPath(name.lower()).suffix.removeprefix(".")
    if is_zip(data):
        return "npz" if suffix == "npz" or b".npy" in data[:200] else "images"
    if suffix == "cbor" or (data and data[0] >> 5 == 5):
        return "acquisition-cbor"
    if data.lstrip()[:1] == b"{":
        return "acquisition-json"
    if suffix in {"csv", "tsv", "txt"} or (suffix == "" and b"\x00" not in data[:1000]):
        return "csv"
    raise UnreadableUploadError(
        f"What {name[:80] or 'the body'} is cannot be told from its first bytes.",
        remedy=f"Say its format in the query: {', '.join(FORMATS)}.",
        field="query.format",
    )


def parse(
    files: Mapping[str, bytes], format_: Format | None, options: Options, limits: Limits
) -> tuple[Format, Parsed]:
    """One file, or the pair of datareposrc: one that ends in .data and one in .json."""
    names = sorted(files)
    ending = {PurePosixPath(name.lower()).suffix: name for name in names}
    if format_ == "datarepo" or (len(files) == 2 and {".data", ".json"} <= ending.keys()):
        if len(files) != 2 or not {".data", ".json"} <= ending.keys():
            raise UnreadableUploadError("datareposrc has two files, one ending in .data and one in .json.")
        description = parse_description(files[ending[".json"]])
        return "datarepo", parse_datarepo(description, files[ending[".data"]], options, limits)
    if len(files) != 1:
        raise UnreadableUploadError(f"{len(files)} files were sent: send one, or a .data with its .json.")
    (name, data), *_ = files.items()
    format_ = format_ or guess(data, name)
    if format_ == "csv":
        return format_, parse_csv(data, options, limits)
    if format_ in _ACQUISITIONS:
        named = labelled(files, format_, options)
        return format_, parse_acquisition(data, named, limits, binary=format_ == "acquisition-cbor")
    archive = Archive(data, limits)
    if format_ == "npz" or is_npz(archive):
        return "npz", parse_npz(archive, options, limits)
    return "images", parse_images(archive, options, limits)


def labelled(files: Mapping[str, bytes], format_: Format | None, options: Options) -> Options:
    """The options with the label that the name of an acquisition's file gives it, where nobody gave another."""
    if len(files) != 1 or options.label is not None or not options.label_from_name:
        return options
    (name, data), *_ = files.items()
    if (format_ or guess(data, name)) not in _ACQUISITIONS:
        return options
    return replace(options, label=label_of_file(name))


def collect(
    schema: Schema,
    rows: Rows,
    limits: Limits,
    *,
    expected: Schema | None = None,
    is_known: Callable[[str], bool] | None = None,
) -> Batch:
    """Go through an upload's rows. `expected` is the schema of the dataset that they go into.

    Raises MisfitError when the upload is of another schema, NothingAcceptedError when no row can be used.
    """
    if expected is not None:
        _check_fit(schema, expected)
    batch = Batch(schema, limits)
    try:
        _fill(batch, rows, limits, expected, is_known)
    except BaseException:
        batch.__exit__()
        raise
    return batch


def _fill(
    batch: Batch, rows: Rows, limits: Limits, expected: Schema | None, is_known: Callable[[str], bool] | None
) -> None:
    classes = set(expected.labels if expected is not None else ())
    for count, row in enumerate(rows):
        if count >= limits.rows:
            raise UploadTooLargeError(f"The upload has more than {limits.rows} rows.")
        if isinstance(row, Rejected):
            batch.reject(row)
            continue
        if row.label is not None and row.label not in classes:
            _check_classes(row.label, classes, batch.schema)
            classes.add(row.label)
        batch.add(row, is_known)
    # An upload of nothing but duplicates is no mistake.
    if not batch.samples and batch.duplicates < batch.rejected:
        first = batch.rejections[0]
        raise NothingAcceptedError(f"None of the {batch.rejected} rows can be used. {first.place}: {first.reason}")
    if not batch.samples and not batch.rejected:
        raise NothingAcceptedError("The upload has no rows.")
    batch.schema = batch.schema.with_labels(classes)


def _check_fit(schema: Schema, expected: Schema) -> None:
    problem = expected.misfit(schema)
    if problem is not None:
        raise MisfitError(problem)


def _check_classes(label: str, classes: set[str], schema: Schema) -> None:
    if schema.targets:
        raise MisfitError(f"The samples have targets; the label {label!r} has no place.", field="query.label")
    if len(classes) >= MAX_CLASSES:
        raise UploadTooLargeError(
            f"There are more than {MAX_CLASSES} classes.",
            remedy="Is the label column a column of numbers? Name it in `targets` to predict the number itself.",
        )
