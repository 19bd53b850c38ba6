"""Bounded reader of FlatBuffers: every offset and length of the untrusted file is checked before it is followed.

Format: https://flatbuffers.dev/internals (tables, vtables, vectors, strings; little-endian).
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from compiler.errors import bad_model


@dataclass(frozen=True, slots=True)
class Table:
    """A table at `position` of `data`; fields are addressed by their slot number in the schema."""

    data: memoryview
    position: int

    def _unpack(self, layout: str, position: int) -> tuple[int | float, ...]:
        if position < 0 or position + struct.calcsize(layout) > len(self.data):
            raise bad_model(f"offset {position} points outside the {len(self.data)}-byte file")
        values: tuple[int | float, ...] = struct.unpack_from(layout, self.data, position)
        return values

    def _integer(self, layout: str, position: int) -> int:
        return int(self._unpack(layout, position)[0])

    def _field(self, slot: int) -> int | None:
        """Absolute position of a field, or None where the table leaves it at its default."""
        vtable = self.position - self._integer("<i", self.position)
        size = self._integer("<H", vtable)
        entry = 4 + 2 * slot
        if entry + 2 > size:
            return None
        offset = self._integer("<H", vtable + entry)
        return self.position + offset if offset else None

    def integer(self, slot: int, layout: str, default: int = 0) -> int:
        """Scalar field; `layout` is one of struct's integer letters (`b B i I q Q`)."""
        position = self._field(slot)
        return default if position is None else self._integer("<" + layout, position)

    def real(self, slot: int, default: float = 0.0) -> float:
        """Float32 field."""
        position = self._field(slot)
        return default if position is None else float(self._unpack("<f", position)[0])

    def table(self, slot: int) -> "Table | None":
        """Sub-table, or None when absent."""
        position = self._field(slot)
        return None if position is None else self._follow(position)

    def _follow(self, position: int) -> "Table":
        target = position + self._integer("<I", position)
        table = Table(self.data, target)
        table._integer("<i", target)  # a table is at least its vtable offset
        return table

    def _vector(self, slot: int, item: int, what: str, limit: int) -> tuple[int, int] | None:
        position = self._field(slot)
        if position is None:
            return None
        start = position + self._integer("<I", position)
        count = self._integer("<I", start)
        if count > limit:
            raise bad_model(f"{what} has {count} items; the limit is {limit}", "Use a smaller model.")
        if start + 4 + count * item > len(self.data):
            raise bad_model(f"{what} runs past the end of the {len(self.data)}-byte file")
        return start + 4, count

    def tables(self, slot: int, what: str, limit: int) -> Sequence["Table"]:
        """Vector of tables."""
        found = self._vector(slot, 4, what, limit)
        if found is None:
            return ()
        start, count = found
        return [self._follow(start + 4 * index) for index in range(count)]

    def integers(self, slot: int, layout: str, what: str, limit: int) -> tuple[int, ...]:
        """Vector of integers."""
        found = self._vector(slot, struct.calcsize("<" + layout), what, limit)
        if found is None:
            return ()
        start, count = found
        return tuple(int(value) for value in self._unpack(f"<{count}{layout}", start))

    def reals(self, slot: int, what: str, limit: int) -> tuple[float, ...]:
        """Vector of float32."""
        found = self._vector(slot, 4, what, limit)
        if found is None:
            return ()
        start, count = found
        return tuple(float(value) for value in self._unpack(f"<{count}f", start))

    def bytes(self, slot: int, what: str, limit: int) -> memoryview:
        """Vector of bytes, as a view (no copy: files may point many tensors at one buffer)."""
        found = self._vector(slot, 1, what, limit)
        if found is None:
            return self.data[:0]
        start, count = found
        return self.data[start : start + count]

    def text(self, slot: int, what: str, limit: int) -> str:
        """UTF-8 string; bytes that are not UTF-8 are shown escaped."""
        return bytes(self.bytes(slot, what, limit)).decode("utf-8", "backslashreplace")


def root(data: bytes, identifier: bytes) -> Table:
    """The root table of a file that carries `identifier` (four bytes at offset 4)."""
    if len(data) < 8 or data[4:8] != identifier:
        raise bad_model(
            f"the file does not carry the identifier {identifier.decode()}",
            "Give a TensorFlow Lite flatbuffer (.tflite).",
        )
    whole = Table(memoryview(data), 0)
    return whole._follow(0)
