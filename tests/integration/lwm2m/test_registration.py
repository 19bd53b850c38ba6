"""Registration, update, expiry and de-registration as a device sees them on the wire."""

import asyncio
import json
from typing import Any

import aiocoap
import pytest
from aiocoap.numbers.codes import Code
from aiocoap.numbers.optionnumbers import OptionNumber
from aiocoap.optiontypes import OpaqueOption

from lwm2m.errors import NotRegistered
from lwm2m.events import Deregistered, Event, Reason, Registered, Updated
from lwm2m.paths import Path
from lwm2m.registration import Registration
from lwm2m.security import MemorySecurityStore, PskCredential
from lwm2m.server import Lwm2mServer

OBJECT_LIST = b",".join(b"</3/%d>" % number for number in range(200))


@pytest.fixture
def heard(server: Lwm2mServer) -> list[Event]:
    events: list[Event] = []
    server.events.listen(events.append)
    return events


async def test_a_device_registers_updates_and_leaves(server: Lwm2mServer, device: Any, heard: list[Event]) -> None:
    location = await device.register()
    first = server.registration("dev1")
    assert (first.lifetime, first.instances) == (300, {1: [0], 3: [0], 5: [0]})
    assert location == f"/rd/{first.id}"

    assert (await device.send(Code.POST, location, "lt=60")).code == Code.CHANGED
    assert server.registration("dev1").lifetime == 60

    assert (await device.send(Code.DELETE, location)).code == Code.DELETED
    with pytest.raises(NotRegistered):
        server.registration("dev1")
    assert [type(event) for event in heard] == [Registered, Updated, Deregistered]
    assert heard[-1].reason is Reason.REQUEST


async def test_a_second_register_replaces_the_first(server: Lwm2mServer, device: Any, heard: list[Event]) -> None:
    first = await device.register()
    second = await device.register()
    assert first != second
    assert [registration.id for registration in server.registrations()] == [second.removeprefix("/rd/")]
    assert isinstance(heard[1], Deregistered)
    assert heard[1].reason is Reason.REPLACED
    assert heard[2].previous.id == first.removeprefix("/rd/")
    assert (await device.send(Code.POST, first)).code == Code.NOT_FOUND


async def test_a_silent_device_expires(server: Lwm2mServer, device: Any) -> None:
    with server.events.subscribe() as events:
        await device.register("ep=dev1&lt=1")
        async with asyncio.timeout(5):
            assert isinstance(await events.get(), Registered)
            assert (await events.get()).reason is Reason.EXPIRED
    assert server.registrations() == []


@pytest.mark.parametrize(
    ("query", "payload", "code", "words"),
    [
        ("lt=60", b"", Code.BAD_REQUEST, "endpoint name"),
        ("ep=x&lt=soon", b"", Code.BAD_REQUEST, "lt=soon"),
        ("ep=x", b"<<<", Code.BAD_REQUEST, "link format"),
        ("ep=x&lwm2m=7.0", b"", Code.PRECONDITION_FAILED, "7.0"),
        ("ep=x", b"</1/0>," * 30000, Code.REQUEST_ENTITY_TOO_LARGE, "at most"),
    ],
)
async def test_a_bad_register_is_refused_with_a_reason(
    server: Lwm2mServer, device: Any, query: tuple[str, ...], payload: bytes, code: int, words: str
) -> None:
    response = await device.send(Code.POST, "/rd", query, payload)
    assert response.code == code
    assert words in response.payload.decode()
    assert server.registrations() == []


@pytest.mark.parametrize(
    ("code", "path"), [(Code.GET, "/"), (Code.GET, "/x/y"), (Code.POST, "/fw/t"), (Code.GET, "/rd")]
)
async def test_an_unknown_request_gets_an_error_and_the_server_goes_on(device: Any, code: int, path: str) -> None:
    response = await device.send(code, path)
    assert response.code in (Code.NOT_FOUND, Code.METHOD_NOT_ALLOWED)
    assert response.payload
    await device.register()


async def test_garbage_and_pings_do_not_disturb_the_server(server: Lwm2mServer, device: Any) -> None:
    loop = asyncio.get_running_loop()
    answers: asyncio.Queue[bytes] = asyncio.Queue()

    class Probe(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, _addr: object) -> None:
            answers.put_nowait(data)

    transport, _ = await loop.create_datagram_endpoint(Probe, remote_addr=("127.0.0.1", server.port))
    no_utf8 = b"\x40\x02\x00\x01\xb2rd\x43\xff\xfe\xfd"
    for junk in (b"", b"\x00", b"\xff" * 40, b"\x40\x01\x00", b"\x4f\x01\x00\x01", no_utf8):
        transport.sendto(junk)
    transport.sendto(b"\x40\x00\x12\x34")  # CON, empty: a ping
    async with asyncio.timeout(5):
        while (await answers.get())[1:] != b"\x00\x12\x34":  # RST with the same message id
            pass
    transport.close()
    await device.register()


async def test_a_restored_registration_is_reachable_from_the_same_port_after_a_restart(new_device: Any) -> None:
    before = Lwm2mServer(port=0)
    await before.start()
    port = before.port
    device = await new_device(port)
    location = await device.register()
    stored = json.dumps([registration.to_json() for registration in before.registrations()])
    await before.stop()

    device.answers["GET", "/3/0/3"] = lambda _: _text("1.0.0")
    restored = [Registration.from_json(each) for each in json.loads(stored)]
    async with Lwm2mServer(port=port, restored=restored) as after:
        response = await after.read("dev1", Path.of(3, 0, 3))
        assert response.content.value == "1.0.0"
        assert device.requests[-1].remote.sockaddr[1] == port
        assert (await device.send(Code.POST, location)).code == Code.CHANGED


async def test_the_device_has_its_answer_before_the_first_request_of_whoever_heard_of_it(
    server: Lwm2mServer, device: Any
) -> None:
    reading: list[asyncio.Task[Any]] = []
    order: list[str] = []

    def ask(event: Event) -> None:
        if isinstance(event, Registered):
            reading.append(asyncio.create_task(server.read("dev1", Path.of(3, 0, 3))))

    def answer(_: aiocoap.Message) -> aiocoap.Message:
        order.append("request")
        return _text("1.0")

    server.events.listen(ask)
    device.answers["GET", "/3/0/3"] = answer
    registering = asyncio.create_task(device.register())
    registering.add_done_callback(lambda _: order.append("answer"))
    await registering
    assert (await reading[0]).success
    assert order == ["answer", "request"]


async def test_a_full_server_takes_no_new_device_and_keeps_those_it_has(new_device: Any) -> None:
    async with Lwm2mServer(port=0, max_registrations=1) as server:
        device = await new_device(server.port)
        location = await device.register()
        refused = await device.send(Code.POST, "/rd", "ep=dev2")
        assert refused.code == Code.SERVICE_UNAVAILABLE
        assert b"try again later" in refused.payload
        await device.register()
        assert [each.endpoint for each in server.registrations()] == ["dev1"]
        assert (await device.send(Code.POST, location)).code == Code.NOT_FOUND


async def test_devices_that_list_more_than_can_be_kept_are_refused_and_no_other_is_lost(new_device: Any) -> None:
    long = b",".join(b"</3/%d>" % number for number in range(1000))
    async with Lwm2mServer(port=0, max_text=2 * len(long)) as server:
        device = await new_device(server.port)
        location = await device.register("ep=dev1", long)
        assert (
            await device.send(Code.POST, "/rd", "ep=dev2", long, content_format=40)
        ).code == Code.SERVICE_UNAVAILABLE
        other = await device.register("ep=dev2", b"</3/0>")
        answer = await device.send(Code.POST, other, "", long + b",</4/0>", content_format=40)
        assert answer.code == Code.SERVICE_UNAVAILABLE
        for path in (location, other):
            assert (await device.send(Code.POST, path, "lt=60")).code == Code.CHANGED
        again = await device.register("ep=dev1", long)
        assert (await device.send(Code.DELETE, again)).code == Code.DELETED
        assert (await device.send(Code.POST, other, "", long, content_format=40)).code == Code.CHANGED


async def test_an_endpoint_that_has_a_key_does_nothing_without_it(new_device: Any) -> None:
    security = MemorySecurityStore()
    async with Lwm2mServer(port=0, security=security) as server:
        device = await new_device(server.port)
        location = await device.register()
        security.put("dev1", PskCredential("dev1", b"0123456789abcdef"))
        payload = b'[{"bn":"/5/0/3","v":1}]'
        for code, path, query in (
            (Code.POST, "/rd", "ep=dev1"),
            (Code.POST, location, ""),
            (Code.POST, "/dp", ""),
            (Code.DELETE, location, ""),
        ):
            body = {"payload": payload, "content_format": 110} if path == "/dp" else {}
            refused = await device.send(code, path, query, **body)
            assert refused.code == Code.FORBIDDEN, path
        assert server.registration("dev1").id == location.removeprefix("/rd/")


async def test_two_servers_cannot_share_a_port(server: Lwm2mServer) -> None:
    with pytest.raises(OSError, match="already in use"):
        await Lwm2mServer(port=server.port).start()


def _text(value: str) -> aiocoap.Message:
    return aiocoap.Message(code=Code.CONTENT, payload=value.encode(), content_format=0)


async def test_a_device_that_skips_a_block_of_its_object_list_is_told_that_it_is_incomplete(
    server: Lwm2mServer, device: Any
) -> None:
    codes = []
    for number, payload in ((0, OBJECT_LIST[:1024]), (2, OBJECT_LIST[2048:3072]), (1, OBJECT_LIST[1024:])):
        uri = f"coap://127.0.0.1:{server.port}/rd?ep=dev1"
        message = aiocoap.Message(code=Code.POST, uri=uri, payload=payload, content_format=40)
        message.opt.block1 = (number, number != 1, 6)
        codes.append((await device.context.request(message, handle_blockwise=False).response).code)
    assert codes == [Code.CONTINUE, Code.REQUEST_ENTITY_INCOMPLETE, Code.CREATED]
    assert server.registration("dev1").object_links.encode() == OBJECT_LIST


@pytest.mark.parametrize(
    ("number", "value"),
    [
        (OptionNumber.Q_BLOCK1, b"\x0e"),
        (OptionNumber.OSCORE, b"\x09\x01\x02"),
        (2049, b"?"),
        (OptionNumber.CONTENT_FORMAT, b"\xff" * 2000),
        (OptionNumber.BLOCK2, b"\xff" * 2000),
        (OptionNumber.ACCEPT, b"\x01\x00\x00"),
    ],
)
async def test_an_option_that_changes_the_meaning_and_is_not_known_is_refused(
    server: Lwm2mServer, device: Any, caplog: pytest.LogCaptureFixture, number: int, value: bytes
) -> None:
    message = aiocoap.Message(code=Code.POST, uri=f"coap://127.0.0.1:{server.port}/rd?ep=dev1", payload=b"</3/0>")
    message.opt.add_option(OpaqueOption(OptionNumber(number), value))
    answer = await device.context.request(message, handle_blockwise=False).response
    assert (answer.code, f"option {int(number)} " in answer.payload.decode()) == (Code.BAD_OPTION, True)
    assert server.registrations() == []
    assert not [entry for entry in caplog.records if entry.exc_info]


async def test_an_option_that_may_be_ignored_is(server: Lwm2mServer, device: Any) -> None:
    message = aiocoap.Message(code=Code.POST, uri=f"coap://127.0.0.1:{server.port}/rd?ep=dev1", payload=b"</3/0>")
    message.opt.add_option(OpaqueOption(OptionNumber(65000), b"?"))
    assert (await device.context.request(message).response).code == Code.CREATED
