"""The DTLS port: libcoap's client with good and bad keys, limits, lost datagrams, repeated handshakes, garbage."""

import asyncio
import hashlib
import os
import random
import shutil
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiocoap
import pytest
from aiocoap.numbers.codes import Code

from lwm2m.coap import Listener
from lwm2m.security import MemorySecurityStore, PskCredential
from lwm2m.server import Lwm2mServer
from lwm2m.transports.association import AssociationEnded
from lwm2m.transports.coaps import CoapsClient
from lwm2m.transports.dtls import DtlsServer, DtlsSession
from lwm2m.transports.dtls_client import DtlsClient
from lwm2m.transports.limits import DtlsLimits

TOKEN = "secret-token"  # noqa: S105 - of this test
PACKAGE = random.Random(9).randbytes(1 << 20)
KEY = b"sixteen bytes ok"
KEYS = {"dev1": KEY, "dev2": b"another sixteen."}


class OnePackage:
    """A `Package` and, by its token, a `PackageSource`."""

    size = len(PACKAGE)
    etag = hashlib.sha256(PACKAGE).digest()[:8]

    async def open(self, token: str) -> "OnePackage | None":
        return self if token == TOKEN else None

    async def read(self, offset: int, length: int) -> bytes:
        return PACKAGE[offset : offset + length]


def libcoap(name: str) -> str:
    """A program of Debian's libcoap3-bin."""
    found = shutil.which(name)
    if found is None:
        assert "CI" not in os.environ, f"{name} is missing: install libcoap3-bin"
        pytest.skip(f"{name} is not installed: it comes with libcoap3-bin")
    return found


async def run(*arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *arguments, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await asyncio.wait_for(process.communicate(), 30)
    return output.decode(errors="replace")


@pytest.fixture
async def server() -> AsyncIterator[Lwm2mServer]:
    store = MemorySecurityStore({name: PskCredential(name, key) for name, key in KEYS.items()})
    listeners = [Listener("coaps", "127.0.0.1", 0), Listener("coap+tcp", "127.0.0.1", 0)]
    async with Lwm2mServer(port=0, packages=OnePackage(), security=store, listeners=listeners) as running:
        yield running


def register_with_libcoap(
    client: str, server: Lwm2mServer, key: bytes, *more: str, user: str = "dev1"
) -> Awaitable[str]:
    uri = f"coaps://127.0.0.1:{server.ports['coaps']}/rd?ep=dev1&lt=60&lwm2m=1.1&b=U"
    keys = ("-u", user, "-k", key.decode())
    return run(libcoap(client), *keys, *more, "-v", "6", "-m", "post", "-t", "40", "-e", "</3/0>", uri)


@pytest.mark.parametrize("client", ["coap-client-gnutls", "coap-client-openssl"])
async def test_libcoap_registers_with_the_right_key(server: Lwm2mServer, client: str) -> None:
    output = await register_with_libcoap(client, server, KEY, "-B", "10")
    assert server.registration("dev1").identity == "dev1", output
    assert "2.01" in output


@pytest.mark.parametrize("client", ["coap-client-gnutls", "coap-client-openssl"])
@pytest.mark.parametrize(("user", "key"), [("dev1", b"not this key.0ps"), ("nobody", KEY), ("dev2", KEY)])
async def test_libcoap_does_not_come_in_with_a_wrong_key(
    server: Lwm2mServer, client: str, user: str, key: bytes
) -> None:
    output = await register_with_libcoap(client, server, key, "-B", "2", user=user)
    assert server.registrations() == [], output
    assert "2.01" not in output


async def test_libcoap_with_the_key_of_another_endpoint_is_forbidden(server: Lwm2mServer) -> None:
    output = await register_with_libcoap("coap-client-gnutls", server, KEYS["dev2"], "-B", "5", user="dev2")
    assert "4.03" in output
    assert server.registrations() == []


async def test_libcoap_comes_in_although_it_loses_datagrams(server: Lwm2mServer) -> None:
    output = await register_with_libcoap("coap-client-gnutls", server, KEY, "-B", "20", "-l", "2,4")
    assert server.registration("dev1").identity == "dev1", output


@pytest.mark.parametrize("scheme", ["coaps", "coap+tcp", "coap"])
async def test_libcoap_pulls_a_mebibyte(server: Lwm2mServer, tmp_path: Path, scheme: str) -> None:
    target = tmp_path / "package"
    uri = f"{scheme}://127.0.0.1:{server.ports[scheme]}/fw/{TOKEN}"
    output = await run(libcoap("coap-client-gnutls"), "-u", "dev1", "-k", KEY.decode(), "-o", str(target), uri)
    assert target.read_bytes() == PACKAGE, output


@pytest.mark.parametrize("scheme", ["coap", "coap+tcp"])
async def test_libcoap_without_the_key_is_forbidden(server: Lwm2mServer, scheme: str) -> None:
    uri = f"{scheme}://127.0.0.1:{server.ports[scheme]}/rd?ep=dev1&lt=60&lwm2m=1.1&b=U"
    output = await run(libcoap("coap-client-notls"), "-m", "post", "-t", "40", "-e", "</3/0>", "-B", "5", uri)
    assert "4.03" in output
    assert server.registrations() == []


async def test_our_client_shakes_hands_with_libcoaps_server() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
    # libcoap's server puts DTLS on the port after the plain one.
    process = await asyncio.create_subprocess_exec(
        *(libcoap("coap-server-gnutls"), "-A", "127.0.0.1", "-p", str(port - 1), "-k", KEY.decode(), "-h", "hint"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    context = aiocoap.Context()
    try:
        client = await CoapsClient.open(context, "127.0.0.1", port, "dev1", KEY)
        async with asyncio.timeout(20):
            while not client.connected:
                try:
                    await client.connect(2)
                except AssociationEnded:
                    await asyncio.sleep(0.1)  # the server is not up yet
            request = aiocoap.Message(code=Code.GET, uri=f"coaps://127.0.0.1:{port}/")
            answer = await context.request(request).response
        assert b"libcoap" in answer.payload
    finally:
        await context.shutdown()
        process.terminate()
        await process.wait()


class Port:
    """A DTLS server and what it told."""

    def __init__(self) -> None:
        self.server: DtlsServer
        self.messages: list[tuple[DtlsSession, bytes]] = []
        self.ends: list[tuple[DtlsSession, str]] = []


class Peer:
    """A DTLS client and what it heard."""

    def __init__(self, identity: str, key: bytes) -> None:
        self.heard: list[bytes] = []
        self.ends: list[str] = []
        self.client = DtlsClient(identity, key, self.heard.append, lambda over: self.ends.append(str(over)))


@pytest.fixture
async def opened() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def open_port(stack: AsyncExitStack, keys: dict[str, bytes] | None = None, **limits: Any) -> Port:
    port = Port()
    lookup = (KEYS if keys is None else keys).get
    port.server = await DtlsServer.open(
        *("127.0.0.1", 0, lookup),
        lambda session, message: port.messages.append((session, message)),
        lambda session, over: port.ends.append((session, str(over))),
        DtlsLimits(**limits),
    )
    stack.callback(port.server.close)
    return port


async def connect(stack: AsyncExitStack, port: int, identity: str = "dev1", seconds: float = 5) -> Peer:
    peer = Peer(identity, KEYS.get(identity, KEY))
    stack.callback(peer.client.close)
    await peer.client.connect("127.0.0.1", port, seconds)
    return peer


async def eventually(true: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110 - whatever becomes true has no event of its own
            await asyncio.sleep(0.005)


async def test_messages_go_both_ways_on_one_session(opened: AsyncExitStack) -> None:
    port = await open_port(opened)
    peer = await connect(opened, port.server.port)
    peer.client.send(b"hello")
    await eventually(lambda: port.messages)
    session, message = port.messages[0]
    assert (session.identity, session.address[1], message) == ("dev1", peer.client.local[1], b"hello")
    for size in (1, 1024, 1200):
        session.send(bytes(size))
    await eventually(lambda: len(peer.heard) == 3)
    assert [len(each) for each in peer.heard] == [1, 1024, 1200]


async def test_a_new_handshake_from_the_same_port_replaces_the_session(opened: AsyncExitStack) -> None:
    port = await open_port(opened)
    peer = await connect(opened, port.server.port)
    peer.client.send(b"first")
    await eventually(lambda: port.messages)
    await peer.client.connect("127.0.0.1", port.server.port)
    peer.client.send(b"second")
    await eventually(lambda: len(port.messages) == 2)
    (before, _), (after, _) = port.messages
    assert before.address == after.address
    assert before is not after
    assert port.server.sessions == 1
    assert port.ends == [(before, "the device shook hands again")]
    with pytest.raises(AssociationEnded):
        before.send(b"too late")


async def test_an_unfinished_handshake_from_an_address_leaves_its_session_alone(opened: AsyncExitStack) -> None:
    port = await open_port(opened)
    peer = await connect(opened, port.server.port)
    stranger = Peer("dev1", b"a wrong key of 16")
    # The stranger speaks from the peer's own port: what it sends there is what an attacker on the path could send.
    theirs: Any = stranger.client
    ours: Any = peer.client
    theirs._transport = ours._transport
    ours.datagram_received, hear = theirs.datagram_received, ours.datagram_received
    with pytest.raises(AssociationEnded):
        await theirs.connect("127.0.0.1", port.server.port, 0.5)
    ours.datagram_received = hear
    assert port.server.handshakes == 1
    peer.client.send(b"still here")
    await eventually(lambda: port.messages)
    assert port.ends == []


async def test_a_goodbye_ends_the_session_on_both_sides(opened: AsyncExitStack) -> None:
    port = await open_port(opened)
    peer = await connect(opened, port.server.port)
    await eventually(lambda: port.server.sessions)
    peer.client.close()
    await eventually(lambda: port.ends)
    assert port.ends[0][1] == "the peer closed the DTLS association"
    other = await connect(opened, port.server.port)
    port.server.close()
    await eventually(lambda: other.ends)
    assert other.ends == ["the peer closed the DTLS association"]


async def test_a_replaced_key_ends_the_session_before_another_message(opened: AsyncExitStack) -> None:
    keys = dict(KEYS)
    port = await open_port(opened, keys)
    peer = await connect(opened, port.server.port)
    keys["dev1"] = b"the new key of it"
    peer.client.send(b"under the old key")
    await eventually(lambda: peer.ends)
    assert port.messages == []
    assert port.ends[0][1] == "the key of this DTLS session was replaced or removed"


async def test_a_silent_session_is_purged(opened: AsyncExitStack) -> None:
    port = await open_port(opened, idle=0.3)
    quiet, chatty = await connect(opened, port.server.port), await connect(opened, port.server.port, "dev2")
    for _ in range(12):
        chatty.client.send(b"here")
        await asyncio.sleep(0.05)
    assert [(session.identity, why) for session, why in port.ends] == [("dev1", "the device was silent for too long")]
    assert quiet.ends == ["the peer closed the DTLS association"]
    assert chatty.ends == []


async def test_a_full_server_refuses_and_makes_room_when_somebody_is_quiet(opened: AsyncExitStack) -> None:
    port = await open_port(opened, sessions=1, quiet=0.4)
    await connect(opened, port.server.port)
    with pytest.raises(AssociationEnded, match="no DTLS handshake"):
        await connect(opened, port.server.port, "dev2", 0.2)
    await asyncio.sleep(0.3)
    await connect(opened, port.server.port, "dev2")
    assert [(session.identity, why) for session, why in port.ends] == [("dev1", "the session made room for another")]


async def test_unfinished_handshakes_are_limited_and_given_up(opened: AsyncExitStack) -> None:
    port = await open_port(opened, handshakes=2, handshake_seconds=0.4)
    for _ in range(4):
        stranger = Peer("dev1", b"a wrong key of 16")
        opened.callback(stranger.client.close)
        with pytest.raises(AssociationEnded):
            await stranger.client.connect("127.0.0.1", port.server.port, 0.05)
    assert port.server.handshakes == 2
    await asyncio.sleep(0.45)
    assert port.server.handshakes == 0


async def test_a_source_says_hello_only_so_often(opened: AsyncExitStack) -> None:
    port = await open_port(opened, hellos_per_second=0.001, hellos_at_once=4)
    await connect(opened, port.server.port)
    await connect(opened, port.server.port)
    with pytest.raises(AssociationEnded):
        await connect(opened, port.server.port, seconds=0.2)


async def test_an_unknown_identity_is_told_so(opened: AsyncExitStack) -> None:
    port = await open_port(opened)
    with pytest.raises(AssociationEnded, match="unknown psk identity"):
        await connect(opened, port.server.port, "nobody")
    assert port.server.handshakes == 0


async def test_garbage_of_every_length_does_no_harm(opened: AsyncExitStack) -> None:
    port = await open_port(opened)
    peer = await connect(opened, port.server.port)
    noise = random.Random(3)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.connect(("127.0.0.1", port.server.port))
        for length in range(400):
            body = noise.randbytes(length)
            stranger.send(body)
            stranger.send(bytes([22, 254, 253]) + bytes(10) + b"\x01" + body)
            peer.client._transport.sendto(bytes([noise.choice((20, 21, 22, 23)), 254, 253, 0, 1]) + body)
            if length % 50 == 0:
                await asyncio.sleep(0.01)
    peer.client.send(b"still here")
    await eventually(lambda: port.messages)
    assert (port.server.sessions, port.ends) == (1, [])
    await connect(opened, port.server.port, "dev2")


class LossyRelay(asyncio.DatagramProtocol):
    """Stands between one client and a server, and drops the datagrams that `lost` names by direction and number."""

    def __init__(self, server_port: int, lost: set[tuple[str, int]]) -> None:
        self._server = ("127.0.0.1", server_port)
        self._client: Any = None
        self._lost = lost
        self._count = {"up": 0, "down": 0}
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        direction = "down" if addr == self._server else "up"
        if direction == "up":
            self._client = addr
        self._count[direction] += 1
        if (direction, self._count[direction]) not in self._lost:
            self.transport.sendto(data, self._client if direction == "down" else self._server)


@pytest.mark.parametrize(
    "lost",
    [{("up", 1)}, {("down", 1)}, {("up", 2)}, {("down", 2)}, {("up", 3)}, {("down", 3)}],
    ids=["hello", "cookie request", "hello with cookie", "server flight", "client flight", "server finished"],
)
async def test_a_handshake_survives_the_loss_of(opened: AsyncExitStack, lost: set[tuple[str, int]]) -> None:
    port = await open_port(opened)
    relay = LossyRelay(port.server.port, lost)
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: relay, local_addr=("127.0.0.1", 0))
    opened.callback(transport.close)
    peer = await connect(opened, transport.get_extra_info("sockname")[1], seconds=10)
    peer.client.send(b"hello")
    await eventually(lambda: port.messages)
    assert port.server.sessions == 1
