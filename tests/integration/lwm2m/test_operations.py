"""Device management over loopback: each operation as the device receives it, and its answer as the caller gets it."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import aiocoap
import pytest
from aiocoap.numbers.codes import Code

from lwm2m.errors import CodecError, DeviceTimeout, DeviceUnreachable, NotRegistered, Rejected
from lwm2m.events import Notification
from lwm2m.nodes import Instance, Resource
from lwm2m.objects import STANDARD
from lwm2m.objects.model import object_model
from lwm2m.paths import Path
from lwm2m.registration import Registration
from lwm2m.server import Lwm2mServer
from lwm2m.values import ResourceType

STATE = Path.of(5, 0, 3)

Answer = Callable[[aiocoap.Message], aiocoap.Message]


def content(payload: bytes, content_format: int) -> Answer:
    return lambda _: aiocoap.Message(code=Code.CONTENT, payload=payload, content_format=content_format)


def changed(_: aiocoap.Message) -> aiocoap.Message:
    return aiocoap.Message(code=Code.CHANGED)


@pytest.fixture
async def registered(device: Any) -> Any:
    await device.register()
    return device


async def test_read_decodes_by_the_answers_content_format(server: Lwm2mServer, registered: Any) -> None:
    registered.answers["GET", "/3/0"] = content(bytes.fromhex("c80014") + b"Open Mobile Alliance", 11542)
    response = await server.read("dev1", Path.of(3, 0), accept=110)
    assert response.success
    assert response.content == Instance(0, (Resource(0, ResourceType.STRING, "Open Mobile Alliance"),))
    assert registered.requests[-1].opt.accept == 110


async def test_read_of_a_large_object_arrives_whole(server: Lwm2mServer, registered: Any) -> None:
    values = ",".join(f'{{"n":"/7/{i}","v":{i}}}' for i in range(200))
    registered.answers["GET", "/3/0"] = content(f'[{{"bn":"/3/0"}},{values}]'.encode(), 110)
    response = await server.read("dev1", Path.of(3, 0))
    assert response.content[7].values == {i: i for i in range(200)}


@pytest.mark.usefixtures("registered")
async def test_an_error_of_the_device_is_an_answer(server: Lwm2mServer) -> None:
    response = await server.read("dev1", Path.of(3, 0, 3))
    assert (response.success, response.code, response.diagnostic) == (False, Code.NOT_FOUND, "nothing at /3/0/3")
    with pytest.raises(Rejected, match=r"4\.04: nothing"):
        response.require_success()


async def test_a_wrong_payload_is_a_codec_error(server: Lwm2mServer, registered: Any) -> None:
    registered.answers["GET", "/5/0/3"] = content(b"later", 0)
    with pytest.raises(CodecError, match="integer"):
        await server.read("dev1", STATE)


async def test_write_execute_create_delete_and_attributes_reach_the_device(
    server: Lwm2mServer, registered: Any
) -> None:
    registered.answers |= {
        ("PUT", "/1/0/1"): changed,
        ("POST", "/3/0"): changed,
        ("PUT", "/3/0"): changed,
        ("POST", "/3/0/4"): changed,
        ("DELETE", "/9/1"): lambda _: aiocoap.Message(code=Code.DELETED),
        ("POST", "/9"): lambda _: aiocoap.Message(code=Code.CREATED, location_path=("9", "2")),
    }
    lifetime = Resource(1, ResourceType.INTEGER, 60)
    zone = Instance(0, (Resource(15, ResourceType.STRING, "UTC"),))

    assert (await server.write("dev1", Path.of(1, 0, 1), lifetime)).code == Code.CHANGED
    assert (registered.requests[-1].payload, registered.requests[-1].opt.content_format) == (b"60", 0)
    assert (await server.write("dev1", Path.of(3, 0), zone, replace=False)).success
    assert (registered.requests[-1].code, registered.requests[-1].payload) == (Code.POST, b"\xc3\x0fUTC")
    assert (await server.write_attributes("dev1", Path.of(3, 0), {"pmin": "5", "gt": None})).success
    assert registered.requests[-1].opt.uri_query == ("pmin=5", "gt")
    assert (await server.execute("dev1", Path.of(3, 0, 4), "0='x'")).success
    assert registered.requests[-1].payload == b"0='x'"
    assert (await server.delete("dev1", Path.of(9, 1))).code == Code.DELETED
    created = await server.create("dev1", 9, (Resource(14, ResourceType.STRING, "me"),), instance_id=2)
    assert (created.code, created.location) == (Code.CREATED, "9/2")
    assert registered.requests[-1].payload == b"\x04\x02\xc2\x0eme"


async def test_discover_lists_links_with_attributes(server: Lwm2mServer, registered: Any) -> None:
    registered.answers["GET", "/3"] = content(b'</3>;ver="1.2";pmin=5,</3/0>,</3/0/7>;dim=2', 40)
    response = await server.discover("dev1", Path.of(3), depth=2)
    assert [link.url for link in response.links] == ["/3", "/3/0", "/3/0/7"]
    assert response.links[0].attributes == (("ver", '"1.2"'), ("pmin", "5"))
    assert registered.requests[-1].opt.uri_query == ("depth=2",)


async def test_an_alternate_path_prefixes_every_request(server: Lwm2mServer, device: Any) -> None:
    await device.register(payload=b'</lwm2m>;rt="oma.lwm2m",</lwm2m/3/0>')
    device.answers["GET", "/lwm2m/3/0/3"] = content(b"1.0", 0)
    assert (await server.read("dev1", Path.of(3, 0, 3))).success
    assert server.registration("dev1").instances == {3: [0]}


async def test_answers_are_read_by_the_object_version_that_the_device_announced(new_device: Any) -> None:
    old = object_model(31024, "Custom", "1.0", "10 RW int . Value")
    new = object_model(31024, "Custom", "2.0", "10 RW str . Value")
    async with Lwm2mServer(port=0, models=STANDARD.extended((old, new))) as server:
        device = await new_device(server.port)
        device.answers["GET", "/31024/0/10"] = content(b"\xc1\x0a\x41", 11542)
        path = Path.of(31024, 0, 10)
        for links, value in (
            (b"</31024>;ver=1.0,</31024/0>", 0x41),
            (b'</31024>;ver="2.0",</31024/0>', "A"),
            (b"</31024>;ver=9.9,</31024/0>", 0x41),
            (b"</31024/0>", 0x41),
        ):
            await device.register(payload=links)
            assert (await server.read("dev1", path)).content.value == value


async def test_observe_tells_of_changes_until_it_is_cancelled(server: Lwm2mServer, registered: Any) -> None:
    registered.answers["GET", "/5/0/3"] = content(b"0", 0)
    with server.events.subscribe() as events:
        assert (await server.observe("dev1", STATE)).content.value == 0
        registered.notify("/5/0/3", content(b"1", 0)(None))
        registered.notify("/5/0/3", content(b"2", 0)(None))
        async with asyncio.timeout(5):
            assert await events.get() == Notification("dev1", STATE, Resource(3, ResourceType.INTEGER, 1))
            assert (await events.get()).node.value == 2

        response = await server.cancel_observe("dev1", STATE, active=True)
        assert response.content.value == 0
        assert "/5/0/3" not in registered.observers
        assert server.observed("dev1") == []
        assert await server.cancel_observe("dev1", STATE, active=True) is None


async def test_a_notification_longer_than_a_block_arrives_whole(server: Lwm2mServer, registered: Any) -> None:
    records = "[" + ",".join(f'{{"n":"/3/0/7/{i}","v":{i}}}' for i in range(100)) + "]"
    registered.answers["GET", "/3/0/7"] = content(b"[]", 110)
    with server.events.subscribe() as events:
        await server.observe("dev1", Path.of(3, 0, 7))
        registered.answers["GET", "/3/0/7"] = content(records.encode(), 110)
        first = content(records.encode()[:1024], 110)(None)
        first.opt.block2 = (0, True, 6)
        registered.notify("/3/0/7", first)
        async with asyncio.timeout(5):
            assert len((await events.get()).node.instances) == 100


async def test_a_new_registration_ends_observations(server: Lwm2mServer, registered: Any) -> None:
    registered.answers["GET", "/5/0/3"] = content(b"0", 0)
    await server.observe("dev1", STATE)
    assert server.observed("dev1") == [STATE]
    await registered.register()
    assert server.observed("dev1") == []


async def test_a_passive_cancel_asks_nothing(server: Lwm2mServer, registered: Any) -> None:
    registered.answers["GET", "/5/0/3"] = content(b"0", 0)
    await server.observe("dev1", STATE)
    assert (await server.cancel_observe("dev1", STATE, active=False)).success
    assert await server.cancel_observe("dev1", STATE, active=False) is None
    assert "/5/0/3" in registered.observers


async def test_a_silent_device_times_out_and_blocks_no_later_request(server: Lwm2mServer, registered: Any) -> None:
    registered.answers["GET", "/3/0/3"] = content(b"1.0", 0)
    hold = asyncio.Event()

    async def silent(_: aiocoap.Message) -> None:
        await hold.wait()

    answering, registered.render = registered.render, silent
    with pytest.raises(DeviceTimeout):
        await server.read("dev1", STATE, timeout=0.3)
    registered.render = answering
    hold.set()
    assert (await server.read("dev1", Path.of(3, 0, 3), timeout=2)).content.value == "1.0"


async def test_a_device_that_is_gone_is_unreachable_at_once(server: Lwm2mServer) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as reserved:
        reserved.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{reserved.getsockname()[1]}"
    server.restore([Registration("id", "gone", address, 300, 0, 0)])
    with pytest.raises(DeviceUnreachable, match=address):
        await server.read("gone", STATE, timeout=5)


async def test_an_unknown_endpoint_is_not_registered(server: Lwm2mServer) -> None:
    with pytest.raises(NotRegistered, match="'nobody'"):
        await server.read("nobody", STATE)


async def test_a_device_gets_one_request_at_a_time(server: Lwm2mServer, registered: Any) -> None:
    running = highest = 0

    async def slow(_: aiocoap.Message) -> aiocoap.Message:
        nonlocal running, highest
        running += 1
        highest = max(highest, running)
        await asyncio.sleep(0.02)
        running -= 1
        return content(b"0", 0)(None)

    registered.render = slow
    await asyncio.gather(*(server.read("dev1", STATE) for _ in range(10)))
    assert highest == 1
