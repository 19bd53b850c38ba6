"""Devices: what registered, what it reported, what it was proven to run."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlmodel import Session

from app.contract import models as api
from app.errors import NotFound
from app.services.device_reading import DeviceIdentity, SlotReport
from app.services.resources import as_value
from app.storage import builds as build_rows
from app.storage import devices as rows
from app.storage import events
from app.storage import models as model_rows
from app.storage.columns import now
from app.storage.database import Database
from app.storage.pages import Page
from app.storage.tables import ArtifactRow, DeviceRow, EventRow
from lwm2m.events import Deregistered, Event, Notification, Registered, Updated
from lwm2m.nodes import flatten
from lwm2m.observations import Observation
from lwm2m.registration import Registration

# A device renews shortly before its lifetime ends; a lost datagram must not make it look offline.
EXPIRY_GRACE = 30.0


class DeviceService:
    """Use cases of devices."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def handle(self, event: Event) -> None:
        """Write down what the LwM2M server told."""
        if isinstance(event, Registered):
            self._registered(event.registration)
        elif isinstance(event, Updated):
            self._renewed(event.registration)
        elif isinstance(event, Deregistered):
            self._ended(event)
        elif isinstance(event, Notification):
            self._noticed(event)

    def _registered(self, registration: Registration) -> None:
        with self._database.write() as transaction:
            session = transaction.session
            row = rows.by_endpoint(session, registration.endpoint) or DeviceRow(endpoint=registration.endpoint)
            _note(row, registration)
            session.add(row)
            data = {"address": registration.address, "lifetime": registration.lifetime, "id": registration.id}
            events.append(session, "device.registered", _subject(row.endpoint), data)

    def _renewed(self, registration: Registration) -> None:
        with self._database.write() as transaction:
            row = rows.by_endpoint(transaction.session, registration.endpoint)
            if row is not None:
                _note(row, registration)
                transaction.session.add(row)

    def _noticed(self, event: Notification) -> None:
        values = [as_value(leaf).model_dump() for leaf in flatten(event.path, event.node)]
        with self._database.write() as transaction:
            data = {"path": str(event.path), "values": values}
            events.append(transaction.session, "device.notification", _subject(event.endpoint), data)

    def _ended(self, event: Deregistered) -> None:
        with self._database.write() as transaction:
            session = transaction.session
            row = rows.by_endpoint(session, event.registration.endpoint)
            if row is None or (row.registration or {}).get("id") != event.registration.id:
                return  # a newer registration took its place
            row.expires_at = None
            session.add(row)
            events.append(session, "device.deregistered", _subject(row.endpoint), {"reason": event.reason.value})

    def reported(self, registration: Registration, identity: DeviceIdentity) -> None:
        """Write down what a device said of itself after it registered."""
        with self._database.write() as transaction:
            session = transaction.session
            row = rows.by_endpoint(session, registration.endpoint)
            if row is None or (row.registration or {}).get("id") != registration.id:
                return  # it has registered anew since it was asked, perhaps with other firmware
            note_identity(session, row, identity)
            if rows.live_update(session, registration.endpoint) is None:
                _forget_what_runs_no_more(session, row)
            session.add(row)

    def registrations(self) -> list[Registration]:
        """The registrations that had not ended when the server stopped, for the LwM2M server to go on with."""
        moment = now()
        with self._database.read() as session:
            return [
                Registration.from_json(row.registration)
                for row in rows.registered(session)
                if row.registration is not None and row.expires_at is not None and row.expires_at > moment
            ]

    def observations(self) -> list[Observation]:
        """What was observed when the server stopped."""
        with self._database.read() as session:
            return [Observation.from_json(data) for row in rows.registered(session) for data in row.observations or ()]

    def observed(self, endpoint: str, observations: Sequence[Observation]) -> None:
        """Write down what is observed on a device now."""
        with self._database.write() as transaction:
            row = rows.by_endpoint(transaction.session, endpoint)
            if row is not None:
                row.observations = [observation.to_json() for observation in observations]
                transaction.session.add(row)

    def device(self, session: Session, endpoint: str) -> DeviceRow:
        """One device, or NotFound."""
        row = rows.by_endpoint(session, endpoint)
        if row is None:
            raise NotFound(
                "device_not_found",
                f"No device with the endpoint name {endpoint} ever registered.",
                "GET /v1/devices lists them; start the device or its edge agent with this server's LwM2M address.",
                "endpoint",
            )
        return row

    def listing(self, session: Session, cursor: str | None, limit: int) -> Page[DeviceRow]:
        """A page of devices."""
        return rows.listing(session, cursor, limit)

    def history(self, session: Session, endpoint: str, cursor: str | None, limit: int) -> Page[EventRow]:
        """A page of what happened to a device."""
        self.device(session, endpoint)
        return events.history(session, _subject(endpoint), cursor, limit)

    def as_device(self, session: Session, row: DeviceRow) -> api.Device:
        """A device as the API shows it."""
        registration: dict[str, Any] = row.registration or {}
        model = running_model(session, row)
        return api.Device(
            endpoint=row.endpoint,
            reachability="online" if row.expires_at is not None and row.expires_at > now() else "offline",
            address=registration.get("address"),
            lwm2m_version=registration.get("lwm2m_version"),
            lifetime=registration.get("lifetime"),
            board=row.board,
            firmware_version=row.firmware_version,
            artifact_sha256=row.artifact_sha256,
            abi=row.abi,
            model_source=row.model_source,
            model_slots=[api.ModelSlot.model_validate(slot) for slot in row.model_slots or ()],
            model_artifact_sha256=row.model_artifact_sha256,
            model=model.model if model else None,
            version=model.version if model else None,
            model_sha256=row.model_sha256 or (model.model_sha256 if model else None),
            first_seen_at=row.first_seen_at,
            last_seen_at=row.last_seen_at,
        )


@dataclass(frozen=True, slots=True)
class RunningModel:
    """The version of a model of the store that a device runs."""

    model: str
    version: int
    model_sha256: str


def slots_of(row: DeviceRow) -> list[SlotReport]:
    """The device's model slots as they were read last."""
    return [SlotReport.of(slot) for slot in row.model_slots or ()]


def note_identity(session: Session, row: DeviceRow, identity: DeviceIdentity) -> None:
    """Write into a device's row what it says that it is; a change of version or of the model is an event."""
    row.board = identity.board or row.board
    version, model = identity.firmware_version, identity.model_sha256
    if version != row.firmware_version:
        change = {"from": row.firmware_version, "to": version}
        events.append(session, "device.version", _subject(row.endpoint), change)
    if model is not None and (model, identity.model_source) != (row.model_sha256, row.model_source):
        source = {"model_sha256": model, "source": identity.model_source}
        events.append(session, "device.model", _subject(row.endpoint), source)
    row.firmware_version, row.model_sha256 = version, model
    row.abi, row.model_source = identity.abi, identity.model_source
    row.model_slots = [slot.to_json() for slot in identity.slots]


def running_model(session: Session, row: DeviceRow) -> RunningModel | None:
    """The model that a device runs; by its own word where it gives one, else by the image that it was proven to run."""
    sha256 = row.model_artifact_sha256 or row.artifact_sha256
    artifact = build_rows.artifact(session, sha256) if sha256 else None
    if artifact is not None and row.model_sha256 in (None, artifact.model_sha256):
        return RunningModel(artifact.model, artifact.version, artifact.model_sha256)
    known = model_rows.any_by_sha256(session, row.model_sha256) if row.model_sha256 else None
    return RunningModel(known.model, known.version, known.sha256) if known is not None else None


def _forget_what_runs_no_more(session: Session, row: DeviceRow) -> None:
    if _version(session, row.artifact_sha256) != row.firmware_version:
        row.artifact_sha256 = None
    active = next((slot for slot in slots_of(row) if slot.active), None)
    if active is None or _version(session, row.model_artifact_sha256) != active.version:
        row.model_artifact_sha256 = None


def _version(session: Session, sha256: str | None) -> str | None:
    artifact: ArtifactRow | None = build_rows.artifact(session, sha256) if sha256 else None
    return artifact.firmware_version if artifact is not None else None


def _note(row: DeviceRow, registration: Registration) -> None:
    expires = registration.expires_at(EXPIRY_GRACE)
    row.registration = registration.to_json()
    row.expires_at = datetime.max.replace(tzinfo=UTC) if expires is None else datetime.fromtimestamp(expires, UTC)
    row.last_seen_at = now()


def _subject(endpoint: str) -> str:
    return f"device/{endpoint}"
