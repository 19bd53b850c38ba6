"""A bounded reader of FlatBuffers: every offset is checked, and the work done for any input has a ceiling."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from zoo.errors import ModelMalformedError, ModelTruncatedError

# Vectors may overlap and be shared, so a small file could describe an enormous graph: this many elements, then stop.
MAX_ELEMENTS_READ = 4_000_000


class Buffer:
    """The bytes of one FlatBuffer and what may still be read of it."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._left = MAX_ELEMENTS_READ

    def spend(self, elements: int) -> None:
        """Count elements read; raises ModelMalformedError when the file makes the reader go in circles."""
        self._left -= elements
        if self._left < 0:
            raise ModelMalformedError(f"The file describes more than {MAX_ELEMENTS_READ} elements.")

    def check(self, position: int, size: int) -> None:
        """Raise ModelTruncatedError unless `size` bytes at `position` lie inside the file."""
        if position < 0 or size < 0 or position + size > len(self.data):
            raise ModelTruncatedError(
                f"An offset points to byte {position + size} of a file of {len(self.data)} bytes."
            )

    def u16(self, position: int) -> int:
        """The unsigned 16-bit integer at `position`."""
        self.check(position, 2)
        return int.from_bytes(self.data[position : position + 2], "little")

    def u32(self, position: int) -> int:
        """The unsigned 32-bit integer at `position`."""
        self.check(position, 4)
        return int.from_bytes(self.data[position : position + 4], "little")

    def i32(self, position: int) -> int:
        """The signed 32-bit integer at `position`."""
        self.check(position, 4)
        return int.from_bytes(self.data[position : position + 4], "little", signed=True)

    def root(self) -> Table:
        """The root table."""
        return Table.at(self, self.u32(0))


@dataclass(frozen=True)
class Table:
    """One table: fields are looked up by their number in the schema. Absent fields read as their default."""

    buffer: Buffer
    position: int
    offsets: tuple[int, ...]
    size: int

    @classmethod
    def at(cls, buffer: Buffer, position: int) -> Table:
        """The table at `position`, its vtable checked as a whole."""
        vtable = position - buffer.i32(position)
        vtable_size, size = buffer.u16(vtable), buffer.u16(vtable + 2)
        if vtable_size < 4 or vtable_size % 2 or size < 4:
            raise ModelMalformedError(f"The table at byte {position} has a broken field index.")
        buffer.check(vtable, vtable_size)
        buffer.check(position, size)
        count = (vtable_size - 4) // 2
        buffer.spend(1 + count)
        offsets = struct.unpack_from(f"<{count}H", buffer.data, vtable + 4)
        if any(offset >= size or 0 < offset < 4 for offset in offsets):
            raise ModelMalformedError(f"The table at byte {position} has a field outside of itself.")
        return cls(buffer, position, offsets, size)

    def _field(self, number: int, size: int) -> int | None:
        """Where field `number`, `size` bytes long, is stored; None when absent."""
        offset = self.offsets[number] if number < len(self.offsets) else 0
        if offset == 0:
            return None
        if offset + size > self.size:
            raise ModelMalformedError(f"Field {number} of the table at byte {self.position} ends outside of the table.")
        return self.position + offset

    def has(self, number: int) -> bool:
        """Whether field `number` is present."""
        return self._field(number, 1) is not None

    def integer(self, number: int, size: int, *, signed: bool, default: int = 0) -> int:
        """The integer in field `number`, `size` bytes long."""
        at = self._field(number, size)
        if at is None:
            return default
        return int.from_bytes(self.buffer.data[at : at + size], "little", signed=signed)

    def _target(self, number: int) -> int | None:
        """Where the offset in field `number` leads; None when absent."""
        at = self._field(number, 4)
        return None if at is None else at + self.buffer.u32(at)

    def table(self, number: int) -> Table | None:
        """The table that field `number` points to."""
        at = self._target(number)
        return None if at is None else Table.at(self.buffer, at)

    def _vector(self, number: int, item_size: int) -> tuple[int, int]:
        """Position of the first item and number of items; (0, 0) when absent."""
        at = self._target(number)
        if at is None:
            return 0, 0
        count = self.buffer.u32(at)
        self.buffer.check(at + 4, count * item_size)
        return at + 4, count

    def tables(self, number: int, limit: int) -> tuple[Table, ...]:
        """The tables of vector field `number`; more than `limit` of them are malformed."""
        start, count = self._vector(number, 4)
        if count > limit:
            raise ModelMalformedError(f"A list of {count} parts is longer than the {limit} allowed.")
        places = range(start, start + 4 * count, 4)
        return tuple(Table.at(self.buffer, place + self.buffer.u32(place)) for place in places)

    def int32s(self, number: int) -> tuple[int, ...]:
        """The vector of int32 in field `number`."""
        return self._unpack(number, "i", 4)

    def int64s(self, number: int) -> tuple[int, ...]:
        """The vector of int64 in field `number`."""
        return self._unpack(number, "q", 8)

    def floats(self, number: int) -> tuple[float, ...]:
        """The vector of float32 in field `number`."""
        start, count = self._vector(number, 4)
        self.buffer.spend(count)
        return struct.unpack_from(f"<{count}f", self.buffer.data, start)

    def _unpack(self, number: int, letter: str, item_size: int) -> tuple[int, ...]:
        start, count = self._vector(number, item_size)
        self.buffer.spend(count)
        return struct.unpack_from(f"<{count}{letter}", self.buffer.data, start)

    def byte_count(self, number: int) -> int:
        """The length of the byte vector in field `number`, without reading it."""
        return self._vector(number, 1)[1]

    def content(self, number: int, limit: int) -> bytes:
        """The byte vector in field `number`; one longer than `limit` is malformed."""
        start, count = self._vector(number, 1)
        if count > limit:
            raise ModelMalformedError(f"A part of {count} bytes is longer than the {limit} allowed.")
        return self.buffer.data[start : start + count]

    def text(self, number: int, limit: int) -> str:
        """The string in field `number`, cut to `limit` bytes; bytes that are no UTF-8 become replacement characters."""
        start, count = self._vector(number, 1)
        return self.buffer.data[start : start + min(count, limit)].decode("utf-8", "replace")
