"""CBOR (RFC 8949) of strangers: walked within bounds before it is decoded."""

from __future__ import annotations

import cbor2

from zoo.datasets.errors import UnreadableUploadError

_FALSE_TO_NULL = frozenset({20, 21, 22})
_FLOATS = frozenset({25, 26, 27})


def decode(data: bytes, depth: int) -> object:
    """One item of maps, arrays, texts, bytes and numbers, nested at most `depth` deep.

    Tags and indefinite lengths are refused: acquisitions have none, and a tag can ask for numbers of any size.
    """
    end = _walk(data, 0, depth)
    if end != len(data):
        raise UnreadableUploadError(f"{len(data) - end} bytes follow the CBOR item.")
    try:
        value: object = cbor2.loads(data, max_depth=depth + 1, allow_indefinite=False)
    except (cbor2.CBORDecodeError, ValueError, TypeError) as error:
        raise UnreadableUploadError(f"The CBOR cannot be decoded: {' '.join(str(error).split())[:200]}") from error
    return value


def _walk(data: bytes, place: int, depth: int) -> int:
    """Where the item at `place` ends."""
    # How many items are left in each open array or map; a map's count is doubled.
    open_items = [1]
    while open_items:
        if open_items[-1] == 0:
            open_items.pop()
            continue
        open_items[-1] -= 1
        major, value, start = _head(data, place)
        if major in {2, 3}:
            place = start + value
        elif major in {4, 5}:
            items = value * (major - 3)
            if items > len(data) - start or len(open_items) > depth:
                raise UnreadableUploadError(f"At byte {place} {items} items are promised, or they nest too deep.")
            open_items.append(items)
            place = start
        else:
            place = start
        if place > len(data):
            raise UnreadableUploadError(f"The CBOR ends at byte {len(data)}, within an item.")
    return place


def _head(data: bytes, place: int) -> tuple[int, int, int]:
    """Major type, argument, and where the head ends."""
    if place >= len(data):
        raise UnreadableUploadError(f"The CBOR ends at byte {len(data)}, where an item is missing.")
    major, info = data[place] >> 5, data[place] & 31
    if info < 24:
        size = 0
    elif info < 28:
        size = 1 << (info - 24)
    else:
        raise UnreadableUploadError(f"The item at byte {place} has an indefinite or reserved length.")
    if major == 6 or (major == 7 and info not in _FALSE_TO_NULL | _FLOATS):
        raise UnreadableUploadError(f"The item at byte {place} is a tag or a simple value; acquisitions have none.")
    end = place + 1 + size
    return major, int.from_bytes(data[place + 1 : end], "big") if size else info, end
