"""Which messages were seen lately: a repetition is known, and a flood from everywhere takes no more than its share."""

from types import SimpleNamespace
from typing import Any

from lwm2m.transports.duplicates import RecentMessages, bound_duplicates
from lwm2m.transports.message_ids import EXCHANGE_LIFETIME


def test_a_repetition_is_known_with_its_answer_until_its_time_is_over() -> None:
    now = 0.0
    recent = RecentMessages(now=lambda: now)
    assert recent.is_new(("peer", 1))
    recent["peer", 1] = "the answer"
    now = EXCHANGE_LIFETIME - 1.0
    assert not recent.is_new(("peer", 1))
    assert recent["peer", 1] == "the answer"
    now = float(EXCHANGE_LIFETIME)
    assert recent.is_new(("peer", 1))
    assert recent["peer", 1] is None


def test_a_flood_from_many_addresses_forgets_the_oldest_and_grows_no_more() -> None:
    recent = RecentMessages(limit=100)
    assert all(recent.is_new((f"192.0.2.{number}", number)) for number in range(1000))
    assert len(recent) == 100
    assert not recent.is_new(("192.0.2.999", 999))
    assert recent.is_new(("192.0.2.0", 0))


def test_a_repeated_message_is_answered_again_and_a_new_one_starts_no_timer() -> None:
    repeated: list[Any] = []

    def answer_again(message: Any) -> bool:
        repeated.append(message)
        return True

    manager = SimpleNamespace(_recent_messages={}, _deduplicate_message=answer_again)
    bound_duplicates(SimpleNamespace(token_interface=manager))
    message = SimpleNamespace(remote="peer", mid=7)
    assert (manager._deduplicate_message(message), repeated) == (False, [])
    assert (manager._deduplicate_message(message), repeated) == (True, [message])
