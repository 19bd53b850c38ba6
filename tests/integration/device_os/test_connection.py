"""The device OS's way to its server: DTLS with right and wrong keys, restarts, other addresses, garbage, loss."""

import asyncio
import random
import socket
from typing import Any

import pytest

from lwm2m.coap import Listener
from lwm2m.nodes import Resource, node_for
from lwm2m.paths import Path
from lwm2m.security import MemorySecurityStore, PskCredential
from lwm2m.server import Lwm2mServer
from lwm2m.transports.association import SUITES
from tests.integration.device_os.conftest import KEY
from tests.support.device_os.process import ENDPOINT, Packages, StartDevice, is_registered, until

SECURE = "secure-1"
PACKAGE = random.Random(13).randbytes(200_000)
TOKEN = "token-1"  # noqa: S105 - of this test
VERSION = Path.parse("/3/0/3")


def new_server(port: int = 0, secure_port: int = 0, **keys: bytes) -> Lwm2mServer:
    store = MemorySecurityStore({name: PskCredential(name, key) for name, key in (keys or {SECURE: KEY}).items()})
    listeners = (Listener("coaps", "127.0.0.1", secure_port),)
    return Lwm2mServer(port=port, security=store, listeners=listeners)


async def read(server: Lwm2mServer, endpoint: str) -> object:
    content = (await server.read(endpoint, VERSION)).content
    assert isinstance(content, Resource)
    return content.value


async def test_it_registers_over_dtls_and_is_managed_there(server: Lwm2mServer, start_device: StartDevice) -> None:
    device = await start_device(server.ports["coaps"], endpoint=SECURE, key=KEY)
    await until(is_registered(server, SECURE))
    registration = server.registration(SECURE)
    assert (registration.secure, registration.identity) == (True, SECURE)
    assert await read(server, SECURE) == "1.0.0"
    assert (await server.push(SECURE, Path.parse("/5/0/0"), PACKAGE)).success
    assert device.slot(0).endswith(PACKAGE)


async def test_it_pulls_over_its_dtls_session(
    server: Lwm2mServer, packages: Packages, start_device: StartDevice
) -> None:
    packages.by_token[TOKEN] = PACKAGE
    device = await start_device(server.ports["coaps"], endpoint=SECURE, key=KEY)
    await until(is_registered(server, SECURE))
    uri = Path.parse("/9/0/3")
    text = f"coaps://127.0.0.1:{server.ports['coaps']}/fw/{TOKEN}"
    assert (await server.write(SECURE, uri, node_for(uri, text))).success
    await until(lambda: device.slot(1).endswith(PACKAGE))


@pytest.mark.parametrize("suite", [b"PSK-AES128-CCM8:@SECLEVEL=0", b"PSK-AES128-CBC-SHA256"])
async def test_it_speaks_both_suites_of_lwm2m(
    start_device: StartDevice, monkeypatch: pytest.MonkeyPatch, suite: bytes
) -> None:
    assert suite.split(b":")[0] in SUITES
    monkeypatch.setattr("lwm2m.transports.association.SUITES", suite)
    async with new_server() as server:
        await start_device(server.ports["coaps"], endpoint=SECURE, key=KEY)
        await until(is_registered(server, SECURE))


async def test_with_a_wrong_key_it_does_not_come_in_and_keeps_trying(start_device: StartDevice) -> None:
    async with new_server(**{SECURE: b"another key 0000"}) as server:
        device = await start_device(server.ports["coaps"], endpoint=SECURE, key=KEY)
        await asyncio.sleep(4)
        assert server.registrations() == []
        assert device.process.returncode is None


async def test_it_registers_again_when_the_dtls_server_restarts(start_device: StartDevice) -> None:
    async with new_server() as first:
        ports = (first.port, first.ports["coaps"])
        await start_device(ports[1], endpoint=SECURE, key=KEY)
        await until(is_registered(first, SECURE))
    async with new_server(*ports) as second:
        await until(is_registered(second, SECURE), 40)
        assert await read(second, SECURE) == "1.0.0"


async def test_it_registers_again_at_a_server_that_forgot_it(start_device: StartDevice) -> None:
    async with Lwm2mServer(port=0) as first:
        port = first.port
        await start_device(port, lifetime=6)
        await until(is_registered(first))
    async with Lwm2mServer(port=port) as second:
        await until(is_registered(second), 40)
        assert await read(second, ENDPOINT) == "1.0.0"


async def test_an_update_keeps_the_registration_alive(start_device: StartDevice) -> None:
    async with Lwm2mServer(port=0, grace=0) as server:
        await start_device(server.port, lifetime=3)
        await until(is_registered(server))
        first = server.registration(ENDPOINT)
        await asyncio.sleep(4)
        later = server.registration(ENDPOINT)
        assert (later.id, later.updated_at > first.updated_at + 2) == (first.id, True)


@pytest.mark.parametrize("endpoint", [ENDPOINT, SECURE])
async def test_at_another_address_it_introduces_itself_again(
    server: Lwm2mServer, start_device: StartDevice, endpoint: str
) -> None:
    secure = endpoint == SECURE
    port, key = (server.ports["coaps"], KEY) if secure else (server.port, None)
    device = await start_device(port, endpoint=endpoint, key=key)
    await until(is_registered(server, endpoint))
    before = server.registration(endpoint)
    device.move()
    await until(lambda: server.registration(endpoint).address != before.address)
    assert server.registration(endpoint).id != before.id
    assert await read(server, endpoint) == "1.0.0"


class Middleman(asyncio.DatagramProtocol):
    """Stands between the device and the server: loses, doubles and forges datagrams."""

    def __init__(self, server_port: int, seed: int) -> None:
        self.server_port = server_port
        self._random = random.Random(seed)
        self._transport: Any = None
        self.device: tuple[str, int] | None = None
        self.loss = 0.0
        self.doubles = 0.0
        self.port = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        server = ("127.0.0.1", self.server_port)
        if addr[1] != self.server_port:
            self.device = addr
        target = self.device if addr[1] == self.server_port else server
        if target is None or self._random.random() < self.loss:
            return
        self.send(data, target)
        if self._random.random() < self.doubles:
            self.send(data, target)

    def send(self, data: bytes, target: tuple[str, int]) -> None:
        self._transport.sendto(data, target)

    def close(self) -> None:
        self._transport.close()


async def middleman(server_port: int, seed: int = 1) -> Middleman:
    loop = asyncio.get_running_loop()
    _, protocol = await loop.create_datagram_endpoint(lambda: Middleman(server_port, seed), local_addr=("127.0.0.1", 0))
    return protocol


@pytest.mark.parametrize("endpoint", [ENDPOINT, SECURE])
async def test_garbage_changes_nothing(server: Lwm2mServer, start_device: StartDevice, endpoint: str) -> None:
    secure = endpoint == SECURE
    between = await middleman(server.ports["coaps"] if secure else server.port)
    device = await start_device(between.port, endpoint=endpoint, key=KEY if secure else None)
    await until(is_registered(server, endpoint))
    registration = server.registration(endpoint)
    noise = random.Random(3)
    assert between.device is not None
    for _ in range(1000):
        head = noise.choice([b"", b"\x16\xfe\xfd", b"\x17\xfe\xfd\x00\x01", b"\x15\xfe\xfd\x00\x00", b"\x40\x01"])
        between.send(head + noise.randbytes(noise.randrange(1400)), between.device)
        await asyncio.sleep(0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.sendto(b"\x40\x01\x12\x34\xb1\x33", between.device)
        stranger.settimeout(0.3)
        with pytest.raises(TimeoutError):
            stranger.recv(100)
    assert await read(server, endpoint) == "1.0.0"
    assert server.registration(endpoint).id == registration.id
    assert device.process.returncode is None
    between.close()


async def test_it_shakes_hands_anew_with_a_server_that_lost_the_session(start_device: StartDevice) -> None:
    async with new_server() as first:
        between = await middleman(first.ports["coaps"])
        await start_device(between.port, endpoint=SECURE, key=KEY, lifetime=6)
        await until(is_registered(first, SECURE))
        between.loss = 1.0  # the device does not hear it end
    async with new_server() as second:
        between.server_port = second.ports["coaps"]
        between.loss = 0.0
        await until(is_registered(second, SECURE), 40)
        assert await read(second, SECURE) == "1.0.0"
        between.close()


async def test_a_request_that_comes_twice_is_done_once(server: Lwm2mServer, start_device: StartDevice) -> None:
    between = await middleman(server.port)
    await start_device(between.port)
    await until(is_registered(server))
    between.doubles = 1.0
    for number in (1, 2):
        assert (await server.write(ENDPOINT, Path.parse("/26242/0/0"), bytes([number]) * 2000)).success
        content = (await server.read(ENDPOINT, Path.parse("/26242/0/2"))).content
        assert isinstance(content, Resource)
        assert content.value == number
    between.close()


async def test_a_push_survives_loss_and_doubles(server: Lwm2mServer, start_device: StartDevice) -> None:
    between = await middleman(server.ports["coaps"], seed=5)
    device = await start_device(between.port, endpoint=SECURE, key=KEY)
    await until(is_registered(server, SECURE))
    between.loss, between.doubles = 0.02, 0.2
    small = PACKAGE[:15_000]
    assert (await server.push(SECURE, Path.parse("/5/0/0"), small)).success
    assert device.slot(0).endswith(small)
    between.close()
