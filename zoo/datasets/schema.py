"""What every sample of a dataset looks like: shape, type, names of features, labels or targets."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, cast

Kind = Literal["image", "series", "tabular"]
KINDS: tuple[Kind, ...] = ("image", "series", "tabular")
# What samples are stored as; parsers turn other numbers into float32.
DTYPES = ("uint8", "int8", "int16", "float32")


@dataclass(frozen=True)
class Schema:
    """`shape` is one sample's: (height, width, channels), (readings, sensors) or (columns,).

    `features` name the last axis: channels, sensors or columns. `labels` are the classes in the order of their indices;
    `targets` the numbers to be predicted instead. A dataset has one of the two, or neither.
    """

    kind: Kind
    shape: tuple[int, ...]
    dtype: str
    features: tuple[str, ...]
    labels: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    interval_ms: float | None = None

    @property
    def values(self) -> int:
        """Numbers in one sample."""
        return math.prod(self.shape)

    def with_labels(self, labels: Iterable[str]) -> Schema:
        """The same with other classes, in their order."""
        return replace(self, labels=ordered(labels))

    def misfit(self, other: Schema) -> str | None:
        """Why samples of `other` cannot join a dataset of this schema; None when they can. Labels may differ."""
        if other.shape != self.shape:
            return f"Its samples have the shape {list(other.shape)}; the dataset's have {list(self.shape)}."
        if other.dtype != self.dtype:
            return f"Its values are {other.dtype}; the dataset's are {self.dtype}."
        if other.features != self.features:
            return f"Its features are {_listed(other.features)}; the dataset's are {_listed(self.features)}."
        if other.targets != self.targets:
            return f"Its targets are {_listed(other.targets)}; the dataset's are {_listed(self.targets)}."
        if other.interval_ms != self.interval_ms:
            return f"Its readings are {other.interval_ms} ms apart; the dataset's are {self.interval_ms} ms."
        return None

    def to_json(self) -> dict[str, object]:
        """As the API and the snapshot's file have it."""
        return {
            "kind": self.kind,
            "shape": list(self.shape),
            "dtype": self.dtype,
            "features": list(self.features),
            "labels": list(self.labels),
            "targets": list(self.targets),
            "interval_ms": self.interval_ms,
        }

    @classmethod
    def of_json(cls, data: Mapping[str, object]) -> Schema:
        """Read what `to_json` wrote; raises KeyError, TypeError or ValueError for anything else."""
        kind, dtype, interval = data["kind"], data["dtype"], data["interval_ms"]
        shape = tuple(cast("list[int]", data["shape"]))
        if kind not in KINDS or dtype not in DTYPES or not all(type(size) is int and size > 0 for size in shape):
            raise ValueError(f"no schema: kind {kind!r}, dtype {dtype!r}, shape {shape!r}")
        if interval is not None and not isinstance(interval, int | float):
            raise TypeError("interval_ms is no number")
        names = {key: tuple(map(str, cast("list[object]", data[key]))) for key in ("features", "labels", "targets")}
        return cls(kind, shape, str(dtype), interval_ms=interval, **names)


def ordered(labels: Iterable[str]) -> tuple[str, ...]:
    """Classes in the order of their indices: by number when all are whole numbers, otherwise by text."""
    unique = set(labels)
    if all(label.isascii() and label.isdigit() and len(label) < 10 for label in unique):
        return tuple(sorted(unique, key=lambda label: (int(label), label)))
    return tuple(sorted(unique))


def _listed(names: tuple[str, ...]) -> str:
    shown = ", ".join(name[:40] for name in names[:8])
    return f"{shown}, ... ({len(names)})" if len(names) > 8 else shown or "none"
