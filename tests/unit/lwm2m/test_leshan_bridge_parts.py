"""What the bridge to Leshan understands: registrations, answers, events, and what changed while it did not listen."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lwm2m.errors import BadRequest, Lwm2mError
from lwm2m.events import Awake, CompositeNotification, Deregistered, Notification, Reason, Registered, Sent, Updated
from lwm2m.leshan_json import node_json, parse_node, registration_json, response_json
from lwm2m.leshan_mirror import Mirror
from lwm2m.leshan_parse import device_event, parse_nodes, parse_registration, parse_response
from lwm2m.leshan_stream import MAX_EVENT, parse_events
from lwm2m.nodes import Instance, MultiResource, Object, Resource, ResourceInstance, Root
from lwm2m.paths import Path
from lwm2m.registration import Registration
from lwm2m.values import ObjectLink, ResourceType

T = ResourceType
REGISTRATION = Registration(
    id="VDXjmu79Zi",
    endpoint="waka1",
    address="127.0.0.1:56830",
    lifetime=300,
    registered_at=1_795_225_127.174,
    updated_at=1_795_225_127.174,
    lwm2m_version="1.1",
    binding="U",
    queue_mode=True,
    object_links='</>;rt="oma.lwm2m";ct=110,</1>;ver=1.1,</1/0>,</3/0>;hb',
    sms_number="+358",
    additional=(("mac", "unknown"),),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["id", "kind", "type", "value", "values", "resources", "instances", "objects", "/3/0/3", "0"]
            )
            | st.text(max_size=3),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


def test_a_registration_survives_the_way_through_leshans_json() -> None:
    told = json.loads(json.dumps(registration_json(REGISTRATION, asleep=True)))
    assert parse_registration(told) == REGISTRATION


@pytest.mark.parametrize(
    "change",
    [
        {"endpoint": None},
        {"endpoint": "a\nb"},
        {"endpoint": "x" * 2000},
        {"lifetime": -1},
        {"lastUpdate": "now"},
        {"lastUpdate": True},
        {"objectLinks": {}},
        {"objectLinks": [{"url": "<", "attributes": {}}]},
        {"additionalRegistrationAttributes": []},
    ],
)
def test_a_broken_registration_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(Lwm2mError):
        parse_registration(registration_json(REGISTRATION, asleep=False) | change)


@pytest.mark.parametrize(
    ("path", "node"),
    [
        ("/3/0/3", Resource(3, T.STRING, "1.0")),
        ("/3/0/13", Resource(13, T.TIME, 1_795_225_130)),
        ("/3/0/9", Resource(9, T.INTEGER, -(2**63))),
        ("/7/0/0", Resource(0, T.UNSIGNED_INTEGER, 2**64 - 1)),
        ("/3303/0/5700", Resource(5700, T.FLOAT, 21.5)),
        ("/1/0/6", Resource(6, T.BOOLEAN, value=False)),
        ("/5/0/0", Resource(0, T.OPAQUE, b"\xca\xfe")),
        ("/3/0/22/0", ResourceInstance(0, T.OBJLNK, ObjectLink(33606, 0))),
        ("/3/0/7", MultiResource.of(7, T.INTEGER, {0: 1, 1: 5})),
        ("/5", Object(5, (Instance(0, (Resource(3, T.INTEGER, 0),)),))),
        ("/", Root((Object(5, (Instance(0, (Resource(3, T.INTEGER, 0),)),)),))),
    ],
)
def test_a_node_survives_the_way_through_leshans_json(path: str, node: Any) -> None:
    assert parse_node(Path.parse(path), json.loads(json.dumps(node_json(node)))) == node


def test_success_is_what_leshan_says_and_contradictions_are_refused() -> None:
    assert parse_response(None, {"status": "CHANGED(204)", "success": True}).success
    assert parse_response(None, {"status": "UNKNOWN(429)", "success": False}).code == 0x9D
    for status, success in (("CHANGED(204)", False), ("NOT_FOUND(404)", True), ("CHANGED", True), (None, True)):
        with pytest.raises(BadRequest):
            parse_response(None, {"status": status, "success": success})


def test_an_answer_survives_the_way_through_leshans_json() -> None:
    created = parse_response(None, {"status": "CREATED(201)", "success": True, "location": "31024/20"})
    assert created.location == "31024/20"
    assert parse_response(None, response_json(created)) == created


def test_a_composite_content_leaves_out_what_was_not_there() -> None:
    node = {"kind": "singleResource", "id": 3, "type": "STRING", "value": "1"}
    assert parse_nodes({"/3/0/3": node, "/9/0/0": None}) == {Path.of(3, 0, 3): Resource(3, T.STRING, "1")}


@given(JSON, st.sampled_from(["/", "/3", "/3/0", "/3/0/3", "/3/0/7/0"]))
@settings(max_examples=150, deadline=None)
def test_any_json_is_a_node_or_an_error_of_ours(data: Any, path: str) -> None:
    for parse in (lambda: parse_node(Path.parse(path), data), lambda: parse_nodes(data), lambda: _event(data)):
        try:
            parse()
        except Lwm2mError:
            continue


def _event(data: Any) -> None:
    for name in ("NOTIFICATION", "SEND"):
        device_event(name, {"ep": "x", "res": "/3/0/3", "val": data})
    parse_response(None, data)


def test_events_of_devices_are_understood() -> None:
    node = {"kind": "singleResource", "id": 3, "type": "STRING", "value": "1"}
    path, value = Path.of(3, 0, 3), Resource(3, T.STRING, "1")
    single = {"ep": "x", "kind": "single", "res": "/3/0/3", "val": node}
    assert device_event("NOTIFICATION", single) == Notification("x", path, value)
    several = {"ep": "x", "kind": "composite", "val": {"/3/0/3": node}, "paths": ["/3/0/3", "/9"]}
    told = device_event("NOTIFICATION", several)
    assert told == CompositeNotification("x", (path, Path.of(9)), {path: value})
    sent = device_event("SEND", {"ep": "x", "val": {"/3/0/3": node}})
    assert isinstance(sent, Sent)
    assert sent.samples[0].nodes == {path: value}
    assert device_event("AWAKE", {"ep": "x"}) == Awake("x")
    assert device_event("SOMETHING", {"ep": "x"}) is None


def test_a_mirror_tells_only_what_is_new() -> None:
    mirror = Mirror([REGISTRATION], clock=lambda: REGISTRATION.updated_at + 10)
    assert mirror.listed([REGISTRATION]) == []
    later = replace(REGISTRATION, updated_at=REGISTRATION.updated_at + 5, lifetime=60)
    (updated,) = mirror.seen(later)
    assert isinstance(updated, Updated)
    assert (updated.previous, updated.update.lifetime, updated.update.binding) == (REGISTRATION, 60, None)
    # What waited in the stream while the list was read is older than the list.
    assert mirror.seen(REGISTRATION) == []
    assert mirror.gone(replace(REGISTRATION, id="other")) == []
    assert mirror.get("waka1") == later
    again = replace(REGISTRATION, id="second", registered_at=later.updated_at + 1, updated_at=later.updated_at + 1)
    assert mirror.listed([again]) == [Deregistered(later, Reason.REPLACED), Registered(again, later)]
    assert mirror.seen(REGISTRATION) == []
    assert mirror.gone(again) == [Deregistered(again, Reason.REQUEST)]
    assert mirror.gone(again) == []


def test_a_registration_whose_time_was_over_has_expired() -> None:
    mirror = Mirror([REGISTRATION], clock=lambda: REGISTRATION.updated_at + 301)
    assert mirror.listed([]) == [Deregistered(REGISTRATION, Reason.EXPIRED)]


async def _events(*chunks: bytes) -> list[tuple[str, str]]:
    async def feed() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    return [event async for event in parse_events(feed())]


async def test_events_are_read_however_they_are_cut() -> None:
    wire = (
        b'event: SEND\r\ndata: {"a":1}\r\n\r\n\r\n: comment\nevent: X\ndata: 1\ndata: 2\n\ndata:no name\n\nevent: lost'
    )
    expected = [("SEND", '{"a":1}'), ("X", "1\n2"), ("message", "no name")]
    assert await _events(wire) == expected
    assert await _events(*(wire[i : i + 1] for i in range(len(wire)))) == expected


async def test_an_event_without_an_end_is_refused() -> None:
    with pytest.raises(BadRequest, match="larger"):
        await _events(b"data: " + b"x" * MAX_EVENT, b"y")
    with pytest.raises(BadRequest, match="larger"):
        await _events(*[b"data: " + b"x" * 99_993 + b"\n"] * 100)
