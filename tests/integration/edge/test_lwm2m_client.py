"""The device client against the real server over loopback: registration, every operation, and blocks by hand."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
from aiocoap import Context, Message
from aiocoap.numbers.codes import Code as CoapCode

from lwm2m.client import ClientResource, Lwm2mClient, ObjectInstance, Settings
from lwm2m.client.standard import Device, device_object
from lwm2m.codecs import ContentFormat
from lwm2m.events import Deregistered, Notification, Registered, Updated
from lwm2m.messages import Code
from lwm2m.nodes import Instance, Resource
from lwm2m.paths import Path
from lwm2m.server import Lwm2mServer
from lwm2m.values import ResourceType

PACKAGE = Path.of(5, 0, 0)


class Sink:
    """Takes packages of up to 5000 bytes in memory."""

    limit = 5000

    def __init__(self) -> None:
        self.data = bytearray()
        self.packages: list[bytes] = []
        self.abandoned = 0

    def begin(self, first: bytes, *, more: bool) -> None:  # noqa: ARG002 - the protocol's signature
        self.data.clear()

    def block(self, data: bytes) -> None:
        self.data += data

    async def complete(self) -> None:
        self.packages.append(bytes(self.data))

    def abandon(self) -> None:
        self.abandoned += 1


@dataclass
class Devices:
    """A client, its sink, and a value that changes."""

    client: Lwm2mClient
    sink: Sink
    state: dict[str, int]
    rebooted: asyncio.Event


@pytest.fixture
async def server() -> AsyncIterator[Lwm2mServer]:
    async with Lwm2mServer(port=0) as server:
        yield server


async def start_device(port: int, lifetime: int = 60, answer_seconds: float = 10.0) -> Devices:
    sink, state, rebooted = Sink(), {"value": 0}, asyncio.Event()

    async def reboot() -> None:
        rebooted.set()

    long = ClientResource(ResourceType.STRING, read=lambda: "x" * 5000, observable=False)
    firmware = {
        0: ClientResource(ResourceType.OPAQUE, sink=sink),
        3: ClientResource(ResourceType.INTEGER, read=lambda: state["value"]),
    }
    instances = (
        device_object(Device("M", "model", "S1", "T", lambda: "1.0.0+1", reboot)),
        ObjectInstance(5, 0, firmware),
        ObjectInstance(26241, 0, {0: long}),
    )
    settings = Settings(f"coap://127.0.0.1:{port}", "dev", lifetime, "127.0.0.1", answer_seconds=answer_seconds)
    client = await Lwm2mClient.start(settings, instances)
    return Devices(client, sink, state, rebooted)


@pytest.fixture
async def device(server: Lwm2mServer) -> AsyncIterator[Devices]:
    device = await start_device(server.port)
    running = asyncio.create_task(device.client.run())
    await asyncio.wait_for(device.client.registered.wait(), 5)
    yield device
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    await device.client.stop()


def happened(server: Lwm2mServer, kind: type, test: Callable[[Any], bool] = lambda _: True) -> asyncio.Future[Any]:
    """The next event of a kind."""
    future = asyncio.get_running_loop().create_future()

    def listen(event: object) -> None:
        if isinstance(event, kind) and test(event) and not future.done():
            future.set_result(event)

    server.events.listen(listen)
    return future


async def test_a_device_registers_with_its_objects_and_leaves_when_it_stops(server: Lwm2mServer) -> None:
    device = await start_device(server.port)
    running = asyncio.create_task(device.client.run())
    await asyncio.wait_for(device.client.registered.wait(), 5)
    registration = server.registration("dev")
    assert registration.lifetime == 60
    assert {str(link.url) for link in registration.links} >= {"/1/0", "/3/0", "/5/0", "/26241/0"}
    left = happened(server, Deregistered)
    running.cancel()
    await device.client.stop()
    await asyncio.wait_for(left, 5)
    assert server.registrations() == []


async def test_reads_in_every_format_give_the_same(server: Lwm2mServer, device: Devices) -> None:
    for accept in (None, ContentFormat.TLV, ContentFormat.SENML_CBOR, ContentFormat.SENML_JSON, ContentFormat.TEXT):
        response = await server.read("dev", Path.of(3, 0, 3), accept)
        assert response.require_success().content == Resource(3, ResourceType.STRING, "1.0.0+1")
    for accept in (None, ContentFormat.TLV, ContentFormat.SENML_CBOR, ContentFormat.SENML_JSON):
        response = await server.read("dev", Path.of(3, 0), accept)
        instance = response.require_success().content
        assert isinstance(instance, Instance)
        assert {resource.id for resource in instance.resources} == {0, 1, 2, 3, 11, 16, 17}
    assert (await server.read("dev", Path.of(3, 0), ContentFormat.TEXT)).code == Code.NOT_ACCEPTABLE
    assert (await server.read("dev", Path.of(3, 0, 3), 65000)).code == Code.NOT_ACCEPTABLE
    assert device.client.registered.is_set()


async def test_a_long_value_is_read_in_blocks_and_is_not_observed(server: Lwm2mServer, device: Devices) -> None:
    response = await server.read("dev", Path.of(26241, 0, 0), ContentFormat.TEXT)
    assert response.require_success().content == Resource(0, ResourceType.STRING, "x" * 5000)
    assert (await server.observe("dev", Path.of(26241, 0, 0))).success
    assert server.observed("dev") == []
    assert device.client.registered.is_set()


async def test_what_is_wrong_has_its_code(server: Lwm2mServer, device: Devices) -> None:
    assert (await server.read("dev", Path.of(3, 0, 99))).code == Code.NOT_FOUND
    assert (await server.read("dev", PACKAGE)).code == Code.METHOD_NOT_ALLOWED
    assert (await server.execute("dev", Path.of(3, 0, 3))).code == Code.METHOD_NOT_ALLOWED
    assert (await server.write("dev", Path.of(3, 0, 3), b"x", ContentFormat.TEXT)).code == Code.METHOD_NOT_ALLOWED
    assert (await server.write("dev", Path.of(1, 0, 1), b"abc", ContentFormat.TEXT)).code == Code.BAD_REQUEST
    assert (await server.write("dev", PACKAGE, b"AA==", ContentFormat.TEXT)).code == Code.UNSUPPORTED_CONTENT_FORMAT
    assert (await server.delete("dev", Path.of(3, 0))).code == Code.METHOD_NOT_ALLOWED
    assert device.client.registered.is_set()


async def test_executes_writes_attributes_and_discover_work(server: Lwm2mServer, device: Devices) -> None:
    assert (await server.execute("dev", Path.of(3, 0, 4))).success
    await asyncio.wait_for(device.rebooted.wait(), 2)
    updated = happened(server, Updated, lambda event: event.registration.lifetime == 90)
    assert (await server.write("dev", Path.of(1, 0, 1), Resource(1, ResourceType.INTEGER, 90))).success
    await asyncio.wait_for(updated, 5)
    assert (await server.write_attributes("dev", Path.of(5, 0, 3), {"pmin": "1"})).success
    links = (await server.discover("dev", Path.of(5, 0))).require_success().links
    assert [(link.url, link.attributes) for link in links if link.url == "/5/0/3"] == [("/5/0/3", (("pmin", "1"),))]


async def test_an_observed_value_is_notified_at_its_resource_and_its_instance(
    server: Lwm2mServer, device: Devices
) -> None:
    await server.observe("dev", Path.of(5, 0, 3))
    await server.observe("dev", Path.of(5, 0))
    seen = [happened(server, Notification, lambda e, p=path: e.path == p) for path in (Path.of(5, 0, 3), Path.of(5, 0))]
    device.state["value"] = 2
    device.client.notify(Path.of(5, 0, 3))
    single, instance = await asyncio.wait_for(asyncio.gather(*seen), 5)
    assert single.node == Resource(3, ResourceType.INTEGER, 2)
    assert instance.node == Instance(0, (Resource(3, ResourceType.INTEGER, 2),))


async def test_a_package_is_streamed_in_blocks_to_its_sink(server: Lwm2mServer, device: Devices) -> None:
    package = bytes(range(256)) * 18
    assert (await server.push("dev", PACKAGE, package)).success
    assert (await server.push("dev", PACKAGE, b"\0")).success
    assert device.sink.packages == [package, b"\0"]
    assert (await server.push("dev", PACKAGE, bytes(5001))).code == Code.REQUEST_ENTITY_TOO_LARGE
    assert len(device.sink.packages) == 2


async def test_blocks_out_of_order_and_beyond_the_limit_are_refused(server: Lwm2mServer, device: Devices) -> None:
    context = await Context.create_client_context()
    address = server.registration("dev").address

    async def send(number: int, more: bool, size: int = 1024) -> tuple[int, Any]:
        message = Message(code=CoapCode.PUT, uri=f"coap://{address}/5/0/0", payload=bytes(size))
        message.opt.content_format = 42
        message.opt.block1 = (number, more, 6)
        response = await context.request(message, handle_blockwise=False).response
        return int(response.code), response.opt.block1

    try:
        assert (await send(1, more=True))[0] == Code.REQUEST_ENTITY_INCOMPLETE
        code, block = await send(0, more=True)
        assert (code, block.block_number) == (Code.CONTINUE, 0)
        assert (await send(2, more=True))[0] == Code.REQUEST_ENTITY_INCOMPLETE
        for number in range(1, 4):
            assert (await send(number, more=True))[0] == Code.CONTINUE
        assert (await send(4, more=True))[0] == Code.REQUEST_ENTITY_TOO_LARGE
        assert (await send(5, more=True))[0] == Code.REQUEST_ENTITY_INCOMPLETE
        assert device.sink.abandoned == 1
        assert device.sink.packages == []
    finally:
        await context.shutdown()


async def test_a_server_that_forgot_the_device_gets_a_new_registration_at_the_next_update(
    server: Lwm2mServer, device: Devices
) -> None:
    first = server.registration("dev")
    server._registrations.remove(first.id)
    again = happened(server, Registered)
    device.client.update_now()
    event = await asyncio.wait_for(again, 5)
    assert event.registration.id != first.id


async def test_a_device_registers_within_seconds_after_its_server_came_back(reserve_udp_port: Any) -> None:
    port = reserve_udp_port().release()
    device = await start_device(port, lifetime=3, answer_seconds=0.5)
    running = asyncio.create_task(device.client.run())
    try:
        await asyncio.sleep(0.5)
        async with Lwm2mServer(port=port) as server:
            await asyncio.wait_for(happened(server, Registered), 10)
        async with Lwm2mServer(port=port) as server:
            await asyncio.wait_for(happened(server, Registered), 10)
    finally:
        running.cancel()
        await device.client.stop()


async def test_registering_again_looks_like_a_reboot(server: Lwm2mServer, device: Devices) -> None:
    left, back = happened(server, Deregistered), happened(server, Registered)
    device.client.register_again()
    await asyncio.wait_for(asyncio.gather(left, back), 5)
    assert server.registration("dev").id == (await back).registration.id
