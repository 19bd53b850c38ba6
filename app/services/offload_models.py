"""The repository of files under service keys, with the operations of nnstreamer's ml-service model API."""

from collections.abc import Sequence

from sqlmodel import Session

from app.contract import models as api
from app.errors import Conflict, NotFound
from app.storage import events
from app.storage import offload as rows
from app.storage.blobs import BlobStore
from app.storage.database import Transaction
from app.storage.tables import OffloadModelRow


class OffloadModelService:
    """Use cases of the repository. Each key numbers its versions from 1, and has one activated version at most."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs

    def register(
        self,
        transaction: Transaction,
        key: str,
        name: str,
        data: bytes,
        *,
        activate: bool,
        description: str,
        session_id: str | None = None,
    ) -> OffloadModelRow:
        """ml_service_model_register: the next version."""
        session = transaction.session
        row = OffloadModelRow(
            key=key,
            version=rows.latest_version(session, key) + 1,
            name=name,
            sha256=self._blobs.put(data),
            size=len(data),
            description=description,
            active=False,
            session_id=session_id,
        )
        session.add(row)
        session.flush()
        events.append(session, "offload-model.registered", f"offload-model/{key}", {"version": row.version})
        return self.activate(transaction, key, row.version) if activate else row

    def version(self, session: Session, key: str, number: int) -> OffloadModelRow:
        """ml_service_model_get, or NotFound."""
        row = rows.version(session, key, number)
        if row is None:
            raise NotFound(
                "offload_model_not_found",
                f"There is no version {number} under the key {key}.",
                f"GET /v1/offload/models/{key}/versions lists them.",
                "version",
            )
        return row

    def activated(self, session: Session, key: str) -> OffloadModelRow:
        """ml_service_model_get_activated, or NotFound."""
        row = rows.active(session, key)
        if row is None:
            raise NotFound(
                "offload_model_not_found",
                f"No version under the key {key} is activated.",
                f"POST /v1/offload/models/{key}/versions/{{n}}/activation activates one.",
                "service_key",
            )
        return row

    def versions(self, session: Session, key: str) -> Sequence[OffloadModelRow]:
        """ml_service_model_get_all, or NotFound."""
        found = rows.versions(session, key)
        if not found:
            raise NotFound(
                "offload_model_not_found",
                f"There is nothing under the key {key}.",
                f"POST a file to /v1/offload/models/{key}/versions, or carry out a session that registers one.",
                "service_key",
            )
        return found

    def activate(self, transaction: Transaction, key: str, number: int) -> OffloadModelRow:
        """ml_service_model_activate: this version and no other."""
        session = transaction.session
        row, before = self.version(session, key, number), rows.active(session, key)
        if before is not None and before is not row:
            before.active = False
            session.add(before)
        if not row.active:
            row.active = True
            session.add(row)
            events.append(session, "offload-model.activated", f"offload-model/{key}", {"version": number})
        return row

    def describe(self, transaction: Transaction, key: str, number: int, description: str) -> OffloadModelRow:
        """ml_service_model_update_description."""
        row = self.version(transaction.session, key, number)
        row.description = description
        transaction.session.add(row)
        return row

    def delete(self, transaction: Transaction, key: str, number: int, *, force: bool) -> None:
        """ml_service_model_delete; the activated version only with `force`."""
        row = self.version(transaction.session, key, number)
        if row.active and not force:
            raise Conflict(
                "offload_model_active",
                f"Version {number} under the key {key} is the activated one.",
                "Activate another one first, or delete it with ?force=true.",
                "version",
            )
        row.active, row.deleted = False, True
        transaction.session.add(row)
        events.append(transaction.session, "offload-model.deleted", f"offload-model/{key}", {"version": number})


def as_offload_model(row: OffloadModelRow) -> api.OffloadModelVersion:
    """A version as the API shows it."""
    return api.OffloadModelVersion.model_validate(row.model_dump())
