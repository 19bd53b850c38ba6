"""The work of a training job: run the worker, store what it made. Each step may be repeated after a crash."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from sqlmodel import Session

from app.domain.training import ENDED, MAX_FRUITLESS_ATTEMPTS, TrainingState, may_become
from app.services.models import ExaminedModel, ModelService, Provenance
from app.services.ports import BROKEN_OFF
from app.services.training import Ended, recipe_of_version, record
from app.services.update_job import ServerStopping
from app.settings import Settings
from app.storage import drift, events, snapshots
from app.storage import models as model_rows
from app.storage import training as rows
from app.storage.blobs import BlobStore
from app.storage.columns import now
from app.storage.database import Database, Transaction
from app.storage.federation_files import FederationFiles
from app.storage.tables import TrainingEpochRow, TrainingJobRow
from zoo.errors import ModelError
from zoo.training import supervisor
from zoo.training.errors import CancelledTraining, TrainingError, WorkerKilled
from zoo.training.job import RESULT, Federated, Job, Offload, Outcome, Parent, Trainable, code_version

_log = structlog.get_logger(__name__)

JsonObject = dict[str, Any]


class TrainingJob:
    """Carries out training jobs; called from job threads. Each has the folder `root/<id>` until it has ended."""

    def __init__(
        self,
        database: Database,
        blobs: BlobStore,
        models: ModelService,
        settings: Settings,
        snapshot_path: Callable[[str], Path],
        federation_files: FederationFiles,
        told: Sequence[Ended],
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._models = models
        self._settings = settings
        self._snapshot_path = snapshot_path
        self._federation_files = federation_files
        self._told = told
        self._root = settings.data_dir / "training"
        self._stopping = False

    def begin(self, job_id: str) -> bool:
        """Take the job up; False when nothing is left to do."""
        with self._database.write() as transaction:
            row = rows.by_id(transaction.session, job_id)
            if row is None or TrainingState(row.state) in ENDED:
                return False
            row.state = TrainingState.RUNNING
            row.started_at = row.started_at or now()
            transaction.session.add(row)
            record(transaction.session, row)
            return True

    def run(self, job_id: str) -> JsonObject:
        """Run workers until one ends by itself; {} when its result is in the folder, or `state` and `error`."""
        with self._database.read() as session:
            row = rows.by_id(session, job_id)
            parent = self._parent(session, row) if row else None
        if row is None:
            raise LookupError(f"training job {job_id} is gone")
        job = self._job(row, parent)
        while True:
            if not self._attempt(job_id):
                return _failed(
                    "worker_died",
                    f"The worker died {MAX_FRUITLESS_ATTEMPTS} times in a row without one more epoch.",
                    "Read the server's log; the training may exhaust the machine's memory.",
                )
            try:
                supervisor.run(
                    job,
                    self._root / job_id,
                    report=lambda epochs: self._report(job_id, epochs),
                    cancelled=lambda: self._cancelled(job_id),
                )
            except WorkerKilled:
                self._died(job_id)
                _log.warning("a training worker was killed; another one goes on", job_id=job_id)
            except CancelledTraining:
                return {"state": TrainingState.CANCELLED}
            except TrainingError as error:
                return _failed(getattr(error, "slug", error.code), str(error), error.remedy, error.field)
            else:
                return {}

    def finish(self, job_id: str, ran: JsonObject) -> None:
        """Store what was made, and end the job, in one transaction."""
        folder = self._root / job_id
        with self._database.read() as session:
            row = rows.by_id(session, job_id)
        if row is None or not may_become(row.state, TrainingState.SUCCEEDED):
            return  # a killed server got as far as this before; `reap` removes the folder
        made: _Made | None = None
        if not ran:
            try:
                made = self._made(folder)
            except ModelError as error:
                ran = _failed(error.code, str(error), error.remedy)
        with self._database.write() as transaction:
            row = rows.by_id(transaction.session, job_id)
            if row is None or not may_become(row.state, TrainingState.SUCCEEDED):
                return
            if row.cancel_requested:  # and the worker ended before it was stopped
                made, ran = None, {"state": TrainingState.CANCELLED}
            if made is None:
                row.error, row.state = ran.get("error"), TrainingState(ran["state"])
            else:
                self._succeed(transaction, row, made)
            row.finished_at = now()
            snapshots.release(transaction.session, row.snapshot_sha256, f"training-job/{row.id}")
            transaction.session.add(row)
            record(transaction.session, row)
            for tell in self._told:
                tell(transaction, row, made.formats if made is not None else {})
        _log.info("training ended", job_id=job_id, state=row.state, model=row.model, version=row.version)
        shutil.rmtree(folder, ignore_errors=True)

    def give_up(self, job_id: str) -> None:
        """End a job that broke off with an error that nobody foresaw."""
        self.finish(job_id, {"state": TrainingState.FAILED, "error": {**BROKEN_OFF, "field": None}})

    def stop(self) -> None:
        """Let go of every job; the next process goes on from their checkpoints."""
        self._stopping = True

    def reap(self) -> None:
        """Remove the folders of jobs that ended while a server died."""
        with self._database.read() as session:
            live = {row.id for row in rows.unfinished(session)}
        for folder in self._root.glob("trn_*"):
            if folder.name not in live:
                shutil.rmtree(folder, ignore_errors=True)

    def _attempt(self, job_id: str) -> bool:
        """Count a worker that is about to start; False when too many died in vain."""
        with self._database.write() as transaction:
            row = rows.by_id(transaction.session, job_id)
            if row is None or row.fruitless >= MAX_FRUITLESS_ATTEMPTS:
                return False
            row.attempts += 1
            transaction.session.add(row)
            return True

    def _died(self, job_id: str) -> None:
        """A worker was killed while the server lived on; those that went down with their server are no sign."""
        with self._database.write() as transaction:
            row = rows.by_id(transaction.session, job_id)
            if row is not None:
                row.fruitless += 1
                transaction.session.add(row)

    def _report(self, job_id: str, epochs: list[dict[str, float]]) -> None:
        """Write epochs down; those that are known, from before a restart, are left alone."""
        with self._database.write() as transaction:
            session = transaction.session
            row = rows.by_id(session, job_id)
            if row is None:
                return
            for figures in epochs:
                number = int(figures["epoch"])
                if rows.epoch(session, job_id, number) is not None:
                    continue
                session.add(TrainingEpochRow(job_id=job_id, epoch=number, figures=figures))
                row.epochs_done, row.fruitless = number, 0
                data = {"epochs_total": row.epochs_total, **figures}
                events.append(session, "training-job.epoch", f"training-job/{job_id}", data)
            session.add(row)

    def _cancelled(self, job_id: str) -> bool:
        if self._stopping:
            raise ServerStopping
        with self._database.read() as session:
            row = rows.by_id(session, job_id)
            return row is None or row.cancel_requested

    def _parent(self, session: Session, row: TrainingJobRow) -> Parent | None:
        if row.parent is None:
            return None
        version = model_rows.version(session, row.parent["model"], row.parent["version"])
        if version is None:
            raise LookupError(f"the parent of training job {row.id} is gone")
        formats, card = version.formats or {}, version.card or {}

        def path(name: str) -> str | None:
            return str(self._blobs.path(formats[name]["sha256"])) if name in formats else None

        return Parent(
            int8=str(self._blobs.path(version.sha256)),
            keras=path("keras"),
            float32=path("float32"),
            recipe=recipe_of_version(version),
            scaling=card.get("scaling"),
            labels=list(card.get("labels") or ()),
        )

    def _job(self, row: TrainingJobRow, parent: Parent | None) -> Job:
        return Job(
            kind=row.kind,
            snapshot=str(self._snapshot_path(row.snapshot_sha256)),
            snapshot_sha256=row.snapshot_sha256,
            recipe=row.recipe,
            parent=parent,
            memory_bytes=self._settings.training_memory_bytes,
            seconds=self._settings.training_seconds,
            offload=None if row.offload is None else self._offload(row.offload),
            trainable=None if row.trainable is None else Trainable(**row.trainable),
            federated=None if row.federated is None else self._federated(row.federated),
        )

    def _federated(self, asked: JsonObject) -> Federated:
        path = self._federation_files.weights_path(asked["federation_id"], asked["weights_sha256"])
        return Federated(scope=asked["scope"], parameters=asked["parameters"], weights=str(path))

    def _offload(self, asked: JsonObject) -> Offload:
        weights = asked["weights_sha256"]
        return Offload(
            ini=self._blobs.get(asked["ini_sha256"]).decode(),
            weights=None if weights is None else str(self._blobs.path(weights)),
            epochs=asked["epochs"],
            seed=asked["seed"],
            shuffled=asked["shuffled"],
        )

    def _made(self, folder: Path) -> "_Made":
        """The outcome, the int8 model after the oracle, and the other forms in the blob store."""
        outcome = Outcome.parse((folder / RESULT).read_text(encoding="utf-8"))
        examined: ExaminedModel | None = None
        formats: JsonObject = {}
        for name, file in outcome.files.items():
            data = (folder / file).read_bytes()
            if name == "int8":
                examined = self._models.examine(data)
            else:
                formats[name] = {"sha256": self._blobs.put(data), "size": len(data)}
        return _Made(outcome, examined, formats)

    def _succeed(self, transaction: Transaction, row: TrainingJobRow, made: "_Made") -> None:
        outcome = made.outcome
        row.state = TrainingState.SUCCEEDED
        row.result = {"metric": (outcome.evaluation or {}).get("metric"), "comparison": outcome.comparison}
        if made.examined is None:  # an evaluation or another form, of the parent
            row.version = self._completed(transaction.session, row, made)
        else:
            snapshot = snapshots.by_sha256(transaction.session, row.snapshot_sha256)
            schema = snapshot.data_schema if snapshot is not None else {}
            provenance = _provenance(row, outcome, made.formats, schema)
            version, _ = self._models.store(transaction, row.model, made.examined, provenance)
            transaction.session.flush()
            row.version = version.version
            if row.activate:
                self._models.activate(transaction, row.model, version.version)
        snapshots.use(transaction.session, row.snapshot_sha256, f"model/{row.model}/{row.version}")

    def _completed(self, session: Session, row: TrainingJobRow, made: "_Made") -> int | None:
        """Give the parent the figures, the forms and the reference; its number."""
        parent = row.parent or {}
        version = model_rows.version(session, parent["model"], parent["version"])
        if version is None:
            raise LookupError(f"the parent of training job {row.id} is gone")
        if made.outcome.evaluation is not None:
            version.evaluation = {"snapshot_sha256": row.snapshot_sha256, **made.outcome.evaluation}
        if made.outcome.reference is not None:
            known = made.outcome.reference
            drift.put_reference(session, version.model, version.version, row.snapshot_sha256, known)
        version.formats = {**(version.formats or {}), **made.formats} or None
        session.add(version)
        return version.version


@dataclass(frozen=True)
class _Made:
    """What a worker left: without `examined` it made no model."""

    outcome: Outcome
    examined: ExaminedModel | None
    formats: JsonObject


def _provenance(row: TrainingJobRow, outcome: Outcome, formats: JsonObject, schema: JsonObject) -> Provenance:
    recipe = outcome.recipe or {}
    evaluation = outcome.evaluation or {}
    # As `TrainingData` makes numbers of the bytes of a picture.
    of_bytes = schema.get("kind") == "image" and schema.get("dtype") == "uint8"
    return Provenance(
        card={
            "name": row.model,
            "task": recipe.get("task"),
            "description": recipe.get("description") or f"Made by training job {row.id}.",
            "labels": outcome.labels,
            "picture": {"low": 0, "high": 1, "invert": False} if of_bytes else None,
            "scaling": outcome.scaling,
        },
        formats=formats,
        lineage={
            "job_id": row.id,
            "kind": row.kind,
            "snapshot_sha256": row.snapshot_sha256,
            "dataset": row.dataset,
            "recipe": outcome.recipe,
            "seed": row.seed,
            "parent": row.parent,
            "federation": None
            if row.federated is None
            else {name: row.federated[name] for name in ("federation_id", "scope", "rounds")},
            "code": code_version(),
        },
        evaluation={"snapshot_sha256": row.snapshot_sha256, **evaluation},
    )


def _failed(slug: str, detail: str, remedy: str, field: str | None = None) -> JsonObject:
    error = {"slug": slug, "detail": detail, "remedy": remedy, "field": field}
    return {"state": TrainingState.FAILED, "error": error}
