"""Checks of builders against the contract: asked for, one at a time of each builder, and shown on the builder."""

from sqlmodel import Session

from app.domain.builds import MAX_ATTEMPTS
from app.errors import Conflict, NotFound
from app.services.builders import BuilderService
from app.services.identity import new_id
from app.services.ports import JobEngine
from app.storage import checks as rows
from app.storage import events
from app.storage.columns import now
from app.storage.database import Database, Transaction
from app.storage.tables import BuilderCheckRow

QUEUED, RUNNING, PASSED, FAILED = "queued", "running", "passed", "failed"


class CheckService:
    """Use cases of checks, as requests see them; `CheckJob` makes them."""

    def __init__(self, database: Database, builders: BuilderService, jobs: JobEngine, engine: str) -> None:
        self._database = database
        self._builders = builders
        self._jobs = jobs
        self._engine = engine

    def create(self, transaction: Transaction, builder_id: str) -> BuilderCheckRow:
        """The check that the builder is under, or a new one."""
        session = transaction.session
        builder = self._builders.builder(session, builder_id)
        if self._engine == "local" or builder.engine == "local":
            raise Conflict(
                "checks_need_docker",
                "The rules are tried in containers, and no Docker Engine answers this server.",
                "Start a Docker Engine and the server again, and register the builder's image.",
            )
        live = rows.live_of(session, builder_id)
        if live is not None:
            return live
        row = BuilderCheckRow(id=new_id("chk"), builder_id=builder.id, digest=builder.digest)
        session.add(row)
        session.flush()
        record(session, row)
        transaction.after_commit(lambda: self._jobs.start("check", row.id))
        return row

    def check(self, session: Session, builder_id: str, check_id: str) -> BuilderCheckRow:
        """One check of a builder, or NotFound."""
        self._builders.builder(session, builder_id)
        row = rows.by_id(session, check_id)
        if row is None or row.builder_id != builder_id:
            raise NotFound(
                "check_not_found",
                f"Builder {builder_id} has no check {check_id}.",
                "POST /v1/builders/{builder_id}/checks starts one; GET /v1/builders/{builder_id} shows the last.",
                "check_id",
            )
        return row

    def resume(self) -> None:
        """Start the jobs of checks that were committed and whose job a crash may have swallowed."""
        with self._database.read() as session:
            ids = [row.id for row in rows.unfinished(session)]
        for check_id in ids:
            self._jobs.start("check", check_id)


def begin(row: BuilderCheckRow) -> bool:
    """Take a check up; False when nothing is left to do, or when it was tried too often."""
    if row.finished_at is not None:
        return False
    if row.attempts >= MAX_ATTEMPTS:
        end(
            row,
            error={
                "slug": "worker_died",
                "detail": f"The worker died {row.attempts} times in this check.",
                "remedy": "Read the server's log; the builder may exhaust the machine's memory.",
            },
        )
        return False
    row.attempts += 1
    row.state, row.rules = RUNNING, []
    row.started_at = row.started_at or now()
    return True


def end(row: BuilderCheckRow, *, error: dict[str, str] | None = None) -> None:
    """A check passes when every rule was tried and none is broken."""
    broken = error is not None or any(rule["outcome"] == FAILED for rule in row.rules or [])
    row.error, row.state, row.finished_at = error, FAILED if broken else PASSED, now()


def record(session: Session, row: BuilderCheckRow) -> None:
    """An event that tells what a check has become."""
    broken = [rule["id"] for rule in row.rules or [] if rule["outcome"] == FAILED]
    data = {"check_id": row.id, "digest": row.digest, "broken": broken}
    events.append(session, f"builder.check-{row.state}", f"builder/{row.builder_id}", data)
