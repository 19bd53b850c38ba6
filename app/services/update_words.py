"""What an update says of itself: its events, what happens next, and the API's view of it."""

from typing import Any

from sqlmodel import Session

from app.contract import models as api
from app.storage import events
from app.storage.tables import UpdateRow
from lwm2m.firmware import Explanation, explain_result
from lwm2m.software import explain_software_result

_ENDED = {
    "rolled-back": "Nothing: the device runs what it ran before. Read the reason, and build anew.",
    "failed": "Read the reason; then start a new update.",
    "cancelled": "Start a new update when the device shall have the artifact after all.",
}
_NEXT = {
    "fota": {
        "pending": "The device is given the package, or its address, as soon as it is registered.",
        "downloading": "The device reports Downloaded (state 2) when it has the whole package and its signature holds.",
        "downloaded": "The server executes the update (/5/0/2).",
        "updating": "The device installs the image, boots it, and computes the golden vectors.",
        "verifying": "The device registers again; the expected version is the proof.",
        "succeeded": "Nothing: the device runs the artifact.",
        **_ENDED,
    },
    "sota": {
        "pending": "The device is asked what its slot holds, as soon as it is registered.",
        "downloading": "The device reports Delivered (state 3) when it has the whole package and its signature holds.",
        "downloaded": "The server executes the installation (/9/x/4).",
        "updating": "The device computes the golden vectors in the spare slot, while the old model goes on.",
        "verifying": "The device swaps the models between two inferences and says which one runs.",
        "succeeded": "Nothing: the device runs the model.",
        **_ENDED,
    },
}


def next_of(row: UpdateRow) -> str:
    """What happens next, or what to do."""
    return _NEXT[row.kind][row.state]


def subject(row: UpdateRow) -> str:
    """What the events of an update are filed under."""
    return f"update/{row.id}"


def record(session: Session, row: UpdateRow, text: str) -> None:
    """An event that tells where an update stands."""
    data: dict[str, Any] = {
        "state": row.state,
        "text": text,
        "endpoint": row.endpoint,
        "artifact_sha256": row.artifact_sha256,
    }
    events.append(session, f"update.{row.state}", subject(row), data)
    events.append(session, f"device.update_{row.state}", f"device/{row.endpoint}", {"update_id": row.id, "text": text})


def explain(session: Session, row: UpdateRow) -> api.UpdateExplanation:
    """Where it stands, what the device said, what happens next."""
    steps = [
        api.UpdateStep(at=event.at, state=event.data["state"], text=event.data["text"])
        for event in events.of_subject(session, subject(row))
    ]
    return api.UpdateExplanation.model_validate(
        {
            "id": row.id,
            "kind": row.kind,
            "state": row.state,
            "choice_reason": row.choice_reason,
            "summary": row.reason or (steps[-1].text if steps else next_of(row)),
            "device_result": None if row.result is None else str(_result(row.kind, row.result)),
            "next": next_of(row),
            "steps": steps,
        }
    )


def as_update(row: UpdateRow) -> api.Update:
    """An update as the API shows it."""
    seconds = (row.finished_at - row.started_at).total_seconds() if row.finished_at and row.started_at else None
    return api.Update.model_validate(
        {
            **row.model_dump(exclude={"seq", "machine", "token", "cancel_requested", "previous_version", "instance"}),
            "delivery_seconds": seconds,
        }
    )


def _result(kind: str, code: int) -> Explanation:
    return explain_result(code) if kind == "fota" else explain_software_result(code)
