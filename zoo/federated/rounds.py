"""A round as a state machine without I/O: who takes part, which update is taken, when it ends.

    selected --Opened--> open --Answered (the last one), Passed (deadline)--> aggregating --Averaged--> closed
                          |                                                     |
                          +--- Passed, Left: too few answers -- abandoned ------+ Averaged: too few were kept

A round that is abandoned leaves the global model as it was.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from math import ceil

from zoo.federated.documents import Update
from zoo.federated.errors import ParticipantsError, Refusal, UpdateRefused


class RoundState(StrEnum):
    """Where a round is."""

    SELECTED = "selected"
    OPEN = "open"
    AGGREGATING = "aggregating"
    CLOSED = "closed"
    ABANDONED = "abandoned"


@dataclass(frozen=True)
class Round:
    """One round: `base` is the identity of the model that it starts from, `deadline` is known once it is open."""

    number: int
    base: bytes
    selected: frozenset[str]
    minimum: int
    state: RoundState = RoundState.SELECTED
    deadline: datetime | None = None
    answers: Mapping[str, bytes] = field(default_factory=dict)
    """By client, the SHA-256 of the bytes of its update that was taken."""

    @property
    def missing(self) -> frozenset[str]:
        """Who was selected and has not answered."""
        return self.selected - self.answers.keys()


@dataclass(frozen=True)
class Opened:
    """The clients can fetch the model, up to the deadline."""

    deadline: datetime


@dataclass(frozen=True)
class Answered:
    """An update was taken (`judge`) and stored."""

    client: str
    sha256: bytes


@dataclass(frozen=True)
class Left:
    """A client was taken out of the federation; its update, when it is there already, counts."""

    client: str


@dataclass(frozen=True)
class Passed:
    """Time went on."""

    now: datetime


@dataclass(frozen=True)
class Averaged:
    """The updates were averaged, `kept` of them: outliers are left out."""

    kept: int


Event = Opened | Answered | Left | Passed | Averaged


class Verdict(StrEnum):
    """What to do with an update that is not refused."""

    TAKE = "take"
    REPEATED = "repeated"
    """It was taken before, and the answer was lost: answer as before, and store nothing."""


def step(current: Round, event: Event) -> Round:
    """The round after the event; an event that says nothing in the round's state leaves it as it is."""
    match current.state, event:
        case RoundState.SELECTED, Opened(deadline):
            return replace(current, state=RoundState.OPEN, deadline=deadline)
        case RoundState.OPEN, Answered(client, sha256) if client in current.missing:
            return _ended_early(replace(current, answers={**current.answers, client: sha256}))
        case ((RoundState.SELECTED | RoundState.OPEN), Left(client)) if client in current.missing:
            return _ended_early(replace(current, selected=current.selected - {client}))
        case RoundState.OPEN, Passed(now) if current.deadline is not None and now >= current.deadline:
            return _ended(current)
        case RoundState.AGGREGATING, Averaged(kept):
            enough = kept >= current.minimum
            return replace(current, state=RoundState.CLOSED if enough else RoundState.ABANDONED)
        case _:
            return current


def judge(current: Round, client: str, update: Update, sha256: bytes, now: datetime) -> Verdict:
    """Whether the round takes an update whose bytes have this SHA-256. Raises UpdateRefused.

    The update is well formed (`decode_update`); the round is the one that the client addressed.
    """
    if client not in current.selected:
        raise UpdateRefused(Refusal.NOT_SELECTED, f"Round {current.number} did not select this client.")
    taken = current.answers.get(client)
    if taken == sha256:
        return Verdict.REPEATED
    if taken is not None:
        raise UpdateRefused(Refusal.DUPLICATE, f"Round {current.number} has another update of this client.")
    if update.round != current.number:
        code = Refusal.STALE_ROUND if update.round < current.number else Refusal.NOT_OPEN
        raise UpdateRefused(code, f"The update is for round {update.round} and was sent to round {current.number}.")
    if current.state is RoundState.SELECTED:
        raise UpdateRefused(Refusal.NOT_OPEN, f"Round {current.number} is not open yet.")
    if current.state is not RoundState.OPEN:
        raise UpdateRefused(Refusal.STALE_ROUND, f"Round {current.number} is over: it is {current.state}.")
    if current.deadline is not None and now >= current.deadline:
        raise UpdateRefused(Refusal.STALE_ROUND, f"The deadline of round {current.number} has passed.")
    if update.base != current.base:
        raise UpdateRefused(
            Refusal.WRONG_BASE,
            f"The update starts from {update.base.hex()[:12]}…, and round {current.number} from "
            f"{current.base.hex()[:12]}….",
        )
    return Verdict.TAKE


def select(clients: Collection[str], seed: int, number: int, *, fraction: float, minimum: int) -> frozenset[str]:
    """The clients of a round: that fraction of them, and at least `minimum`; drawn by seed and round alone.

    The order of the clients has no influence. Raises ParticipantsError when there are fewer than `minimum`.
    """
    if not 0 < fraction <= 1:
        raise ValueError(f"fraction is {fraction}; it is above 0 and at most 1")
    everyone = set(clients)
    if len(everyone) < max(minimum, 1):
        raise ParticipantsError(f"Round {number} needs {max(minimum, 1)} clients, and {len(everyone)} are enrolled.")
    # What 0.1 * 30 is too much by, as a float, is not one client more.
    count = max(minimum, ceil(fraction * len(everyone) - 1e-9), 1)

    def lot(client: str) -> bytes:
        return hashlib.sha256(f"{seed} {number} {client}".encode()).digest()

    return frozenset(sorted(everyone, key=lot)[:count])


def _ended_early(current: Round) -> Round:
    """Everybody has answered, or so few are left that waiting is of no use."""
    if current.state is RoundState.OPEN and not current.missing:
        return _ended(current)
    if len(current.selected) < current.minimum:
        return replace(current, state=RoundState.ABANDONED)
    return current


def _ended(current: Round) -> Round:
    enough = len(current.answers) >= max(current.minimum, 1)
    return replace(current, state=RoundState.AGGREGATING if enough else RoundState.ABANDONED)
