"""The life of a session of offloaded training: what its state is, from what is known of it."""

from datetime import datetime
from enum import StrEnum

from app.domain.training import TrainingState


class OffloadState(StrEnum):
    """Where a session stands."""

    WAITING = "waiting-for-data"
    TRAINING = "training"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed-out"
    CANCELLED = "cancelled"


_OF_JOB = {
    TrainingState.QUEUED: OffloadState.TRAINING,
    TrainingState.RUNNING: OffloadState.TRAINING,
    TrainingState.SUCCEEDED: OffloadState.SUCCEEDED,
    TrainingState.FAILED: OffloadState.FAILED,
    TrainingState.CANCELLED: OffloadState.CANCELLED,
}


def state_of(*, cancelled: bool, job: str | None, deadline: datetime, at: datetime) -> OffloadState:
    """From the state of its training, once all data is there; before that from its deadline."""
    if job is not None:
        return _OF_JOB[TrainingState(job)]
    if cancelled:
        return OffloadState.CANCELLED
    return OffloadState.TIMED_OUT if at >= deadline else OffloadState.WAITING
