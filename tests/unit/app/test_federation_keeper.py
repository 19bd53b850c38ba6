"""Each federation with work has a task: it goes on when rung or when it is time, forgives failures, and gives up."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from math import inf

from structlog.testing import capture_logs

from app.federations import MAX_FAILURES, FederationKeeper
from app.services.federation_bell import FederationBell

Answer = float | None | type[Exception]


class Script:
    """Steps that are played one after the other; a federation is alive as long as it has some."""

    def __init__(self, **answers: list[Answer]) -> None:
        self.answers = answers
        self.done: list[str] = []
        self.failed: list[str] = []
        self.pauses: list[float] = []

    def clear_up(self) -> None:
        assert not self.done, "before anything else"

    def alive(self) -> list[str]:
        return [federation_id for federation_id, left in self.answers.items() if left]

    def advance(self, federation_id: str) -> float | None:
        answer = self.answers[federation_id].pop(0)
        self.done.append(federation_id)
        if isinstance(answer, type):
            raise answer
        return answer

    def fail(self, federation_id: str) -> None:
        self.answers[federation_id] = []
        self.failed.append(federation_id)

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)


@asynccontextmanager
async def _kept(script: Script) -> AsyncIterator[FederationBell]:
    bell = FederationBell()
    async with FederationKeeper(script, bell, script.pause):
        yield bell


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110 - the steps run in threads, and have no event of this loop
            await asyncio.sleep(0.002)


async def test_what_was_running_goes_on_step_by_step_and_each_at_its_own_pace() -> None:
    script = Script(fed_1=[0.0, 0.01, 0.0, None], fed_2=[inf])
    async with _kept(script):
        await _until(lambda: script.done.count("fed_1") == 4)
        assert script.done.count("fed_2") == 1
    assert script.failed == []


async def test_a_bell_wakes_one_that_waits_for_something_to_come() -> None:
    script = Script(fed_1=[inf, 3600.0, None])
    async with _kept(script) as bell:
        for steps in (1, 2):
            await _until(lambda steps=steps: len(script.done) == steps)  # type: ignore[misc]  # bound at once
            bell.ring("fed_1")
        await _until(lambda: len(script.done) == 3)


async def test_one_that_is_started_later_gets_its_task() -> None:
    script = Script(fed_1=[None])
    async with _kept(script) as bell:
        await _until(lambda: len(script.done) == 1)
        script.answers["fed_1"] = [0.0, None]
        script.answers["fed_2"] = [None]
        bell.ring("fed_1")
        await _until(lambda: sorted(script.done) == ["fed_1", "fed_1", "fed_1", "fed_2"])


async def test_a_step_that_breaks_off_is_tried_again_and_in_the_end_the_federation_has_failed() -> None:
    script = Script(fed_1=[OSError, OSError, 0.0, *[OSError] * MAX_FAILURES, 0.0], fed_2=[OSError, None])
    with capture_logs() as logs:
        async with _kept(script):
            await _until(lambda: script.failed == ["fed_1"])
            await _until(lambda: script.done.count("fed_2") == 2)
    assert [line["log_level"] for line in logs if line.get("federation") == "fed_1"] == ["error"] * (2 + MAX_FAILURES)
    assert sorted(script.pauses) == sorted([1, 2, 1, 2, 4, 8, 16, 1])
