"""Updates on their way in: bounded in all, for each client, and in time."""

import asyncio
from typing import Any

import pytest
from fastapi import Request

from app.api import federations
from app.api.federations import _InFlight, _pieces
from app.errors import Unavailable


def slug(error: pytest.ExceptionInfo[Unavailable]) -> str:
    return error.value.slug


def test_all_updates_together_have_a_bound_and_what_has_ended_makes_room() -> None:
    flight = _InFlight(100)
    with flight.counted("one", 60) as one, flight.counted("other", 60) as other:
        one(60)
        with pytest.raises(Unavailable) as refused:
            other(41)
        assert slug(refused) == "too_many_updates"
        other(40)
    with flight.counted("third", 100) as third:
        third(100)
    assert not flight._of


def test_a_client_has_no_more_in_flight_than_one_update_however_often_it_sends() -> None:
    flight = _InFlight(1000)
    with flight.counted("greedy", 60) as first:
        first(40)
        with flight.counted("greedy", 60) as second:
            second(20)
            with pytest.raises(Unavailable) as refused:
                second(1)
            assert slug(refused) == "update_in_flight"
        with flight.counted("other", 60) as other:
            other(60)
        first(30)  # one that is longer than it may be is refused as that, by who reads it


def request(*pieces: bytes, ends: bool = True) -> Request:
    left = list(pieces)

    async def receive() -> dict[str, Any]:
        if not left and not ends:
            await asyncio.Event().wait()
        body = left.pop(0) if left else b""
        return {"type": "http.request", "body": body, "more_body": bool(left) or not ends}

    return Request({"type": "http", "headers": [], "method": "POST", "path": "/"}, receive)


async def test_what_comes_is_passed_on() -> None:
    assert b"".join([piece async for piece in _pieces(request(b"ab", b"cd"))]) == b"abcd"


@pytest.mark.parametrize("bound", ["PIECE_SECONDS", "UPDATE_SECONDS"])
async def test_a_sender_that_stalls_gives_its_place_to_others(bound: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(federations, bound, 0.05)  # nobody waits for 20, or for 300, in a test
    with pytest.raises(Unavailable) as refused:
        async for _ in _pieces(request(b"ab", ends=False)):
            pass
    assert slug(refused) == "update_stalled"
