"""Composite operations, Create, Delete, Object 0, observing with attributes, and Send."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from lwm2m.client import ClientResource, Lwm2mClient, ObjectInstance
from lwm2m.events import CompositeNotification, Notification, Sent, Updated
from lwm2m.messages import Code
from lwm2m.nodes import Instance, Resource
from lwm2m.paths import Path
from lwm2m.server import Lwm2mServer
from lwm2m.values import ResourceType

TEMPERATURE = Path.of(3303, 0, 5700)


async def test_a_composite_read_gives_what_exists_and_leaves_out_the_rest(
    server: Lwm2mServer, device: Lwm2mClient
) -> None:
    del device
    paths = [Path.of(3, 0, 0), TEMPERATURE, Path.of(9, 9, 9), Path.of(0, 0, 5), Path.of(3, 0, 4)]
    answer = (await server.read_composite("dev", paths)).require_success()
    assert answer.nodes == {
        Path.of(3, 0, 0): Resource(0, ResourceType.STRING, "M"),
        TEMPERATURE: Resource(5700, ResourceType.FLOAT, 20.0),
    }


async def test_a_composite_write_writes_all_or_nothing(server: Lwm2mServer, device: Lwm2mClient, world: Any) -> None:
    del device
    name, lifetime = Path.of(3303, 0, 5750), Path.of(1, 0, 1)
    both = {name: Resource(5750, ResourceType.STRING, "cellar"), lifetime: Resource(1, ResourceType.INTEGER, 90)}
    assert (await server.write_composite("dev", both)).success
    assert world.written == ["cellar"]
    bad = both | {Path.of(3, 0, 0): Resource(0, ResourceType.STRING, "X")}
    assert (await server.write_composite("dev", bad)).code == Code.METHOD_NOT_ALLOWED
    assert world.written == ["cellar"]


async def test_a_composite_observation_notifies_when_one_of_its_paths_changes(
    server: Lwm2mServer, device: Lwm2mClient, world: Any, happened: Callable[..., Any]
) -> None:
    notified = happened(CompositeNotification)
    paths = [Path.of(5, 0, 3), TEMPERATURE]
    assert (await server.observe_composite("dev", paths)).success
    world.state = 2
    device.notify(Path.of(5, 0, 3))
    nodes = (await asyncio.wait_for(notified, 5)).nodes
    assert nodes[Path.of(5, 0, 3)] == Resource(3, ResourceType.INTEGER, 2)
    assert TEMPERATURE in nodes


async def test_the_security_object_is_read_by_nobody(server: Lwm2mServer, device: Lwm2mClient) -> None:
    del device
    for path in (Path.of(0), Path.of(0, 0), Path.of(0, 0, 5)):
        assert (await server.read("dev", path)).code == Code.UNAUTHORIZED


async def test_a_server_creates_and_deletes_instances_of_a_user_defined_object(
    server: Lwm2mServer, start: Any, world: Any, happened: Callable[..., Any]
) -> None:
    def counter(number: int, content: Instance) -> ObjectInstance:
        value = content[1]
        assert isinstance(value, Resource)
        kept = value.value
        return ObjectInstance(33000, number, {1: ClientResource(ResourceType.INTEGER, read=lambda: kept)})

    await start(f"coap://127.0.0.1:{server.port}", world.objects(), {33000: counter})
    updated = happened(Updated)
    first = await server.create("dev", 33000, [Resource(1, ResourceType.OPAQUE, b"\x2a")])
    assert (first.code, first.location) == (Code.CREATED, "33000/0")
    assert "</33000/0>" in (await asyncio.wait_for(updated, 5)).registration.object_links
    named = await server.create("dev", 33000, [Resource(1, ResourceType.INTEGER, 7)], instance_id=5)
    assert named.location == "33000/5"
    again = await server.create("dev", 33000, [Resource(1, ResourceType.INTEGER, 7)], instance_id=5)
    assert again.code == Code.BAD_REQUEST
    assert (await server.delete("dev", Path.of(33000, 5))).code == Code.DELETED
    assert (await server.read("dev", Path.of(33000, 5))).code == Code.NOT_FOUND
    assert (await server.delete("dev", Path.of(3, 0))).code == Code.METHOD_NOT_ALLOWED


async def test_attributes_hold_notifications_back_and_bring_them(
    server: Lwm2mServer, device: Lwm2mClient, world: Any
) -> None:
    seen: list[tuple[float, Any]] = []

    def listen(event: object) -> None:
        if isinstance(event, Notification) and event.path == TEMPERATURE:
            assert isinstance(event.node, Resource)
            seen.append((time.monotonic(), event.node.value))

    server.events.listen(listen)
    await server.observe("dev", TEMPERATURE)

    async def show(value: float, seconds: float = 0.25) -> list[Any]:
        before = len(seen)
        world.temperature = value
        device.notify(TEMPERATURE)
        await asyncio.sleep(seconds)
        return [value for _, value in seen[before:]]

    assert await show(21.0) == [21.0]
    assert (await server.write_attributes("dev", TEMPERATURE, {"st": "5", "gt": "30"})).success
    assert await show(22.0) == []
    assert await show(27.0) == [27.0]  # a step of 5 since the last notified value
    assert await show(31.0) == [31.0]  # above 30
    assert await show(33.0) == []
    assert (await server.write_attributes("dev", TEMPERATURE, {"st": None, "gt": None})).success
    assert (await show(33.1))[-1:] == [33.1]  # 33.0 may come before it: nothing holds it back any more


async def test_pmin_gathers_changes_and_pmax_repeats_an_old_value(
    server: Lwm2mServer, device: Lwm2mClient, world: Any
) -> None:
    seen: list[Any] = []
    server.events.listen(lambda event: seen.append(event.node.value) if isinstance(event, Notification) else None)
    assert (await server.write_attributes("dev", Path.of(3303), {"pmin": "1", "pmax": "2"})).success
    began = time.monotonic()
    await server.observe("dev", TEMPERATURE)
    for value in (21.0, 22.0, 23.0):
        world.temperature = value
        device.notify(TEMPERATURE)
        await asyncio.sleep(0.05)
    while len(seen) < 2:
        assert time.monotonic() < began + 6
        await asyncio.sleep(0.02)
    assert seen[:2] == [23.0, 23.0]
    assert time.monotonic() - began > 2.9


async def test_send_brings_values_with_their_time_and_a_muted_device_sends_nothing(
    server: Lwm2mServer, device: Lwm2mClient, happened: Callable[..., Any]
) -> None:
    arrived = happened(Sent)
    value = Resource(5700, ResourceType.FLOAT, 21.5)
    assert await device.send({TEMPERATURE: value}, at=1_700_000_000.0)
    (sample,) = (await asyncio.wait_for(arrived, 5)).samples
    assert sample.at == 1_700_000_000.0
    assert sample.nodes == {TEMPERATURE: value}
    mute = Path.of(1, 0, 23)
    assert (await server.write("dev", mute, Resource(23, ResourceType.BOOLEAN, value=True))).success
    assert not await device.send({TEMPERATURE: value})


async def test_object_19_carries_application_data_both_ways(
    server: Lwm2mServer, device: Lwm2mClient, world: Any
) -> None:
    del device
    content = (await server.read("dev", Path.of(19, 0, 0))).require_success().content
    assert content is not None
    assert content.values == {0: b"app"}
    assert (await server.write("dev", Path.of(19, 0, 0, 0), b"in")).success
    assert world.written == [b"in"]
