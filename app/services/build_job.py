"""The work of a build: run the builder, sign what it made, store it. Each step may be repeated after a crash."""

from typing import Any

import structlog
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from app.domain.builds import ENDED, MAX_ATTEMPTS, BuildState, may_become
from app.services.build_images import ImageSigner, RawImage, accept_images, listed, primary
from app.services.build_input import build_input
from app.services.build_results import result_json
from app.services.builders import manifest_of
from app.services.builds import record
from app.services.ports import BROKEN_OFF
from app.settings import Settings
from app.storage import builders as builder_rows
from app.storage import builds as rows
from app.storage import models as model_rows
from app.storage.blobs import BlobStore
from app.storage.columns import now
from app.storage.database import Database
from app.storage.logs import LogStore
from app.storage.tables import ArtifactRow, BuilderRow, BuildRow
from builders.contract import Board
from builders.errors import BuilderError, CancelledError
from builders.runner import BuilderRunner, Limits, Order

_log = structlog.get_logger(__name__)


class BuildJob:
    """Carries out builds; called from job threads."""

    def __init__(
        self,
        database: Database,
        blobs: BlobStore,
        logs: LogStore,
        runner: BuilderRunner,
        signing_key: EllipticCurvePrivateKey,
        settings: Settings,
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._logs = logs
        self._runner = runner
        self._signer = ImageSigner(blobs, signing_key)
        self._settings = settings

    def begin(self, build_id: str) -> bool:
        """Take the build up; False when nothing is left to do."""
        with self._database.write() as transaction:
            row = rows.by_id(transaction.session, build_id)
            if row is None or BuildState(row.state) in ENDED:
                return False
            if row.attempts >= MAX_ATTEMPTS:
                row.error = {
                    "slug": "worker_died",
                    "detail": f"The worker died {row.attempts} times in this build.",
                    "remedy": "Read the server's log; the model or the builder may exhaust the machine's memory.",
                }
                _end(row, BuildState.FAILED)
            else:
                row.attempts += 1
                row.state = BuildState.RUNNING
                row.started_at = row.started_at or now()
            transaction.session.add(row)
            record(transaction.session, row)
            return row.state == BuildState.RUNNING

    def compile(self, build_id: str) -> dict[str, Any]:
        """Run the builder; `{"images": [...], "result": ...}` or `{"error": ..., "state": ...}`."""
        with self._database.read() as session:
            row = rows.by_id(session, build_id)
            builder = builder_rows.by_id(session, row.builder_id) if row else None
            version = model_rows.version(session, row.model, row.version) if row else None
        if row is None or builder is None or version is None:
            raise LookupError(f"build {build_id} or what it names is gone")
        limits = Limits(
            memory_bytes=self._settings.build_memory_bytes,
            pids=self._settings.build_pids,
            cpus=self._settings.build_cpus,
            seconds=self._settings.build_seconds,
            output_bytes=self._settings.build_output_bytes,
        )
        self._logs.append(build_id, f"== attempt {row.attempts}: {builder.image} ({builder.digest})\n".encode())
        try:
            output = self._runner.run(
                Order(
                    job_id=build_id,
                    image_id=builder.digest,
                    build_input=build_input(
                        self._blobs,
                        version,
                        board=row.board,
                        parameters=row.parameters,
                        firmware_version=row.firmware_version,
                    ),
                    limits=limits,
                    on_log=lambda line: self._logs.append(build_id, f"{line}\n".encode()),
                    cancelled=lambda: self._cancel_requested(build_id),
                )
            )
            images = accept_images(
                output.result,
                output.files,
                version=row.firmware_version,
                board=_board(builder, row.board),
                blobs=self._blobs,
            )
        except CancelledError:
            return {"state": BuildState.CANCELLED}
        except BuilderError as error:
            self._logs.append(build_id, f"== failed: {error}\n".encode())
            return _failed(error)
        return {"images": [image.to_json() for image in images], "result": result_json(output.result)}

    def finish(self, build_id: str, compiled: dict[str, Any]) -> None:
        """Sign and store the images, and end the build, in one transaction."""
        with self._database.read() as session:
            row = rows.by_id(session, build_id)
            builder = builder_rows.by_id(session, row.builder_id) if row else None
            version = model_rows.version(session, row.model, row.version) if row else None
        if row is None or builder is None or version is None:
            raise LookupError(f"build {build_id} or what it names is gone")
        images = [RawImage.of(image) for image in compiled.get("images", ())]
        artifacts: list[ArtifactRow] = []
        if images:
            slot = compiled["result"]["model_slot"]
            board = _board(builder, row.board)
            try:
                artifacts = self._signer.artifacts(row, version, board, images, slot["abi"] if slot else None)
            except BuilderError as error:
                compiled = _failed(error)
        with self._database.write() as transaction:
            session = transaction.session
            row = rows.by_id(session, build_id)
            if row is None or not may_become(row.state, BuildState.SUCCEEDED):
                return
            if row.cancel_requested:  # and the builder ended before it was stopped
                _end(row, BuildState.CANCELLED)
            elif not artifacts:
                row.error = compiled.get("error")
                _end(row, BuildState(compiled["state"]))
            else:
                row.result = compiled["result"]
                row.artifact_sha256 = primary(artifacts).sha256
                row.artifacts = listed(images, artifacts)
                _end(row, BuildState.SUCCEEDED)
                rows.add_artifacts(session, artifacts)
            session.add(row)
            record(session, row)
            _log.info("build ended", build_id=build_id, state=row.state, artifact=row.artifact_sha256)

    def give_up(self, build_id: str) -> None:
        """End a build that broke off with an error that nobody foresaw."""
        with self._database.write() as transaction:
            row = rows.by_id(transaction.session, build_id)
            if row is None or BuildState(row.state) in ENDED:
                return
            row.error = dict(BROKEN_OFF)
            _end(row, BuildState.FAILED)
            transaction.session.add(row)
            record(transaction.session, row)

    def _cancel_requested(self, build_id: str) -> bool:
        with self._database.read() as session:
            row = rows.by_id(session, build_id)
            return row is None or row.cancel_requested


def _board(builder: BuilderRow, name: str) -> Board:
    board = manifest_of(builder).board(name)
    if board is None:
        raise LookupError(f"builder {builder.id} has no board {name}")
    return board


def _failed(error: BuilderError) -> dict[str, Any]:
    slug = getattr(error, "reason", None) or error.code
    return {"state": BuildState.FAILED, "error": {"slug": slug, "detail": str(error), "remedy": error.remedy}}


def _end(row: BuildRow, state: BuildState) -> None:
    row.state, row.finished_at = state, now()
