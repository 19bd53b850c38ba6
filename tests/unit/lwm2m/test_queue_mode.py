"""Queue mode without a network: who is awake by the clock, and who waits."""

import asyncio

import pytest

from lwm2m.errors import DeviceAsleep
from lwm2m.events import Awake, Event, Events, Sleeping
from lwm2m.queue_mode import MAX_WAITING, QueueMode


class Setting:
    """A queue mode whose clock stands until it is set."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.heard: list[Event] = []
        events = Events()
        events.listen(self.heard.append)
        self.queue = QueueMode(events, clock=lambda: self.now)


@pytest.fixture
def setting() -> Setting:
    return Setting()


def test_a_device_listens_for_93_seconds_after_its_last_contact(setting: Setting) -> None:
    setting.queue.contact("a")
    assert not setting.queue.is_asleep("a")
    setting.now += 92.9
    assert not setting.queue.is_asleep("a")
    setting.now += 0.1
    assert setting.queue.is_asleep("a")


def test_each_contact_begins_the_time_anew(setting: Setting) -> None:
    setting.queue.contact("a")
    setting.now += 60
    setting.queue.contact("a")
    setting.now += 60
    assert not setting.queue.is_asleep("a")


def test_events_tell_of_waking_and_of_falling_asleep_once(setting: Setting) -> None:
    for _ in range(3):
        setting.queue.contact("a")
    setting.now += 100
    setting.queue.fall_asleep()
    setting.queue.fall_asleep()
    setting.queue.contact("a")
    assert setting.heard == [Awake("a"), Sleeping("a"), Awake("a")]


def test_devices_fall_asleep_in_the_order_of_their_last_contacts(setting: Setting) -> None:
    for name in ("a", "b", "a", "c"):
        setting.queue.contact(name)
        setting.now += 1
    setting.now += 93 - 3
    assert setting.queue.fall_asleep() == pytest.approx(1.0)
    setting.now += 10
    assert setting.queue.fall_asleep() is None
    assert [event.endpoint for event in setting.heard if isinstance(event, Sleeping)] == ["b", "a", "c"]


def test_a_device_that_does_not_answer_counts_as_asleep(setting: Setting) -> None:
    setting.queue.contact("a")
    setting.queue.silent("a")
    assert setting.queue.is_asleep("a")
    assert setting.heard == [Awake("a"), Sleeping("a")]


def test_a_device_that_is_not_in_queue_mode_is_never_asleep(setting: Setting) -> None:
    setting.queue.silent("a")
    assert not setting.queue.is_asleep("a")
    assert setting.heard == []


@pytest.mark.parametrize(("ago", "asleep"), [(10, False), (92, False), (93, True), (5000, True), (-5, False)])
def test_a_restored_device_is_awake_when_its_last_contact_was_just_now(
    setting: Setting, ago: float, asleep: bool
) -> None:
    setting.queue.restore("a", ago)
    assert setting.queue.is_asleep("a") is asleep
    assert setting.heard == []


async def test_a_contact_releases_everything_that_waits(setting: Setting) -> None:
    waiting = [asyncio.create_task(setting.queue.wait("a", 5)) for _ in range(3)]
    await asyncio.sleep(0)
    setting.queue.contact("a")
    await asyncio.gather(*waiting)


async def test_waiting_ends_at_its_own_deadline(setting: Setting) -> None:
    with pytest.raises(DeviceAsleep, match=r"no contact within 0\.01 s"):
        await setting.queue.wait("a", 0.01)


async def test_the_17th_request_for_a_sleeping_device_is_refused_until_one_gives_up(setting: Setting) -> None:
    waiting = [asyncio.create_task(setting.queue.wait("a", 5)) for _ in range(MAX_WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(DeviceAsleep, match="16 requests wait"):
        await setting.queue.wait("a", 5)
    gives_up = waiting.pop()
    gives_up.cancel()
    await asyncio.gather(gives_up, return_exceptions=True)
    waiting.append(asyncio.create_task(setting.queue.wait("a", 5)))
    await asyncio.sleep(0)
    setting.queue.leave("a")
    await asyncio.gather(*waiting)
