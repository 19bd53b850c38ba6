"""The device OS before a server that is spoken message by message: what shows only in a certain order of them."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiocoap
import pytest
from aiocoap.numbers.codes import Code
from aiocoap.numbers.types import Type

from tests.support.device_os.process import Device, StartDevice

SECONDS = 5.0
BLOCK = bytes(1024)


class Wire(asyncio.DatagramProtocol):
    """A server's socket: what came, and what is to go, as messages."""

    def __init__(self) -> None:
        self._came: asyncio.Queue[aiocoap.Message] = asyncio.Queue()
        self._transport: Any = None
        self._device: tuple[str, int] | None = None
        self._id = 1000
        self._sent = b""
        self.port = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._device = addr
        self._came.put_nowait(aiocoap.Message.decode(data))

    async def heard(self, code: Code, *path: str) -> aiocoap.Message:
        """The next message with this code and, of a request, this path; what comes before it is passed over."""
        async with asyncio.timeout(SECONDS):
            while True:
                message = await self._came.get()
                if message.code == code and message.opt.uri_path == path:
                    return message

    def answer(self, request: aiocoap.Message, code: Code, **options: object) -> None:
        """Piggybacked."""
        self._send(aiocoap.Message(code=code, **options), Type.ACK, request.mid, request.token)

    def ask(self, code: Code, path: str, token: bytes, **options: object) -> None:
        """A confirmable request."""
        self._id += 1
        message = aiocoap.Message(code=code, uri_path=path.strip("/").split("/"), **options)
        self._send(message, Type.CON, self._id, token)

    async def told(self, code: Code, path: str, **options: object) -> aiocoap.Message:
        """What the device answers to a request."""
        token = (self._id + 1).to_bytes(4, "big")
        self.ask(code, path, token, **options)
        return await self._told(token)

    async def told_again(self) -> aiocoap.Message:
        """What the device answers to the last request when that comes a second time."""
        self._transport.sendto(self._sent, self._device)
        return await self._told(self._id.to_bytes(4, "big"))

    async def _told(self, token: bytes) -> aiocoap.Message:
        async with asyncio.timeout(SECONDS):
            while True:
                message = await self._came.get()
                if message.mtype is Type.ACK and message.token == token:
                    return message

    def _send(self, message: aiocoap.Message, kind: Type, number: int, token: bytes) -> None:
        message.mtype, message.mid, message.token = kind, number, token
        self._sent = message.encode()
        self._transport.sendto(self._sent, self._device)

    def close(self) -> None:
        self._transport.close()


async def _a_wire() -> AsyncIterator[Wire]:
    loop = asyncio.get_running_loop()
    _, protocol = await loop.create_datagram_endpoint(Wire, local_addr=("127.0.0.1", 0))
    yield protocol
    protocol.close()


wire = pytest.fixture(_a_wire, name="wire")
host = pytest.fixture(_a_wire, name="host")


@pytest.fixture
async def device(wire: Wire, start_device: StartDevice) -> Device:
    running = await start_device(wire.port)
    wire.answer(await wire.heard(Code.POST, "rd"), Code.CREATED, location_path=["rd", "1"])
    return running


@pytest.mark.usefixtures("device")
async def test_a_small_write_does_not_end_a_push_that_is_under_way(wire: Wire) -> None:
    first = await wire.told(Code.PUT, "/5/0/0", payload=BLOCK, block1=(0, True, 6))
    assert first.code is Code.CONTINUE
    assert (await wire.told(Code.PUT, "/1/0/23", payload=b"1")).code is Code.CHANGED
    last = await wire.told(Code.PUT, "/5/0/0", payload=BLOCK, block1=(1, False, 6))
    assert last.code is Code.CHANGED
    assert (await wire.told(Code.GET, "/5/0/3")).payload == b"2"


@pytest.mark.usefixtures("device")
async def test_a_push_and_an_input_in_blocks_go_on_beside_each_other(wire: Wire) -> None:
    package, model_input = "/5/0/0", "/26242/0/0"
    opaque = 42
    assert (await wire.told(Code.PUT, package, payload=BLOCK, block1=(0, True, 6))).code is Code.CONTINUE
    assert (
        await wire.told(Code.PUT, model_input, payload=BLOCK, block1=(0, True, 6), content_format=opaque)
    ).code is Code.CONTINUE
    assert (await wire.told(Code.PUT, package, payload=BLOCK, block1=(1, False, 6))).code is Code.CHANGED
    assert (
        await wire.told(Code.PUT, model_input, payload=bytes(976), block1=(1, False, 6), content_format=opaque)
    ).code is Code.CHANGED
    assert (await wire.told(Code.GET, "/5/0/3")).payload == b"2"
    assert (await wire.told(Code.GET, "/26242/0/2")).payload == b"1"


@pytest.mark.usefixtures("device")
@pytest.mark.parametrize(
    ("package", "uri", "cancel", "state"),
    [("/5/0/0", "/5/0/1", "/5/0/10", "/5/0/3"), ("/9/1/2", "/9/1/3", "/9/1/6", "/9/1/7")],
)
async def test_a_push_that_was_cancelled_does_not_end_the_pull_after_it(
    wire: Wire, package: str, uri: str, cancel: str, state: str
) -> None:
    assert (await wire.told(Code.PUT, package, payload=BLOCK, block1=(0, True, 6))).code is Code.CONTINUE
    assert (await wire.told(Code.POST, cancel)).code is Code.CHANGED
    pull = f"coap://127.0.0.1:{wire.port}/package".encode()
    assert (await wire.told(Code.PUT, uri, payload=pull)).code is Code.CHANGED
    late = await wire.told(Code.PUT, package, payload=BLOCK, block1=(1, False, 6))
    assert late.code is Code.REQUEST_ENTITY_INCOMPLETE
    assert (await wire.told(Code.PUT, "/9/0/2", payload=BLOCK, block1=(0, True, 6))).code is Code.CONTINUE
    assert (await wire.told(Code.GET, state)).payload == b"1"


async def test_a_lifetime_that_is_written_before_the_registration_is_answered_is_told(
    wire: Wire, start_device: StartDevice
) -> None:
    await start_device(wire.port)
    register = await wire.heard(Code.POST, "rd")
    assert (await wire.told(Code.PUT, "/1/0/1", payload=b"240")).code is Code.CHANGED
    wire.answer(register, Code.CREATED, location_path=["rd", "1"])
    update = await wire.heard(Code.POST, "rd", "1")
    assert "lt=240" in update.opt.uri_query


@pytest.mark.usefixtures("device")
async def test_the_blocks_that_follow_a_notification_are_of_what_it_told(wire: Wire) -> None:
    told = await wire.told(Code.GET, "/26241/0", observe=0)
    assert told.opt.block2.more
    await wire.told(Code.GET, "/26241/0/11")  # whatever else is asked
    async with asyncio.timeout(SECONDS):
        while (message := await wire.heard(Code.CONTENT)).mtype is not Type.CON:
            pass
    wire.answer(message, Code.EMPTY)
    rest = await wire.told(Code.GET, "/26241/0", block2=(1, False, 6))
    assert rest.code is Code.CONTENT
    assert rest.opt.etag == message.opt.etag


async def test_the_rest_of_a_text_is_not_of_a_model_that_is_gone(wire: Wire, device: Device) -> None:
    assert (await wire.told(Code.PUT, "/9/0/2", payload=BLOCK)).code is Code.CHANGED
    for resource in ("4", "10"):
        assert (await wire.told(Code.POST, f"/9/0/{resource}")).code is Code.CHANGED
    first = await wire.told(Code.GET, "/3/0", block2=(0, False, 0))
    assert (await wire.told(Code.POST, "/9/0/11")).code is Code.CHANGED
    rest = await wire.told(Code.GET, "/3/0", block2=(1, False, 0))
    assert device.process.returncode is None
    assert rest.opt.etag != first.opt.etag  # whoever reads begins again


@pytest.mark.usefixtures("device")
async def test_a_host_of_packages_cannot_have_it_forget_what_it_answered_the_server(wire: Wire, host: Wire) -> None:
    pull = f"coap://127.0.0.1:{host.port}/package".encode()
    assert (await wire.told(Code.PUT, "/5/0/1", payload=pull)).code is Code.CHANGED
    await host.heard(Code.GET, "package")
    for number in (0, 1):
        block = await wire.told(Code.PUT, "/9/0/2", payload=BLOCK, block1=(number, True, 6))
        assert block.code is Code.CONTINUE
    for _ in range(10):
        assert (await host.told(Code.GET, "/3/0/0")).code is Code.UNAUTHORIZED
    assert (await wire.told_again()).code is Code.CONTINUE


@pytest.mark.usefixtures("device")
async def test_a_host_of_packages_does_not_come_between_the_blocks_of_a_text(wire: Wire, host: Wire) -> None:
    pull = f"coap://127.0.0.1:{host.port}/package".encode()
    assert (await wire.told(Code.PUT, "/5/0/1", payload=pull)).code is Code.CHANGED
    await host.heard(Code.GET, "package")
    first = await wire.told(Code.GET, "/26241/0")
    assert (await host.told(Code.GET, "/3/0/0")).code is Code.UNAUTHORIZED
    rest = await wire.told(Code.GET, "/26241/0", block2=(1, False, 6))
    assert rest.opt.etag == first.opt.etag
