"""Reads the CBOR (RFC 8949) of strangers item by item, as the caller expects them: nothing is built that was not asked.

A general decoder makes dictionaries, big numbers and nested lists of whatever it is sent. A federation's documents are
of one shape, so that here every item is read by its type and bound, and strings are views of the bytes received.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from zoo.federated.errors import DocumentRefused, Refusal

_UINT, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = range(8)
_NAMES = ("a number", "a negative number", "a byte string", "a text", "an array", "a map", "a tag", "a float or simple")
_FLOATS = {25: "<e", 26: "<f", 27: "<d"}
_INDEFINITE = 31
_BREAK = 0xFF


class Reader:
    """A place in a document; what is read moves it. `refused` is the class of what is raised."""

    def __init__(self, data: bytes, refused: type[DocumentRefused]) -> None:
        self._data = memoryview(data)
        self._place = 0
        self._refused = refused

    def uint(self, what: str, most: int) -> int:
        """A whole number from 0 to `most`."""
        value = self._argument(_UINT, what)
        if value > most:
            raise self.malformed(f"{what} is {value}; it is at most {most}.")
        return value

    def number(self, what: str) -> float:
        """A float of any size, or a whole number: some encoders write 1.0 as 1. It may be infinite or no number."""
        major, info = self._peek(what)
        if major == _UINT:
            return float(self._argument(_UINT, what))
        if major != _SIMPLE or info not in _FLOATS:
            raise self.malformed(f"{what} is {_NAMES[major]}, and a number is expected.")
        self._place += 1
        raw = bytes(self._take(1 << (info - 24), what))
        return float(struct.unpack(_FLOATS[info], raw[::-1])[0])

    def text(self, what: str, most: int) -> str:
        """A text of at most `most` bytes."""
        size = self._argument(_TEXT, what)
        if size > most:
            raise self.malformed(f"{what} has {size} bytes; it has at most {most}.")
        try:
            return str(self._take(size, what), "utf-8")
        except UnicodeDecodeError as error:
            raise self.malformed(f"{what} is no UTF-8.") from error

    def octets(self, what: str) -> memoryview:
        """A byte string, not copied. It cannot be longer than the document."""
        return self._take(self._argument(_BYTES, what), what)

    def is_tag(self, what: str) -> bool:
        """Whether a tag is next."""
        return self._peek(what)[0] == _TAG

    def tag(self, what: str) -> int:
        """The number of the tag that is next; its item follows."""
        return self._argument(_TAG, what)

    def items(self, what: str, most: int) -> Iterator[int]:
        """The numbers 0, 1, ... for an array's items: the caller reads one for each before it asks for the next."""
        return self._members(_ARRAY, what, most)

    def keys(self, what: str, known: tuple[str, ...]) -> Iterator[str]:
        """The keys of a map, each known and there once: the caller reads the value before it asks for the next."""
        seen: set[str] = set()
        longest = max(map(len, known))
        for _ in self._members(_MAP, what, len(known)):
            key = self.text(f"a key of {what}", most=longest + 32)
            if key not in known:
                raise self.malformed(f"{what} has a key {key!r}; there are {', '.join(known)}.")
            if key in seen:
                raise self.malformed(f"{what} has the key {key!r} twice.")
            seen.add(key)
            yield key

    def end(self) -> None:
        """Nothing may follow."""
        if self._place < len(self._data):
            raise self.malformed(f"{len(self._data) - self._place} bytes follow the document.")

    def malformed(self, detail: str) -> DocumentRefused:
        """An error of the document's form."""
        return self._refused(Refusal.MALFORMED, f"At byte {self._place}: {detail}")

    def refused(self, code: Refusal, detail: str) -> DocumentRefused:
        """An error of what the document says."""
        return self._refused(code, detail)

    def _members(self, kind: int, what: str, most: int) -> Iterator[int]:
        """As many as promised, or up to the break; never more than `most`."""
        major, info = self._peek(what)
        if major == kind and info == _INDEFINITE:
            self._place += 1
            return self._until_break(what, most)
        promised = self._argument(kind, what)
        if promised > most:
            raise self._refused(
                Refusal.WRONG_SHAPE if kind == _ARRAY else Refusal.MALFORMED,
                f"{what} has {promised} entries; it has at most {most}.",
            )
        return iter(range(promised))

    def _until_break(self, what: str, most: int) -> Iterator[int]:
        for number in range(most + 1):
            self._peek(what)
            if self._data[self._place] == _BREAK:
                self._place += 1
                return
            if number == most:
                raise self._refused(Refusal.WRONG_SHAPE, f"{what} has more than {most} entries.")
            yield number

    def _argument(self, kind: int, what: str) -> int:
        """The argument of a head of that major type; moves behind the head."""
        major, info = self._peek(what)
        if major != kind:
            raise self.malformed(f"{what} is {_NAMES[major]}, and {_NAMES[kind]} is expected.")
        if info > 27:
            raise self.malformed(f"{what} has a length that is reserved, or none where one is needed.")
        self._place += 1
        return info if info < 24 else int.from_bytes(self._take(1 << (info - 24), what), "big")

    def _peek(self, what: str) -> tuple[int, int]:
        if self._place >= len(self._data):
            raise self.malformed(f"the document ends where {what} is expected.")
        return self._data[self._place] >> 5, self._data[self._place] & 31

    def _take(self, size: int, what: str) -> memoryview:
        if size > len(self._data) - self._place:
            raise self.malformed(f"the document ends within {what}.")
        taken = self._data[self._place : self._place + size]
        self._place += size
        return taken
