"""A path into a device's data: /object/instance/resource/resource-instance, each a number from 0 to 65534."""

from dataclasses import dataclass
from typing import Self

from lwm2m.errors import PathError

MAX_ID = 65534  # 65535 is reserved (Core 1.1.1, section 7.2)
MAX_LEVELS = 4
_MAX_TEXT = MAX_LEVELS * len("/65534")


@dataclass(frozen=True, order=True, slots=True)
class Path:
    """Zero (the root) to four identifiers. `str(path)` is "/5/0/3", and "/" for the root."""

    ids: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what no device could hold."""
        if len(self.ids) > MAX_LEVELS:
            raise PathError(f"a path has at most {MAX_LEVELS} numbers, this one has {len(self.ids)}")
        for number in self.ids:
            if not 0 <= number <= MAX_ID:
                raise PathError(f"{number} is outside 0..{MAX_ID}")

    @classmethod
    def of(cls, *ids: int) -> Self:
        """Path.of(5, 0, 3) is /5/0/3."""
        return cls(ids)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read "/5/0/3" or "5/0/3"; "/" and "" are the root.

        Raises:
            PathError: anything else, with no more than a few bytes of it repeated.
        """
        body = text.removeprefix("/")
        if not body:
            return cls()
        if len(body) > _MAX_TEXT:
            raise PathError("the path is longer than any LwM2M path")
        parts = body.split("/")
        if not all(part.isascii() and part.isdigit() and (part == "0" or part[0] != "0") for part in parts):
            raise PathError(f"{text!r} is no LwM2M path: write /object/instance/resource with decimal numbers")
        return cls(tuple(int(part) for part in parts))

    def __str__(self) -> str:
        return "/" + "/".join(str(number) for number in self.ids)

    def __truediv__(self, number: int) -> Self:
        """Path.of(5, 0) / 3 is /5/0/3."""
        return type(self)((*self.ids, number))

    @property
    def level(self) -> int:
        """0 root, 1 object, 2 instance, 3 resource, 4 resource instance."""
        return len(self.ids)

    @property
    def object_id(self) -> int | None:
        """The object, unless this is the root."""
        return self.ids[0] if self.ids else None

    @property
    def instance_id(self) -> int | None:
        """The object instance, when the path reaches that deep."""
        return self.ids[1] if len(self.ids) > 1 else None

    @property
    def resource_id(self) -> int | None:
        """The resource, when the path reaches that deep."""
        return self.ids[2] if len(self.ids) > 2 else None

    @property
    def resource_instance_id(self) -> int | None:
        """The resource instance, when the path reaches that deep."""
        return self.ids[3] if len(self.ids) > 3 else None

    @property
    def segments(self) -> tuple[str, ...]:
        """The Uri-Path options of this path."""
        return tuple(str(number) for number in self.ids)

    @property
    def parent(self) -> Self:
        """One level up; the root is its own parent."""
        return type(self)(self.ids[:-1])

    def contains(self, other: "Path") -> bool:
        """Whether `other` is this path or lies below it."""
        return other.ids[: len(self.ids)] == self.ids
