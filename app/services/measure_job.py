"""Measures a build's firmware on the emulated board; that it could not be measured never fails the build."""

import asyncio
import shutil
from pathlib import Path

import structlog

from app.domain.builds import BuildState
from app.services.build_results import measured
from app.services.builds import record_as
from app.settings import Settings
from app.storage import builds as rows
from app.storage.blobs import BlobStore
from app.storage.database import Database
from app.storage.logs import LogStore
from app.storage.tables import ArtifactRow
from builders.contract import Basis, ImageKind
from edge.acceptance import judge
from edge.errors import EdgeError
from edge.mcuboot import parse
from edge.os_board import BOARDS as OS_BOARDS
from edge.qemu import MACHINES, QemuBoard
from edge.report import BootOutcome, BootReport

_log = structlog.get_logger(__name__)


class MeasureJob:
    """Boots what a build signed, and counts the instructions of its golden run; called from job threads."""

    def __init__(self, database: Database, blobs: BlobStore, logs: LogStore, settings: Settings) -> None:
        self._database = database
        self._blobs = blobs
        self._logs = logs
        self._settings = settings

    def measure(self, build_id: str) -> None:
        """Replace the estimate of a build that succeeded for a board that this machine can emulate."""
        with self._database.read() as session:
            row = rows.by_id(session, build_id)
            artifact = rows.artifact(session, row.artifact_sha256) if row and row.artifact_sha256 else None
        if row is None or artifact is None or row.state != BuildState.SUCCEEDED or not self._asked(artifact):
            return
        if artifact.board in OS_BOARDS:
            self._say(build_id, "not measured: boards with the device OS report when they run")
            return
        if artifact.board not in MACHINES:
            return
        estimated = (row.result or {}).get("performance")
        if estimated and estimated["basis"] == Basis.MEASURED:
            return
        self._say(build_id, f"measuring on the emulated {artifact.board}")
        try:
            report = self._boot(build_id, artifact)
        except (EdgeError, OSError) as error:
            self._say(build_id, f"not measured, the figures stay estimates: {error}")
            return
        performance = measured(estimated, report, QemuBoard.instructions_per_second)
        with self._database.write() as transaction:
            row = rows.by_id(transaction.session, build_id)
            if row is None:
                return
            row.result = {**(row.result or {}), "performance": performance}
            transaction.session.add(row)
            record_as(transaction.session, row, "build.measured", {"instructions": performance["instructions"]})
        self._say(build_id, f"measured: {performance['instructions']:,} instructions for an inference")

    def _asked(self, artifact: ArtifactRow) -> bool:
        return self._settings.measure_builds and artifact.kind == ImageKind.FIRMWARE and artifact.format == "bin"

    def _boot(self, build_id: str, artifact: ArtifactRow) -> BootReport:
        """The report of a golden run that is byte-exact; EdgeError otherwise."""
        image = self._blobs.get(artifact.sha256)
        folder = self._settings.data_dir / "measuring" / build_id
        try:
            outcome = asyncio.run(_run(image, artifact.board, folder, self._settings.measure_seconds))
        finally:
            shutil.rmtree(folder, ignore_errors=True)  # a folder that was never made, too
        verdict = judge(parse(image), outcome)
        if not isinstance(outcome, BootReport) or not verdict.passed:
            raise EdgeError(verdict.reason)
        if not outcome.ticks:
            raise EdgeError("the firmware ran no golden vector")
        return outcome

    def _say(self, build_id: str, text: str) -> None:
        self._logs.append(build_id, f"== {text}\n".encode())
        _log.info(text, build_id=build_id)


async def _run(image: bytes, name: str, folder: Path, seconds: float) -> BootOutcome:
    board = QemuBoard(folder, board=name, boot_deadline=seconds)
    try:
        await board.flash(image, lambda _done, _total: None)
        return await board.boot()
    finally:
        await board.power_off()
