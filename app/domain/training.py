"""The life of a training job: which state may follow which, and when a job whose workers die is given up."""

from enum import StrEnum


class TrainingState(StrEnum):
    """Where a training job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


ENDED = frozenset({TrainingState.SUCCEEDED, TrainingState.FAILED, TrainingState.CANCELLED})

_FOLLOWS: dict[TrainingState, frozenset[TrainingState]] = {
    TrainingState.QUEUED: frozenset({TrainingState.RUNNING, TrainingState.FAILED, TrainingState.CANCELLED}),
    # Running again: a worker died and another took over.
    TrainingState.RUNNING: frozenset({TrainingState.RUNNING, *ENDED}),
    **{state: frozenset() for state in ENDED},
}

MAX_FRUITLESS_ATTEMPTS = 3
"""Workers in a row that died without one more epoch: the job probably kills them."""


def may_become(state: str, new: TrainingState) -> bool:
    """Whether a job in `state` may go to `new`."""
    return new in _FOLLOWS[TrainingState(state)]
