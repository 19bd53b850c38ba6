"""The bootloader's rule as a table: which firmware starts, and what is then in the boot record."""

import subprocess
from itertools import product
from pathlib import Path
from typing import NamedTuple

import pytest

NONE = 255
EMPTY, CONFIRMED, TESTING, BAD = range(4)
POWER, WATCHDOG, FAULT, SOFTWARE = range(4)
NO_REASON, BY_WATCHDOG, BY_FAULT, BY_POWER, BY_RESTART, _GOLDEN, _UNREGISTERED, DAMAGED, FELL_BACK = range(9)


class Case(NamedTuple):
    active: int
    pending: int
    attempts: int
    a: int
    b: int
    a_sound: int = 1
    b_sound: int = 1
    reset: int = POWER


class Decision(NamedTuple):
    slot: int
    changed: int
    active: int
    pending: int
    attempts: int
    a: int
    b: int
    reason: int


def decide(program: Path, cases: list[Case]) -> list[Decision]:
    lines = "\n".join(" ".join(map(str, case)) for case in cases)
    done = subprocess.run([program, "decide"], input=lines, capture_output=True, text=True, check=True)
    return [Decision(*map(int, line.split())) for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    ("case", "decision"),
    [
        (Case(0, NONE, 0, CONFIRMED, EMPTY), Decision(0, 0, 0, NONE, 0, CONFIRMED, EMPTY, NO_REASON)),
        (Case(1, NONE, 0, CONFIRMED, CONFIRMED), Decision(1, 0, 1, NONE, 0, CONFIRMED, CONFIRMED, NO_REASON)),
        # A pending firmware is started once.
        (Case(0, 1, 0, CONFIRMED, EMPTY), Decision(1, 1, 0, 1, 1, CONFIRMED, TESTING, NO_REASON)),
        (Case(0, 1, 1, CONFIRMED, TESTING), Decision(0, 1, 0, NONE, 0, CONFIRMED, BAD, BY_POWER)),
        (Case(0, 1, 1, CONFIRMED, TESTING, reset=WATCHDOG), Decision(0, 1, 0, NONE, 0, CONFIRMED, BAD, BY_WATCHDOG)),
        (Case(0, 1, 1, CONFIRMED, TESTING, reset=FAULT), Decision(0, 1, 0, NONE, 0, CONFIRMED, BAD, BY_FAULT)),
        (Case(0, 1, 1, CONFIRMED, TESTING, reset=SOFTWARE), Decision(0, 1, 0, NONE, 0, CONFIRMED, BAD, BY_RESTART)),
        (Case(0, 1, 0, CONFIRMED, EMPTY, b_sound=0), Decision(0, 1, 0, NONE, 0, CONFIRMED, BAD, DAMAGED)),
        # A confirmed firmware that is damaged: the one before it, if it was confirmed too.
        (Case(0, NONE, 0, CONFIRMED, CONFIRMED, a_sound=0), Decision(1, 1, 1, NONE, 0, BAD, CONFIRMED, FELL_BACK)),
        (Case(0, NONE, 0, CONFIRMED, BAD, a_sound=0), Decision(NONE, 0, 0, NONE, 0, CONFIRMED, BAD, NO_REASON)),
        (Case(0, NONE, 0, CONFIRMED, EMPTY, a_sound=0), Decision(NONE, 0, 0, NONE, 0, CONFIRMED, EMPTY, NO_REASON)),
    ],
)
def test_the_table(program: Path, case: Case, decision: Decision) -> None:
    assert decide(program, [case]) == [decision]


def test_nothing_unsound_starts_and_a_trial_is_never_repeated(program: Path) -> None:
    cases = [
        Case(active, pending, attempts, a, b, a_sound, b_sound, reset)
        for active, pending, attempts, a, b, a_sound, b_sound, reset in product(
            (0, 1), (0, 1, NONE), (0, 1), range(4), range(4), (0, 1), (0, 1), range(4)
        )
        if pending != active
    ]
    for case, decision in zip(cases, decide(program, cases), strict=True):
        assert decision.slot == NONE or (case.a_sound, case.b_sound)[decision.slot], (case, decision)
        if case.pending != NONE and case.attempts:
            assert decision.slot != case.pending or CONFIRMED in (decision.a, decision.b), (case, decision)
            assert decision.pending == NONE, (case, decision)
        if decision.slot == case.pending != NONE:
            assert (decision.changed, decision.attempts) == (1, 1), (case, decision)
