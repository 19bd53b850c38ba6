"""When an observer is due a notification: pmin, pmax, gt, lt and st (Core 1.1.1, section 5.1.2), as a pure rule."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

PERIODS = ("pmin", "pmax", "epmin", "epmax")
THRESHOLDS = ("gt", "lt", "st")


@dataclass(frozen=True, slots=True)
class Attributes:
    """The attributes in force at a path. Periods in seconds; thresholds in the unit of the value."""

    pmin: float = 0.0
    pmax: float | None = None
    gt: float | None = None
    lt: float | None = None
    st: float | None = None

    @classmethod
    def merged(cls, levels: Iterable[Mapping[str, str]]) -> Self:
        """From those of the object to those of the resource instance: the later, the stronger."""
        found: dict[str, float] = {}
        for level in levels:
            found |= {name: float(value) for name, value in level.items() if name in cls.__slots__}
        merged = cls(**found)
        # A pmax below pmin is ignored.
        return merged if merged.pmax is None or merged.pmax >= merged.pmin else cls(**found | {"pmax": math.inf})


@dataclass(frozen=True, slots=True)
class Last:
    """What an observer was told last, and when; a value that is no number is None."""

    at: float
    number: float | None = None


def due(attributes: Attributes, last: Last, *, changed: bool, number: float | None, now: float) -> float | None:
    """When to notify next, None when nothing is planned. `changed` says that the value is another one since `last`."""
    latest = last.at + attributes.pmax if attributes.pmax else math.inf
    if changed and _matters(attributes, last.number, number):
        return min(max(now, last.at + attributes.pmin), latest)
    return None if math.isinf(latest) else max(now, latest)


def _matters(attributes: Attributes, before: float | None, number: float | None) -> bool:
    """Whether a change is one that the observer wants to hear of; without thresholds it is any."""
    thresholds = (attributes.gt, attributes.lt, attributes.st)
    if number is None or before is None or all(each is None for each in thresholds):
        return True
    crossed = [limit is not None and (before > limit) != (number > limit) for limit in (attributes.gt,)] + [
        limit is not None and (before < limit) != (number < limit) for limit in (attributes.lt,)
    ]
    stepped = attributes.st is not None and abs(number - before) >= attributes.st
    return any(crossed) or stepped
