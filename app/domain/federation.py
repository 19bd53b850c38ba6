"""The life of a federation: which state may follow which, and what a client is told to do."""

from enum import StrEnum

ALL, HEAD = "all", "head"
SCOPES = (ALL, HEAD)
"""What a federation trains: every parameter, or kernel and bias of the last dense layer."""


class FederationState(StrEnum):
    """Where a federation stands."""

    PREPARING = "preparing"
    ENROLLING = "enrolling"
    RUNNING = "running"
    FINISHING = "finishing"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"


class UpdateState(StrEnum):
    """What became of an update: it waits for the average, is part of it, or was refused."""

    ACCEPTED = "accepted"
    AVERAGED = "averaged"
    REFUSED = "refused"
    UNUSED = "unused"
    """It came in time, and the round was abandoned for want of others."""


class Action(StrEnum):
    """What a client is told."""

    TRAIN = "train"
    WAIT = "wait"
    DONE = "done"


ENDED = frozenset({FederationState.FINISHED, FederationState.FAILED, FederationState.CANCELLED})

_FOLLOWS: dict[FederationState, frozenset[FederationState]] = {
    FederationState.PREPARING: frozenset({FederationState.ENROLLING}),
    FederationState.ENROLLING: frozenset({FederationState.RUNNING}),
    FederationState.RUNNING: frozenset({FederationState.FINISHING}),
    FederationState.FINISHING: frozenset({FederationState.FINISHED}),
}


def may_become(state: str, new: FederationState) -> bool:
    """Whether a federation in `state` may go to `new`; each that has not ended may fail or be cancelled."""
    known = FederationState(state)
    return known not in ENDED and (new in _FOLLOWS[known] or new in {FederationState.FAILED, FederationState.CANCELLED})


def action_of(state: str, *, asked: bool, answered: bool) -> Action:
    """What a client does; `asked` is whether a round is open and has selected it, `answered` whether it has sent."""
    if FederationState(state) in ENDED or state == FederationState.FINISHING:
        return Action.DONE
    return Action.TRAIN if asked and not answered else Action.WAIT
