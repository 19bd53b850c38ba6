"""What the state of a session of offloading is."""

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.offload import state_of

DEADLINE = datetime(2026, 1, 1, tzinfo=UTC)
EARLY, LATE = DEADLINE - timedelta(seconds=1), DEADLINE


@pytest.mark.parametrize(
    ("cancelled", "job", "at", "state"),
    [
        (False, None, EARLY, "waiting-for-data"),
        (False, None, LATE, "timed-out"),
        (True, None, EARLY, "cancelled"),
        (True, None, LATE, "cancelled"),
        # Once all data is there, the deadline has nothing to say.
        (False, "queued", LATE, "training"),
        (False, "running", LATE, "training"),
        (False, "succeeded", LATE, "succeeded"),
        (False, "failed", EARLY, "failed"),
        (False, "cancelled", EARLY, "cancelled"),
    ],
)
def test_document_000_line_8_a_state_follows_from_data_deadline_and_training(
    cancelled: bool, job: str | None, at: datetime, state: str
) -> None:
    assert state_of(cancelled=cancelled, job=job, deadline=DEADLINE, at=at) == state
