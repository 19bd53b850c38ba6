"""Every transport carries the same: registration, operations, observing, Send, and 1 MiB each way."""

import asyncio
import hashlib
import json
import random
import shutil
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path as Folder
from typing import Any

import aiocoap
import aiocoap.resource
import cbor2
import pytest
from aiocoap.numbers.codes import Code
from aiocoap.oscore_sitewrapper import OscoreSiteWrapper

from lwm2m.bridge import EmbeddedBridge
from lwm2m.coap import Listener
from lwm2m.errors import DeviceUnreachable
from lwm2m.events import Notification, Sent
from lwm2m.federation import FederationSite
from lwm2m.messages import TracedMessage
from lwm2m.paths import Path
from lwm2m.peers import socket_address
from lwm2m.security import Credential, MemorySecurityStore, OscoreCredential, PskCredential
from lwm2m.server import Lwm2mServer
from lwm2m.transports.coaps import CoapsClient
from lwm2m.transports.dtls_client import DtlsClient
from tests.support.federation_intake import FEDERATION, MemoryIntake
from tests.support.federation_intake import TOKEN as CLIENT_TOKEN

TRANSPORTS = ("coap", "coaps", "coap+tcp", "oscore")
OBJECTS = b'</>;rt="oma.lwm2m";ct=110,</1/0>,</3/0>,</5/0>'
TOKEN = "secret-token"  # noqa: S105 - of this test
PACKAGE = random.Random(7).randbytes(1 << 20)
PSK = PskCredential("dev1", b"sixteen bytes ok")
OSCORE = OscoreCredential(recipient_id=b"\x01", sender_id=b"\x02", master_secret=bytes(range(16)), master_salt=b"salt")
CREDENTIALS: dict[str, Credential] = {"coaps": PSK, "oscore": OSCORE}
STATE = Path.of(5, 0, 3)


class OnePackage:
    """A `Package` and, by its token, a `PackageSource`."""

    size = len(PACKAGE)
    etag = hashlib.sha256(PACKAGE).digest()[:8]

    async def open(self, token: str) -> "OnePackage | None":
        return self if token == TOKEN else None

    async def read(self, offset: int, length: int) -> bytes:
        return PACKAGE[offset : offset + length]


class Device(aiocoap.resource.Resource):  # type: ignore[misc]  # aiocoap has no types
    """A device on aiocoap: holds /3/0, lets /5/0/3 be observed, takes /5/0/0 block by block."""

    def __init__(self) -> None:
        super().__init__()
        self.context: Any = None
        self.base = ""
        self.observer: Any = None
        self.upload = bytearray()
        self.ended = 0

    async def needs_blockwise_assembly(self, request: Any) -> bool:
        return tuple(request.opt.uri_path) != ("5", "0", "0")

    async def render_to_pipe(self, pipe: Any) -> None:
        if pipe.request.opt.observe == 0:
            self.observer = pipe
            pipe.add_response(self.state(10, 0))
            try:
                await asyncio.Event().wait()
            finally:
                self.ended += 1
        await super().render_to_pipe(pipe)

    async def render(self, request: Any) -> Any:
        match str(request.code), "/" + "/".join(request.opt.uri_path):
            case "GET", "/3/0/0":
                return aiocoap.Message(code=Code.CONTENT, payload=b"Acme", content_format=0)
            case "GET", "/5/0/3":
                return aiocoap.Message(code=Code.CONTENT, payload=b"0", content_format=0)
            case "FETCH", "/":
                records = [{0: record[0], 3: "Acme"} for record in cbor2.loads(request.payload)]
                return aiocoap.Message(code=Code.CONTENT, payload=cbor2.dumps(records), content_format=112)
            case "PUT", "/5/0/0":
                block = request.opt.block1
                assert block.start == len(self.upload)
                self.upload += request.payload
                code = Code.CONTINUE if block.more else Code.CHANGED
                return aiocoap.Message(code=code, block1=(block.block_number, block.more, block.size_exponent))
            case _:
                return aiocoap.Message(code=Code.NOT_FOUND)

    def state(self, sequence: int, value: int) -> Any:
        return aiocoap.Message(code=Code.CONTENT, payload=b"%d" % value, content_format=0, observe=sequence)

    async def send(self, code: Code, path: str, payload: bytes = b"", **options: Any) -> Any:
        message = aiocoap.Message(code=code, uri=self.base + path, payload=payload, **options)
        return await asyncio.wait_for(self.context.request(message).response, 30)

    async def register(self, endpoint: str = "dev1") -> Any:
        return await self.send(Code.POST, f"/rd?ep={endpoint}&lt=300&lwm2m=1.1&b=U", OBJECTS, content_format=40)


def oscore_settings(folder: Folder) -> Folder:
    """The device's view of the OSCORE context, as aiocoap wants it."""
    settings = {
        "sender-id_hex": OSCORE.recipient_id.hex(),
        "recipient-id_hex": OSCORE.sender_id.hex(),
        "secret_hex": OSCORE.master_secret.hex(),
        "salt_hex": OSCORE.master_salt.hex(),
    }
    folder.mkdir(exist_ok=True)
    (folder / "settings.json").write_text(json.dumps(settings))
    return folder


async def connect(transport: str, port: int, folder: Folder) -> Device:
    """A device that speaks only this transport; with OSCORE, aiocoap's own file-backed contexts."""
    device = Device()
    match transport:
        case "coap":
            device.base = f"coap://127.0.0.1:{port}"
            device.context = await aiocoap.Context.create_server_context(
                device, bind=("127.0.0.1", 0), transports=["udp6"]
            )
        case "coap+tcp":
            device.base = f"coap+tcp://127.0.0.1:{port}"
            device.context = await aiocoap.Context.create_client_context(transports=["tcpclient"])
            device.context.serversite = device
        case "coaps":
            device.base = f"coaps://127.0.0.1:{port}"
            device.context = aiocoap.Context(serversite=device)
            client = await CoapsClient.open(device.context, "127.0.0.1", port, PSK.identity, PSK.key)
            await client.connect()
        case _:
            device.base = f"coap://127.0.0.1:{port}"
            device.context = await aiocoap.Context.create_server_context(
                None, bind=("127.0.0.1", 0), transports=["udp6", "oscore"]
            )
            device.context.request_interfaces.reverse()  # OSCORE has to be asked before plain UDP
            credentials = device.context.client_credentials
            credentials.load_from_dict({f"{device.base}/*": {"oscore": {"basedir": str(oscore_settings(folder))}}})
            device.context.serversite = OscoreSiteWrapper(device, credentials)
    return device


class Running:
    """A server on every transport, and a device on one."""

    def __init__(
        self, transport: str, server: Lwm2mServer, store: MemorySecurityStore, device: Device, intake: MemoryIntake
    ) -> None:
        self.intake = intake
        self.transport = transport
        self.server = server
        self.store = store
        self.device = device


@pytest.fixture(params=TRANSPORTS)
async def running(request: Any, tmp_path: Folder) -> AsyncIterator[Running]:
    transport: str = request.param
    store = MemorySecurityStore({"dev1": CREDENTIALS[transport]} if transport in CREDENTIALS else {})
    intake = MemoryIntake(PACKAGE[:100_000])
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(
            Lwm2mServer(
                port=0,
                packages=OnePackage(),
                federations=FederationSite(intake),
                security=store,
                listeners=(Listener("coaps", "127.0.0.1", 0), Listener("coap+tcp", "127.0.0.1", 0)),
                oscore_folder=tmp_path / "server",
            )
        )
        port = server.ports["coap" if transport == "oscore" else transport]
        device = await connect(transport, port, tmp_path / "device")
        stack.push_async_callback(device.context.shutdown)
        yield Running(transport, server, store, device, intake)


@pytest.fixture
async def registered(running: Running) -> Running:
    answer = await running.device.register()
    assert answer.code == Code.CREATED, answer.payload
    return running


async def test_a_device_registers_and_the_registration_tells_how(registered: Running) -> None:
    registration = registered.server.registration("dev1")
    prefix, identity = {
        "coap": ("127.0.0.1:", None),
        "coap+tcp": ("coap+tcp://127.0.0.1:", None),
        "coaps": ("coaps://dev1@127.0.0.1:", "dev1"),
        "oscore": ("oscore:01@127.0.0.1:", "oscore:01"),
    }[registered.transport]
    assert registration.address.startswith(prefix)
    assert socket_address(registration.address).startswith("127.0.0.1:")
    assert (registration.secure, registration.identity) == (identity is not None, identity)


async def test_a_device_is_read(registered: Running) -> None:
    response = await registered.server.read("dev1", Path.of(3, 0, 0))
    assert getattr(response.content, "value", None) == "Acme"


async def test_several_paths_are_read_at_once(registered: Running) -> None:
    response = await registered.server.read_composite("dev1", [Path.of(3, 0, 0), Path.of(3, 0, 1)])
    assert response.success
    assert {path: getattr(node, "value", None) for path, node in response.nodes.items()} == {
        Path.of(3, 0, 0): "Acme",
        Path.of(3, 0, 1): "Acme",
    }


async def test_a_device_is_observed_until_the_server_cancels(registered: Running) -> None:
    server, device = registered.server, registered.device
    with server.events.subscribe() as events:
        assert (await server.observe("dev1", STATE)).success
        for value in (1, 2, 3):
            device.observer.add_response(device.state(10 + value, value))
            event = await asyncio.wait_for(events.get(), 10)
            assert isinstance(event, Notification)
            assert getattr(event.node, "value", None) == value
    cancelled = await server.cancel_observe("dev1", STATE, active=True)
    assert cancelled is not None
    assert cancelled.success
    assert device.ended == 1


async def test_a_device_sends_values_by_itself(registered: Running) -> None:
    with registered.server.events.subscribe() as events:
        payload = cbor2.dumps([{-2: "/5/0/", 0: "3", 2: 1}])
        answer = await registered.device.send(Code.POST, "/dp", payload, content_format=112)
        assert answer.code == Code.CHANGED, answer.payload
        event = await asyncio.wait_for(events.get(), 10)
    assert isinstance(event, Sent)
    assert event.endpoint == "dev1"


async def test_one_mebibyte_is_pushed_byte_for_byte(registered: Running) -> None:
    response = await EmbeddedBridge(registered.server).push_package("dev1", OnePackage(), lambda _: None)
    assert response.code == Code.CHANGED
    assert bytes(registered.device.upload) == PACKAGE


async def test_one_mebibyte_is_pulled_byte_for_byte(registered: Running) -> None:
    answer = await registered.device.send(Code.GET, f"/fw/{TOKEN}")
    assert answer.code == Code.CONTENT
    assert answer.payload == PACKAGE


async def test_a_federated_model_comes_and_an_update_goes_in_blocks(running: Running) -> None:
    below = f"/fed/{FEDERATION}/rounds/3"
    model = await running.device.send(Code.GET, f"{below}/model?token={CLIENT_TOKEN}&form=int8")
    assert (model.code, model.payload) == (Code.CONTENT, b"int8:" + PACKAGE[:100_000])
    update = PACKAGE[:150_001]
    answer = await running.device.send(Code.POST, f"{below}/updates?token={CLIENT_TOKEN}", update, content_format=60)
    assert answer.code == Code.CHANGED
    assert cbor2.loads(answer.payload) == {"accepted": True, "samples": 20}
    assert running.intake.updates == [update]
    assert running.intake.asked == ["model", "admit", "submit"]


async def test_the_messages_of_a_device_are_heard_as_long_as_somebody_listens(registered: Running) -> None:
    heard: list[TracedMessage] = []
    forget = registered.server.trace("dev1", heard.append)
    also: list[TracedMessage] = []
    forget_also = registered.server.trace("dev1", also.append)
    await registered.server.read("dev1", Path.of(3, 0, 0))
    await registered.device.send(Code.POST, "/rd/" + registered.server.registration("dev1").id)
    forget_also()
    codes = [(each.incoming, each.code) for each in heard if each.code]
    if registered.transport == "oscore":  # what is inside is nobody's business
        assert codes == [(False, Code.POST), (True, Code.CHANGED), (True, Code.POST), (False, Code.CHANGED)]
        assert all("OSCORE" in dict(each.options) for each in heard if each.code)
    else:
        assert codes == [(False, Code.GET), (True, Code.CONTENT), (True, Code.POST), (False, Code.CHANGED)]
        assert b"Acme" in heard[1].payload
    assert {each.kind is None for each in heard} == {registered.transport == "coap+tcp"}
    assert also == heard
    forget()
    heard.clear()
    await registered.server.read("dev1", Path.of(3, 0, 0))
    assert heard == []


async def test_an_update_and_a_farewell_come_through(registered: Running) -> None:
    location = "/rd/" + registered.server.registration("dev1").id
    assert (await registered.device.send(Code.POST, location)).code == Code.CHANGED
    assert (await registered.device.send(Code.DELETE, location)).code == Code.DELETED
    assert registered.server.registrations() == []


async def test_a_key_lets_nobody_in_under_another_name(running: Running) -> None:
    answer = await running.device.register("other")
    expected = Code.FORBIDDEN if running.transport in CREDENTIALS else Code.CREATED
    assert answer.code == expected


@pytest.mark.parametrize("running", ["coap", "coap+tcp"], indirect=True)
async def test_plain_registration_of_an_endpoint_that_has_a_key_is_refused(running: Running) -> None:
    running.store.put("dev1", PSK)
    answer = await running.device.register()
    assert answer.code == Code.FORBIDDEN
    assert b"has a key" in answer.payload
    assert running.server.registrations() == []


@pytest.mark.parametrize("running", ["coaps", "oscore"], indirect=True)
async def test_a_registered_device_whose_key_is_removed_is_neither_heard_nor_reached(running: Running) -> None:
    await running.device.register()
    running.store.remove("dev1")
    with pytest.raises(DeviceUnreachable):
        await running.server.read("dev1", Path.of(3, 0, 0))


@pytest.mark.parametrize("running", ["coap+tcp"], indirect=True)
async def test_a_device_that_hung_up_is_unreachable_at_once(running: Running) -> None:
    await running.device.register()
    await running.device.context.shutdown()
    running.device.context = await aiocoap.Context.create_client_context(transports=["tcpclient"])
    await asyncio.sleep(0.1)
    with pytest.raises(DeviceUnreachable):
        await running.server.read("dev1", Path.of(3, 0, 0))


async def test_under_oscore_a_crash_of_the_server_loses_neither_device_nor_observation(tmp_path: Folder) -> None:
    store = MemorySecurityStore({"dev1": OSCORE})
    folder, at_crash = tmp_path / "server", tmp_path / "crash"
    async with Lwm2mServer(port=0, security=store, oscore_folder=folder) as first:
        port = first.port
        device = await connect("oscore", port, tmp_path / "device")
        await device.register()
        assert (await first.observe("dev1", STATE)).success
        assert (await first.read("dev1", Path.of(3, 0, 0))).success
        shutil.copytree(folder, at_crash)
        registrations, observations = first.registrations(), first.observations()
    async with Lwm2mServer(
        port=port,
        security=store,
        oscore_folder=at_crash,
        restored=registrations,
        restored_observations=observations,
    ) as second:
        with second.events.subscribe() as events:
            device.observer.add_response(device.state(20, 2))
            event = await asyncio.wait_for(events.get(), 10)
            assert isinstance(event, Notification)
            assert getattr(event.node, "value", None) == 2
        # A replay window is not on disk after a crash: the device proves with Echo that its request is fresh.
        assert (await device.send(Code.POST, "/rd/" + registrations[0].id)).code == Code.CHANGED
        assert (await second.read("dev1", Path.of(3, 0, 0))).success
        cancelled = await second.cancel_observe("dev1", STATE, active=True)
        assert cancelled is not None
        assert cancelled.success
        await device.context.shutdown()


@pytest.mark.parametrize("running", ["coaps", "coap+tcp"], indirect=True)
async def test_after_a_restart_a_device_on_a_connection_has_to_come_back(running: Running) -> None:
    await running.device.register()
    assert (await running.server.observe("dev1", STATE)).success
    async with Lwm2mServer(
        port=0,
        security=running.store,
        listeners=(Listener("coaps", "127.0.0.1", 0), Listener("coap+tcp", "127.0.0.1", 0)),
        restored=running.server.registrations(),
        restored_observations=running.server.observations(),
    ) as restarted:
        with pytest.raises(DeviceUnreachable, match="until the device registers again"):
            await restarted.read("dev1", Path.of(3, 0, 0))
        assert restarted.observations() == []


async def eventually(true: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 - whatever becomes true has no event of its own
            await asyncio.sleep(0.005)


def tcp_listener(server: Lwm2mServer) -> Any:
    endpoint: Any = server._endpoint
    return endpoint._context.by_scheme["coap+tcp"]._listener


async def test_a_tcp_connection_that_does_not_begin_with_its_capabilities_is_closed() -> None:
    async with Lwm2mServer(port=0, listeners=[Listener("coap+tcp", "127.0.0.1", 0)]) as server:
        listener = tcp_listener(server)
        listener.greeting_seconds = 0.2
        reader, writer = await asyncio.open_connection("127.0.0.1", server.ports["coap+tcp"])
        async with asyncio.timeout(5):
            assert b"no capabilities in time" in await reader.read()
        writer.close()
        await writer.wait_closed()


async def test_tcp_connections_are_limited() -> None:
    async with Lwm2mServer(port=0, listeners=[Listener("coap+tcp", "127.0.0.1", 0)]) as server:
        listener = tcp_listener(server)
        listener.limit = 1
        first = await connect("coap+tcp", server.ports["coap+tcp"], Folder())
        assert (await first.register()).code == Code.CREATED
        reader, writer = await asyncio.open_connection("127.0.0.1", server.ports["coap+tcp"])
        async with asyncio.timeout(5):
            assert b"too many connections" in await reader.read()
        writer.close()
        await writer.wait_closed()
        assert (await server.read("dev1", Path.of(3, 0, 0))).success
        await first.context.shutdown()


async def test_a_peer_that_asks_and_never_reads_is_heard_no_further_than_a_buffer_full_of_answers() -> None:
    async with Lwm2mServer(port=0, listeners=[Listener("coap+tcp", "127.0.0.1", 0)]) as server:
        loop = asyncio.get_running_loop()
        with socket.socket() as peer:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            peer.setblocking(False)
            await loop.sock_connect(peer, ("127.0.0.1", server.ports["coap+tcp"]))
            await loop.sock_sendall(peer, b"\x00\xe1")
            await eventually(lambda: tcp_listener(server).connections)
            (connection,) = tcp_listener(server).connections.values()
            # So that no kernel holds much: the answers are several times as long as what is asked.
            connection._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            connection._transport.max_size = 4096
            asked = 5000
            await loop.sock_sendall(
                peer, b"".join(b"\x24\x01%c%c%c%c\xb1x" % (*b"tk", *divmod(n, 256)) for n in range(asked))
            )
            await eventually(lambda: not connection._transport.is_reading())
            await asyncio.sleep(0.1)
            assert connection._transport.get_write_buffer_size() < 150_000
            answers = b""
            async with asyncio.timeout(10):
                while answers.count(b"register with POST /rd") < asked:
                    answers += await loop.sock_recv(peer, 1 << 16)


@pytest.mark.parametrize("scheme", ["coaps", "coap+tcp"])
async def test_a_text_that_is_no_utf_8_is_dropped_without_a_traceback(
    scheme: str, caplog: pytest.LogCaptureFixture
) -> None:
    store = MemorySecurityStore({"dev1": PSK})
    async with Lwm2mServer(port=0, security=store, listeners=[Listener(scheme, "127.0.0.1", 0)]) as server:
        port = server.ports[scheme]
        if scheme == "coap+tcp":
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"\x00\xe1" + b"\x30\x02\xb2\xff\xfe")
            async with asyncio.timeout(5):
                assert b"Failed to parse" in await reader.read()
            writer.close()
            await writer.wait_closed()
        else:
            heard: list[bytes] = []
            client = DtlsClient(PSK.identity, PSK.key, heard.append, lambda _: None)
            await client.connect("127.0.0.1", port)
            client.send(b"\x40\x02\x00\x09\xb2\xff\xfe")
            client.send(b"\x40\x01\x00\x0a\xb1x")
            await eventually(lambda: heard)
            client.close()
        assert not [entry for entry in caplog.records if entry.exc_info]


async def test_a_port_is_not_shared_with_another_server(reserve_tcp_port: Callable[[], Any]) -> None:
    store = MemorySecurityStore()
    both = reserve_tcp_port()
    listeners = [Listener("coaps", "127.0.0.1", 0)]
    async with Lwm2mServer(port=both.number, security=store, listeners=listeners) as server:
        taken = Listener("coaps", "127.0.0.1", server.ports["coaps"])
        with pytest.raises(OSError, match="in use"):
            await Lwm2mServer(port=0, security=store, listeners=[taken]).start()
        free = Listener("coap+tcp", "127.0.0.1", both.release())  # TCP and UDP ports are different things
        async with Lwm2mServer(port=0, security=store, listeners=[free]):
            pass


@pytest.mark.parametrize(
    ("listeners", "message"),
    [
        ([Listener("coaps", "127.0.0.1", 0)], "needs the keys"),
        ([Listener("coap", "127.0.0.1", 0)], "at most one"),
        ([Listener("http", "127.0.0.1", 0)], "no CoAP port"),
    ],
)
async def test_ports_that_cannot_be_are_refused(listeners: list[Listener], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        await Lwm2mServer(port=0, listeners=listeners).start()
