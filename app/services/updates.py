"""Updates: asked for, explained, cancelled; `UpdateJob` carries them out."""

import secrets
from typing import Any

from sqlmodel import Session

from app.contract import models as api
from app.errors import Conflict, Invalid, NotFound
from app.services.builds import BuildService
from app.services.devices import DeviceService
from app.services.identity import new_id
from app.services.ports import JobEngine
from app.storage import builds as build_rows
from app.storage import devices as rows
from app.storage import events
from app.storage.database import Database, Transaction
from app.storage.pages import Page
from app.storage.tables import ArtifactRow, DeviceRow, UpdateRow
from lwm2m.firmware import explain_result
from lwm2m.registration import Registration

FIRMWARE_OBJECT = 5
CANCELLABLE = frozenset({"pending", "downloading", "downloaded"})

_NEXT = {
    "pending": "The device is given the package, or its address, as soon as it is registered.",
    "downloading": "The device reports Downloaded (state 2) when it has the whole package and its signature holds.",
    "downloaded": "The server executes the update (/5/0/2).",
    "updating": "The device installs the image, boots it, and computes the golden vectors.",
    "verifying": "The device registers again; the expected version is the proof.",
    "succeeded": "Nothing: the device runs the artifact.",
    "rolled-back": "Nothing: the device runs what it ran before. Read the reason, and build anew.",
    "failed": "Read the reason; then start a new update.",
    "cancelled": "Start a new update when the device shall have the artifact after all.",
}


class UpdateService:
    """Use cases of updates, as requests see them."""

    def __init__(self, database: Database, builds: BuildService, devices: DeviceService, jobs: JobEngine) -> None:
        self._database = database
        self._builds = builds
        self._devices = devices
        self._jobs = jobs

    def create(self, transaction: Transaction, request: api.UpdateRequest) -> UpdateRow:
        """Queue an update, or say why it cannot be."""
        session = transaction.session
        device = self._devices.device(session, request.endpoint)
        artifact = self._builds.artifact(session, request.artifact_sha256)
        self._check(session, device, artifact)
        if request.severity is not None or request.max_defer_seconds is not None:
            check_urgency(device)
        row = UpdateRow(
            id=new_id("upd"),
            endpoint=device.endpoint,
            artifact_sha256=artifact.sha256,
            previous_sha256=device.artifact_sha256,
            previous_version=device.firmware_version,
            expected_version=artifact.firmware_version,
            delivery=request.delivery,
            severity=request.severity,
            max_defer_seconds=request.max_defer_seconds,
            token=secrets.token_urlsafe(24),
            bytes_total=artifact.size,
        )
        session.add(row)
        session.flush()
        record(session, row, f"Queued: {artifact.model} version {artifact.version} by {request.delivery}.")
        transaction.after_commit(lambda: self._jobs.start("update", row.id, partition=row.endpoint))
        return row

    @staticmethod
    def _check(session: Session, device: DeviceRow, artifact: ArtifactRow) -> None:
        if artifact.kind != "firmware":
            raise Invalid(
                "not_firmware", "The artifact is no firmware.", "Take one of kind firmware.", "body.artifact_sha256"
            )
        if device.board is not None and device.board != artifact.board:
            raise Invalid(
                "board_mismatch",
                f"The artifact is for {artifact.board}, the device is a {device.board}.",
                f"Build the model for {device.board}.",
                "body.artifact_sha256",
            )
        live = rows.live_update(session, device.endpoint)
        if live is not None:
            raise Conflict(
                "update_in_progress",
                f"Update {live.id} of this device is {live.state}.",
                f"Wait for it, or cancel it: POST /v1/updates/{live.id}/cancellation.",
                "body.endpoint",
            )
        running = build_rows.artifact(session, device.artifact_sha256) if device.artifact_sha256 else None
        if running is None:
            return
        if running.sha256 == artifact.sha256:
            raise Conflict(
                "already_running",
                "The device runs this artifact already.",
                "Nothing to do; GET /v1/devices/{endpoint} shows it.",
                "body.artifact_sha256",
            )
        if running.security_counter > artifact.security_counter:
            raise Invalid(
                "security_counter_lower",
                f"The device runs an image with security counter {running.security_counter}; "
                f"this one has {artifact.security_counter} and would be refused.",
                "Build it again with a security_counter that is not lower.",
                "body.artifact_sha256",
            )

    def update(self, session: Session, update_id: str) -> UpdateRow:
        """One update, or NotFound."""
        row = rows.update(session, update_id)
        if row is None:
            raise NotFound(
                "update_not_found", f"There is no update {update_id}.", "GET /v1/updates lists them.", "update_id"
            )
        return row

    def listing(
        self, session: Session, cursor: str | None, limit: int, endpoint: str | None, state: str | None
    ) -> Page[UpdateRow]:
        """A page of updates."""
        return rows.updates(session, cursor, limit, endpoint, state)

    def cancel(self, transaction: Transaction, update_id: str) -> UpdateRow:
        """Ask an update to stop, while the device has not begun to install."""
        row = self.update(transaction.session, update_id)
        if row.state not in CANCELLABLE:
            raise Conflict(
                "update_not_cancellable",
                f"Update {update_id} is {row.state}; the device cannot be stopped any more.",
                "Wait for its end; then update to the artifact that the device shall run.",
            )
        row.cancel_requested = True
        transaction.session.add(row)
        record(transaction.session, row, "Cancellation was asked for.")
        return row

    def resume(self) -> None:
        """Start the jobs of updates that were committed and whose job a crash may have swallowed."""
        with self._database.read() as session:
            found = [(row.id, row.endpoint) for row in rows.unfinished_updates(session)]
        for update_id, endpoint in found:
            self._jobs.start("update", update_id, partition=endpoint)

    def explain(self, session: Session, update_id: str) -> api.UpdateExplanation:
        """Where it stands, what the device said, what happens next."""
        row = self.update(session, update_id)
        steps = [
            api.UpdateStep(at=event.at, state=event.data["state"], text=event.data["text"])
            for event in events.of_subject(session, _subject(row))
        ]
        return api.UpdateExplanation.model_validate(
            {
                "id": row.id,
                "state": row.state,
                "summary": row.reason or (steps[-1].text if steps else _NEXT[row.state]),
                "device_result": None if row.result is None else str(explain_result(row.result)),
                "next": _NEXT[row.state],
                "steps": steps,
            }
        )


def check_urgency(device: DeviceRow) -> None:
    """A device may have the resources without naming the version of its object; one that names 1.0 has them not."""
    if device.registration is None:
        return
    registration = Registration.from_json(device.registration)
    version = dict(registration.versions).get(FIRMWARE_OBJECT)
    if version == "1.0" or (version is None and registration.lwm2m_version.startswith("1.0")):
        raise Invalid(
            "urgency_unsupported",
            "The device has Object 5 in version 1.0, which has no severity and no deferral.",
            "Leave severity and max_defer_seconds out.",
            "body.severity",
        )


def record(session: Session, row: UpdateRow, text: str) -> None:
    """An event that tells where an update stands."""
    data: dict[str, Any] = {
        "state": row.state,
        "text": text,
        "endpoint": row.endpoint,
        "artifact_sha256": row.artifact_sha256,
    }
    events.append(session, f"update.{row.state}", _subject(row), data)
    events.append(session, f"device.update_{row.state}", f"device/{row.endpoint}", {"update_id": row.id, "text": text})


def as_update(row: UpdateRow) -> api.Update:
    """An update as the API shows it."""
    seconds = (row.finished_at - row.started_at).total_seconds() if row.finished_at and row.started_at else None
    return api.Update.model_validate(
        {
            **row.model_dump(exclude={"seq", "machine", "token", "cancel_requested", "previous_version"}),
            "delivery_seconds": seconds,
        }
    )


def _subject(row: UpdateRow) -> str:
    return f"update/{row.id}"
