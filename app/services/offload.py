"""Sessions of offloaded training: confs and files of a sender and a receiver, until a training can begin of them."""

import re
from collections import Counter
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from sqlmodel import Session

from app.contract import models as api
from app.domain.offload import OffloadState, state_of
from app.domain.training import TrainingState
from app.errors import Conflict, Invalid, NotFound
from app.services.dataset_files import DatasetFiles
from app.services.identity import new_id
from app.services.offload_models import OffloadModelService, as_offload_model
from app.services.offload_pool import Pool, conf_json
from app.services.training import TrainingService
from app.services.turns import Turns
from app.storage import events, snapshots
from app.storage import offload as rows
from app.storage import training as training_rows
from app.storage.blobs import BlobStore
from app.storage.columns import now
from app.storage.database import Transaction
from app.storage.dataset_tables import DatasetSnapshotRow
from app.storage.pages import Page
from app.storage.tables import OffloadSessionRow, TrainingJobRow
from zoo.datasets import snapshot
from zoo.datasets.split import Plan as Split
from zoo.training.kinds import OFFLOAD
from zoo.training.offload.conf import MODEL_RAW, RECEIVER, SENDER, Conf, Service, parse_conf
from zoo.training.offload.plan import Plan, Samples, make_plan, read_samples, select

_NOT_OF_A_NAME = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True)
class Received:
    """A file whose bytes are stored; with it came the last one where there is a `beginning`."""

    name: str
    sha256: str
    size: int
    beginning: "Beginning | None"


@dataclass(frozen=True)
class Beginning:
    """What a training begins with: a snapshot whose file is on the disk, and what its row and the job will say."""

    sha256: str
    size: int
    samples: Samples
    offload: dict[str, Any]


class OffloadService:
    """Use cases of sessions."""

    def __init__(
        self, blobs: BlobStore, files: DatasetFiles, training: TrainingService, models: OffloadModelService
    ) -> None:
        self._blobs = blobs
        self._files = files
        self._training = training
        self._turns = Turns()
        self.models = models

    def create(self, transaction: Transaction, request: api.OffloadSessionRequest) -> OffloadSessionRow:
        """A receiver waits; with the sender's conf, when it is known already."""
        receiver = parse_conf(request.receiver_conf, RECEIVER)
        row = OffloadSessionRow(
            id=new_id("off"),
            topic=receiver.topic,
            model=request.model or _model_name(_reply(receiver)),
            seed=request.seed,
            receiver_conf=request.receiver_conf,
            deadline_at=now() + timedelta(seconds=receiver.time_limit),
        )
        transaction.session.add(row)
        transaction.session.flush()
        self._record(transaction.session, row, OffloadState.WAITING)
        return self.join(transaction, row.id, request.sender_conf) if request.sender_conf else row

    def join(self, transaction: Transaction, session_id: str, conf: str) -> OffloadSessionRow:
        """The sender's conf. The time limit begins anew: it is one for the data."""
        sender = parse_conf(conf, SENDER)
        row = self.waiting(transaction.session, session_id)
        receiver = parse_conf(row.receiver_conf, RECEIVER)
        make_plan(sender, receiver)
        if row.sender_conf is not None and row.sender_conf != conf:
            raise Conflict(
                "offload_sender_there",
                f"Session {session_id} has a sender, with another conf.",
                f"Make a session of its own: POST /v1/offload/sessions. If that sender is gone, take its place after "
                f"DELETE /v1/offload/sessions/{session_id}/sender.",
            )
        row.sender_conf = conf
        row.deadline_at = now() + timedelta(seconds=receiver.time_limit)
        transaction.session.add(row)
        return row

    def leave(self, transaction: Transaction, session_id: str) -> None:
        """Forget the sender and what it sent, so that another can join. Hold the files, and the session's turn."""
        row = self.waiting(transaction.session, session_id)
        if row.sender_conf is None:
            return
        files: list[str | None] = [item["sha256"] for item in row.files.values()]
        row.sender_conf, row.files = None, {}
        transaction.session.add(row)
        self._record(transaction.session, row, OffloadState.WAITING)
        transaction.after_commit(lambda: self._files.forget(files))

    def turn(self, session_id: str) -> AbstractContextManager[None]:
        """From the first look at a session until a file of it is noted: of two last files one has to see the other."""
        return self._turns.of(session_id)

    def receive(self, session: Session, session_id: str, name: str, data: bytes) -> Received:
        """Check a file against those that are there, and store it. Hold the files until its row is committed."""
        row = self.waiting(session, session_id)
        plan = self._plan(row)
        if name not in plan.files:
            raise NotFound(
                "offload_file_unknown",
                f"The confs of session {session_id} name no file {name}.",
                f"They name {', '.join(plan.files)}.",
                "file_name",
            )
        pool = Pool(self._blobs, self._files, plan, row.files, {name: data})
        pool.check()
        sha256 = self._files.put([data]) if name == plan.data else self._blobs.put(data)
        known = {**row.files, name: {"sha256": sha256, "size": len(data)}}
        if not set(plan.files) <= known.keys():
            return Received(name, sha256, len(data), None)
        network, layout = pool.network(), pool.layout()
        chosen = select(plan, layout, network, row.seed)
        samples = read_samples(chosen, layout, network, pool.bytes(plan.data))
        stored = self._files.put(snapshot.chunks(samples.schema, samples.rows(), samples.y, None, samples.split))
        offload = {
            "session": row.id,
            "ini_sha256": known[plan.ini]["sha256"],
            "weights_sha256": None if plan.weights is None else known[plan.weights]["sha256"],
            "epochs": plan.epochs,
            "seed": row.seed,
            "shuffled": chosen.shuffled,
        }
        beginning = Beginning(stored, self._files.path(stored).stat().st_size, samples, offload)
        return Received(name, sha256, len(data), beginning)

    def store(self, transaction: Transaction, session_id: str, received: Received) -> OffloadSessionRow:
        """Note a file; with the last one register what came, and queue the training."""
        row = self.waiting(transaction.session, session_id)
        row.files = {**row.files, received.name: {"sha256": received.sha256, "size": received.size}}
        transaction.session.add(row)
        if received.beginning is not None:
            self._begin(transaction, row, received.beginning)
        return row

    def training_ended(self, transaction: Transaction, job: TrainingJobRow, formats: dict[str, Any]) -> None:
        """The .bin of an offloaded training that succeeded goes into the repository under the receiver's key."""
        if job.offload is None or job.state != TrainingState.SUCCEEDED:
            return
        row = rows.by_id(transaction.session, job.offload["session"])
        if row is None:
            return  # the session was deleted meanwhile; the version in the zoo stays
        service = _reply(parse_conf(row.receiver_conf, RECEIVER))
        made = self._register(transaction, row, service, self._blobs.get(formats["nntrainer"]["sha256"]))
        row.registered = {"key": service.key, "version": made}
        transaction.session.add(row)

    def session(self, session: Session, session_id: str) -> OffloadSessionRow:
        """One session, or NotFound."""
        row = rows.by_id(session, session_id)
        if row is None:
            raise NotFound(
                "offload_session_not_found",
                f"There is no session {session_id}.",
                "GET /v1/offload/sessions lists them.",
                "session_id",
            )
        return row

    def waiting(self, session: Session, session_id: str) -> OffloadSessionRow:
        """One session that waits for data, or NotFound, or Conflict."""
        row = self.session(session, session_id)
        state = self.state(session, row)
        if state is not OffloadState.WAITING:
            raise Conflict(
                "offload_session_not_waiting",
                f"Session {session_id} does not wait for data: it is {state}.",
                "Begin another one: POST /v1/offload/sessions. A receiver's `time-limit` says how long it waits.",
            )
        return row

    def state(self, session: Session, row: OffloadSessionRow) -> OffloadState:
        """Where a session stands now."""
        job = training_rows.by_id(session, row.job_id) if row.job_id else None
        return state_of(cancelled=row.cancelled, job=job.state if job else None, deadline=row.deadline_at, at=now())

    def listing(self, session: Session, cursor: str | None, limit: int, topic: str | None) -> Page[OffloadSessionRow]:
        """A page of sessions."""
        return rows.listing(session, cursor, limit, topic)

    def cancel(self, transaction: Transaction, session_id: str) -> OffloadSessionRow:
        """End a session that waits, or its training."""
        row = self.session(transaction.session, session_id)
        if row.job_id is not None:
            self._training.cancel(transaction, row.job_id)
            return row
        self.waiting(transaction.session, session_id)
        row.cancelled = True
        transaction.session.add(row)
        self._record(transaction.session, row, OffloadState.CANCELLED)
        return row

    def delete(self, transaction: Transaction, session_id: str) -> None:
        """Take a session and its samples away; what was registered or trained stays. Hold the files."""
        session = transaction.session
        row = self.session(session, session_id)
        if self.state(session, row) is OffloadState.TRAINING:
            raise Conflict(
                "offload_session_training",
                f"Session {session_id} is training.",
                f"Cancel it first: POST /v1/offload/sessions/{session_id}/cancellation.",
            )
        files: list[str | None] = [item["sha256"] for item in row.files.values()]
        for taken in snapshots.all_of_dataset(session, dataset_name(row)):
            _require_unused(session, taken)
            taken.removed_at = now()  # its hash stays for the lineage of what was trained on it
            session.add(taken)
            files.append(taken.sha256)
        session.delete(row)
        events.append(session, "offload-session.deleted", f"offload-session/{row.id}", {})
        transaction.after_commit(lambda: self._files.forget(files))

    def result(self, session: Session, session_id: str) -> tuple[str, str]:
        """The name and the hash of the trained model's .bin, or Conflict."""
        row = self.session(session, session_id)
        if row.registered is None:
            raise Conflict(
                "offload_result_missing",
                f"Session {session_id} has no trained model: it is {self.state(session, row)}.",
                f"GET /v1/offload/sessions/{session_id} shows its state, and why it failed.",
            )
        found = self.models.version(session, row.registered["key"], row.registered["version"])
        return found.name, found.sha256

    def metrics(self, session: Session, session_id: str) -> api.OffloadMetrics:
        """training_result, as tensor_trainer gives it: four numbers for each epoch."""
        row = self.session(session, session_id)
        state = self.state(session, row)
        found = training_rows.epochs(session, row.job_id, 0) if row.job_id else ()
        return api.OffloadMetrics.model_validate(
            {
                "session_id": session_id,
                "state": state,
                "training_result": [
                    [epoch.figures.get(name) for name in ("loss", "accuracy", "validation_loss", "validation_accuracy")]
                    for epoch in found
                ],
            }
        )

    def as_session(self, session: Session, row: OffloadSessionRow) -> api.OffloadSession:
        """A session as the API shows it."""
        job = training_rows.by_id(session, row.job_id) if row.job_id else None
        sender = None if row.sender_conf is None else parse_conf(row.sender_conf, SENDER)
        names = self._plan(row).files if sender is not None else ()
        result = row.registered and rows.version(session, row.registered["key"], row.registered["version"])
        return api.OffloadSession.model_validate(
            {
                "id": row.id,
                "state": self.state(session, row),
                "topic": row.topic,
                "model": row.model,
                "version": job.version if job else None,
                "receiver": conf_json(parse_conf(row.receiver_conf, RECEIVER)),
                "sender": None if sender is None else conf_json(sender),
                "files": [{"name": name, "size": None, "sha256": None, **row.files.get(name, {})} for name in names],
                "training_job_id": row.job_id,
                "result": as_offload_model(result) if result else None,
                "error": job.error if job else None,
                "created_at": row.created_at,
                "deadline_at": row.deadline_at,
            }
        )

    def _plan(self, row: OffloadSessionRow) -> Plan:
        if row.sender_conf is None:
            raise Conflict(
                "offload_sender_missing",
                f"Session {row.id} has no sender yet.",
                f"PUT the sender's conf first: /v1/offload/sessions/{row.id}/sender.",
            )
        return make_plan(parse_conf(row.sender_conf, SENDER), parse_conf(row.receiver_conf, RECEIVER))

    def _begin(self, transaction: Transaction, row: OffloadSessionRow, beginning: Beginning) -> None:
        session, samples = transaction.session, beginning.samples
        for name, service in parse_conf(row.sender_conf or "", SENDER).files.items():
            if service.type == MODEL_RAW and name in row.files:
                self._register(transaction, row, service, self._blobs.get(row.files[name]["sha256"]))
        count = len(samples.values)
        share = len(samples.split["train"]) / count
        session.add(
            DatasetSnapshotRow(
                dataset=dataset_name(row),
                sha256=beginning.sha256,
                size=beginning.size,
                samples=count,
                data_schema=samples.schema.to_json(),
                split={
                    "asked": asdict(Split(share, 1 - share, 0.0, row.seed, by_group=False)),
                    "parts": _parts(samples),
                },
            )
        )
        session.flush()
        service = _reply(parse_conf(row.receiver_conf, RECEIVER))
        job = TrainingJobRow(
            id=new_id("trn"),
            kind=OFFLOAD,
            model=row.model,
            snapshot_sha256=beginning.sha256,
            dataset=dataset_name(row),
            offload=beginning.offload,
            seed=row.seed,
            activate=service.activate,
            epochs_total=beginning.offload["epochs"],
        )
        row.job_id = self._training.queue(transaction, job).id
        session.add(row)
        self._record(session, row, OffloadState.TRAINING)

    def _register(self, transaction: Transaction, row: OffloadSessionRow, service: Service, data: bytes) -> int:
        return self.models.register(
            transaction,
            service.key,
            service.name or "",
            data,
            activate=service.activate,
            description=service.description,
            session_id=row.id,
        ).version

    def _record(self, session: Session, row: OffloadSessionRow, state: OffloadState) -> None:
        data = {"topic": row.topic, "training_job_id": row.job_id}
        events.append(session, f"offload-session.{state}", f"offload-session/{row.id}", data)


def _require_unused(session: Session, taken: DatasetSnapshotRow) -> None:
    """A model's lineage needs the hash alone; whoever else uses a snapshot reads its file."""
    readers = [user for user in snapshots.users(session, taken.sha256) if not user.startswith("model/")]
    if readers:
        raise Conflict(
            "offload_samples_in_use",
            f"The session's samples are in use by {', '.join(readers[:5])}.",
            "Wait until that has ended, or cancel it.",
        )


def dataset_name(row: OffloadSessionRow) -> str:
    """Under which name the samples of a session have their snapshot."""
    return f"offload-{row.id.removeprefix('off_')}"


def _reply(receiver: Conf) -> Service:
    return next(iter(receiver.files.values()))


def _model_name(service: Service) -> str:
    """A name of the zoo for a service key, which may have other characters."""
    name = _NOT_OF_A_NAME.sub("-", service.key.lower()).strip("-")[:63].rstrip("-")
    if not name:
        raise Invalid(
            "offload_model_unnamed",
            f"The service key {service.key!r} makes no name of a model.",
            "Give `model`: lower-case letters, digits and '-'.",
            "body.model",
        )
    return name


def _parts(samples: Samples) -> dict[str, Any]:
    labels = samples.schema.labels
    names = [labels[int(index)] if labels else None for index in samples.y] if labels else [None] * len(samples.values)
    found: dict[str, Any] = {}
    for part, indices in samples.split.items():
        counts = Counter(names[index] for index in indices)
        told = [{"label": label, "samples": counts[label]} for label in sorted(counts, key=lambda label: label or "")]
        found[part] = {"samples": len(indices), "labels": told}
    return found
