"""Events: read back for histories and streams."""

from app.contract import models as api
from app.storage import events as rows
from app.storage.database import Database
from app.storage.tables import EventRow


class EventService:
    """Use cases of events."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def newest_id(self) -> int:
        """Where a stream that begins now begins."""
        with self._database.read() as session:
            return rows.newest_id(session)

    def after(self, event_id: int, subject: str | None, limit: int = 200) -> list[api.Event]:
        """Events past an id, oldest first."""
        with self._database.read() as session:
            return [as_event(row) for row in rows.after(session, event_id, subject, limit)]


def as_event(row: EventRow) -> api.Event:
    """An event as the API shows it."""
    return api.Event(id=row.id or 0, at=row.at, type=row.type, subject=row.subject, data=row.data)
