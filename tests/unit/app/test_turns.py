"""Turns: one at a time for a key, others meanwhile, nothing kept of those who left."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.services.turns import AsyncTurns, Turns


def test_threads_have_a_key_one_after_the_other_and_other_keys_at_the_same_time() -> None:
    turns, inside, most = Turns(), {"a": 0, "b": 0}, {"a": 0, "b": 0}
    both = threading.Barrier(2, timeout=10)

    def work(key: str, meet: bool) -> None:
        with turns.of(key):
            inside[key] += 1
            most[key] = max(most[key], inside[key])
            if meet:
                both.wait()  # only passed when the other key's turn goes on at the same time
            inside[key] -= 1

    with ThreadPoolExecutor(8) as pool:
        done = [pool.submit(work, key, number == 0) for number in range(50) for key in "ab"]
        for each in done:
            each.result(20)
    assert most == {"a": 1, "b": 1}
    assert len(turns) == 0


async def test_tasks_have_a_key_one_after_the_other_and_nothing_is_kept_even_of_one_that_was_cancelled() -> None:
    turns, order = AsyncTurns(), []

    async def work(name: str) -> None:
        async with turns.of("board-1"):
            order.append(f"{name} begins")
            await asyncio.sleep(0)
            order.append(f"{name} ends")

    async with turns.of("board-1"):
        waiting = [asyncio.create_task(work(name)) for name in ("one", "two", "three")]
        await asyncio.sleep(0)
        waiting[1].cancel()
        assert order == []
    with pytest.raises(asyncio.CancelledError):
        await waiting[1]
    await asyncio.gather(waiting[0], waiting[2])
    assert order == ["one begins", "one ends", "three begins", "three ends"]
    assert len(turns) == 0
