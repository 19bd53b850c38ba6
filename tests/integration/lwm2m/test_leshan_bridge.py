"""The bridge to Leshan where Leshan is odd: late answers, dropped requests, lost streams, verdicts inside HTTP 200."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from lwm2m.bridge import EmbeddedBridge, make_bridge
from lwm2m.errors import BadRequest, DeviceTimeout, DeviceUnreachable
from lwm2m.events import Awake, Deregistered, Event, Reason, Registered, Sleeping, Updated
from lwm2m.leshan_bridge import LeshanBridge
from lwm2m.nodes import Resource
from lwm2m.paths import Path
from lwm2m.registration import Registration
from lwm2m.server import Lwm2mServer
from lwm2m.values import ResourceType
from tests.support.leshan_fake import FakeLeshan

VERSION, URI = Path.of(3, 0, 3), Path.of(5, 0, 1)
TEXT = Resource(1, ResourceType.STRING, "coap://127.0.0.1/fw/x")
NODE = {"kind": "singleResource", "id": 3, "type": "STRING", "value": "1.0.0"}


@pytest.fixture
async def leshan() -> AsyncIterator[FakeLeshan]:
    fake = FakeLeshan()
    async with fake.serve():
        yield fake


@pytest.fixture
async def bridge(leshan: FakeLeshan) -> AsyncIterator[LeshanBridge]:
    async with LeshanBridge(f"http://127.0.0.1:{leshan.port}/") as bridge:
        yield bridge


async def next_of(events: AsyncIterator[Event], *kinds: type) -> Any:
    async with asyncio.timeout(10):
        async for event in events:
            if isinstance(event, kinds):
                return event
    raise AssertionError("the events ended")


async def heard(bridge: LeshanBridge, *kinds: type) -> asyncio.Queue[Any]:
    queue: asyncio.Queue[Any] = asyncio.Queue()
    bridge.listen(lambda event: queue.put_nowait(event) if isinstance(event, kinds) else None)
    return queue


async def test_every_operation_carries_its_own_timeout_in_seconds(leshan: FakeLeshan, bridge: LeshanBridge) -> None:
    leshan.register("dev1").values["/3/0/3"] = NODE
    # Leshan's own 5 seconds would be too short for this device.
    leshan.devices["dev1"].needs = 40
    with pytest.raises(DeviceTimeout):
        await bridge.read("dev1", VERSION, timeout=7.2)
    assert leshan.requests[-1].query_params["timeout"] == "8"
    assert (await bridge.read("dev1", VERSION, timeout=60)).success


async def test_a_push_gives_more_time_to_a_larger_package(leshan: FakeLeshan, bridge: LeshanBridge) -> None:
    leshan.register("dev1").needs = 200
    with pytest.raises(DeviceTimeout):
        await bridge.push_package("dev1", b"x" * 1000)
    assert (await bridge.push_package("dev1", b"x" * 100_000)).success
    assert leshan.requests[-1].query_params["format"] == "OPAQUE"
    with pytest.raises(DeviceTimeout):
        await bridge.push_package("dev1", b"x" * 100_000, timeout=100)
    assert leshan.requests[-1].query_params["timeout"] == "100"


async def test_a_refused_package_is_not_reported_as_arrived(leshan: FakeLeshan, bridge: LeshanBridge) -> None:
    leshan.register("dev1").refusals["/5/0/0"] = "REQUEST_ENTITY_TOO_LARGE(413)"
    progress: list[int] = []
    response = await bridge.push_package("dev1", b"x" * 5000, progress.append)
    assert (response.success, response.code, progress) == (False, 0x8D, [0])


async def test_only_one_request_is_with_leshan_while_a_device_sleeps(leshan: FakeLeshan, bridge: LeshanBridge) -> None:
    device = leshan.register("dev1", queue=True)
    leshan.sleep("dev1")
    tasks = [asyncio.create_task(bridge.write("dev1", URI, TEXT)), asyncio.create_task(bridge.execute("dev1", VERSION))]
    await asyncio.sleep(0.2)
    assert len(leshan.requests) == 1
    leshan.wake("dev1")
    assert [response.success for response in await asyncio.gather(*tasks)] == [True, True]
    assert [operation for operation, _, _ in device.calls] == ["write", "execute"]


async def test_a_request_that_another_client_displaced_ends_at_our_deadline(
    leshan: FakeLeshan, bridge: LeshanBridge
) -> None:
    device = leshan.register("dev1", queue=True)
    leshan.sleep("dev1")
    lost = asyncio.create_task(bridge.write("dev1", URI, TEXT, timeout=0.3))
    await asyncio.sleep(0.1)
    async with LeshanBridge(f"http://127.0.0.1:{leshan.port}") as other:
        kept = asyncio.create_task(other.execute("dev1", VERSION))
        await asyncio.sleep(0.1)
        leshan.wake("dev1")
        assert (await kept).success
    with pytest.raises(DeviceTimeout):
        await lost
    assert [operation for operation, _, _ in device.calls] == ["execute"]


async def test_a_request_whose_registration_ends_is_given_up_at_once(leshan: FakeLeshan, bridge: LeshanBridge) -> None:
    leshan.register("dev1", queue=True)
    leshan.sleep("dev1")
    lost = asyncio.create_task(bridge.write("dev1", URI, TEXT, timeout=60))
    await asyncio.sleep(0.1)
    leshan.register("dev1", queue=True)
    with pytest.raises(DeviceTimeout, match="registration"):
        await asyncio.wait_for(lost, 5)


async def test_a_late_refusal_is_an_answer(leshan: FakeLeshan, bridge: LeshanBridge) -> None:
    leshan.register("dev1", queue=True).refusals["/5/0/1"] = "BAD_REQUEST(400)"
    leshan.sleep("dev1")
    late = asyncio.create_task(bridge.write("dev1", URI, TEXT))
    await asyncio.sleep(0.1)
    leshan.wake("dev1")
    response = await late
    assert (response.success, response.code, response.diagnostic) == (False, 0x80, "refused: BAD_REQUEST(400)")


async def test_sleep_and_waking_are_events(leshan: FakeLeshan, bridge: LeshanBridge) -> None:
    events = await heard(bridge, Awake, Sleeping)
    leshan.register("dev1", queue=True)
    leshan.sleep("dev1")
    leshan.wake("dev1")
    assert [await asyncio.wait_for(events.get(), 5) for _ in range(2)] == [Sleeping("dev1"), Awake("dev1")]


async def test_after_a_lost_stream_events_tell_what_changed_meanwhile(leshan: FakeLeshan, bridge: LeshanBridge) -> None:
    events = await heard(bridge, Registered, Updated, Deregistered)
    for name in ("gone", "again", "same", "renewed"):
        leshan.register(name)
    before = {(await asyncio.wait_for(events.get(), 5)).registration.endpoint for _ in range(4)}
    assert before == {"gone", "again", "same", "renewed"}

    leshan.drop_streams()
    leshan.streams.clear()  # what happens now is told to nobody
    leshan.leave("gone")
    leshan.register("again")
    leshan.update("renewed", lifetime=77)
    leshan.register("new")
    told = [await asyncio.wait_for(events.get(), 5) for _ in range(5)]
    assert [(type(event), event.registration.endpoint) for event in told] == [
        (Deregistered, "gone"),
        (Deregistered, "again"),
        (Registered, "again"),
        (Registered, "new"),
        (Updated, "renewed"),
    ]
    assert told[1].reason is Reason.REPLACED
    assert told[4].update.lifetime == 77
    # And the stream is alive again.
    leshan.leave("new")
    assert (await asyncio.wait_for(events.get(), 5)).registration.endpoint == "new"
    assert events.empty()


async def test_a_start_tells_what_changed_since_the_registrations_were_stored(leshan: FakeLeshan) -> None:
    leshan.register("same")
    leshan.register("again")
    leshan.register("gone")
    async with LeshanBridge(f"http://127.0.0.1:{leshan.port}") as first:
        stored = await first.registrations()
    leshan.leave("gone")
    leshan.register("again")
    bridge = LeshanBridge(f"http://127.0.0.1:{leshan.port}", restored=stored)
    events = await heard(bridge, Registered, Updated, Deregistered)
    async with bridge:
        told = [await asyncio.wait_for(events.get(), 5) for _ in range(3)]
    assert [(type(event), event.registration.endpoint) for event in told] == [
        (Deregistered, "gone"),
        (Deregistered, "again"),
        (Registered, "again"),
    ]


async def test_a_server_that_is_away_is_unreachable_and_its_return_is_noticed() -> None:
    leshan = FakeLeshan()
    async with leshan.serve():
        bridge = LeshanBridge(f"http://127.0.0.1:{leshan.port}")
        await bridge.start()
        events = await heard(bridge, Registered)
    with pytest.raises(DeviceUnreachable, match="cannot be reached"):
        await bridge.read("dev1", VERSION)
    leshan.register("dev1").values["/3/0/3"] = NODE
    async with leshan.serve():
        assert (await asyncio.wait_for(events.get(), 10)).registration.endpoint == "dev1"
        assert (await bridge.read("dev1", VERSION)).success
        await bridge.stop()


async def test_an_event_that_cannot_be_read_ends_nothing(leshan: FakeLeshan, bridge: LeshanBridge) -> None:
    events = await heard(bridge, Registered)
    leshan.tell("REGISTRATION", {"endpoint": 7})
    leshan.tell("NOTIFICATION", {"ep": "dev1", "kind": "single", "res": "/x", "val": None})
    leshan.tell("UPDATED", {"registration": []})
    for stream in leshan.streams:
        stream.put_nowait(b"event: REGISTRATION\ndata: {\n\n: comment\n\ndata\n\n")
    leshan.register("dev1")
    assert (await asyncio.wait_for(events.get(), 5)).registration.endpoint == "dev1"


async def test_a_registration_that_cannot_be_read_hides_no_other(leshan: FakeLeshan) -> None:
    leshan.register("odd").registration["objectLinks"] = [{"url": "<"}]
    leshan.register("dev1").values["/3/0/3"] = NODE
    async with LeshanBridge(f"http://127.0.0.1:{leshan.port}") as bridge:
        assert [each.endpoint for each in await bridge.registrations()] == ["dev1"]
        assert (await bridge.read("dev1", VERSION)).success


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (200, '{"status":"CONTENT(205)","success":false}', BadRequest),
        (200, '{"status":"FINE","success":true}', BadRequest),
        (200, "<html>", BadRequest),
        (200, "[]", BadRequest),
        (200, "", BadRequest),
        (401, "who are you?", BadRequest),
        (500, "Request rejected: reset", DeviceUnreachable),
        (400, "Invalid request: no such format", BadRequest),
    ],
)
async def test_what_is_no_answer_of_leshan_is_an_error(status: int, body: str, error: type[Exception]) -> None:
    async def answer(_: Request) -> Response:
        return PlainTextResponse(body, status)

    fake = FakeLeshan()
    fake.register("dev1")
    fake.app = Starlette(
        routes=[
            Route("/api/event", fake._event_stream),
            Route("/api/clients", fake._list),
            Route("/api/clients/{rest:path}", answer),
        ]
    )
    async with fake.serve() as address, LeshanBridge(address) as bridge:
        with pytest.raises(error):
            await bridge.read("dev1", VERSION)


def test_a_setting_names_the_bridge() -> None:
    server = Lwm2mServer(port=0)
    assert isinstance(make_bridge("embedded", server), EmbeddedBridge)
    assert isinstance(make_bridge("http://127.0.0.1:8080", server), LeshanBridge)
    for wrong in ("leshan", "ftp://127.0.0.1", "http://", ""):
        with pytest.raises(BadRequest, match="Leshan server"):
            make_bridge(wrong, server)


async def test_restored_registrations_are_known_before_the_server_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        address = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        bridge = LeshanBridge(address, restored=[Registration("id", "dev1", "127.0.0.1:1", 300, 0, 0)])
        async with asyncio.timeout(4):
            with pytest.raises(DeviceTimeout, match="within 1 s"):
                await bridge.read("dev1", VERSION, timeout=1)
        await bridge.stop()
