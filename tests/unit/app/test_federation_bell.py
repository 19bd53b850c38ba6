"""Who waits for a federation hears of its changes, and of no other's; also when they come from another thread."""

import asyncio
import threading

import pytest

from app.services.federation_bell import FederationBell


async def test_a_change_is_heard_by_those_who_listen_to_it_and_by_those_who_listen_to_all() -> None:
    bell = FederationBell()
    bell.hang(asyncio.get_running_loop())
    with bell.listening("fed_1") as one, bell.listening("fed_2") as two, bell.listening() as every:
        thread = threading.Thread(target=bell.ring, args=("fed_1",))
        thread.start()
        thread.join()
        await asyncio.wait_for(one.wait(), 5)
        assert every.is_set()
        assert not two.is_set()
        bell.ring()
        await asyncio.wait_for(two.wait(), 5)


async def test_a_change_between_looking_and_waiting_is_not_missed() -> None:
    bell = FederationBell()
    bell.hang(asyncio.get_running_loop())
    with bell.listening("fed_1") as heard:
        heard.clear()
        bell.ring("fed_1")  # after the look, before the wait
        await asyncio.wait_for(heard.wait(), 5)


async def test_who_stopped_listening_is_forgotten() -> None:
    bell = FederationBell()
    bell.hang(asyncio.get_running_loop())
    with bell.listening("fed_1") as gone:
        pass
    bell.ring("fed_1")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(gone.wait(), 0.05)


def test_a_bell_that_hangs_nowhere_rings_for_nobody() -> None:
    FederationBell().ring("fed_1")
