"""The state machine of a round as a table, who is selected, and which update a round takes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.federated.documents import Update
from zoo.federated.errors import ParticipantsError, Refusal, UpdateRefused
from zoo.federated.rounds import (
    Answered,
    Averaged,
    Event,
    Left,
    Opened,
    Passed,
    Round,
    RoundState,
    Verdict,
    judge,
    select,
    step,
)

NOON = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
LATER = NOON + timedelta(seconds=60)
BASE = bytes(32)
A, B, C = "cli_a", "cli_b", "cli_c"
NEW = Round(4, BASE, frozenset({A, B, C}), minimum=2)
OPEN = step(NEW, Opened(LATER))
UPDATE = Update(4, BASE, 10, (np.zeros(1, np.float32),))


def answered(*clients: str) -> list[Event]:
    return [Answered(client, client.encode()) for client in clients]


@pytest.mark.parametrize(
    ("events", "state"),
    [
        ([], RoundState.SELECTED),
        ([Passed(LATER)], RoundState.SELECTED),
        ([Opened(LATER)], RoundState.OPEN),
        ([Opened(LATER), *answered(A, B)], RoundState.OPEN),
        ([Opened(LATER), *answered(A, B, C)], RoundState.AGGREGATING),
        ([Opened(LATER), *answered(A, A, A)], RoundState.OPEN),
        ([Opened(LATER), *answered("cli_stranger")], RoundState.OPEN),
        ([*answered(A, B, C)], RoundState.SELECTED),
        ([Opened(LATER), Passed(LATER - timedelta(microseconds=1))], RoundState.OPEN),
        ([Opened(LATER), Passed(LATER)], RoundState.ABANDONED),
        ([Opened(LATER), *answered(A), Passed(LATER)], RoundState.ABANDONED),
        ([Opened(LATER), *answered(A, B), Passed(LATER)], RoundState.AGGREGATING),
        ([Opened(LATER), *answered(A, B), Passed(LATER), *answered(C)], RoundState.AGGREGATING),
        ([Opened(LATER), *answered(A, B), Left(C)], RoundState.AGGREGATING),
        ([Opened(LATER), Left(C)], RoundState.OPEN),
        ([Opened(LATER), Left(C), Left(B)], RoundState.ABANDONED),
        ([Opened(LATER), *answered(A), Left(A), *answered(B, C)], RoundState.AGGREGATING),
        ([Left(B), Left(C)], RoundState.ABANDONED),
        ([Left(C), Opened(LATER), *answered(A, B)], RoundState.AGGREGATING),
        ([Opened(LATER), *answered(A, B, C), Averaged(3)], RoundState.CLOSED),
        ([Opened(LATER), *answered(A, B, C), Averaged(2)], RoundState.CLOSED),
        ([Opened(LATER), *answered(A, B, C), Averaged(1)], RoundState.ABANDONED),
        ([Opened(LATER), *answered(A, B, C), Averaged(3), Opened(LATER), Passed(LATER)], RoundState.CLOSED),
        ([Opened(LATER), Averaged(3)], RoundState.OPEN),
    ],
)
def test_a_round_goes_where_its_events_take_it(events: list[Event], state: RoundState) -> None:
    current = NEW
    for event in events:
        current = step(current, event)
    assert current.state is state


def test_an_early_end_does_not_wait_for_the_deadline_and_says_who_answered() -> None:
    current = OPEN
    for event in answered(A, B, C):
        current = step(current, event)
    assert current.state is RoundState.AGGREGATING
    assert dict(current.answers) == {A: b"cli_a", B: b"cli_b", C: b"cli_c"}
    assert not current.missing


@given(
    st.lists(
        st.sampled_from([A, B, C]).map(lambda client: Answered(client, client.encode()))
        | st.sampled_from([A, B, C]).map(Left)
        | st.sampled_from([NOON, LATER]).map(Passed)
        | st.integers(0, 3).map(Averaged)
        | st.just(Opened(LATER)),
        max_size=12,
    )
)
def test_no_events_close_a_round_with_fewer_updates_than_its_minimum(events: list[Event]) -> None:
    current, ended = NEW, False
    for event in events:
        after = step(current, event)
        assert not ended or after == current  # the end is the end
        if after.state in {RoundState.AGGREGATING, RoundState.CLOSED}:
            assert len(after.answers) >= NEW.minimum
        assert after.answers.keys() <= after.selected
        current, ended = after, after.state in {RoundState.CLOSED, RoundState.ABANDONED}


def test_an_update_of_a_selected_client_is_taken_once_and_its_repetition_answered() -> None:
    assert judge(OPEN, A, UPDATE, b"hash", NOON) is Verdict.TAKE
    after = step(OPEN, Answered(A, b"hash"))
    assert judge(after, A, UPDATE, b"hash", NOON) is Verdict.REPEATED
    # The answer may have been lost right before the round ended.
    assert judge(replace(after, state=RoundState.CLOSED), A, UPDATE, b"hash", LATER) is Verdict.REPEATED


@pytest.mark.parametrize(
    ("current", "client", "update", "now", "code"),
    [
        (OPEN, "cli_stranger", UPDATE, NOON, Refusal.NOT_SELECTED),
        (step(OPEN, Answered(A, b"other")), A, UPDATE, NOON, Refusal.DUPLICATE),
        (OPEN, A, replace(UPDATE, round=3), NOON, Refusal.STALE_ROUND),
        (OPEN, A, replace(UPDATE, round=5), NOON, Refusal.NOT_OPEN),
        (NEW, A, UPDATE, NOON, Refusal.NOT_OPEN),
        (OPEN, A, UPDATE, LATER, Refusal.STALE_ROUND),
        (replace(OPEN, state=RoundState.AGGREGATING), A, UPDATE, NOON, Refusal.STALE_ROUND),
        (replace(OPEN, state=RoundState.CLOSED), A, UPDATE, NOON, Refusal.STALE_ROUND),
        (replace(OPEN, state=RoundState.ABANDONED), A, UPDATE, NOON, Refusal.STALE_ROUND),
        (OPEN, A, replace(UPDATE, base=bytes(31) + b"\x01"), NOON, Refusal.WRONG_BASE),
    ],
)
def test_an_update_that_the_round_cannot_use_is_refused_by_name(
    current: Round, client: str, update: Update, now: datetime, code: Refusal
) -> None:
    with pytest.raises(UpdateRefused) as caught:
        judge(current, client, update, b"hash", now)
    assert caught.value.code == code
    assert caught.value.detail
    assert caught.value.remedy


def test_the_selection_depends_on_seed_and_round_and_not_on_the_order() -> None:
    clients = [f"cli_{number}" for number in range(30)]
    chosen = select(clients, 7, 1, fraction=0.1, minimum=2)
    assert len(chosen) == 3
    assert chosen == select(list(reversed(clients)), 7, 1, fraction=0.1, minimum=2)
    assert chosen != select(clients, 7, 2, fraction=0.1, minimum=2)
    assert chosen != select(clients, 8, 1, fraction=0.1, minimum=2)


@given(st.integers(1, 60), st.floats(0.01, 1.0), st.integers(1, 60))
def test_a_selection_is_the_fraction_and_never_below_the_minimum(enrolled: int, fraction: float, minimum: int) -> None:
    clients = [f"cli_{number}" for number in range(enrolled)]
    if enrolled < minimum:
        with pytest.raises(ParticipantsError, match=f"{minimum} clients, and {enrolled}"):
            select(clients, 1, 1, fraction=fraction, minimum=minimum)
        return
    chosen = select(clients, 1, 1, fraction=fraction, minimum=minimum)
    assert chosen <= set(clients)
    assert max(minimum, fraction * enrolled - 1e-6) <= len(chosen) <= max(minimum, fraction * enrolled + 1)


def test_every_client_is_selected_about_as_often_as_the_others() -> None:
    clients = [f"cli_{number}" for number in range(10)]
    counts = dict.fromkeys(clients, 0)
    for number in range(1000):
        for client in select(clients, 1, number, fraction=0.3, minimum=1):
            counts[client] += 1
    assert sum(counts.values()) == 3000
    assert 250 < min(counts.values()) <= max(counts.values()) < 350
