"""What long notifications have beyond their first block: fetched one at a time, and never told after a newer one."""

import asyncio
from types import SimpleNamespace
from typing import Any

from lwm2m.watch import Rests


def message(name: str, *, long: bool = False) -> Any:
    return SimpleNamespace(name=name, opt=SimpleNamespace(block2=SimpleNamespace(more=True) if long else None))


class Device:
    """Answers with the whole of a notification when the test lets it."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.told: list[str] = []
        self.gate = asyncio.Event()
        self.rests = Rests(self.fetch, lambda each: self.told.append(each.name), asyncio.create_task)

    async def fetch(self, first: Any) -> Any:
        self.asked.append(first.name)
        await self.gate.wait()
        return None if first.name == "lost" else first


async def soon() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_of_many_long_notifications_the_first_and_the_last_are_fetched() -> None:
    device = Device()
    for number in range(100):
        device.rests.take(message(str(number), long=True))
        await asyncio.sleep(0)
    assert device.asked == ["0"]
    device.gate.set()
    await soon()
    assert device.told == device.asked == ["0", "99"]


async def test_a_short_notification_overtakes_a_long_one_which_is_not_told_any_more() -> None:
    device = Device()
    device.rests.take(message("long", long=True))
    await soon()
    device.rests.take(message("short"))
    device.rests.take(message("longer", long=True))
    await soon()
    assert (device.told, device.asked) == (["short"], ["long", "longer"])
    device.gate.set()
    await soon()
    assert device.told == ["short", "longer"]


async def test_a_rest_that_is_lost_holds_up_nothing() -> None:
    device = Device()
    device.gate.set()
    for each in (message("lost", long=True), message("next", long=True), message("last")):
        device.rests.take(each)
        await soon()
    assert device.told == ["next", "last"]
