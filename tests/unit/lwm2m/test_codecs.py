"""Content formats: payloads as real devices send them, every format there and back, and hostile bytes."""

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lwm2m.codecs import ContentFormat, decode, encode, normalise
from lwm2m.errors import CodecError
from lwm2m.nodes import Instance, MultiResource, Node, Object, Resource, ResourceInstance, Root, flatten, node_for
from lwm2m.paths import Path
from lwm2m.values import ObjectLink, ResourceType, Value

STRING, INTEGER, OPAQUE = ResourceType.STRING, ResourceType.INTEGER, ResourceType.OPAQUE
FLOAT, BOOLEAN, TIME, OBJLNK = ResourceType.FLOAT, ResourceType.BOOLEAN, ResourceType.TIME, ResourceType.OBJLNK


@pytest.mark.parametrize(
    ("path", "payload", "content_format", "node"),
    [
        # TLV as Wakaama and Anjay send it
        ("/3/0/0", "c80014" + b"Open Mobile Alliance".hex(), 11542, Resource(0, STRING, "Open Mobile Alliance")),
        ("/5/0/3", "c10301", 11542, Resource(3, INTEGER, 1)),
        ("/3/0/6", "86064100014101 05", 11542, MultiResource.of(6, INTEGER, {0: 1, 1: 5})),
        ("/3/0/16", "c2105551", 11542, Resource(16, STRING, "UQ")),
        ("/3/0/17", "c011", 11542, Resource(17, STRING, "")),
        # an instance wrapped in its object-instance entry, as coap-node does
        ("/3/0", "080005" + "c30c" + b"abc".hex(), 11542, Instance(0, (Resource(12, OPAQUE, b"abc"),))),
        ("/3", "080004c2105551", 11542, Object(3, (Instance(0, (Resource(16, STRING, "UQ"),)),))),
        ("/3/0", "c2105551", 1542, Instance(0, (Resource(16, STRING, "UQ"),))),
        ("/3", "c2105551", 11542, Object(3, (Instance(0, (Resource(16, STRING, "UQ"),)),))),
        ("/3/0", "", 11542, Instance(0)),
        ("/11", "0000", 11542, Object(11, (Instance(0),))),
        ("/3/0/6/1", "4101 05", 11542, ResourceInstance(1, INTEGER, 5)),
        ("/3/0/6/1", "8306410105", 11542, ResourceInstance(1, INTEGER, 5)),
        ("/3/0/13", "c40d6b019ea2", 11542, Resource(13, TIME, 0x6B019EA2)),
        ("/3/0/9", "c109ff", 11542, Resource(9, INTEGER, -1)),
        ("/1/0/13", "c10dff", 11542, Resource(13, ResourceType.UNSIGNED_INTEGER, 255)),
        ("/31024/10/1", "e1000114", 11542, Resource(1, OPAQUE, b"\x14")),
        # text
        ("/5/0/3", b"2".hex(), 0, Resource(3, INTEGER, 2)),
        ("/5/0/3", b"-7".hex(), 1541, Resource(3, INTEGER, -7)),
        ("/1/0/6", b"1".hex(), 0, Resource(6, BOOLEAN, True)),
        ("/3/0/22/0", b"33606:0".hex(), 0, ResourceInstance(0, OBJLNK, ObjectLink(33606, 0))),
        ("/5/0/0", b"AAEC".hex(), 0, Resource(0, OPAQUE, b"\x00\x01\x02")),
        ("/31024/0/5", b"anything".hex(), 0, Resource(5, STRING, "anything")),
        # opaque and link
        ("/5/0/0", "0001", 42, Resource(0, OPAQUE, b"\x00\x01")),
        ("/5/0/0", "0001", 1544, Resource(0, OPAQUE, b"\x00\x01")),
        ("/25/0/3", b"</3/0>".hex(), 40, Resource(3, ResourceType.CORELINK, "</3/0>")),
        # CBOR, one item
        ("/5/0/3", "02", 60, Resource(3, INTEGER, 2)),
        ("/3/0/3", "63312e30", 60, Resource(3, STRING, "1.0")),
        ("/3/0/13", "c11a6b019ea2", 60, Resource(13, TIME, 0x6B019EA2)),
        ("/3/0/22/0", "6733333630363a30", 60, ResourceInstance(0, OBJLNK, ObjectLink(33606, 0))),
        ("/31024/0/5", "fb3ff8000000000000", 60, Resource(5, FLOAT, 1.5)),
        # SenML as Anjay (bn "/3/0", n "/0") and Wakaama (bn "/1/0/", n "0") name things
        ("/3/0", b'[{"bn":"/3/0","n":"/0","vs":"Anjay"},{"n":"/9","v":80}]'.hex(), 110,
         Instance(0, (Resource(0, STRING, "Anjay"), Resource(9, INTEGER, 80)))),
        ("/1/0", b'[{"bn":"/1/0/","bt":5e8,"n":"0","v":1},{"n":"6","vb":false}]'.hex(), 110,
         Instance(0, (Resource(0, INTEGER, 1), Resource(6, BOOLEAN, False)))),
        ("/5/0/0", b'[{"n":"/5/0/0","vd":"_-8"}]'.hex(), 110, Resource(0, OPAQUE, b"\xff\xef")),
        ("/3/0/22", b'[{"bn":"/3/0/22"},{"n":"/0","vlo":"33606:0"}]'.hex(), 110,
         MultiResource.of(22, OBJLNK, {0: ObjectLink(33606, 0)})),
        ("/3/0/7", b"[]".hex(), 110, MultiResource(7, INTEGER)),
        ("/3/0", "81a321652f332f302f0061300363616263", 112, Instance(0, (Resource(0, STRING, "abc"),))),
        ("/3/0/13", b'[{"n":"/3/0/13","v":1795225130.5}]'.hex(), 110, Resource(13, TIME, 1795225130)),
        ("/3/0/13", cbor2.dumps([{0: "/3/0/13", 2: cbor2.CBORTag(1, 7)}]).hex(), 112, Resource(13, TIME, 7)),
        ("/31024/0/9", cbor2.dumps([{0: "/31024/0/9", 2: cbor2.CBORTag(1, 7)}]).hex(), 112, Resource(9, TIME, 7)),
        ("/3/0/9", cbor2.dumps([{"n": "/3/0/9", "v": 1, 99: 0, b"x": 1}]).hex(), 112, Resource(9, INTEGER, 1)),
        # a notification with its history: the newest value
        ("/3/0/9", b'[{"bn":"/3/0/9","bt":1795225100,"v":1},{"v":2,"t":1}]'.hex(), 110, Resource(9, INTEGER, 2)),
        # LwM2M JSON: with a base name, without, and with slashes wherever
        ("/3/0", b'{"bn":"/3/0/","e":[{"n":"0","sv":"Open"},{"n":"9","v":80}]}'.hex(), 11543,
         Instance(0, (Resource(0, STRING, "Open"), Resource(9, INTEGER, 80)))),
        ("/3/0", b'{"bn":"/3/0","e":[{"n":"7/0","v":3800},{"n":"/7/1","v":5000}]}'.hex(), 11543,
         Instance(0, (MultiResource.of(7, INTEGER, {0: 3800, 1: 5000}),))),
        ("/3/0", b'{"e":[{"n":"0","sv":"Open"}]}'.hex(), 1543, Instance(0, (Resource(0, STRING, "Open"),))),
        ("/3/0", b'{"bn":"/","e":[{"n":"3/0/0","sv":"Open"}]}'.hex(), 11543,
         Instance(0, (Resource(0, STRING, "Open"),))),
        ("/3/0/0", b'{"bn":"/3/0/0","e":[{"sv":"Open"}]}'.hex(), 11543, Resource(0, STRING, "Open")),
        ("/3/0/0", b'{"bn":"/3/0/0","e":[{"n":"","sv":"Open"}]}'.hex(), 11543, Resource(0, STRING, "Open")),
        ("/1/0/6", b'{"e":[{"bv":false}]}'.hex(), 11543, Resource(6, BOOLEAN, False)),
        ("/5/0/0", b'{"e":[{"sv":"AAEC"}]}'.hex(), 11543, Resource(0, OPAQUE, b"\x00\x01\x02")),
        ("/3/0/22", b'{"e":[{"n":"0","ov":"33606:0"}]}'.hex(), 11543,
         MultiResource.of(22, OBJLNK, {0: ObjectLink(33606, 0)})),
        ("/31024/0/1", b'{"e":[{"v":1.5}]}'.hex(), 11543, Resource(1, FLOAT, 1.5)),
        ("/31024/0/1", b'{"e":[{"v":1}]}'.hex(), 11543, Resource(1, INTEGER, 1)),
        ("/3303/0/5700", b'{"bt":1795225130,"e":[{"v":20.5,"t":-5},{"v":21.0,"t":0},{"v":19.5,"t":-10}]}'.hex(), 11543,
         Resource(5700, FLOAT, 21.0)),
        # LwM2M CBOR: paths as keys in every grouping
        ("/3/0", "bf03bf00bf0065416e6a61790918 50ffffff", 11544,
         Instance(0, (Resource(0, STRING, "Anjay"), Resource(9, INTEGER, 80)))),
        ("/3/0/9", "a1830300091850", 11544, Resource(9, INTEGER, 80)),
        ("/3/0", "a1820300a1091850", 11544, Instance(0, (Resource(9, INTEGER, 80),))),
        ("/3/0", "a103a18200091850", 11544, Instance(0, (Resource(9, INTEGER, 80),))),
        ("/3/0/6", "a1840300060001", 11544, MultiResource.of(6, INTEGER, {0: 1})),
        ("/3/0/22/0", "a184030016006733333630363a30", 11544, ResourceInstance(0, OBJLNK, ObjectLink(33606, 0))),
        ("/3/0/13", "a18303000dc11a6b019ea2", 11544, Resource(13, TIME, 0x6B019EA2)),
        ("/31024/0/1", "a1831979300001f5", 11544, Resource(1, BOOLEAN, True)),
        ("/3/0", "bfff", 11544, Instance(0)),
    ],
)  # fmt: skip
def test_real_payloads_are_read(path: str, payload: bytes, content_format: int, node: Node) -> None:
    assert decode(Path.parse(path), bytes.fromhex(payload), content_format) == node


DEVICE = Instance(
    0,
    (
        Resource(0, STRING, "Ünïcode, and more than eight bytes"),
        MultiResource.of(7, INTEGER, {0: 1, 1: -129, 300: 2**40}),
        Resource(9, INTEGER, 0),
        Resource(13, TIME, 1795225130),
        MultiResource.of(22, OBJLNK, {0: ObjectLink(33606, 65535)}),
    ),
)
SETTINGS = Instance(1, (Resource(2, OPAQUE, bytes(range(256)) * 300), Resource(8, BOOLEAN, value=True)))


@pytest.mark.parametrize("content_format", [11542, 110, 112, 11543, 11544])
@pytest.mark.parametrize(
    ("path", "node"),
    [
        ("/3/0", DEVICE),
        ("/3", Object(3, (DEVICE,))),
        ("/9/1", SETTINGS),
        ("/3/0/7", DEVICE[7]),
        ("/3/0/7/300", ResourceInstance(300, INTEGER, 7)),
        ("/3/0/0", DEVICE[0]),
    ],
)
def test_a_node_survives_every_format_that_holds_several_values(path: str, node: Node, content_format: int) -> None:
    assert decode(Path.parse(path), encode(Path.parse(path), node, content_format), content_format) == node


def test_record_formats_hold_several_objects() -> None:
    root = Root((Object(3, (DEVICE,)), Object(9, (SETTINGS,))))
    for content_format in (110, 112, 11543, 11544):
        assert decode(Path(), encode(Path(), root, content_format), content_format) == root
    with pytest.raises(CodecError):
        encode(Path(), root, 11542)


@pytest.mark.parametrize("content_format", [0, 60, 11542, 110, 112, 11543, 11544])
@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("/3/0/0", "text"),
        ("/3/0/9", -(2**63)),
        ("/3/0/9", 2**63 - 1),
        ("/1/0/13", 2**64 - 1),
        ("/1/0/6", False),
        ("/5/0/0", b"\x00\xff"),
        ("/3/0/13", 1795225130),
        ("/3/0/22/1", ObjectLink(65535, 65535)),
    ],
)
def test_one_value_of_each_type_survives_every_format(path: str, value: Value, content_format: int) -> None:
    node = node_for(Path.parse(path), value)
    assert decode(Path.parse(path), encode(Path.parse(path), node, content_format), content_format) == node


@pytest.mark.parametrize("number", [0.0, 0.1, -1.5, 1e300, 3.5e38])
@pytest.mark.parametrize("content_format", [0, 60, 110, 112, 11542, 11543, 11544])
def test_floats_survive(number: float, content_format: int) -> None:
    path = Path.of(3303, 0, 5700)
    node = Resource(5700, FLOAT, number)
    assert decode(path, encode(path, node, content_format), content_format) == node


@pytest.mark.parametrize(
    ("path", "payload", "content_format"),
    [
        ("/3/0", b"\xc8\x00", 11542),  # ends in the head
        ("/3/0", b"\xc8\x00\x14abc", 11542),  # ends in the value
        ("/3/0", b"\xe1\xff\xff\x00", 11542),  # reserved identifier
        ("/3/0", b"\xc1\x03\x01\xc1\x03\x01", 11542),  # twice
        ("/3/0", b"\x41\x00\x01", 11542),  # a resource instance in an instance
        ("/3/0/9", b"\xc3\x09\x01\x02\x03", 11542),  # no integer of three bytes
        ("/3/0/9", b"\xc1\x08\x01", 11542),  # another resource
        ("/3/0/0", b"\xc1\x00\xff", 11542),  # no UTF-8
        ("/", b"", 11542),
        ("/5/0/3", b"later", 0),
        ("/5/0/3", b"99999999999999999999", 0),
        ("/5/0/3", b"1" * 5000, 0),
        ("/1/0/6", b"true", 0),
        ("/5/0/0", b"*", 0),
        ("/3/0/0", b"\xff", 0),
        ("/3/0/22/0", b"1:99999", 0),
        ("/3/0", b"x", 0),
        ("/3/0/3", b"x", 42),
        ("/25/0/3", b"nonsense", 40),
        ("/5/0/3", b"", 60),
        ("/5/0/3", b"\x01\x02", 60),
        ("/5/0/3", b"\xf6", 60),
        ("/5/0/3", b"\x81" * 1000, 60),
        ("/5/0/3", b"\xc4\x82\x1b\x7f\xff\xff\xff\xff\xff\xff\xff\x01", 60),  # 1E+9223372036854775807
        ("/5/0/3", b"\xc2\x50" + b"\xff" * 16, 60),
        ("/3/0", b"{}", 110),
        ("/3/0", b"[1]", 110),
        ("/3/0", b"[" * 100_000, 110),
        ("/3/0", b'[{"n":"/3/0/9","v":NaN}]', 110),
        ("/3/0", b'[{"n":"/3/0/9","v":1e400}]', 110),
        ("/3/0", b'[{"n":"/3/0/9"}]', 110),
        ("/3/0", b'[{"n":"/3/0/9","v":1,"vs":"1"}]', 110),
        ("/3/0", b'[{"n":"/3/0/9","vs":"1"}]', 110),
        ("/3/0", b'[{"n":"/4/0/9","v":1}]', 110),
        ("/3/0", b'[{"n":"/3/0/9","v":1},{"n":"/3/0/9","v":2}]', 110),
        ("/3/0", b'[{"n":"/3/0/9","v":1},{"n":"/3/0/9/1","v":2}]', 110),
        ("/3/0", b'[{"n":"../../etc","v":1}]', 110),
        ("/3/0", b'[{"n":5,"v":1}]', 110),
        ("/3/0", b'[{"bn":"/3/0/","n":"0"},{"n":"1","vd":"%%"}]', 110),
        ("/3/0", cbor2.dumps({"n": "/3/0/9"}), 112),
        ("/3/0", cbor2.dumps([[1]]), 112),
        ("/3/0/9", b"[]", 110),
        ("/3/0/9/0", b"[]", 110),
        ("/31024/0/0", b"[]", 110),
        ("/3/0/0", b'[{"n":"/3/0/0","vs":"\\ud800"}]', 110),
        ("/3/0", cbor2.dumps([{0: "/3/0/9", 2: 1, "n": "/3/0/9"}]), 112),
        ("/3/0", b"[" + b",".join([b"{}"] * 10_001) + b"]", 110),
        ("/3/0", b"\x00\x00" * 10_001, 11542),
        ("/3/0", b"[]", 11543),
        ("/3/0", b'{"bn":"/3/0/"}', 11543),
        ("/3/0", b'{"e":[1]}', 11543),
        ("/3/0", b'{"e":[{"n":"9"}]}', 11543),
        ("/3/0", b'{"e":[{"n":"9","v":1,"sv":"1"}]}', 11543),
        ("/3/0", b'{"e":[{"n":"9","sv":"1"}]}', 11543),
        ("/3/0", b'{"e":[{"n":"9","v":1},{"n":"9","v":1}]}', 11543),
        ("/3/0", b'{"e":[{"v":1}]}', 11543),
        ("/3/0", b'{"bn":"/4/0/","e":[{"n":"9","v":1}]}', 11543),
        ("/3/0", b'{"bn":5,"e":[]}', 11543),
        ("/3/0", b'{"bt":"x","e":[{"n":"9","v":1}]}', 11543),
        ("/3/0/22", b'{"e":[{"n":"0","ov":"1:2:3"}]}', 11543),
        ("/5/0/0", b'{"e":[{"sv":"*"}]}', 11543),
        ("/3/0", b'{"e":[' + b",".join([b"{}"] * 10_001) + b"]}", 11543),
        ("/3/0", cbor2.dumps([]), 11544),
        ("/3/0", cbor2.dumps({3: 1}), 11544),
        ("/3/0", cbor2.dumps({3: {0: 1}}), 11544),
        ("/3/0", cbor2.dumps({3: {0: {9: None}}}), 11544),
        ("/3/0", cbor2.dumps({3: {0: {9: {0: {0: 1}}}}}), 11544),
        ("/3/0", cbor2.dumps({3: {0: {9: 1, 65535: 1}}}), 11544),
        ("/3/0", cbor2.dumps({3: {0: {-1: 1}}}), 11544),
        ("/3/0", cbor2.dumps({3: {0: {"9": 1}}}), 11544),
        ("/3/0", cbor2.dumps({3: {0: {True: 1}}}), 11544),
        ("/3/0", cbor2.dumps({(3, 0, 9, 0, 0): 1}), 11544),
        ("/3/0", cbor2.dumps({(3, 0): {9: 1}, 3: {0: {9: 1}}}), 11544),
        ("/3/0", cbor2.dumps({3: {0: {7: 1, (7, 0): 1}}}), 11544),
        ("/3/0", cbor2.dumps({4: {0: {9: 1}}}), 11544),
        ("/3/0/7", cbor2.dumps({3: {0: {7: dict.fromkeys(range(10_001), 1)}}}), 11544),
        ("/3/0", b"", 12345),
        ("/3/0", b"[" + b" " * (1 << 20) + b"]", 110),
    ],
)
def test_a_broken_payload_is_a_codec_error(path: str, payload: bytes, content_format: int) -> None:
    with pytest.raises(CodecError):
        decode(Path.parse(path), payload, content_format)


@settings(deadline=None)
@given(
    st.binary(max_size=200),
    st.sampled_from([0, 40, 42, 60, 110, 112, 11542, 11543, 11544, 1543]),
    st.sampled_from(["/3", "/3/0", "/3/0/7", "/5/0/0", "/3/0/7/1", "/"]),
)
def test_any_bytes_are_a_node_or_a_codec_error(payload: bytes, content_format: int, path: str) -> None:
    try:
        node = decode(Path.parse(path), payload, content_format)
    except CodecError:
        return
    for leaf in flatten(Path.parse(path), node):
        assert Path.parse(path).contains(leaf.path)


@pytest.mark.parametrize(
    ("path", "node", "content_format"),
    [
        ("/3/0", DEVICE, 0),
        ("/3/0/0", Resource(0, STRING, "x"), 42),
        ("/3/0/9", Resource(9, INTEGER, 1), 40),
        ("/3/0/9", Resource(9, INTEGER, "one"), 11542),
        ("/3/0/9", Resource(9, INTEGER, 2**63), 11542),
        ("/3/0/9", Resource(9, FLOAT, float("inf")), 110),
        ("/3/0/9", Resource(9, FLOAT, float("nan")), 11543),
        ("/3/0/0", Resource(0, STRING, "\ud800"), 0),
        ("/3/0/9", Resource(9, INTEGER, 1), 11541),
    ],
)
def test_what_a_format_cannot_carry_is_refused(path: str, node: Node, content_format: int) -> None:
    with pytest.raises(CodecError):
        encode(Path.parse(path), node, content_format)


def test_old_numbers_mean_the_registered_formats() -> None:
    assert [normalise(number) for number in (1541, 1542, 1543, 1544, 60)] == [0, 11542, 11543, 42, 60]


def test_formats_are_named_as_in_leshan() -> None:
    names = {"TLV", "JSON", "SENML_JSON", "SENML_CBOR", "TEXT", "OPAQUE", "CBOR", "LINK", "LWM2M_CBOR"}
    assert set(ContentFormat.__members__) == names
