"""An update in the database while its job drives it: read, written down step by step, brought to its end."""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog
from sqlmodel import Session

from app.domain.delivery import BUILT_IN
from app.services.device_reading import DeviceIdentity
from app.services.devices import note_identity
from app.services.packages import UpdatePackages
from app.services.update_reading import disagrees, reason_of
from app.services.update_words import record
from app.storage import builds as build_rows
from app.storage import devices as rows
from app.storage import models as model_rows
from app.storage.columns import now
from app.storage.database import Database
from app.storage.tables import ArtifactRow, DeviceRow, UpdateRow
from lwm2m.update_progress import UpdateProgress, UpdateState

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a device was asked at the end of an update; None is what it was not asked, or did not answer."""

    report: dict[str, Any] | None = None
    identity: DeviceIdentity | None = None
    inference: dict[str, int] | None = None


class UpdateLedger:
    """The rows of one update; each method is a transaction of its own, called from threads."""

    def __init__(self, database: Database, packages: UpdatePackages, update_id: str) -> None:
        self._database = database
        self._packages = packages
        self._id = update_id

    def load(self) -> UpdateRow | None:
        """As it stands."""
        with self._database.read() as session:
            return rows.update(session, self._id)

    def save(
        self, update: UpdateProgress, *, sent: int, now_says: str, version: str | None, remark: str | None
    ) -> UpdateRow:
        """Write down where the update stands; a change of state is an event too."""
        with self._database.write() as transaction:
            row = self._row(transaction.session)
            before = row.state
            _copy(update, row, sent)
            if version is not None:
                row.reported_version = version
            if before == UpdateState.PENDING.value != row.state:
                row.started_at = now()
            if before != row.state or (update.retry and row.reason != update.reason):
                record(transaction.session, row, now_says)
            elif remark is not None:
                record(transaction.session, row, remark)
            row.reason = update.reason or None
            transaction.session.add(row)
            return row

    def renew_token(self) -> UpdateRow:
        """A new address for the package; the one before is void from now on."""
        with self._database.write() as transaction:
            row = self._row(transaction.session)
            before, row.token = row.token, secrets.token_urlsafe(24)
            transaction.session.add(row)
        self._packages.forget(before)
        return row

    def refuse_cancel(self, text: str) -> None:
        """A cancellation that came too late."""
        with self._database.write() as transaction:
            row = self._row(transaction.session)
            row.cancel_requested = False
            record(transaction.session, row, f"The cancellation came too late: {text}.")
            transaction.session.add(row)

    def end(self, update: UpdateProgress, sent: int, evidence: Evidence) -> None:
        """The end; a device that says it succeeded is believed only as far as its evidence goes."""
        with self._database.write() as transaction:
            session = transaction.session
            row = self._row(session)
            _copy(update, row, sent)
            row.report, row.reason = evidence.report, reason_of(update, evidence.report)
            row.inference = evidence.inference
            artifact = build_rows.artifact(session, row.artifact_sha256) if row.artifact_sha256 else None
            doubt = _doubt(session, artifact, evidence) if update.state is UpdateState.SUCCEEDED else None
            if doubt is not None:
                row.state, row.reason = UpdateState.FAILED.value, doubt
            device = rows.by_endpoint(session, row.endpoint)
            if device is not None and evidence.identity is not None:
                note_identity(session, device, evidence.identity)
            if row.state == UpdateState.SUCCEEDED.value:
                row.reported_version = row.expected_version
                row.bytes_sent = row.bytes_total if update.attempt else 0
                if device is not None:
                    _proven(device, row)
            if device is not None:
                session.add(device)
            row.finished_at, row.deadline_at = now(), None
            record(session, row, row.reason)
            session.add(row)
        self._packages.forget(row.token)
        _log.info("update ended", update_id=self._id, state=row.state, reason=row.reason)

    def break_off(self, reason: str) -> None:
        """The end without a word from the device."""
        with self._database.write() as transaction:
            row = self._row(transaction.session)
            if row.finished_at is not None:
                return
            row.state, row.reason = UpdateState.FAILED.value, reason
            row.finished_at, row.deadline_at = now(), None
            record(transaction.session, row, reason)
            transaction.session.add(row)
        self._packages.forget(row.token)

    def _row(self, session: Session) -> UpdateRow:
        row = rows.update(session, self._id)
        if row is None:
            raise LookupError(f"update {self._id} is gone")
        return row


def _copy(update: UpdateProgress, row: UpdateRow, sent: int) -> None:
    row.machine = update.to_json()
    row.state = update.state.value.replace("_", "-")
    row.result = update.result
    row.bytes_sent = min(max(row.bytes_sent, sent), row.bytes_total)
    row.deadline_at = datetime.fromtimestamp(update.deadline, UTC)


def _doubt(session: Session, artifact: ArtifactRow | None, evidence: Evidence) -> str | None:
    """Why a success is none."""
    if artifact is None:
        return None
    version = model_rows.version(session, artifact.model, artifact.version)
    if version is not None and disagrees(evidence.report, version.golden):
        return "The device says that it succeeded, but the outputs that it reports are not the model's."
    runs = evidence.identity.model_sha256 if evidence.identity is not None else None
    if runs is not None and runs != artifact.model_sha256:
        return f"The device says that it succeeded, but it runs the model {runs}, not {artifact.model_sha256}."
    return None


def _proven(device: DeviceRow, row: UpdateRow) -> None:
    if row.kind == "fota":
        device.artifact_sha256 = row.artifact_sha256
        device.firmware_version = row.expected_version
        device.model_artifact_sha256 = None
    else:
        device.model_artifact_sha256 = None if row.slot == BUILT_IN else row.artifact_sha256
