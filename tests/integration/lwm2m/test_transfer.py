"""Firmware packages over loopback: pushed with Block1, pulled with Block2."""

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator
from typing import Any

import aiocoap
import pytest
from aiocoap.numbers.codes import Code

from lwm2m.bridge import PACKAGE as PACKAGE_PATH
from lwm2m.bridge import EmbeddedBridge
from lwm2m.errors import DeviceTimeout
from lwm2m.server import Lwm2mServer

TOKEN = "secret-token"  # noqa: S105 - of this test
PACKAGE = random.Random(5).randbytes(300_000)


class OnePackage:
    """A `Package` and, by its token, a `PackageSource`."""

    size = len(PACKAGE)
    etag = hashlib.sha256(PACKAGE).digest()[:8]

    async def open(self, token: str) -> "OnePackage | None":
        return self if token == TOKEN else None

    async def read(self, offset: int, length: int) -> bytes:
        return PACKAGE[offset : offset + length]


async def test_a_300_kb_push_arrives_whole_and_shows_progress(server: Lwm2mServer, device: Any) -> None:
    await device.register()
    device.uploads["/5/0/0"] = b""
    heard: list[int] = []
    response = await EmbeddedBridge(server).push_package("dev1", OnePackage(), heard.append)
    assert response.code == Code.CHANGED
    assert device.uploads["/5/0/0"] == PACKAGE
    assert heard == [*range(1024, 300_000, 1024), 300_000]
    assert (device.requests[0].opt.size1, device.requests[0].opt.content_format) == (300_000, 42)


async def test_a_push_follows_a_device_that_wants_smaller_blocks(server: Lwm2mServer, device: Any) -> None:
    await device.register()
    device.uploads["/5/0/0"] = b""
    take = device.upload

    def small(path: str, request: aiocoap.Message) -> aiocoap.Message:
        reply = take(path, request)
        if request.opt.block1.size_exponent > 2 and request.opt.block1.block_number == 0:
            reply.opt.block1 = (0, True, 2)
        return reply

    device.upload = small
    assert (await server.push("dev1", PACKAGE_PATH, PACKAGE[:5000])).success
    assert device.uploads["/5/0/0"] == PACKAGE[:5000]
    assert device.requests[1].opt.block1.size == 64


async def test_a_push_starts_over_when_the_device_says_too_large_or_incomplete(
    server: Lwm2mServer, device: Any
) -> None:
    await device.register()
    device.uploads["/5/0/0"] = b""
    take = device.upload
    refusals = [
        lambda: aiocoap.Message(code=Code.REQUEST_ENTITY_TOO_LARGE, block1=(0, False, 4)),
        lambda: None,
        lambda: aiocoap.Message(code=Code.REQUEST_ENTITY_INCOMPLETE),
    ]
    device.upload = lambda path, request: (refusals.pop(0)() if refusals else None) or take(path, request)
    assert (await server.push("dev1", PACKAGE_PATH, PACKAGE[:5000])).success
    assert device.uploads["/5/0/0"] == PACKAGE[:5000]
    assert device.requests[-1].opt.block1.size == 256


async def test_a_refused_push_returns_the_refusal(server: Lwm2mServer, device: Any) -> None:
    await device.register()
    device.uploads["/5/0/0"] = b""
    device.upload = lambda *_: aiocoap.Message(code=Code.BAD_REQUEST, payload=b"state is not Idle")
    response = await server.push("dev1", PACKAGE_PATH, PACKAGE)
    assert (response.success, response.diagnostic) == (False, "state is not Idle")
    assert len(device.requests) == 1


async def test_a_push_has_a_deadline_of_its_own(server: Lwm2mServer, device: Any) -> None:
    await device.register()
    device.uploads["/5/0/0"] = b""
    take = device.render

    async def slow(request: aiocoap.Message) -> aiocoap.Message:
        await asyncio.sleep(0.05)
        return await take(request)

    device.render = slow
    with pytest.raises(DeviceTimeout, match=r"within 0\.3 s"):
        await server.push("dev1", PACKAGE_PATH, PACKAGE, timeout=0.3)


@pytest.fixture
async def store(new_device: Any) -> AsyncIterator[Any]:
    async with Lwm2mServer(port=0, packages=OnePackage()) as server:
        yield await new_device(server.port)


async def test_a_device_pulls_the_whole_package(store: Any) -> None:
    response = await store.send(Code.GET, "/fw/secret-token")
    assert response.payload == PACKAGE
    assert response.opt.etag == OnePackage.etag
    assert response.opt.size2 == 300_000


@pytest.mark.parametrize("exponent", [0, 4, 6])
async def test_a_device_resumes_at_any_block(store: Any, exponent: int) -> None:
    size = 16 << exponent
    number = 200_000 // size
    request = aiocoap.Message(code=Code.GET, uri=f"coap://127.0.0.1:{store.server_port}/fw/secret-token")
    request.opt.block2 = (number, False, exponent)
    response = await store.context.request(request, handle_blockwise=False).response
    assert response.payload == PACKAGE[number * size : (number + 1) * size]
    assert response.opt.block2 == (number, True, exponent)
    assert response.opt.etag == OnePackage.etag


async def test_a_device_that_has_the_package_is_told_so(store: Any) -> None:
    response = await store.send(Code.GET, "/fw/secret-token", etags=[OnePackage.etag])
    assert (response.code, response.payload) == (Code.VALID, b"")


@pytest.mark.parametrize("path", ["/fw/guess", "/fw", "/fw/secret-token/more", "/fw/" + "x" * 200])
async def test_an_unknown_token_is_not_found(store: Any, path: str) -> None:
    response = await store.send(Code.GET, path)
    assert response.code == Code.NOT_FOUND
    assert b"no such package" in response.payload


async def test_a_block_behind_the_end_is_refused(store: Any) -> None:
    request = aiocoap.Message(code=Code.GET, uri=f"coap://127.0.0.1:{store.server_port}/fw/secret-token")
    request.opt.block2 = (5000, False, 6)
    response = await store.context.request(request, handle_blockwise=False).response
    assert response.code == Code.BAD_REQUEST
