"""What boards in federations are still owed, by the database: a round's training, or the last average."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import Session

from app.services.federation_intake import ClientId, FederationIntake
from app.storage import events
from app.storage import federations as rows
from app.storage.columns import now
from app.storage.database import Database
from app.storage.federation_tables import FederationClientRow, FederationRow

KEEPS_TRYING = timedelta(days=7)
"""How long after a federation's end its average is brought to boards that were away."""


@dataclass(frozen=True, slots=True)
class Errand:
    """A way to one board. With a deadline it takes part in that round, else it gets the average of a finished one."""

    federation_id: str
    client: ClientId
    endpoint: str
    round: int
    deadline_at: datetime | None


class BoardErrands:
    """Called from threads."""

    def __init__(self, database: Database, intake: FederationIntake) -> None:
        self._database = database
        self._intake = intake

    def open(self) -> list[Errand]:
        """All errands, at most one for each board: rounds go first, and of averages the newest."""
        rounds = [
            Errand(turn.federation_id, turn.client, turn.endpoint, turn.round, turn.deadline_at)
            for turn in self._intake.boards()
        ]
        errands: dict[str, Errand] = {}
        for each in (*rounds, *self._averages()):
            errands.setdefault(each.endpoint, each)
        return list(errands.values())

    def delivered(self, errand: Errand, weights_sha256: str) -> None:
        """Write down that a board has an average."""
        with self._database.write() as transaction:
            client = rows.client(transaction.session, errand.federation_id, errand.client.value)
            if client is None:
                return
            client.average_sha256 = weights_sha256
            transaction.session.add(client)
            _tell(transaction.session, errand, {"state": "delivered"})

    def gave_up(self, errand: Errand, reason: str) -> None:
        """Tell why a board does not take part in a round, or gets no average."""
        with self._database.write() as transaction:
            _tell(transaction.session, errand, {"state": "failed", "detail": reason})

    def waits(self, errand: Errand, reason: str) -> None:
        """Tell what a board waits for."""
        with self._database.write() as transaction:
            _tell(transaction.session, errand, {"state": "waiting", "detail": reason})

    def average_sha256(self, errand: Errand) -> str | None:
        """Which average the board is owed."""
        with self._database.read() as session:
            federation = rows.by_id(session, errand.federation_id)
        return None if federation is None else federation.weights_sha256

    def _averages(self) -> list[Errand]:
        with self._database.read() as session:
            late = rows.finished_since(session, now() - KEEPS_TRYING)
            boards = [(each, rows.boards(session, each.id)) for each in late]
        newest: dict[str, Errand | None] = {}
        for federation, found in boards:
            for client in found:
                if client.endpoint is not None:
                    newest.setdefault(client.endpoint, _owed(federation, client))
        return [errand for errand in newest.values() if errand is not None]


def _owed(federation: FederationRow, client: FederationClientRow) -> Errand | None:
    if client.endpoint is None or client.average_sha256 == federation.weights_sha256:
        return None
    return Errand(federation.id, ClientId(client.id), client.endpoint, federation.round, None)


def _tell(session: Session, errand: Errand, data: dict[str, object]) -> None:
    told = {"endpoint": errand.endpoint, "round": errand.round, **data}
    events.append(session, "federation.board", f"federation/{errand.federation_id}", told)
