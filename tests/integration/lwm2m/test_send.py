"""Send: values that a device reports without being asked, as they come in from the wire."""

import asyncio
import json
from typing import Any

import cbor2
import pytest
from aiocoap.numbers.codes import Code

from lwm2m.events import Event, Sample, Sent
from lwm2m.nodes import Resource
from lwm2m.paths import Path
from lwm2m.server import Lwm2mServer
from lwm2m.values import ResourceType

TEMPERATURE, STATE = Path.of(3303, 0, 5700), Path.of(5, 0, 3)


def sent(events: list[Event]) -> list[Sent]:
    return [event for event in events if isinstance(event, Sent)]


@pytest.fixture
def heard(server: Lwm2mServer) -> list[Event]:
    events: list[Event] = []
    server.events.listen(events.append)
    return events


@pytest.mark.parametrize(
    ("payload", "number"),
    [
        (json.dumps([{"bn": "/5/0/3", "v": 1}]).encode(), 110),
        (cbor2.dumps([{-2: "/5/0/", 0: "3", 2: 1}]), 112),
        (cbor2.dumps({5: {0: {3: 1}}}), 11544),
    ],
)
async def test_a_send_is_told_in_each_of_its_formats(
    device: Any, heard: list[Event], payload: bytes, number: int
) -> None:
    await device.register()
    response = await device.send(Code.POST, "/dp", payload=payload, content_format=number)
    assert (response.code, response.payload) == (Code.CHANGED, b"")
    node = Resource(3, ResourceType.INTEGER, 1)
    assert sent(heard) == [Sent("dev1", (Sample(None, {STATE: node}),))]


async def test_values_with_times_come_as_samples_oldest_first(device: Any, heard: list[Event]) -> None:
    await device.register()
    records = [
        {-2: "/3303/0/5700", -3: 1_795_225_120, 6: 10, 2: 21.5},
        {6: 0, 2: 20.5},
        {-2: "/5/0/3", -3: 0, 2: 0},
    ]
    response = await device.send(Code.POST, "/dp", payload=cbor2.dumps(records), content_format=112)
    assert response.code == Code.CHANGED
    samples = sent(heard)[0].samples
    assert [sample.at for sample in samples] == [1_795_225_120, 1_795_225_130, None]
    assert [list(sample.nodes) for sample in samples] == [[TEMPERATURE], [TEMPERATURE], [STATE]]
    assert samples[1].nodes[TEMPERATURE].value == 21.5


async def test_a_send_from_an_unknown_address_is_not_found(
    server: Lwm2mServer, device: Any, new_device: Any, heard: list[Event]
) -> None:
    await device.register()
    stranger = await new_device(server.port)
    payload = cbor2.dumps([{-2: "/5/0/3", 2: 1}])
    response = await stranger.send(Code.POST, "/dp", payload=payload, content_format=112)
    assert response.code == Code.NOT_FOUND
    assert b"register" in response.payload
    assert not sent(heard)


@pytest.mark.parametrize(
    ("payload", "number", "words"),
    [
        (b"not cbor", 112, "cannot be read"),
        (b"[]", 110, "at least one value"),
        (b"", 112, "cannot be read"),
        (b"1", 0, "content format 110, 112 or 11544"),
        (json.dumps([{"bn": "/x/y", "v": 1}]).encode(), 110, "cannot be read"),
        (cbor2.dumps([{-2: "/5/0/3", 2: 1}] * 2), 112, "cannot be read"),
    ],
)
async def test_a_bad_send_is_refused_with_a_reason(
    device: Any, heard: list[Event], payload: bytes, number: int, words: str
) -> None:
    await device.register()
    response = await device.send(Code.POST, "/dp", payload=payload, content_format=number)
    assert response.code == Code.BAD_REQUEST
    assert words in response.payload.decode()
    assert not sent(heard)


async def test_a_send_longer_than_a_block_arrives_whole(device: Any, heard: list[Event]) -> None:
    await device.register()
    records = [{-2: "/3303/0/5700", -3: 1_795_000_000}, *({6: second, 2: second / 2} for second in range(300))]
    response = await device.send(Code.POST, "/dp", payload=cbor2.dumps(records), content_format=112)
    assert response.code == Code.CHANGED
    assert len(sent(heard)[0].samples) == 300


async def test_only_post_sends(device: Any) -> None:
    await device.register()
    response = await device.send(Code.PUT, "/dp", payload=b"1")
    assert response.code == Code.METHOD_NOT_ALLOWED


async def test_a_send_wakes_a_device_in_queue_mode(new_device: Any) -> None:
    async with Lwm2mServer(port=0, awake_time=0.05) as server:
        device = await new_device(server.port)
        await device.register("ep=dev1&lwm2m=1.1&Q")
        await asyncio.sleep(0.1)
        assert server.is_asleep("dev1")
        payload = cbor2.dumps([{-2: "/5/0/3", 2: 1}])
        await device.send(Code.POST, "/dp", payload=payload, content_format=112)
        assert not server.is_asleep("dev1")
