"""Updates: asked for, explained, cancelled; `UpdateJob` carries them out."""

import secrets

from sqlmodel import Session

from app.contract import models as api
from app.domain.delivery import Method
from app.errors import Conflict, Invalid, NotFound
from app.services.builds import BuildService
from app.services.devices import DeviceService
from app.services.identity import new_id
from app.services.ports import JobEngine
from app.services.update_choice import plan
from app.services.update_words import explain, record
from app.storage import devices as rows
from app.storage.database import Database, Transaction
from app.storage.pages import Page
from app.storage.tables import DeviceRow, UpdateRow
from lwm2m.registration import Registration

FIRMWARE_OBJECT = 5
CANCELLABLE = frozenset({"pending", "downloading", "downloaded"})


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
        live = rows.live_update(session, device.endpoint)
        if live is not None:
            raise Conflict(
                "update_in_progress",
                f"Update {live.id} of this device is {live.state}.",
                f"Wait for it, or cancel it: POST /v1/updates/{live.id}/cancellation.",
                "body.endpoint",
            )
        planned = plan(session, self._builds, device, request)
        choice, artifact = planned.choice, planned.artifact
        if request.severity is not None or request.max_defer_seconds is not None:
            check_urgency(device, choice.method)
        firmware = choice.method is Method.FOTA
        row = UpdateRow(
            id=new_id("upd"),
            kind=choice.method.value,
            endpoint=device.endpoint,
            slot=choice.slot,
            instance=choice.instance,
            choice_reason=choice.reason,
            artifact_sha256=artifact.sha256 if artifact is not None else None,
            previous_sha256=device.artifact_sha256
            if firmware
            else device.model_artifact_sha256 or device.artifact_sha256,
            previous_version=device.firmware_version,
            expected_version=artifact.firmware_version if artifact is not None else device.firmware_version or "",
            delivery=request.delivery,
            severity=request.severity,
            max_defer_seconds=request.max_defer_seconds,
            token=secrets.token_urlsafe(24),
            bytes_total=artifact.size if artifact is not None and choice.image is not None else 0,
        )
        session.add(row)
        session.flush()
        record(session, row, f"Queued. {choice.reason}")
        transaction.after_commit(lambda: self._jobs.start("update", row.id, partition=row.endpoint))
        return row

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
        return explain(session, self.update(session, update_id))


def check_urgency(device: DeviceRow, method: Method = Method.FOTA) -> None:
    """A device may have the resources without naming the version of its object; one that names 1.0 has them not."""
    if method is Method.SOTA:
        raise Invalid(
            "urgency_unsupported",
            "The update goes by SOTA, and Object 9 has no severity and no deferral.",
            "Leave severity and max_defer_seconds out, or ask with method fota.",
            "body.severity",
        )
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
