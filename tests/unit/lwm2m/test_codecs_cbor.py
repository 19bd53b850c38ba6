"""The CBOR reader: what LwM2M uses, and everything else refused within bounds."""

from contextlib import suppress

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lwm2m.codecs.cbor import MAX_ITEMS, CborMap, Epoch, Item, read_cbor
from lwm2m.errors import CodecError


@pytest.mark.parametrize(
    ("payload", "item"),
    [
        ("00", 0),
        ("1bffffffffffffffff", 2**64 - 1),
        ("3bffffffffffffffff", -(2**64)),
        ("f93c00", 1.0),
        ("fa3fc00000", 1.5),
        ("f4", False),
        ("f6", None),
        ("5f420001410aff", b"\x00\x01\x0a"),
        ("7f6141616eff", "An"),
        ("9f0102ff", [1, 2]),
        ("bf0301ff", CborMap(((3, 1),))),
        ("a201020103", CborMap(((1, 2), (1, 3)))),
        ("a182030001", CborMap((([3, 0], 1),))),
        ("c11a6b019ea2", Epoch(0x6B019EA2)),
        ("c074323032362d31312d32315430333a34343a35305a", Epoch(1795232690.0)),
        ("c4822003", 0.3),
        ("c4820203", 300),
        ("c482000a", 10),
        ("c4821a3b9aca0000", 0),
    ],
)
def test_the_items_that_lwm2m_uses_are_read(payload: str, item: Item) -> None:
    assert read_cbor(bytes.fromhex(payload)) == item


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        ("", "ends"),
        ("18", "ends"),
        ("62c3", "ends"),
        ("61ff", "UTF-8"),
        ("0000", "follow"),
        ("1c", "reserved"),
        ("1f", "no length"),
        ("df00", "no length"),
        ("ff", "break"),
        ("81ff", "break"),
        ("c1ff", "break"),
        ("bf01ff", "key"),
        ("5f6161ff", "another type"),
        ("5f5f4100ffff", "no length"),
        ("f7", "simple value"),
        ("f820", "simple value"),
        ("81" * 20 + "00", "deep"),
        ("9b7fffffffffffffff", "ends"),
        ("5b7fffffffffffffff", "ends"),
        ("c24100", "tag 2"),
        ("d81c81d81d00", "tag 28"),
        ("d9d9f700", "tag 55799"),
        ("c16161", "wrong item"),
        ("c1f5", "wrong item"),
        ("c1f97e00", "wrong item"),
        ("c06161", "date"),
        ("c0" + "7829" + "31" * 41, "date"),
        ("c06a323032362d31312d3231", "date"),
        ("c4821a7fffffff01", "exponent"),
        ("c48219018f1bffffffffffffffff", "too large"),
        ("c48101", "wrong item"),
    ],
)
def test_everything_else_is_a_codec_error(payload: str, words: str) -> None:
    with pytest.raises(CodecError, match=words):
        read_cbor(bytes.fromhex(payload))


def test_items_are_counted() -> None:
    read_cbor(b"\x9f" + b"\x00" * (MAX_ITEMS - 2) + b"\xff")
    with pytest.raises(CodecError, match="more than"):
        read_cbor(b"\x9f" + b"\x00" * MAX_ITEMS + b"\xff")


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=30)
    | st.binary(max_size=30)
)


@settings(deadline=None)
@given(st.lists(SCALARS | st.lists(SCALARS | st.lists(SCALARS, max_size=3), max_size=3), max_size=5))
def test_what_the_library_writes_is_read(items: list[object]) -> None:
    assert read_cbor(cbor2.dumps(items)) == items


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_an_item_or_a_codec_error(payload: bytes) -> None:
    with suppress(CodecError):
        read_cbor(payload)
