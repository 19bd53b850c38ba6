"""The work of a build: run the builder, sign what it made, store it. Each step may be repeated after a crash."""

from dataclasses import asdict
from typing import Any

import structlog
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from app.domain.builds import ENDED, MAX_ATTEMPTS, BuildState, may_become
from app.services.builders import manifest_of
from app.services.builds import record
from app.services.models import golden_outputs
from app.settings import Settings
from app.storage import builders as builder_rows
from app.storage import builds as rows
from app.storage import models as model_rows
from app.storage.blobs import BlobStore
from app.storage.database import Database
from app.storage.logs import LogStore
from app.storage.tables import ArtifactRow, BuilderRow, BuildRow, ModelVersionRow, now
from builders.contract import (
    FirmwareVersion,
    GoldenVector,
    ImageKind,
    ModelRef,
    Tensor,
    build_request_json,
    golden_json,
)
from builders.errors import BuilderError, CancelledError
from builders.runner import BuilderRunner, BuildInput, Limits
from builders.signing import sign_firmware

_log = structlog.get_logger(__name__)

SOURCE_DATE_EPOCH = 1_767_225_600
"""2026-01-01: one date for every build, so that time does not get into the bytes."""


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
        self._signing_key = signing_key
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
        """Run the builder; `{"firmware": sha256, "result": ...}` or `{"error": ..., "state": ...}`."""
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
                job_id=build_id,
                image_id=builder.digest,
                build_input=self._input(row, version),
                limits=limits,
                on_log=lambda line: self._logs.append(build_id, f"{line}\n".encode()),
                cancelled=lambda: self._cancel_requested(build_id),
            )
        except CancelledError:
            return {"state": BuildState.CANCELLED}
        except BuilderError as error:
            self._logs.append(build_id, f"== failed: {error}\n".encode())
            slug = getattr(error, "reason", None) or error.code
            return {
                "state": BuildState.FAILED,
                "error": {"slug": slug, "detail": str(error), "remedy": error.remedy},
            }
        firmware = next((image for image in output.result.images if image.kind == ImageKind.FIRMWARE), None)
        if firmware is None or str(firmware.version) != row.firmware_version:
            made = "no firmware" if firmware is None else f"firmware of version {firmware.version}"
            return {
                "state": BuildState.FAILED,
                "error": {
                    "slug": "bad_result",
                    "detail": f"The builder was asked for firmware of version {row.firmware_version} and made {made}.",
                    "remedy": "The builder must take firmware_version from build.json.",
                },
            }
        return {"firmware": self._blobs.put(output.files[firmware.file]), "result": _result_json(output.result)}

    def finish(self, build_id: str, compiled: dict[str, Any]) -> None:
        """Sign and store the image, and end the build, in one transaction."""
        with self._database.read() as session:
            row = rows.by_id(session, build_id)
            builder = builder_rows.by_id(session, row.builder_id) if row else None
            version = model_rows.version(session, row.model, row.version) if row else None
        if row is None or builder is None or version is None:
            raise LookupError(f"build {build_id} or what it names is gone")
        signed = b""
        if "firmware" in compiled:
            try:
                signed = self._sign(row, builder, version, self._blobs.get(compiled["firmware"]))
            except BuilderError as error:
                compiled = {
                    "state": BuildState.FAILED,
                    "error": {"slug": error.code, "detail": str(error), "remedy": error.remedy},
                }
        sha256 = self._blobs.put(signed) if signed else None
        with self._database.write() as transaction:
            session = transaction.session
            row = rows.by_id(session, build_id)
            if row is None or not may_become(row.state, BuildState.SUCCEEDED):
                return
            if sha256 is None:
                row.error = compiled.get("error")
                _end(row, BuildState(compiled["state"]))
            else:
                row.result = compiled["result"]
                row.artifact_sha256 = sha256
                _end(row, BuildState.SUCCEEDED)
                if rows.artifact(session, sha256) is None:
                    session.add(_artifact(row, sha256, len(signed)))
            session.add(row)
            record(session, row)
        _log.info("build ended", build_id=build_id, state=row.state, artifact=sha256)

    def _cancel_requested(self, build_id: str) -> bool:
        with self._database.read() as session:
            row = rows.by_id(session, build_id)
            return row is None or row.cancel_requested

    def _input(self, row: BuildRow, version: ModelVersionRow) -> BuildInput:
        vectors = [
            GoldenVector(
                inputs=tuple(bytes.fromhex(value) for value in vector["inputs"]),
                outputs=tuple(bytes.fromhex(value) for value in vector["outputs"]),
            )
            for vector in version.golden["vectors"]
        ]
        return BuildInput(
            model=self._blobs.get(version.sha256),
            build_json=build_request_json(
                model=ModelRef(name=row.model, version=row.version, sha256=row.model_sha256),
                inputs=_tensors(version.report["inputs"]),
                outputs=_tensors(version.report["outputs"]),
                board=row.board,
                parameters=row.parameters,
                firmware_version=FirmwareVersion.parse(row.firmware_version),
                source_date_epoch=SOURCE_DATE_EPOCH,
            ),
            golden_json=golden_json(vectors),
        )

    def _sign(self, row: BuildRow, builder: BuilderRow, version: ModelVersionRow, payload: bytes) -> bytes:
        board = manifest_of(builder).board(row.board)
        if board is None:
            raise LookupError(f"builder {builder.id} has no board {row.board}")
        return sign_firmware(
            payload,
            key=self._signing_key,
            version=row.firmware_version,
            security_counter=row.security_counter,
            board=row.board,
            model_sha256=bytes.fromhex(row.model_sha256),
            golden_outputs=list(golden_outputs(version.golden)),
            slot_size=board.slots["firmware"].size,
        )


def _end(row: BuildRow, state: BuildState) -> None:
    row.state, row.finished_at = state, now()


def _tensors(items: list[dict[str, Any]]) -> list[Tensor]:
    return [
        Tensor(item["name"], tuple(item["shape"]), item["dtype"], item["scale"] or 0.0, item["zero_point"] or 0)
        for item in items
    ]


def _result_json(result: Any) -> dict[str, Any]:
    return {
        "memory": asdict(result.memory),
        "operators": [asdict(operator) for operator in result.operators],
        "toolchain": dict(result.toolchain),
        "sections": [asdict(section) for section in result.sections],
        "model_slot": asdict(result.model_slot) if result.model_slot else None,
    }


def _artifact(row: BuildRow, sha256: str, size: int) -> ArtifactRow:
    return ArtifactRow(
        sha256=sha256,
        kind="firmware",
        size=size,
        board=row.board,
        firmware_version=row.firmware_version,
        security_counter=row.security_counter,
        model=row.model,
        version=row.version,
        model_sha256=row.model_sha256,
        builder_digest=row.builder_digest,
        build_id=row.id,
    )
