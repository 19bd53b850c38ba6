"""When windows raise an alarm and take it back, and how much a sender may send."""

import json

import pytest

from app.domain.allowance import Allowance
from app.domain.drift import CALM_BELOW, Standing, Turn, step

NONE, RAISE, CLEAR = Turn.NONE, Turn.RAISE, Turn.CLEAR
BETWEEN = (CALM_BELOW + 1) / 2


@pytest.mark.parametrize(
    ("ratios", "consecutive", "turns"),
    [
        ([0.1, 0.2, 0.3], 2, [NONE, NONE, NONE]),
        ([1.5, 0.9, 1.5, 0.9], 2, [NONE, NONE, NONE, NONE]),
        ([1.5, 1.5, 1.5, 1.5], 2, [NONE, RAISE, NONE, NONE]),
        ([1.5], 1, [RAISE]),
        ([1.0, 1.0], 1, [NONE, NONE]),
        # Once raised it takes as many calm windows in a row; just below the threshold is not calm.
        ([1.5, 1.5, 0.1, 0.1], 2, [NONE, RAISE, NONE, CLEAR]),
        ([1.5, 1.5, 0.1, BETWEEN, 0.1, 0.1], 2, [NONE, RAISE, NONE, NONE, NONE, CLEAR]),
        ([1.5, 1.5, BETWEEN, BETWEEN, BETWEEN], 2, [NONE, RAISE, NONE, NONE, NONE]),
        # And it may be raised anew, after as many windows as the first time.
        ([1.5, 1.5, 0.1, 0.1, 1.5, 1.5], 2, [NONE, RAISE, NONE, CLEAR, NONE, RAISE]),
    ],
)
def test_an_alarm_is_raised_once_and_cleared_after_calm_windows(
    ratios: list[float], consecutive: int, turns: list[Turn]
) -> None:
    standing, found = Standing(), []
    for ratio in ratios:
        result = step(standing, {"classes": ratio}, consecutive)
        found.append(result.turn)
        standing = Standing.of_json(json.loads(json.dumps(result.standing.to_json())))  # as a row keeps it
    assert found == turns


def test_two_windows_above_in_different_statistics_are_no_alarm_and_the_worst_of_one_names_it() -> None:
    once = step(Standing(), {"classes": 2.0, "confidence": 0.5}, 2)
    assert step(once.standing, {"classes": 0.5, "confidence": 2.0}, 2).turn is NONE
    both = step(Standing(), {"classes": 2.0, "confidence": 3.0}, 2)
    raised = step(both.standing, {"classes": 4.0, "confidence": 3.0}, 2)
    assert (raised.turn, raised.statistic) == (RAISE, "classes")


def test_a_window_that_could_not_be_compared_neither_raises_nor_calms() -> None:
    alarmed = Standing({}, 1, alarmed=True)
    assert step(alarmed, {}, 2).standing == Standing({}, 0, alarmed=True)
    assert step(Standing({"classes": 1}), {}, 2).standing == Standing()


def test_a_sender_may_send_a_burst_and_then_so_many_a_second_whatever_others_send() -> None:
    allowance = Allowance(per_second=2, burst=10)
    assert allowance.take("a", 15, 0.0) == 10
    assert allowance.take("a", 5, 0.25) == 0
    assert allowance.take("a", 5, 1.0) == 2
    assert allowance.take("b", 5, 1.0) == 5
    assert allowance.take("a", 50, 1000.0) == 10
    assert allowance.take("a", 5, 999.0) == 0  # a clock that goes back gives nothing


def test_of_too_many_senders_the_one_silent_longest_is_forgotten() -> None:
    allowance = Allowance(per_second=0.001, burst=1, max_senders=2)
    assert [allowance.take(name, 1, 0.0) for name in ("a", "b", "c", "c", "b", "a")] == [1, 1, 1, 0, 0, 1]
