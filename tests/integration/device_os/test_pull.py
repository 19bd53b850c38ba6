"""Pulls by the device OS: from the server and from another host, resumed after a lost server and after a lost power."""

import asyncio
import random
from collections.abc import AsyncIterator

import aiocoap
import aiocoap.resource
import pytest
from aiocoap.numbers.codes import Code

from lwm2m.nodes import Resource, node_for
from lwm2m.paths import Path
from lwm2m.server import Lwm2mServer
from tests.support.device_os.process import ENDPOINT, Device, StartDevice, is_registered, until

PACKAGE = random.Random(11).randbytes(200_000)


class Host(aiocoap.resource.Resource):  # type: ignore[misc]  # aiocoap has no types
    """Serves one package block by block, remembers which, and can pause or change it."""

    def __init__(self) -> None:
        super().__init__()
        self.package = PACKAGE
        self.etag = b"v1"
        self.asked: list[int] = []
        self.silent_from: int | None = None
        self.left_waiting = False
        self.slow = False
        self.stuck = False  # answers with the first block, whichever is asked for
        self.port = 0

    @property
    def uri(self) -> str:
        return f"coap://127.0.0.1:{self.port}/fw/token"

    async def needs_blockwise_assembly(self, _request: object) -> bool:
        return False

    async def render_get(self, request: aiocoap.Message) -> aiocoap.Message:
        block = request.opt.block2
        if self.silent_from is not None and block.block_number >= self.silent_from:
            self.left_waiting = True
            await asyncio.sleep(3600)
        if self.slow:
            await asyncio.sleep(0.3)  # longer than this library waits before it acknowledges a request by itself
        self.asked.append(block.block_number)
        if self.stuck:
            block = block._replace(block_number=0)
        data = self.package[block.start : block.start + block.size]
        more = block.start + block.size < len(self.package)
        reply = aiocoap.Message(code=Code.CONTENT, payload=data, etag=self.etag)
        reply.opt.block2 = (block.block_number, more, block.size_exponent)
        if block.block_number == 0:
            reply.opt.size2 = len(self.package)
        return reply


@pytest.fixture
async def host() -> AsyncIterator[Host]:
    resource, site = Host(), aiocoap.resource.Site()
    site.add_resource(["fw", "token"], resource)
    context = await aiocoap.Context.create_server_context(site, bind=("127.0.0.1", 0), transports=["udp6"])
    transport = context.request_interfaces[0].token_interface.message_interface.transport
    resource.port = transport.get_extra_info("socket").getsockname()[1]
    yield resource
    await context.shutdown()


@pytest.fixture
async def device(server: Lwm2mServer, start_device: StartDevice) -> Device:
    running = await start_device(server.port)
    await until(is_registered(server))
    return running


async def write_uri(server: Lwm2mServer, uri: str, path: str = "/5/0/1") -> int:
    return (await server.write(ENDPOINT, Path.parse(path), node_for(Path.parse(path), uri))).code


async def states(server: Lwm2mServer, paths: tuple[str, ...] = ("/5/0/3", "/5/0/5")) -> tuple[object, ...]:
    found = []
    for path in paths:
        content = (await server.read(ENDPOINT, Path.parse(path))).content
        assert isinstance(content, Resource)
        found.append(content.value)
    return tuple(found)


async def settled(server: Lwm2mServer, paths: tuple[str, ...] = ("/5/0/3", "/5/0/5")) -> tuple[object, ...]:
    """State and result once it is not downloading any more."""
    async with asyncio.timeout(30):
        while (found := await states(server, paths))[0] == 1:  # noqa: ASYNC110 - another process changes it
            await asyncio.sleep(0.05)
    return found


async def test_200_kb_are_pulled_from_a_host(server: Lwm2mServer, device: Device, host: Host) -> None:
    assert await write_uri(server, host.uri) == 0x44
    assert await settled(server) == (2, 0)
    assert device.slot(0).endswith(PACKAGE)
    assert host.asked == list(range(196))


async def test_answers_that_come_apart_from_their_acknowledgements_are_taken(
    server: Lwm2mServer, device: Device, host: Host
) -> None:
    host.slow, host.package = True, PACKAGE[:3000]
    assert await write_uri(server, host.uri) == 0x44
    assert await settled(server) == (2, 0)
    assert device.slot(0).endswith(PACKAGE[:3000])
    assert host.asked == [0, 1, 2]


async def test_a_model_is_pulled_into_its_slot(server: Lwm2mServer, device: Device, host: Host) -> None:
    assert await write_uri(server, host.uri, "/9/1/3") == 0x44
    assert await settled(server, ("/9/1/7", "/9/1/9")) == (3, 3)
    assert device.slot(2).endswith(PACKAGE)


@pytest.mark.usefixtures("device")
@pytest.mark.parametrize(
    ("uri", "result"),
    [
        ("http://127.0.0.1/fw", 9),
        ("coaps://127.0.0.1:1/fw", 9),
        ("coap://example.com/fw", 7),
        ("coap://127.0.0.1:99999/fw", 7),
        ("nonsense", 7),
    ],
)
async def test_a_uri_that_cannot_be_used_shows_in_the_result(server: Lwm2mServer, uri: str, result: int) -> None:
    assert await write_uri(server, uri) == 0x44
    assert await settled(server) == (0, result)


@pytest.mark.usefixtures("device")
async def test_a_package_that_is_not_there_is_an_invalid_uri(server: Lwm2mServer, host: Host) -> None:
    assert await write_uri(server, host.uri + "x") == 0x44
    assert await settled(server) == (0, 7)


async def test_a_pull_goes_on_after_silence(server: Lwm2mServer, device: Device, host: Host) -> None:
    host.silent_from = 50
    assert await write_uri(server, host.uri) == 0x44
    await until(lambda: len(host.asked) == 50)
    assert await states(server) == (1, 0)
    host.silent_from = None
    assert await settled(server) == (2, 0)
    assert device.slot(0).endswith(PACKAGE)
    assert host.asked == list(range(196))


async def test_a_pull_goes_on_after_a_power_cut(
    server: Lwm2mServer, device: Device, host: Host, start_device: StartDevice
) -> None:
    host.silent_from = 100
    assert await write_uri(server, host.uri) == 0x44
    await until(lambda: host.left_waiting)  # it asks for the next block when the one before is in its flash
    await device.stop()
    host.silent_from = None
    again = await start_device(server.port)
    await until(lambda: len(host.asked) > 100)
    assert await settled(server) == (2, 0)
    assert again.slot(0).endswith(PACKAGE)
    assert host.asked[100:] == [0, *range(100, 196)]  # the first block tells by its ETag which package it is


async def test_another_package_under_the_uri_is_fetched_from_its_start(
    server: Lwm2mServer, device: Device, host: Host
) -> None:
    host.silent_from = 20
    assert await write_uri(server, host.uri) == 0x44
    await until(lambda: len(host.asked) == 20)
    host.package, host.etag, host.silent_from = PACKAGE[::-1], b"v2", None
    assert await settled(server) == (2, 0)
    assert device.slot(0).endswith(PACKAGE[::-1])


async def test_a_pull_can_be_cancelled(server: Lwm2mServer, device: Device, host: Host) -> None:
    host.silent_from = 20
    assert await write_uri(server, host.uri) == 0x44
    await until(lambda: len(host.asked) == 20)
    assert (await server.execute(ENDPOINT, Path.parse("/5/0/10"))).success
    assert await states(server) == (0, 10)
    host.silent_from = None
    await asyncio.sleep(0.5)
    assert len(host.asked) == 20
    assert device.process.returncode is None


@pytest.mark.usefixtures("device")
async def test_a_host_that_repeats_a_block_is_not_asked_without_end(server: Lwm2mServer, host: Host) -> None:
    host.stuck = True
    assert await write_uri(server, host.uri) == 0x44
    await until(lambda: len(host.asked) > 1)
    await asyncio.sleep(0.5)
    assert len(host.asked) < 8  # the time between two tries grows


@pytest.mark.usefixtures("device")
async def test_a_reset_by_a_zero_byte_ends_a_pull(server: Lwm2mServer, host: Host) -> None:
    host.silent_from = 0
    assert await write_uri(server, host.uri) == 0x44
    await until(lambda: host.left_waiting)
    assert (await server.push(ENDPOINT, Path.parse("/5/0/0"), b"\0")).success
    assert await states(server) == (0, 0)
    host.silent_from = None
    assert await write_uri(server, host.uri) == 0x44
    assert await settled(server) == (2, 0)


async def test_a_push_that_a_reset_interrupted_is_given_up(
    server: Lwm2mServer, device: Device, start_device: StartDevice
) -> None:
    registration = server.registration(ENDPOINT).id
    pushing = asyncio.create_task(server.push(ENDPOINT, Path.parse("/9/0/2"), PACKAGE * 4))
    kept = device.folder / "slot-1"
    await until(lambda: kept.exists() and kept.stat().st_size > 20_000)
    await device.stop()
    pushing.cancel()
    await start_device(server.port)
    await until(lambda: server.registration(ENDPOINT).id != registration)
    assert await states(server, ("/9/0/7", "/9/0/9")) == (0, 52)
    assert (await server.push(ENDPOINT, Path.parse("/9/0/2"), PACKAGE)).success
    assert await states(server, ("/9/0/7", "/9/0/9")) == (3, 3)
