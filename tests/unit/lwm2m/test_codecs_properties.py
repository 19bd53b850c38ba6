"""Every format there and back over generated nodes, damaged payloads, and the largest hostile ones within bounds."""

import time
from collections.abc import Callable
from contextlib import suppress

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lwm2m.codecs import CodecError, decode, decode_nodes, decode_paths, decode_timestamped, encode, encode_nodes
from lwm2m.codecs.formats import MAX_STRUCTURED
from lwm2m.nodes import Instance, MultiResource, Node, Object, Resource, ResourceInstance, Root, flatten
from lwm2m.objects import STANDARD, ResourceModel
from lwm2m.paths import MAX_ID, Path
from lwm2m.values import ObjectLink, ResourceType, Value

# No deadline per example: the machine may be busy. How long the worst may take is asserted below, in CPU time.
LENIENT = settings(deadline=None)
THOROUGH = settings(LENIENT, max_examples=200)
RECORDS = (110, 112, 11543, 11544)
IDS = st.integers(0, MAX_ID)
VALUES: dict[ResourceType, st.SearchStrategy[Value]] = {
    ResourceType.STRING: st.text(max_size=40),
    ResourceType.INTEGER: st.integers(-(2**63), 2**63 - 1),
    ResourceType.UNSIGNED_INTEGER: st.integers(0, 2**64 - 1),
    ResourceType.FLOAT: st.floats(allow_nan=False, allow_infinity=False),
    ResourceType.BOOLEAN: st.booleans(),
    ResourceType.OPAQUE: st.binary(max_size=300),
    ResourceType.TIME: st.integers(-(2**63), 2**63 - 1),
    ResourceType.OBJLNK: st.builds(ObjectLink, st.integers(0, 0xFFFF), st.integers(0, 0xFFFF)),
}
TYPED = {
    model.id: [resource for resource in model.resources.values() if resource.type in VALUES]
    for model in STANDARD.known_objects()
}


@st.composite
def resources(draw: st.DrawFn, model: ResourceModel) -> Resource | MultiResource:
    if not model.multiple:
        return Resource(model.id, model.type, draw(VALUES[model.type]))
    values = draw(st.dictionaries(IDS, VALUES[model.type], min_size=1, max_size=3))
    return MultiResource.of(model.id, model.type, values)


@st.composite
def instances(draw: st.DrawFn, object_id: int) -> Instance:
    chosen = draw(st.lists(st.sampled_from(TYPED[object_id]), unique_by=lambda model: model.id, min_size=1, max_size=4))
    ordered = sorted(chosen, key=lambda model: model.id)
    return Instance(draw(IDS), tuple(draw(resources(model)) for model in ordered))


@st.composite
def objects(draw: st.DrawFn) -> Object:
    number = draw(st.sampled_from(sorted(TYPED)))
    found = draw(st.lists(instances(number), unique_by=lambda instance: instance.id, min_size=1, max_size=3))
    return Object(number, tuple(sorted(found, key=lambda instance: instance.id)))


@st.composite
def placed_nodes(draw: st.DrawFn) -> tuple[Path, Node]:
    """An object, or one of the nodes below it, with its path."""
    node: Node = draw(objects())
    path = Path.of(node.id)
    for _ in range(draw(st.integers(0, 3))):
        match node:
            case Object(instances=below) | Instance(resources=below) | MultiResource(instances=below):
                node = draw(st.sampled_from(below))
                path /= node.id
    return path, node


@given(placed_nodes(), st.sampled_from((11542, *RECORDS)))
@THOROUGH
def test_every_node_survives_every_format_with_several_values(placed: tuple[Path, Node], content_format: int) -> None:
    path, node = placed
    assert decode(path, encode(path, node, content_format), content_format) == node


@given(placed_nodes(), st.sampled_from((0, 60)))
@LENIENT
def test_every_value_survives_the_formats_with_one_value(placed: tuple[Path, Node], content_format: int) -> None:
    for leaf in flatten(*placed):
        node = (Resource if leaf.path.level == 3 else ResourceInstance)(leaf.path.ids[-1], leaf.type, leaf.value)
        assert decode(leaf.path, encode(leaf.path, node, content_format), content_format) == node


@given(st.lists(objects(), unique_by=lambda each: each.id, max_size=3), st.sampled_from(RECORDS))
@LENIENT
def test_several_objects_survive_record_formats(found: list[Object], content_format: int) -> None:
    root = Root(tuple(sorted(found, key=lambda each: each.id)))
    assert decode(Path(), encode(Path(), root, content_format), content_format) == root


@given(
    st.lists(placed_nodes(), unique_by=lambda placed: placed[0].object_id, max_size=3),
    st.sampled_from((110, 112, 11544)),
)
@LENIENT
def test_composite_payloads_survive(placed: list[tuple[Path, Node]], content_format: int) -> None:
    nodes = decode_nodes(encode_nodes(dict(placed), content_format), content_format)
    expected = {leaf.path: leaf.value for path, node in placed for leaf in flatten(path, node)}
    assert {path: leaf.value for path, node in nodes.items() for leaf in flatten(path, node)} == expected


@given(placed_nodes(), st.sampled_from((11542, *RECORDS)), st.data())
@THOROUGH
def test_a_damaged_payload_is_a_node_or_a_codec_error(
    placed: tuple[Path, Node], content_format: int, data: st.DataObject
) -> None:
    path, node = placed
    payload = bytearray(encode(path, node, content_format))
    start = data.draw(st.integers(0, len(payload)))
    payload[start : start + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    with suppress(CodecError):
        decode(path, bytes(payload), content_format)
    with suppress(CodecError):
        decode_timestamped(bytes(payload), content_format, now=0)
    with suppress(CodecError):
        decode_paths(bytes(payload), content_format)


def fill(pattern: bytes, head: bytes = b"", tail: bytes = b"") -> bytes:
    """As many repetitions as a structured payload may have."""
    return head + pattern * ((MAX_STRUCTURED - len(head) - len(tail)) // len(pattern)) + tail


def colliding_keys(count: int) -> bytes:
    """A map whose keys have one hash in Python: a decoder that builds a dict is busy for minutes."""
    keys = (cbor2.dumps(1 + number * (2**61 - 1)) for number in range(count))
    return b"\xbf" + b"\x00".join(keys) + b"\x00\xff"


HOSTILE: dict[str, Callable[[], tuple[int, bytes]]] = {
    "TLV entries": lambda: (11542, fill(b"\x00\x00")),
    "TLV entries in entries": lambda: (
        11542,
        fill(b"\x08\x00\x09" + b"\xc0\x00" + b"\x80\x01" + b"\xc1\x02\x00\x00\x00"),
    ),
    "TLV of one opaque": lambda: (11542, b"\xd8\x02\x0f\xff\xf0" + bytes(0x0FFFF0)),
    "JSON brackets": lambda: (110, fill(b"[")),
    "JSON objects": lambda: (110, fill(b'{"a":', tail=b"1")),
    "JSON records": lambda: (110, fill(b"{},", b"[", b"{}]")),
    "JSON digits": lambda: (110, fill(b"9", b'[{"n":"/3/0/9","v":', b"}]")),
    "JSON text": lambda: (110, fill(b"a", b'[{"n":"/3/0/9","vs":"', b'"}]')),
    "JSON entries": lambda: (11543, fill(b"{},", b'{"e":[', b"{}]}")),
    "CBOR numbers": lambda: (112, fill(b"\x00", b"\x9f", b"\xff")),
    "CBOR arrays": lambda: (112, fill(b"\x81")),
    "CBOR records": lambda: (112, fill(b"\xa0", b"\x9f", b"\xff")),
    "CBOR chunks": lambda: (112, fill(b"\x40", b"\x5f", b"\xff")),
    "CBOR that collides": lambda: (11544, colliding_keys(50_000)),
    "CBOR keys": lambda: (11544, fill(b"\x19\x00\x01\x00", b"\xbf", b"\xff")),
    "CBOR maps": lambda: (11544, fill(b"\x03\xa0", b"\xbf", b"\xff")),
    "links": lambda: (40, fill(b"</1>,")),
    "link attributes": lambda: (40, fill(b";a=1", b"</1>")),
    "link spaces": lambda: (40, fill(b" ")),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("path", ["/3", "/5/0/0"])
def test_the_largest_hostile_payload_takes_no_more_than_seconds(name: str, path: str) -> None:
    content_format, payload = HOSTILE[name]()
    began = time.process_time()
    with suppress(CodecError):
        decode(Path.parse(path), payload, content_format)
    with suppress(CodecError):
        decode_timestamped(payload, content_format, now=0)
    assert time.process_time() - began < 5
