"""Reads CBOR (RFC 8949) that nobody may trust: one pass, every size bounded, maps as pairs.

A general decoder builds dictionaries, whose keys an attacker can choose to collide, follows shared references and
makes numbers of any length. None of that is LwM2M, so it is not read here. Writing needs no such care: cbor2 does it.
"""

import math
import struct
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from lwm2m.errors import CodecError

MAX_DEPTH = 8  # nested items; the deepest LwM2M payload needs six
MAX_ITEMS = 100_000  # data items, or chunks of strings, in one payload
MAX_KEY_PARTS = 4  # numbers in an array that is a map key
_MAX_DATE = 40  # characters of an RFC 3339 date

_TAG_DATE, _TAG_EPOCH, _TAG_DECIMAL = 0, 1, 4


class _Break:
    """The stop code of an indefinite item."""


_BREAK = _Break()


@dataclass(frozen=True, slots=True)
class Epoch:
    """A time: seconds since 1970."""

    seconds: int | float


@dataclass(frozen=True, slots=True)
class CborMap:
    """A map, in the order in which it was sent; a key may be there twice."""

    pairs: tuple[tuple["Item", "Item"], ...]


Item = int | float | bool | str | bytes | Epoch | CborMap | list["Item"] | None


def read_cbor(payload: bytes) -> Item:
    """Exactly one data item.

    Raises:
        CodecError: the bytes are no CBOR, hold what LwM2M has no use for, nest too deeply or go on after the item.
    """
    reader = _Reader(payload)
    item = reader.item(0)
    if reader.position != len(payload):
        raise CodecError("bytes follow the CBOR item")
    return item


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._items = 0
        self.position = 0

    def item(self, depth: int) -> Item:
        item = self._item(depth)
        if isinstance(item, _Break):
            raise CodecError("a CBOR break stands outside an indefinite item")
        return item

    def _count(self) -> None:
        self._items += 1
        if self._items > MAX_ITEMS:
            raise CodecError(f"the CBOR has more than {MAX_ITEMS} items")

    def _item(self, depth: int) -> Item | _Break:
        self._count()
        if depth > MAX_DEPTH:
            raise CodecError(f"the CBOR is nested more than {MAX_DEPTH} deep")
        head = self._take(1)[0]
        major, info = head >> 5, head & 31
        if major == 7:
            return self._simple(info)
        argument = self._argument(info)
        match major:
            case 0:
                return _definite(argument)
            case 1:
                return -1 - _definite(argument)
            case 2:
                return self._string(major, argument)
            case 3:
                try:
                    return self._string(major, argument).decode()
                except UnicodeDecodeError as error:
                    raise CodecError("a CBOR text is not UTF-8") from error
            case 4:
                return self._sequence(argument, depth)
            case 5:
                return self._map(argument, depth)
            case _:
                return self._tagged(_definite(argument), depth)

    def _take(self, size: int) -> bytes:
        end = self.position + size
        if end > len(self._data):
            raise CodecError("the CBOR ends inside an item")
        taken = self._data[self.position : end]
        self.position = end
        return taken

    def _argument(self, info: int) -> int | None:
        """The number in an item's head; None says that the item's length is indefinite."""
        if info < 24:
            return info
        if info < 28:
            return int.from_bytes(self._take(1 << (info - 24)), "big")
        if info == 31:
            return None
        raise CodecError("the CBOR has a reserved length")

    def _simple(self, info: int) -> Item | _Break:
        match info:
            case 20 | 21:
                return info == 21
            case 22:
                return None
            case 25 | 26 | 27:
                number: float = struct.unpack(">" + "efd"[info - 25], self._take(1 << (info - 24)))[0]
                return number
            case 31:
                return _BREAK
            case _:
                raise CodecError("the CBOR has a simple value that LwM2M does not use")

    def _string(self, major: int, size: int | None) -> bytes:
        if size is not None:
            return self._take(size)
        chunks: list[bytes] = []
        while (head := self._take(1)[0]) != 0xFF:
            self._count()
            if head >> 5 != major:
                raise CodecError("a CBOR string is made of chunks of another type")
            chunks.append(self._take(_definite(self._argument(head & 31))))
        return b"".join(chunks)

    def _sequence(self, size: int | None, depth: int) -> list[Item]:
        items: list[Item] = []
        while size is None or len(items) < size:
            item = self._item(depth + 1)
            if isinstance(item, _Break):
                if size is None:
                    break
                raise CodecError("a CBOR break stands outside an indefinite item")
            items.append(item)
        return items

    def _map(self, size: int | None, depth: int) -> CborMap:
        items = self._sequence(None if size is None else 2 * size, depth)
        if len(items) % 2:
            raise CodecError("a CBOR map ends with a key")
        return CborMap(tuple(zip(items[::2], items[1::2], strict=True)))

    def _tagged(self, tag: int, depth: int) -> Item:
        if tag not in (_TAG_DATE, _TAG_EPOCH, _TAG_DECIMAL):
            raise CodecError(f"the CBOR tag {tag} is not used in LwM2M")
        match tag, self.item(depth + 1):
            case 0, str(text):
                return Epoch(_date(text))
            case 1, int(seconds) | float(seconds) if not isinstance(seconds, bool) and math.isfinite(seconds):
                return Epoch(seconds)
            case 4, [int(exponent), int(mantissa)]:
                return _decimal(exponent, mantissa)
            case _:
                raise CodecError(f"the CBOR tag {tag} stands before the wrong item")


def _definite(argument: int | None) -> int:
    if argument is None:
        raise CodecError("a CBOR number or tag has no length")
    return argument


def _date(text: str) -> float:
    if len(text) <= _MAX_DATE:
        try:
            moment = datetime.fromisoformat(text)
            if moment.tzinfo is not None:
                return moment.timestamp()
        except (ValueError, OverflowError) as error:
            raise CodecError("a CBOR date is no RFC 3339 date") from error
    raise CodecError("a CBOR date is no RFC 3339 date")


def _decimal(exponent: int, mantissa: int) -> int | float:
    """A decimal fraction as the nearest float, or exactly when it is a whole number of 64 bits."""
    if mantissa == 0:
        return 0
    if not -400 <= exponent <= 400:
        raise CodecError("the exponent of a CBOR decimal fraction is out of range")
    number = Decimal(mantissa).scaleb(exponent)
    if number == number.to_integral_value() and abs(number) < 2**64:
        return int(number)
    nearest = float(number)
    if not math.isfinite(nearest):
        raise CodecError("a CBOR decimal fraction is too large for a float")
    return nearest
