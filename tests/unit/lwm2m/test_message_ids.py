"""Message IDs after a restart: a device must not take a new message for one that it has answered."""

import pytest

from lwm2m.transports.message_ids import AHEAD, EXCHANGE_LIFETIME, MESSAGE_IDS, MessageIds

NOW = 1_795_225_127.0


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.mark.parametrize("peers", [1, 64])
@pytest.mark.parametrize("uptime", [0.01, 2, 10, 100, 240])
def test_a_restarted_server_numbers_its_messages_ahead_of_those_it_sent_before(
    clock: Clock, peers: int, uptime: float
) -> None:
    before = MessageIds(clock)
    used: dict[int, set[int]] = {peer: set() for peer in range(peers)}
    messages = int(200 * uptime)  # a second, sustained, to each: more than a push to a device
    for message in range(messages):
        clock.now = NOW + message * uptime / messages
        for peer, numbers in used.items():
            numbers.add(before.next(peer))
    clock.now = NOW + uptime
    after = MessageIds(clock)
    for peer, numbers in used.items():
        assert len(numbers) == messages
        assert not numbers & {after.next(peer) for _ in range(100)}


def test_the_numbers_come_around_after_the_time_that_a_device_remembers_them(clock: Clock) -> None:
    ids = MessageIds(clock)
    first = ids.next("peer")
    clock.now += EXCHANGE_LIFETIME
    assert abs(ids.next("peer") - first) <= 1


def test_messages_without_a_pause_have_numbers_of_their_own(clock: Clock) -> None:
    ids = MessageIds(clock)
    assert len({ids.next("peer") for _ in range(MESSAGE_IDS)}) == MESSAGE_IDS


def test_a_peer_ahead_of_the_clock_is_remembered_among_many_that_are_not(clock: Clock) -> None:
    ids = MessageIds(clock)
    burst = {ids.next("busy") for _ in range(1000)}
    clock.now += 0.1
    for peer in range(3 * AHEAD):
        ids.next(peer)
    assert ids.next("busy") not in burst
    assert len(ids._last) <= 3 * AHEAD + 1
    clock.now += EXCHANGE_LIFETIME / 2
    for peer in range(3 * AHEAD, 4 * AHEAD):
        ids.next(peer)
    assert len(ids._last) <= AHEAD
