"""Payloads that speak of several paths: requests for paths, composite answers, and values with their times."""

import cbor2
import pytest

from lwm2m.codecs import (
    CodecError,
    decode_nodes,
    decode_paths,
    decode_timestamped,
    encode_nodes,
    encode_paths,
    select,
)
from lwm2m.codecs.composite import MAX_PATHS
from lwm2m.nodes import Instance, MultiResource, Node, Object, Resource, ResourceInstance, Root
from lwm2m.paths import Path
from lwm2m.values import ObjectLink, ResourceType

STRING, INTEGER, TIME = ResourceType.STRING, ResourceType.INTEGER, ResourceType.TIME
NOW = 1_795_225_130.0

NODES: dict[Path, Node] = {
    Path.of(3, 0, 0): Resource(0, STRING, "Anjay"),
    Path.of(3, 0, 7): MultiResource.of(7, INTEGER, {0: 3800, 1: 5000}),
    Path.of(3, 0, 22, 1): ResourceInstance(1, ResourceType.OBJLNK, ObjectLink(33606, 0)),
    Path.of(5, 0): Instance(0, (Resource(3, INTEGER, 1), Resource(5, INTEGER, 0))),
}
BY_VALUE: dict[Path, Node] = {
    Path.of(3, 0, 0): Resource(0, STRING, "Anjay"),
    Path.of(3, 0, 7, 0): ResourceInstance(0, INTEGER, 3800),
    Path.of(3, 0, 7, 1): ResourceInstance(1, INTEGER, 5000),
    Path.of(3, 0, 22, 1): ResourceInstance(1, ResourceType.OBJLNK, ObjectLink(33606, 0)),
    Path.of(5, 0, 3): Resource(3, INTEGER, 1),
    Path.of(5, 0, 5): Resource(5, INTEGER, 0),
}


def parse(*paths: str) -> tuple[Path, ...]:
    return tuple(Path.parse(path) for path in paths)


@pytest.mark.parametrize("content_format", [110, 112])
def test_paths_survive_in_their_order(content_format: int) -> None:
    paths = parse("/3/0/0", "/5", "/", "/1/0", "/3/0/7/1")
    assert decode_paths(encode_paths(paths, content_format), content_format) == paths


def test_a_request_for_paths_has_nothing_but_names() -> None:
    assert encode_paths(parse("/3/0/0", "/1/0"), 110) == b'[{"n":"/3/0/0"},{"n":"/1/0"}]'
    assert cbor2.loads(encode_paths(parse("/3/0/0"), 112)) == [{0: "/3/0/0"}]


def test_a_request_for_paths_may_use_a_base_name() -> None:
    assert decode_paths(b'[{"bn":"/3/0/","n":"0"},{"n":"9"},{"bn":"/5"}]', 110) == parse("/3/0/0", "/3/0/9", "/5")


@pytest.mark.parametrize(
    ("payload", "content_format", "words"),
    [
        (b'[{"n":"/3/0/0","v":1}]', 110, "no values"),
        (b'[{"n":"/a"}]', 110, "no path"),
        (b'{"n":"/3"}', 110, "list"),
        (b"\xa1", 112, "ends"),
        (b"[" + b",".join([b'{"n":"/3"}'] * (MAX_PATHS + 1)) + b"]", 110, "more than"),
        (b"[" + b" " * (1 << 20) + b"]", 110, "larger"),
        (b"", 11542, "SenML"),
        (b"\xa0", 11544, "SenML"),
    ],
)
def test_what_is_no_request_for_paths_is_a_codec_error(payload: bytes, content_format: int, words: str) -> None:
    with pytest.raises(CodecError, match=words):
        decode_paths(payload, content_format)


def test_paths_cannot_be_asked_for_in_lwm2m_cbor_nor_without_end() -> None:
    with pytest.raises(CodecError, match="SenML"):
        encode_paths(parse("/3"), 11544)
    with pytest.raises(CodecError, match="more than"):
        encode_paths([Path()] * (MAX_PATHS + 1), 110)


@pytest.mark.parametrize("content_format", [110, 112, 11544])
def test_nodes_survive_value_by_value(content_format: int) -> None:
    assert decode_nodes(encode_nodes(NODES, content_format), content_format) == BY_VALUE


@pytest.mark.parametrize("content_format", [0, 60, 11542, 11543])
def test_other_formats_cannot_carry_several_paths(content_format: int) -> None:
    with pytest.raises(CodecError, match="several paths"):
        encode_nodes(NODES, content_format)
    with pytest.raises(CodecError, match="several paths"):
        decode_nodes(b"", content_format)


@pytest.mark.parametrize("content_format", [110, 112, 11544])
def test_a_resource_cannot_be_written_twice_at_once(content_format: int) -> None:
    with pytest.raises(CodecError, match="same resource"):
        encode_nodes({Path.of(5, 0): NODES[Path.of(5, 0)], Path.of(5, 0, 3): Resource(3, INTEGER, 2)}, content_format)


def test_an_answer_is_sorted_by_what_was_asked_and_missing_paths_are_none() -> None:
    asked = parse("/3/0/7", "/3/0/7/1", "/5", "/5/0/5", "/9", "/3/0/13")
    assert select(BY_VALUE, asked) == {
        Path.of(3, 0, 7): NODES[Path.of(3, 0, 7)],
        Path.of(3, 0, 7, 1): ResourceInstance(1, INTEGER, 5000),
        Path.of(5): Object(5, (NODES[Path.of(5, 0)],)),
        Path.of(5, 0, 5): Resource(5, INTEGER, 0),
        Path.of(9): None,
        Path.of(3, 0, 13): None,
    }


def test_an_answer_to_the_root_is_a_root() -> None:
    root = select(BY_VALUE, [Path()])[Path()]
    assert isinstance(root, Root)
    assert [each.id for each in root.objects] == [3, 5]


def test_times_group_the_values_oldest_first_and_now_last() -> None:
    payload = (
        b'[{"bn":"/3303/0/","bt":1795225100,"n":"5700","v":20.5},{"n":"5700","t":-60,"v":19.5},'
        b'{"n":"5601","v":18.0},{"bn":"/3/0/","bt":0,"n":"9","v":80}]'
    )
    assert decode_timestamped(payload, 110, now=NOW) == (
        (1795225040, {Path.of(3303, 0, 5700): Resource(5700, ResourceType.FLOAT, 19.5)}),
        (
            1795225100,
            {
                Path.of(3303, 0, 5700): Resource(5700, ResourceType.FLOAT, 20.5),
                Path.of(3303, 0, 5601): Resource(5601, ResourceType.FLOAT, 18.0),
            },
        ),
        (None, {Path.of(3, 0, 9): Resource(9, INTEGER, 80)}),
    )


def test_times_below_two_to_the_28_are_relative_to_now() -> None:
    payload = cbor2.dumps(
        [{0: "/3/0/9", 2: 80, 6: -5}, {0: "/3/0/10", 2: 1, 6: 268435455}, {-3: 268435456, 0: "/3/0/21", 2: 2}]
    )
    assert [moment for moment, _ in decode_timestamped(payload, 112, now=NOW)] == [268435456, NOW - 5, NOW + 268435455]


def test_relative_times_count_from_the_clock_when_nobody_says_now() -> None:
    ((moment, _),) = decode_timestamped(b'[{"n":"/3/0/9","v":80,"t":-5}]', 110)
    assert moment is not None
    assert moment > NOW - 3 * 365 * 86400


def test_the_newest_of_several_times_is_the_value() -> None:
    payload = (
        b'[{"n":"/3/0/9","v":1,"t":1795225100},{"n":"/3/0/9","v":2,"t":1795225101},{"n":"/3/0/9","v":0,"t":1795225000}]'
    )
    assert decode_nodes(payload, 110) == {Path.of(3, 0, 9): Resource(9, INTEGER, 2)}
    payload = b'[{"n":"/3/0/9","v":1},{"n":"/3/0/9","v":2,"t":1795225101},{"n":"/3/0/9","v":3,"t":-1}]'
    assert decode_nodes(payload, 110) == {Path.of(3, 0, 9): Resource(9, INTEGER, 1)}


def test_lwm2m_cbor_has_no_times() -> None:
    payload = encode_nodes({Path.of(3, 0, 9): Resource(9, INTEGER, 80)}, 11544)
    assert decode_timestamped(payload, 11544, now=NOW) == ((None, {Path.of(3, 0, 9): Resource(9, INTEGER, 80)}),)


@pytest.mark.parametrize(
    "records",
    [
        '{"n":"/3/0/9","v":1},{"n":"/3/0/9","v":2}',
        '{"n":"/3/0/9","v":1,"t":5},{"n":"/3/0/9","v":2,"t":5}',
        '{"n":"/3/0/9","v":1,"t":1e12}',
        '{"n":"/3/0/9","v":1,"t":"1"}',
        '{"n":"/3/0/9","v":1,"t":true}',
        '{"n":"/3/0/9","v":1,"bt":1e400}',
        '{"n":"/3/0/9","v":1,"bv":5}',
        '{"n":"/3/0","v":1}',
    ],
)
def test_bad_times_and_values_are_codec_errors(records: str) -> None:
    with pytest.raises(CodecError):
        decode_timestamped(f"[{records}]".encode(), 110, now=NOW)
    with pytest.raises(CodecError):
        decode_nodes(f"[{records}]".encode(), 110)
