"""Composite operations over loopback: several paths in one request (Core 1.1.1, sections 6.3.8 and 6.3.9)."""

import asyncio
import json
from typing import Any

import aiocoap
import cbor2
import pytest
from aiocoap.numbers.codes import Code

from lwm2m.codecs import ContentFormat
from lwm2m.errors import BadRequest, CodecError
from lwm2m.events import CompositeNotification
from lwm2m.nodes import Instance, Resource
from lwm2m.paths import Path
from lwm2m.server import Lwm2mServer
from lwm2m.values import ResourceType

MODEL, STATE, ABSENT = Path.of(3, 0, 1), Path.of(5, 0, 3), Path.of(9, 0, 0)
BOTH = cbor2.dumps([{-2: "/3/0", 0: "/1", 3: "board"}, {-2: "/5/0", 0: "/3", 2: 1}])


def content(payload: bytes, number: int = ContentFormat.SENML_CBOR) -> Any:
    return lambda _: aiocoap.Message(code=Code.CONTENT, payload=payload, content_format=number)


@pytest.fixture
async def registered(device: Any) -> Any:
    await device.register()
    return device


async def test_read_composite_asks_for_paths_and_finds_those_that_the_device_has(
    server: Lwm2mServer, registered: Any
) -> None:
    registered.answers["FETCH", "/"] = content(BOTH)
    response = await server.read_composite("dev1", (MODEL, STATE, ABSENT))
    assert response.success
    assert response.nodes == {
        MODEL: Resource(1, ResourceType.STRING, "board"),
        STATE: Resource(3, ResourceType.INTEGER, 1),
    }
    asked = registered.requests[-1]
    assert (asked.code, asked.opt.uri_path, asked.opt.content_format, asked.opt.accept) == (Code.FETCH, (), 112, 112)
    assert [record[0] for record in cbor2.loads(asked.payload)] == ["/3/0/1", "/5/0/3", "/9/0/0"]


async def test_paths_can_be_asked_for_in_json_and_the_answer_may_be_in_another_format(
    server: Lwm2mServer, registered: Any
) -> None:
    registered.answers["FETCH", "/"] = content(b"\xa1\x03\xa1\x00\xa1\x01ex-one", 11544)
    response = await server.read_composite(
        "dev1", (Path.of(3),), accept=ContentFormat.SENML_JSON, paths_format=ContentFormat.SENML_JSON
    )
    assert response.nodes is not None
    assert response.nodes[Path.of(3)].instances[0][1].value == "x-one"
    assert json.loads(registered.requests[-1].payload) == [{"n": "/3"}]


async def test_an_instance_among_the_paths_comes_back_as_an_instance(server: Lwm2mServer, registered: Any) -> None:
    registered.answers["FETCH", "/"] = content(BOTH)
    response = await server.read_composite("dev1", (Path.of(5, 0), MODEL))
    assert response.nodes is not None
    assert response.nodes[Path.of(5, 0)] == Instance(0, (Resource(3, ResourceType.INTEGER, 1),))


async def test_write_composite_sends_every_value_and_returns_the_refusal(server: Lwm2mServer, registered: Any) -> None:
    nodes = {
        Path.of(1, 0, 1): Resource(1, ResourceType.INTEGER, 60),
        Path.of(3, 0, 15): Resource(15, ResourceType.STRING, "UTC"),
    }
    registered.answers["iPATCH", "/"] = lambda _: aiocoap.Message(code=Code.CHANGED)
    assert (await server.write_composite("dev1", nodes)).code == Code.CHANGED
    sent = cbor2.loads(registered.requests[-1].payload)
    base = ""
    values = {}
    for record in sent:
        base = record.get(-2, base)
        values[base + record.get(0, "")] = record.get(2, record.get(3))
    assert values == {"/1/0/1": 60, "/3/0/15": "UTC"}

    registered.answers["iPATCH", "/"] = lambda _: aiocoap.Message(code=Code.METHOD_NOT_ALLOWED, payload=b"read-only")
    refused = await server.write_composite("dev1", nodes, content_format=ContentFormat.SENML_JSON)
    assert (refused.success, refused.diagnostic) == (False, "read-only")
    assert registered.requests[-1].opt.content_format == 110


async def test_composite_requests_go_below_the_alternate_path(server: Lwm2mServer, device: Any) -> None:
    await device.register(payload=b'</lwm2m>;rt="oma.lwm2m",</lwm2m/3/0>')
    device.answers["FETCH", "/lwm2m"] = content(BOTH)
    assert (await server.read_composite("dev1", (MODEL,))).success


async def test_an_answer_that_holds_one_path_only_is_a_codec_error(server: Lwm2mServer, registered: Any) -> None:
    registered.answers["FETCH", "/"] = content(b"1.0", 0)
    with pytest.raises(CodecError, match="several paths"):
        await server.read_composite("dev1", (MODEL,))


async def test_a_device_without_fetch_answers_with_its_refusal(server: Lwm2mServer, registered: Any) -> None:
    registered.answers["FETCH", "/"] = lambda _: aiocoap.Message(code=Code.METHOD_NOT_ALLOWED)
    response = await server.read_composite("dev1", (MODEL,))
    assert (response.success, response.code, response.nodes) == (False, Code.METHOD_NOT_ALLOWED, None)


async def test_observe_composite_tells_of_the_paths_that_changed(server: Lwm2mServer, registered: Any) -> None:
    registered.answers["FETCH", "/"] = content(BOTH)
    with server.events.subscribe() as events:
        first = await server.observe_composite("dev1", (MODEL, STATE))
        assert first.nodes is not None
        assert set(first.nodes) == {MODEL, STATE}
        # A notification with the time of the value, as Anjay sends it.
        changed = cbor2.dumps([{-2: "/5/0/3", -3: 1_795_225_127, 2: 2}])
        registered.notify("/", content(changed)(None))
        async with asyncio.timeout(5):
            event = await events.get()
    assert event == CompositeNotification("dev1", (MODEL, STATE), {STATE: Resource(3, ResourceType.INTEGER, 2)})
    assert server.observed("dev1") == []
    assert [each.paths for each in server.observations("dev1")] == [(MODEL, STATE)]


async def test_an_active_cancel_of_a_composite_observation_has_the_devices_answer(
    server: Lwm2mServer, registered: Any
) -> None:
    registered.answers["FETCH", "/"] = content(BOTH)
    await server.observe_composite("dev1", (MODEL, STATE))
    begun = registered.requests[-1]
    response = await server.cancel_observe_composite("dev1", (MODEL, STATE), active=True)
    assert response is not None
    assert response.nodes is not None
    assert set(response.nodes) == {MODEL, STATE}
    ended = registered.requests[-1]
    assert (ended.code, ended.opt.observe, ended.token) == (Code.FETCH, 1, begun.token)
    assert (ended.payload, ended.opt.content_format) == (begun.payload, 112)
    assert server.observations() == []


async def test_a_passive_cancel_of_a_composite_observation_asks_nothing(server: Lwm2mServer, registered: Any) -> None:
    registered.answers["FETCH", "/"] = content(BOTH)
    await server.observe_composite("dev1", (MODEL, STATE))
    asked = len(registered.requests)
    cancelled = await server.cancel_observe_composite("dev1", (MODEL, STATE), active=False)
    assert cancelled is not None
    assert cancelled.success
    assert await server.cancel_observe_composite("dev1", (MODEL, STATE), active=False) is None
    assert len(registered.requests) == asked


@pytest.mark.parametrize("paths", [(), tuple(Path.of(3, 0, number) for number in range(65))])
@pytest.mark.usefixtures("registered")
async def test_a_composite_observation_has_1_to_64_paths(server: Lwm2mServer, paths: tuple[Path, ...]) -> None:
    with pytest.raises(BadRequest, match="1 to 64"):
        await server.observe_composite("dev1", paths)
