"""Queue mode, a new port, bootstrap, DTLS, and pulls over coaps and https."""

import asyncio
import datetime
import hashlib
import ssl
from collections.abc import AsyncIterator, Callable
from ipaddress import ip_address
from pathlib import Path as FilePath
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lwm2m.bootstrap import BootstrapServer
from lwm2m.bootstrap_store import BootstrapConfig, MemoryBootstrapStore
from lwm2m.client import ClientResource, Lwm2mClient, ObjectInstance
from lwm2m.client.connection import Psk
from lwm2m.client.intake import StoreSink
from lwm2m.client.pull import PullError, pull
from lwm2m.coap import Listener
from lwm2m.errors import BadRequest
from lwm2m.events import Registered, Updated
from lwm2m.firmware import UpdateResult
from lwm2m.nodes import Instance, Resource
from lwm2m.paths import Path
from lwm2m.security import MemorySecurityStore, PskCredential
from lwm2m.server import Lwm2mServer
from lwm2m.simulator.package import HashStore
from lwm2m.values import ResourceType

KEY = bytes(range(16))
PACKAGE = bytes(index * 7 % 251 for index in range(1 << 20))


class OnePackage:
    """Serves PACKAGE under the token t."""

    size = len(PACKAGE)
    etag = b"v1"

    async def open(self, token: str) -> "OnePackage | None":
        return {"t": self}.get(token)

    async def read(self, offset: int, length: int) -> bytes:
        return PACKAGE[offset : offset + length]


@pytest.fixture
async def secure() -> AsyncIterator[Lwm2mServer]:
    security = MemorySecurityStore({"dev": PskCredential("dev-id", KEY)})
    listener = Listener("coaps", "127.0.0.1", 0)
    async with Lwm2mServer(port=0, security=security, listeners=[listener], packages=OnePackage()) as server:
        yield server


async def test_a_sleeping_device_misses_requests_and_gets_them_at_its_next_update(
    server: Lwm2mServer, start: Any, world: Any
) -> None:
    device = await start(f"coap://127.0.0.1:{server.port}", world.objects(), awake_seconds=0.5)
    assert server.registration("dev").queue_mode
    await asyncio.sleep(0.9)
    assert device.connection.sleep.asleep
    waiting = asyncio.create_task(server.read("dev", Path.of(3, 0, 0), timeout=20))
    await asyncio.sleep(0.3)
    assert not waiting.done()
    device.update_now()
    answer = await asyncio.wait_for(waiting, 5)
    assert answer.content == Resource(0, ResourceType.STRING, "M")


async def test_a_sleeping_device_does_not_hear_what_is_sent_to_it(world: Any, start: Any) -> None:
    async with Lwm2mServer(port=0, awake_time=60) as server:
        device = await start(f"coap://127.0.0.1:{server.port}", world.objects(), awake_seconds=0.3)
        await asyncio.sleep(0.6)
        with pytest.raises(TimeoutError):
            await server.read("dev", Path.of(3, 0, 0), timeout=1)
        assert device.connection.sleep.missed >= 1


async def test_a_device_that_moves_to_another_port_is_found_there(
    server: Lwm2mServer, device: Lwm2mClient, happened: Callable[..., Any]
) -> None:
    before = server.registration("dev").address
    moved = happened(Updated, lambda event: event.registration.address != before)
    await device.move()
    await asyncio.wait_for(moved, 5)
    assert (await server.read("dev", Path.of(3, 0, 0))).success


def account(uri: str, *, psk: bool) -> dict[Path, Instance]:
    security = [
        Resource(0, ResourceType.STRING, uri),
        Resource(1, ResourceType.BOOLEAN, value=False),
        Resource(2, ResourceType.INTEGER, 0 if psk else 3),
        Resource(3, ResourceType.OPAQUE, b"dev-id" if psk else b""),
        Resource(4, ResourceType.OPAQUE, b""),
        Resource(5, ResourceType.OPAQUE, KEY if psk else b""),
        Resource(10, ResourceType.INTEGER, 123),
    ]
    server = [
        Resource(0, ResourceType.INTEGER, 123),
        Resource(1, ResourceType.INTEGER, 77),
        Resource(6, ResourceType.BOOLEAN, value=False),
        Resource(7, ResourceType.STRING, "U"),
    ]
    return {Path.of(0, 1): Instance(1, tuple(security)), Path.of(1, 0): Instance(0, tuple(server))}


@pytest.mark.parametrize("psk", [False, True])
async def test_a_device_bootstraps_and_registers_where_it_was_told(
    server: Lwm2mServer, secure: Lwm2mServer, start: Any, world: Any, psk: bool
) -> None:
    target = secure if psk else server
    uri = f"coaps://127.0.0.1:{secure.ports['coaps']}" if psk else f"coap://127.0.0.1:{server.port}"
    store = MemoryBootstrapStore({"dev": BootstrapConfig(account(uri, psk=psk))})
    async with BootstrapServer(store, port=0) as bootstrap:
        await start(f"coap://127.0.0.1:{bootstrap.port}", world.objects(), bootstrap=True)
        registration = target.registration("dev")
        assert registration.lifetime == 77
        short_id = await target.read("dev", Path.of(1, 0, 0))
        assert short_id.content == Resource(0, ResourceType.INTEGER, 123)


async def test_a_bootstrap_trigger_brings_the_device_to_its_new_account(
    server: Lwm2mServer, start: Any, world: Any, happened: Callable[..., Any]
) -> None:
    uri = f"coap://127.0.0.1:{server.port}"
    store = MemoryBootstrapStore({"dev": BootstrapConfig(account(uri, psk=False))})
    async with BootstrapServer(store, port=0) as bootstrap:
        await start(f"coap://127.0.0.1:{bootstrap.port}", world.objects(), bootstrap=True)
        again = happened(Registered)
        assert (await server.execute("dev", Path.of(1, 0, 9))).success
        assert (await asyncio.wait_for(again, 10)).registration.lifetime == 77


async def test_over_dtls_a_device_registers_observes_takes_a_push_and_pulls(
    secure: Lwm2mServer, start: Any, world: Any
) -> None:
    uri = f"coaps://127.0.0.1:{secure.ports['coaps']}"
    store, pushed = HashStore(lambda _size: None), HashStore(lambda _size: None)

    async def arrived(_size: int, _first: int | None) -> None:
        world.written.append(pushed.sha256)

    sink = StoreSink(pushed, lambda _first, _more: None, arrived, lambda: None)
    slot = ObjectInstance(33001, 0, {0: ClientResource(ResourceType.OPAQUE, sink=sink)})
    device = await start(uri, (*world.objects(), slot), psk=Psk("dev-id", KEY))
    assert secure.registration("dev").secure
    assert (await secure.observe("dev", Path.of(5, 0, 3))).success
    sha256 = hashlib.sha256(PACKAGE).hexdigest()
    assert (await secure.push("dev", Path.of(33001, 0, 0), PACKAGE)).success
    assert world.written == [sha256]
    await pull(f"{uri}/fw/t", store, device.context)
    assert (store.complete, store.sha256) == (True, sha256)
    with pytest.raises(PullError) as caught:
        await pull(f"{uri}/fw/other", store, device.context)
    assert caught.value.result is UpdateResult.INVALID_URI


async def test_a_wrong_key_does_not_register(secure: Lwm2mServer, start: Any, world: Any) -> None:
    with pytest.raises(TimeoutError):
        await start(
            f"coaps://127.0.0.1:{secure.ports['coaps']}",
            world.objects(),
            wait=1.5,
            answer_seconds=1,
            psk=Psk("dev-id", bytes(16)),
        )
    assert secure.registrations() == []


async def test_a_device_shakes_hands_and_registers_anew_when_its_server_forgot_the_association(
    start: Any, world: Any, reserve_udp_port: Any
) -> None:
    port = reserve_udp_port().release()
    security = MemorySecurityStore({"dev": PskCredential("dev-id", KEY)})

    def server() -> Lwm2mServer:
        return Lwm2mServer(port=0, security=security, listeners=[Listener("coaps", "127.0.0.1", port)])

    async with server():
        device = await start(
            f"coaps://127.0.0.1:{port}", world.objects(), lifetime=3, answer_seconds=2, psk=Psk("dev-id", KEY)
        )
    async with server() as second:
        back = asyncio.Event()
        second.events.listen(lambda _event: back.set())
        device.update_now()
        await asyncio.wait_for(back.wait(), 20)
        assert (await second.read("dev", Path.of(3, 0, 0))).success


async def test_a_server_address_without_its_key_is_refused_at_once(start: Any, world: Any) -> None:
    for uri in ("coaps://127.0.0.1:5684", "http://127.0.0.1", "coap://", "coap://127.0.0.1:0"):
        with pytest.raises(BadRequest):
            await start(uri, world.objects())


@pytest.fixture
def certificate(tmp_path: FilePath) -> tuple[FilePath, FilePath]:
    """A self-signed certificate of 127.0.0.1 and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, private = tmp_path / "cert.pem", tmp_path / "key.pem"
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return pem, private


async def test_a_package_is_pulled_over_https_from_a_trusted_server_only(
    certificate: tuple[FilePath, FilePath],
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(PACKAGE) + PACKAGE)
        await writer.drain()
        writer.close()

    own = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    own.load_cert_chain(*certificate)
    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=own)
    async with listening:
        uri = f"https://127.0.0.1:{listening.sockets[0].getsockname()[1]}/fw"
        store = HashStore(lambda _size: None)
        trust = ssl.create_default_context(cafile=str(certificate[0]))
        await pull(uri, store, None, tls=trust)
        assert store.complete
        assert store.size == len(PACKAGE)
        with pytest.raises(PullError) as caught:
            await pull(uri, store, None, wait=lambda _failures: 0.0)
        assert caught.value.result is UpdateResult.CONNECTION_LOST
