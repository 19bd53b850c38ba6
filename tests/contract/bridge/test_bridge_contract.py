"""What every bridge to devices does: the built-in server, a Leshan server, and ours that speaks as Leshan."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from lwm2m.errors import DeviceTimeout, NotRegistered
from lwm2m.events import CompositeNotification, Deregistered, Event, Notification, Reason, Registered, Sent, Updated
from lwm2m.messages import Code
from lwm2m.nodes import Instance, Resource
from lwm2m.paths import Path
from lwm2m.values import ResourceType

STATE, RESULT, PACKAGE = Path.of(5, 0, 3), Path.of(5, 0, 5), Path.of(5, 0, 0)
VERSION = Path.of(3, 0, 3)
INTEGER = ResourceType.INTEGER


class Heard:
    """Events as they come, of the kinds that a test wants."""

    def __init__(self, bridge: Any, *kinds: type) -> None:
        self.events: list[Event] = []
        self._kinds = kinds
        self._more = asyncio.Event()
        self.stop: Callable[[], None] = bridge.listen(self._hear)

    def _hear(self, event: Event) -> None:
        if isinstance(event, self._kinds):
            self.events.append(event)
            self._more.set()

    async def until(self, count: int) -> list[Event]:
        async with asyncio.timeout(5):
            while len(self.events) < count:
                self._more.clear()
                await self._more.wait()
        return self.events


@pytest.fixture
async def registered(rig: Any) -> AsyncIterator[Any]:
    rig.set("/3/0/3", "1.0.0")
    rig.set("/5/0/3", 0, INTEGER)
    rig.set("/5/0/5", 0, INTEGER)
    rig.set("/5/0/7", "0.9")
    heard = Heard(rig.bridge, Registered)
    await rig.register()
    await heard.until(1)
    yield rig
    heard.stop()


async def test_registered_devices_are_listed_and_found(registered: Any) -> None:
    listed = await registered.bridge.registrations()
    one = await registered.bridge.registration("dev1")
    assert listed == [one]
    assert (one.endpoint, one.lifetime, one.binding, one.queue_mode) == ("dev1", 300, "U", False)
    assert one.lwm2m_version == "1.1"
    assert one.instances == {1: [0], 3: [0], 5: [0]}
    assert one.links[0].attribute("rt") == "oma.lwm2m"


@pytest.mark.parametrize(
    "ask",
    [
        lambda bridge: bridge.registration("nobody"),
        lambda bridge: bridge.read("nobody", VERSION),
        lambda bridge: bridge.execute("nobody", VERSION),
        lambda bridge: bridge.write("nobody", VERSION, Resource(3, ResourceType.STRING, "x")),
        lambda bridge: bridge.read_composite("nobody", [VERSION]),
        lambda bridge: bridge.push_package("nobody", b"x"),
    ],
)
async def test_an_unknown_endpoint_is_not_registered(rig: Any, ask: Callable[[Any], Any]) -> None:
    with pytest.raises(NotRegistered, match="'nobody'"):
        await ask(rig.bridge)


async def test_read_gives_a_resource_or_an_instance(registered: Any) -> None:
    response = await registered.bridge.read("dev1", VERSION)
    assert (response.code, response.content) == (Code.CONTENT, Resource(3, ResourceType.STRING, "1.0.0"))
    response = await registered.bridge.read("dev1", Path.of(5, 0))
    assert response.content == Instance(
        0, (Resource(3, INTEGER, 0), Resource(5, INTEGER, 0), Resource(7, ResourceType.STRING, "0.9"))
    )


async def test_a_refusal_of_the_device_is_an_answer(registered: Any) -> None:
    response = await registered.bridge.read("dev1", Path.of(3, 0, 99))
    assert (response.success, response.code) == (False, Code.NOT_FOUND)
    registered.refuse("/3/0/3")
    response = await registered.bridge.read("dev1", VERSION)
    assert (response.success, response.code) == (False, Code.METHOD_NOT_ALLOWED)
    assert response.diagnostic


async def test_write_execute_and_discover_reach_the_device(registered: Any) -> None:
    bridge = registered.bridge
    assert (await bridge.write("dev1", Path.of(1, 0, 1), Resource(1, INTEGER, 86400))).code == Code.CHANGED
    assert registered.written("/1/0/1") == 86400
    assert (await bridge.write("dev1", PACKAGE, b"\0")).success
    assert registered.written("/5/0/0") == b"\0"
    assert (await bridge.execute("dev1", Path.of(5, 0, 2), "0='x'")).success
    assert registered.calls()[-1] == ("execute", "/5/0/2")
    response = await bridge.discover("dev1", Path.of(5, 0))
    assert {link.url for link in response.links} >= {"/5/0", "/5/0/3", "/5/0/7"}


async def test_a_silent_device_times_out_within_its_deadline(registered: Any) -> None:
    registered.silence()
    async with asyncio.timeout(4):
        with pytest.raises(DeviceTimeout):
            await registered.bridge.read("dev1", VERSION, timeout=1)


async def test_observe_tells_of_changes_until_it_is_cancelled(registered: Any) -> None:
    bridge, heard = registered.bridge, Heard(registered.bridge, Notification)
    assert (await bridge.observe("dev1", STATE)).content == Resource(3, INTEGER, 0)
    registered.set("/5/0/3", 2, INTEGER)
    registered.notify("/5/0/3")
    assert await heard.until(1) == [Notification("dev1", STATE, Resource(3, INTEGER, 2))]
    response = await bridge.cancel_observe("dev1", STATE, active=True)
    assert response.content == Resource(3, INTEGER, 2)
    assert await bridge.cancel_observe("dev1", STATE, active=True) is None


async def test_a_passive_cancel_tells_whether_there_was_an_observation(registered: Any) -> None:
    bridge = registered.bridge
    assert await bridge.cancel_observe("dev1", STATE, active=False) is None
    await bridge.observe("dev1", STATE)
    assert (await bridge.cancel_observe("dev1", STATE, active=False)).success
    assert await bridge.cancel_observe("dev1", STATE, active=False) is None


async def test_several_paths_are_read_written_and_observed_at_once(registered: Any) -> None:
    bridge, heard = registered.bridge, Heard(registered.bridge, CompositeNotification)
    version, state = Resource(3, ResourceType.STRING, "1.0.0"), Resource(3, INTEGER, 0)
    response = await bridge.read_composite("dev1", [VERSION, STATE, Path.of(9, 0, 7)])
    assert (response.code, response.nodes) == (Code.CONTENT, {VERSION: version, STATE: state})

    written = {Path.of(1, 0, 1): Resource(1, INTEGER, 60), Path.of(1, 0, 2): Resource(2, INTEGER, 5)}
    assert (await bridge.write_composite("dev1", written)).code == Code.CHANGED
    assert (registered.written("/1/0/1"), registered.written("/1/0/2")) == (60, 5)

    response = await bridge.observe_composite("dev1", [VERSION, STATE])
    assert response.nodes == {VERSION: version, STATE: state}
    registered.set("/5/0/3", 1, INTEGER)
    registered.notify("/3/0/3", "/5/0/3")
    changed = {VERSION: version, STATE: Resource(3, INTEGER, 1)}
    assert await heard.until(1) == [CompositeNotification("dev1", (VERSION, STATE), changed)]
    response = await bridge.cancel_observe_composite("dev1", [VERSION, STATE], active=True)
    assert response.nodes == changed
    assert await bridge.cancel_observe_composite("dev1", [VERSION, STATE], active=True) is None


async def test_a_package_arrives_byte_by_byte_and_its_progress_is_told(registered: Any) -> None:
    package = bytes(range(256)) * 160
    heard: list[int] = []
    response = await registered.bridge.push_package("dev1", package, heard.append)
    assert response.code == Code.CHANGED
    assert registered.written("/5/0/0") == package
    assert heard == sorted(heard)
    assert heard[-1] == len(package)
    assert len(heard) >= 2


async def test_every_step_of_a_registration_is_an_event(rig: Any) -> None:
    heard = Heard(rig.bridge, Registered, Updated, Deregistered)
    await rig.register()
    (first,) = list(await heard.until(1))
    await rig.update(70)
    updated = (await heard.until(2))[1]
    await rig.register(lifetime=80)
    gone, again = (await heard.until(4))[2:]
    await rig.leave()
    left = (await heard.until(5))[4]

    assert isinstance(first, Registered)
    assert isinstance(updated, Updated)
    assert (updated.registration.id, updated.update.lifetime) == (first.registration.id, 70)
    assert isinstance(gone, Deregistered)
    assert gone.registration.id == first.registration.id
    assert isinstance(again, Registered)
    assert (again.registration.lifetime, again.registration.id != first.registration.id) == (80, True)
    assert isinstance(left, Deregistered)
    assert (left.registration.id, left.reason) == (again.registration.id, Reason.REQUEST)
    assert await rig.bridge.registrations() == []


async def test_a_new_registration_ends_observations(registered: Any) -> None:
    heard = Heard(registered.bridge, Registered)
    await registered.bridge.observe("dev1", STATE)
    await registered.register()
    await heard.until(1)
    assert await registered.bridge.cancel_observe("dev1", STATE, active=True) is None


async def test_events_are_also_a_stream(registered: Any) -> None:
    events = registered.bridge.events()
    waiting = asyncio.ensure_future(anext(events))
    await asyncio.sleep(0)
    await registered.leave()
    assert isinstance(await asyncio.wait_for(waiting, 5), Deregistered)
    await events.aclose()


async def test_values_that_a_device_sends_by_itself_are_an_event(registered: Any) -> None:
    heard = Heard(registered.bridge, Sent)
    await registered.send("/3/0/3")
    (sent,) = await heard.until(1)
    assert sent.endpoint == "dev1"
    assert [dict(sample.nodes) for sample in sent.samples] == [{VERSION: Resource(3, ResourceType.STRING, "1.0.0")}]


async def test_requests_to_a_sleeping_device_are_all_answered_when_it_wakes(rig: Any) -> None:
    rig.set("/3/0/3", "1.0.0")
    rig.set("/5/0/3", 0, INTEGER)
    heard = Heard(rig.bridge, Registered)
    await rig.register(queue=True)
    await heard.until(1)
    assert (await rig.bridge.registration("dev1")).queue_mode
    await rig.sleep()
    before = len(rig.calls())
    uri = Resource(1, ResourceType.STRING, "coap://127.0.0.1/fw/x")
    asked = [
        asyncio.create_task(rig.bridge.write("dev1", Path.of(5, 0, 1), uri, timeout=10)),
        asyncio.create_task(rig.bridge.execute("dev1", Path.of(5, 0, 2), timeout=10)),
        asyncio.create_task(rig.bridge.read("dev1", VERSION, timeout=10)),
    ]
    await asyncio.sleep(0.1)
    assert not any(task.done() for task in asked)
    assert len(rig.calls()) == before
    waking = asyncio.create_task(_keep_waking(rig))
    written, executed, read = await asyncio.gather(*asked)
    waking.cancel()
    assert written.success
    assert executed.success
    assert read.content.value == "1.0.0"
    assert [call for call in rig.calls() if call[0] in ("write", "execute")] == [
        ("write", "/5/0/1"),
        ("execute", "/5/0/2"),
    ]


async def _keep_waking(rig: Any) -> None:
    """A device that makes contact now and then, as sleeping devices do."""
    while True:
        await rig.wake()
        await asyncio.sleep(0.2)


async def test_a_device_that_sleeps_on_times_out(rig: Any) -> None:
    heard = Heard(rig.bridge, Registered)
    await rig.register(queue=True)
    await heard.until(1)
    await rig.sleep()
    async with asyncio.timeout(4):
        with pytest.raises(DeviceTimeout):
            await rig.bridge.read("dev1", VERSION, timeout=1)


async def test_many_requests_at_once_are_all_answered(registered: Any) -> None:
    responses = await asyncio.gather(*(registered.bridge.read("dev1", STATE) for _ in range(30)))
    assert all(response.content == Resource(3, INTEGER, 0) for response in responses)
