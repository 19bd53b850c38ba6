"""What record formats (SenML, LwM2M JSON) share: values with times, and the rules of those times."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from lwm2m.errors import CodecError, PathError
from lwm2m.nodes import Leaf
from lwm2m.paths import Path

MAX_RECORDS = 10_000  # values in one payload
MAX_NAME = 64  # characters of a name; the longest path has 24
MAX_TIME = 1e11  # seconds on either side of 1970, or of now: three thousand years
ABSOLUTE_FROM = 2**28  # a smaller time is relative to now (RFC 8428, section 4.5.3)


@dataclass(frozen=True, slots=True)
class Record:
    """A value and its time as sent: None says nothing, below 2**28 it is relative to now."""

    leaf: Leaf
    time: float | None = None


def newest(records: Iterable[Record]) -> list[Leaf]:
    """The latest value of every path; one without a time is of now.

    Raises:
        CodecError: a path has two values of the same time.
    """
    kept: dict[Path, Record] = {}
    for record in records:
        before = kept.get(record.leaf.path)
        if before is None:
            kept[record.leaf.path] = record
            continue
        if _moment(before.time) == _moment(record.time):
            raise CodecError(f"{record.leaf.path} appears twice")
        if _moment(before.time) < _moment(record.time):
            kept[record.leaf.path] = record
    return [record.leaf for record in kept.values()]


def by_time(records: Iterable[Record], now: float) -> list[tuple[float | None, list[Leaf]]]:
    """Values grouped by their time in seconds since 1970, oldest first; those of now come last, under None."""
    groups: dict[float | None, list[Leaf]] = {}
    for record in records:
        time = record.time
        if time is not None and time < ABSOLUTE_FROM:
            time = now + time if time else None
        groups.setdefault(time, []).append(record.leaf)
    return sorted(groups.items(), key=lambda group: math.inf if group[0] is None else group[0])


def add_times(base: object, own: object) -> float | None:
    """The time of a record from its base time and its own, either of which may be absent (None)."""
    if base is None and own is None:
        return None
    return _seconds(base) + _seconds(own)


def record_path(name: str) -> Path:
    """The path that a record's name spells.

    Raises:
        CodecError: the name is no path of a device.
    """
    try:
        return Path.parse(name)
    except PathError as error:
        raise CodecError(f"a record's name is no path: {error}") from error


def short_text(value: object) -> str:
    """A name, which is a text of bounded length."""
    if not isinstance(value, str) or len(value) > MAX_NAME:
        raise CodecError(f"the name of a record is a text of at most {MAX_NAME} characters")
    return value


def _seconds(value: object) -> float:
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int | float) or not -MAX_TIME <= value <= MAX_TIME:
        raise CodecError("the time of a record is no number of seconds, or far from any")
    return value


def _moment(time: float | None) -> tuple[bool, float]:
    """For comparing: a relative time, which is around now, comes after every absolute one."""
    return (time is None or time < ABSOLUTE_FROM, time or 0.0)
