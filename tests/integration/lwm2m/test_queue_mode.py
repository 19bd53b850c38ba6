"""Queue mode over loopback: devices that listen for a while after each contact, and requests that wait for them."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import aiocoap
import pytest
from aiocoap.numbers.codes import Code

from lwm2m.errors import BadRequest, DeviceAsleep, DeviceTimeout, NotRegistered
from lwm2m.events import Awake, Event, Registered, Sleeping
from lwm2m.paths import Path
from lwm2m.server import Lwm2mServer

AWAKE_TIME = 0.3  # seconds; 93 outside of tests
STATE = Path.of(5, 0, 3)
QUEUE = "ep=dev1&lt=300&lwm2m=1.1&Q"


def number(value: int) -> Any:
    return lambda _: aiocoap.Message(code=Code.CONTENT, payload=str(value).encode(), content_format=0)


@pytest.fixture
async def server() -> AsyncIterator[Lwm2mServer]:
    async with Lwm2mServer(port=0, grace=0, awake_time=AWAKE_TIME) as running:
        yield running


@pytest.fixture
def heard(server: Lwm2mServer) -> list[Event]:
    events: list[Event] = []
    server.events.listen(events.append)
    return events


async def asleep(server: Lwm2mServer) -> None:
    await asyncio.sleep(AWAKE_TIME + 0.01)
    assert server.is_asleep("dev1")


@pytest.mark.parametrize("query", [QUEUE, "ep=dev1&lt=300&lwm2m=1.0&b=UQ"])
async def test_a_device_in_queue_mode_sleeps_some_time_after_its_last_contact(
    server: Lwm2mServer, device: Any, heard: list[Event], query: str
) -> None:
    await device.register(query)
    assert server.registration("dev1").queue_mode
    assert not server.is_asleep("dev1")
    await asleep(server)
    await asyncio.sleep(AWAKE_TIME / 2)
    assert [type(event) for event in heard] == [Registered, Awake, Sleeping]


async def test_a_device_without_queue_mode_never_sleeps(server: Lwm2mServer, device: Any, heard: list[Event]) -> None:
    await device.register()
    await asyncio.sleep(AWAKE_TIME * 1.5)
    assert not server.is_asleep("dev1")
    assert [type(event) for event in heard] == [Registered]


async def test_a_request_to_a_device_that_is_awake_goes_out_at_once_and_keeps_it_awake(
    server: Lwm2mServer, device: Any
) -> None:
    device.answers["GET", "/5/0/3"] = number(0)
    await device.register(QUEUE)
    for _ in range(4):
        await asyncio.sleep(AWAKE_TIME / 2)
        assert (await server.read("dev1", STATE, wait=False)).success


async def test_a_request_to_a_sleeping_device_is_refused_at_once_when_it_may_not_wait(
    server: Lwm2mServer, device: Any
) -> None:
    await device.register(QUEUE)
    await asleep(server)
    before = time.monotonic()
    with pytest.raises(DeviceAsleep, match="not sent"):
        await server.read("dev1", STATE, wait=False)
    assert time.monotonic() - before < 1
    assert device.requests == []


async def test_a_request_to_a_sleeping_device_waits_for_its_next_update(server: Lwm2mServer, device: Any) -> None:
    device.answers["GET", "/5/0/3"] = number(2)
    location = await device.register(QUEUE)
    await asleep(server)
    waiting = asyncio.create_task(server.read("dev1", STATE, timeout=10))
    await asyncio.sleep(0.1)
    assert device.requests == []
    assert (await device.send(Code.POST, location)).code == Code.CHANGED
    response = await waiting
    assert response.content is not None
    assert len(device.requests) == 1


async def test_what_waits_goes_out_in_order_one_at_a_time_and_after_the_answer_to_the_device(
    server: Lwm2mServer, device: Any
) -> None:
    location = await device.register(QUEUE)
    await asleep(server)
    order: list[str] = []

    async def answer(request: aiocoap.Message) -> aiocoap.Message:
        order.append(f"begin {request.opt.uri_path[-1]}")
        await asyncio.sleep(0.02)
        order.append(f"end {request.opt.uri_path[-1]}")
        return number(0)(request)

    device.render = answer
    waiting = [asyncio.create_task(server.read("dev1", Path.of(5, 0, each), timeout=10)) for each in (3, 5, 9)]
    await asyncio.sleep(0.05)
    updating = asyncio.create_task(device.send(Code.POST, location))
    updating.add_done_callback(lambda _: order.append("updated"))
    await asyncio.gather(*waiting, updating)
    assert order == ["updated", "begin 3", "end 3", "begin 5", "end 5", "begin 9", "end 9"]


async def test_a_waiting_request_ends_at_its_own_deadline(server: Lwm2mServer, device: Any) -> None:
    await device.register(QUEUE)
    await asleep(server)
    with pytest.raises(DeviceTimeout, match=r"sleeps and made no contact within 0\.\d+ s"):
        await server.read("dev1", STATE, timeout=0.2)
    assert device.requests == []


async def test_a_waiting_request_follows_a_device_that_registers_again_from_another_port(
    server: Lwm2mServer, device: Any, new_device: Any
) -> None:
    await device.register(QUEUE)
    await asleep(server)
    waiting = asyncio.create_task(server.read("dev1", STATE, timeout=10))
    await asyncio.sleep(0.05)
    moved = await new_device(server.port)
    moved.answers["GET", "/root/5/0/3"] = number(1)
    await moved.register(QUEUE, b'</root>;rt="oma.lwm2m",</root/5/0>')
    assert (await waiting).success
    assert device.requests == []


async def test_a_waiting_request_ends_when_the_device_leaves(server: Lwm2mServer, device: Any) -> None:
    location = await device.register(QUEUE)
    await asleep(server)
    waiting = asyncio.create_task(server.read("dev1", STATE, timeout=10))
    await asyncio.sleep(0.05)
    await device.send(Code.DELETE, location)
    with pytest.raises(NotRegistered):
        await waiting


async def test_waiting_requests_end_when_the_server_stops(server: Lwm2mServer, device: Any) -> None:
    await device.register(QUEUE)
    await asleep(server)
    waiting = asyncio.create_task(server.read("dev1", STATE, timeout=10))
    await asyncio.sleep(0.05)
    await server.stop()
    async with asyncio.timeout(1):
        with pytest.raises(BadRequest, match="not running"):
            await waiting


async def test_an_awake_device_that_does_not_answer_counts_as_asleep(
    server: Lwm2mServer, device: Any, heard: list[Event]
) -> None:
    await device.register(QUEUE)
    hold = asyncio.Event()

    async def silent(_: aiocoap.Message) -> None:
        await hold.wait()

    device.render = silent
    with pytest.raises(DeviceTimeout):
        await server.read("dev1", STATE, timeout=0.15)
    assert server.is_asleep("dev1")
    assert heard[-1] == Sleeping("dev1")
    hold.set()


async def test_a_push_to_a_sleeping_device_begins_at_its_next_contact(server: Lwm2mServer, device: Any) -> None:
    device.uploads["/5/0/0"] = b""
    location = await device.register(QUEUE)
    await asleep(server)
    package = bytes(range(256)) * 20
    pushing = asyncio.create_task(server.push("dev1", Path.of(5, 0, 0), package, timeout=10))
    await asyncio.sleep(0.05)
    assert device.requests == []
    await device.send(Code.POST, location)
    assert (await pushing).success
    assert device.uploads["/5/0/0"] == package
