"""Builds: asked for, answered from the store when the key was built before, and carried out by a job."""

from typing import Any

from sqlmodel import Session

from app.contract import models as api
from app.domain.builds import ENDED, BuildKey, BuildState
from app.domain.fit import shortages
from app.errors import Conflict, Invalid, NotFound
from app.services.builders import BuilderService, manifest_of
from app.services.identity import new_id
from app.services.models import ModelService
from app.services.ports import JobEngine
from app.storage import builds as rows
from app.storage import events
from app.storage.columns import now
from app.storage.database import Database, Transaction
from app.storage.logs import LogStore
from app.storage.pages import Page
from app.storage.tables import ArtifactRow, BuilderRow, BuildRow, ModelVersionRow
from builders.contract import check_parameters
from builders.runner import BuilderRunner


class BuildService:
    """Use cases of builds, as requests see them; `BuildJob` does the work."""

    def __init__(
        self, database: Database, logs: LogStore, models: ModelService, builders: BuilderService, jobs: JobEngine
    ) -> None:
        self._database = database
        self._logs = logs
        self._models = models
        self._builders = builders
        self._jobs = jobs

    def create(self, transaction: Transaction, request: api.BuildRequest) -> tuple[BuildRow, bool]:
        """The build of the request's key, and whether it was queued now."""
        session = transaction.session
        version = self._models.version(session, request.model, request.version)
        builder = self._builders.chosen(session, request.builder_id, request.board)
        check_parameters(manifest_of(builder), request.parameters)
        self._check_fit(version, builder, request.board)
        key = BuildKey(
            builder_digest=builder.digest,
            model_sha256=version.sha256,
            board=request.board,
            parameters=request.parameters,
            base_version=request.firmware_version,
            security_counter=request.security_counter,
        )
        live = rows.live_by_key(session, key.sha256())
        if live is not None and live.cancel_requested and BuildState(live.state) not in ENDED:
            raise Conflict(
                "build_being_cancelled",
                f"Build {live.id} of this request is being cancelled.",
                "Ask again in a few seconds, when it has ended.",
            )
        if live is not None:
            return live, False
        row = BuildRow(
            id=new_id("bld"),
            key=key.sha256(),
            model=version.model,
            version=version.version,
            model_sha256=version.sha256,
            board=request.board,
            builder_id=builder.id,
            builder_digest=builder.digest,
            parameters=request.parameters,
            firmware_version=key.firmware_version(),
            security_counter=request.security_counter,
        )
        session.add(row)
        session.flush()
        record(session, row)
        transaction.after_commit(lambda: self._jobs.start("build", row.id))
        return row, True

    @staticmethod
    def _check_fit(version: ModelVersionRow, builder: BuilderRow, board_name: str) -> None:
        board = manifest_of(builder).board(board_name)
        if board is None:
            return  # `_builder` found it by this board
        slot = board.slots.get("firmware")
        missing = shortages(
            flash_needed=version.report["flash_estimate_bytes"],
            ram_needed=version.report["ram_estimate_bytes"],
            flash=min(board.flash_bytes, slot.size) if slot else board.flash_bytes,
            ram=board.ram_bytes,
        )
        if missing:
            raise Invalid(
                "model_does_not_fit",
                f"{version.model} version {version.version} {' and '.join(map(str, missing))} ({board_name}).",
                "Take a board with more memory, or a smaller model (fewer channels, stronger quantisation).",
                "body.model",
            )

    def build(self, session: Session, build_id: str) -> BuildRow:
        """One build, or NotFound."""
        row = rows.by_id(session, build_id)
        if row is None:
            raise NotFound(
                "build_not_found", f"There is no build {build_id}.", "GET /v1/builds lists them.", "build_id"
            )
        return row

    def listing(
        self, session: Session, cursor: str | None, limit: int, state: str | None, model: str | None
    ) -> Page[BuildRow]:
        """A page of builds."""
        return rows.listing(session, cursor, limit, state, model)

    def log(self, build_id: str, offset: int) -> tuple[bytes, int]:
        """The log from a byte offset on, and where to go on."""
        with self._database.read() as session:
            self.build(session, build_id)
        return self._logs.read(build_id, offset)

    def cancel(self, transaction: Transaction, build_id: str) -> BuildRow:
        """Ask a build to stop; a queued one is cancelled at once, a running one within seconds by its job."""
        row = self.build(transaction.session, build_id)
        if BuildState(row.state) in ENDED:
            raise Conflict("build_ended", f"Build {build_id} has ended: {row.state}.", "Nothing is left to cancel.")
        row.cancel_requested = True
        if row.state == BuildState.QUEUED:
            row.state, row.finished_at = BuildState.CANCELLED, now()
        transaction.session.add(row)
        record(transaction.session, row)
        return row

    def resume(self) -> None:
        """Start the jobs of builds that were committed and whose job a crash may have swallowed."""
        with self._database.read() as session:
            ids = [row.id for row in rows.unfinished(session)]
        for build_id in ids:
            self._jobs.start("build", build_id)

    def reap(self, runner: BuilderRunner) -> None:
        """Remove what builds left behind that ended while no server was there to clean up."""
        with self._database.read() as session:
            live = {row.id for row in rows.unfinished(session)}
        runner.reap(live)

    def artifact(self, session: Session, sha256: str) -> ArtifactRow:
        """One artifact, or NotFound."""
        row = rows.artifact(session, sha256)
        if row is None:
            raise NotFound(
                "artifact_not_found",
                f"There is no artifact {sha256}.",
                "GET /v1/artifacts lists them; a build makes one.",
                "artifact_sha256",
            )
        return row

    def artifacts(self, session: Session, cursor: str | None, limit: int) -> Page[ArtifactRow]:
        """A page of artifacts."""
        return rows.artifacts(session, cursor, limit)

    def as_artifact(self, session: Session, row: ArtifactRow) -> api.Artifact:
        """An artifact as the API shows it."""
        return api.Artifact(
            **row.model_dump(exclude={"seq"}),
            devices=rows.running_on(session, row.sha256),
        )


def record(session: Session, row: BuildRow) -> None:
    """An event that tells what a build has become."""
    more: dict[str, Any] = {"attempts": row.attempts}
    if row.artifact_sha256:
        more["artifact_sha256"] = row.artifact_sha256
    if row.error:
        more["error"] = row.error
    record_as(session, row, f"build.{row.state}", more)


def record_as(session: Session, row: BuildRow, type_: str, more: dict[str, Any]) -> None:
    """An event about a build."""
    data = {"model": row.model, "version": row.version, "board": row.board, **more}
    events.append(session, type_, f"build/{row.id}", data)


def as_build(row: BuildRow) -> api.Build:
    """A build as the API shows it."""
    result = row.result or {}
    seconds = (row.finished_at - row.started_at).total_seconds() if row.finished_at and row.started_at else None
    return api.Build.model_validate(
        {
            **row.model_dump(exclude={"seq", "result", "cancel_requested"}),
            "artifacts": row.artifacts or [],
            "memory": result.get("memory"),
            "performance": result.get("performance"),
            "operators": result.get("operators", []),
            "toolchain": result.get("toolchain", {}),
            "seconds": seconds,
        }
    )
