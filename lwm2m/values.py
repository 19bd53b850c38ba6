"""The data types of LwM2M (Core 1.1.1, Appendix C) and the Python values that stand for them."""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from lwm2m.errors import CodecError

INT64_MIN, INT64_MAX, UINT64_MAX = -(2**63), 2**63 - 1, 2**64 - 1


class ResourceType(StrEnum):
    """The type of a resource's value."""

    STRING = "string"
    INTEGER = "integer"
    UNSIGNED_INTEGER = "unsigned_integer"
    FLOAT = "float"
    BOOLEAN = "boolean"
    OPAQUE = "opaque"
    TIME = "time"
    OBJLNK = "objlnk"
    CORELINK = "corelink"
    NONE = "none"  # a resource that can only be executed


@dataclass(frozen=True, slots=True)
class ObjectLink:
    """A reference to an object instance; 65535:65535 is the null link."""

    object_id: int
    instance_id: int

    def __post_init__(self) -> None:
        """Both halves are unsigned 16-bit numbers."""
        if not (0 <= self.object_id <= 0xFFFF and 0 <= self.instance_id <= 0xFFFF):
            raise CodecError(f"{self} is no object link: both numbers are 0..65535")

    def __str__(self) -> str:
        return f"{self.object_id}:{self.instance_id}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read "33606:0"."""
        left, colon, right = text.partition(":")
        halves = (left, right)
        if not colon or not all(half.isascii() and half.isdigit() and len(half) <= 5 for half in halves):
            raise CodecError(f"{text[:20]!r} is no object link: write object:instance")
        return cls(int(left), int(right))


# TIME is an int: seconds since 1970, as on the wire.
Value = str | int | float | bool | bytes | ObjectLink


def check_value(kind: ResourceType, value: object) -> Value:
    """`value` as the Python value of `kind`; an int stands for a float and an integral float for an int.

    Raises:
        CodecError: the value is of another type, or out of range.
    """
    match kind:
        case ResourceType.STRING | ResourceType.CORELINK if isinstance(value, str):
            return _as_text(value)
        case ResourceType.BOOLEAN if isinstance(value, bool):
            return value
        case ResourceType.OPAQUE if isinstance(value, bytes):
            return value
        case ResourceType.OBJLNK if isinstance(value, ObjectLink):
            return value
        case ResourceType.FLOAT if isinstance(value, int | float) and not isinstance(value, bool):
            return _as_float(value)
        case ResourceType.INTEGER | ResourceType.TIME if isinstance(value, int | float) and not isinstance(value, bool):
            return _as_int(value, INT64_MIN, INT64_MAX)
        case ResourceType.UNSIGNED_INTEGER if isinstance(value, int | float) and not isinstance(value, bool):
            return _as_int(value, 0, UINT64_MAX)
        case _:
            raise CodecError(f"a value of type {kind} is expected, not {type(value).__name__}")


def _as_text(value: str) -> str:
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:  # half a surrogate pair, which JSON can spell and nothing can store
            raise CodecError("the text is no Unicode") from error
    return value


def _as_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError as error:
        raise CodecError("the number is too large for a float") from error


def _as_int(value: float, low: int, high: int) -> int:
    if isinstance(value, float):
        if not math.isfinite(value) or not value.is_integer():
            raise CodecError(f"{value} is no whole number")
        value = int(value)
    if not low <= value <= high:
        raise CodecError(f"the number is outside {low}..{high}")
    return value
