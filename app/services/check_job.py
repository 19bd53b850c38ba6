"""The work of a check: the conformance kit on a builder's digest, rule by rule; one that was cut off begins again."""

import structlog

from app.services import checks
from app.services.ports import BROKEN_OFF
from app.storage import checks as rows
from app.storage.database import Database
from builders.errors import BuilderError, DockerUnavailableError
from builders.runner import BuilderRunner

_log = structlog.get_logger(__name__)


class CheckJob:
    """Makes checks; called from job threads."""

    def __init__(self, database: Database, runner: BuilderRunner) -> None:
        self._database = database
        self._runner = runner

    def check(self, check_id: str) -> None:
        """Try every rule, and keep each outcome as it comes."""
        digest = self._begin(check_id)
        if digest is None:
            return
        error = None
        try:
            self._try_rules(check_id, digest)
        except BuilderError as problem:
            error = {"slug": problem.code, "detail": str(problem), "remedy": problem.remedy}
        self._end(check_id, error)

    def give_up(self, check_id: str) -> None:
        """End a check that broke off with an error that nobody foresaw."""
        self._end(check_id, dict(BROKEN_OFF))

    def _end(self, check_id: str, error: dict[str, str] | None) -> None:
        with self._database.write() as transaction:
            row = rows.by_id(transaction.session, check_id)
            if row is None or row.finished_at is not None:
                return
            checks.end(row, error=error)
            transaction.session.add(row)
            checks.record(transaction.session, row)
            _log.info("check ended", check_id=check_id, builder_id=row.builder_id, state=row.state)

    def _begin(self, check_id: str) -> str | None:
        with self._database.write() as transaction:
            row = rows.by_id(transaction.session, check_id)
            if row is None or row.finished_at is not None:
                return None
            begun = checks.begin(row)
            transaction.session.add(row)
            checks.record(transaction.session, row)
            return row.digest if begun else None

    def _try_rules(self, check_id: str, digest: str) -> None:
        from builders.conformance import Check, check_image
        from builders.docker_runner import DockerRunner

        if not isinstance(self._runner, DockerRunner):
            raise DockerUnavailableError("No Docker Engine answers.", remedy="Start one, and the server again.")

        def keep(check: Check) -> None:
            with self._database.write() as transaction:
                row = rows.by_id(transaction.session, check_id)
                if row is not None:
                    row.rules = [*(row.rules or []), check.to_json()]
                    transaction.session.add(row)

        check_image(self._runner, digest, on_progress=keep)
