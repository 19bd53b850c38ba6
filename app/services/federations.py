"""Federations, as operators see them: begun, enrolled in, started, cancelled; `FederationRounds` does the work."""

import secrets
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any

from sqlmodel import Session

from app.contract import models as api
from app.domain.federation import HEAD, FederationState, UpdateState, may_become
from app.domain.training import ENDED as TRAINING_ENDED
from app.domain.training import TrainingState
from app.errors import Conflict, Invalid, NotFound
from app.services.devices import DeviceService
from app.services.federation_bell import FederationBell
from app.services.federation_intake import federation_not_found, round_of, store_round, token_sha256
from app.services.identity import new_id
from app.services.models import ModelService
from app.services.training import TrainingService, require_float_source, snapshot_with_file
from app.storage import events, snapshots
from app.storage import federations as rows
from app.storage.columns import now
from app.storage.database import Transaction
from app.storage.dataset_tables import DatasetSnapshotRow
from app.storage.federation_files import FederationFiles
from app.storage.federation_tables import FederationClientRow, FederationRoundRow, FederationRow
from app.storage.pages import Page
from app.storage.tables import ModelVersionRow, TrainingJobRow
from zoo.federated.rounds import Left, RoundState, step
from zoo.training.kinds import FEDERATION_RESULT, TRAINABLE

MAX_CLIENTS = 10_000
TOKEN_BYTES = 32
NAMED_CLIENTS = 100
"""Of each round, in what a version says of itself: with all of them it would grow with clients times rounds."""


class FederationService:
    """Use cases of federations."""

    def __init__(
        self,
        models: ModelService,
        training: TrainingService,
        devices: DeviceService,
        files: FederationFiles,
        bell: FederationBell,
    ) -> None:
        self._models = models
        self._training = training
        self._devices = devices
        self._files = files
        self._bell = bell

    def create(self, transaction: Transaction, request: api.FederationRequest) -> FederationRow:
        """Begin one; a worker makes its trainable model."""
        session = transaction.session
        version, snapshot = self.check(session, request)
        training = request.training or api.FederationTraining()
        row = FederationRow(
            id=new_id("fed"),
            name=request.name or request.model,
            model=version.model,
            version=version.version,
            model_sha256=version.sha256,
            scope=request.scope,
            snapshot_sha256=snapshot.sha256,
            settings=request.model_dump(
                include={
                    "rounds",
                    "fraction",
                    "minimum_clients",
                    "deadline_seconds",
                    "clip_norm",
                    "noise_multiplier",
                    "outlier_factor",
                    "max_samples",
                    "seed",
                }
            )
            | {"training": training.model_dump()},
        )
        row.trainable_sha256 = _made_before(session, row)
        if row.trainable_sha256 is None:
            job = _job(row, version, TRAINABLE, snapshot.dataset)
            job.trainable = {"scope": row.scope, "batch": training.batch_size}
            row.job_id = self._training.queue(transaction, job).id
        snapshots.use(session, row.snapshot_sha256, f"federation/{row.id}")
        session.add(row)
        session.flush()
        self._changed(transaction, row)
        return row

    def check(self, session: Session, request: api.FederationRequest) -> tuple[ModelVersionRow, DatasetSnapshotRow]:
        """What it starts from and is measured on; what can be known to be wrong with a request is refused."""
        version = self._models.version(session, request.model, request.version)
        require_float_source(version, "body.version")
        if request.noise_multiplier and request.clip_norm is None:
            raise Invalid(
                "clip_norm_missing",
                "Noise is measured by clip_norm: without one it covers nothing of what a client can change.",
                "Give clip_norm, the most that an update may move; the rounds of a trial show norms.",
                "body.clip_norm",
            )
        return version, snapshot_with_file(session, request.snapshot)

    def federation(self, session: Session, federation_id: str) -> FederationRow:
        """One, or NotFound."""
        row = rows.by_id(session, federation_id)
        if row is None:
            raise federation_not_found(federation_id)
        return row

    def listing(self, session: Session, cursor: str | None, limit: int, state: str | None) -> Page[FederationRow]:
        """A page, newest first."""
        return rows.listing(session, cursor, limit, state)

    def start(self, transaction: Transaction, federation_id: str) -> FederationRow:
        """Begin the rounds."""
        session = transaction.session
        row = self.federation(session, federation_id)
        if not may_become(row.state, FederationState.RUNNING):
            raise Conflict(
                "federation_not_enrolling",
                f"Federation {federation_id} is {row.state}; it is started from `enrolling`.",
                "GET it until it is enrolling; one that was started goes on by itself.",
            )
        enrolled, needed = rows.count_clients(session, federation_id), row.settings["minimum_clients"]
        if enrolled < needed:
            raise Conflict(
                "clients_missing",
                f"{enrolled} clients are enrolled, and a round needs {needed}.",
                f"POST /v1/federations/{federation_id}/clients enrols one.",
            )
        row.state, row.started_at = FederationState.RUNNING, now()
        self._changed(transaction, row)
        return row

    def cancel(self, transaction: Transaction, federation_id: str) -> FederationRow:
        """End it without a result, at once."""
        row = self.federation(transaction.session, federation_id)
        if not may_become(row.state, FederationState.CANCELLED):
            raise Conflict(
                "federation_ended", f"Federation {federation_id} has ended: {row.state}.", "Nothing is left to cancel."
            )
        self.end(transaction, row, FederationState.CANCELLED)  # first: the end of its job then changes nothing more
        if row.job_id is not None:
            job = self._training.job(transaction.session, row.job_id)
            if TrainingState(job.state) not in TRAINING_ENDED:
                self._training.cancel(transaction, job.id)
        return row

    def enrol(
        self, transaction: Transaction, federation_id: str, request: api.FederationClientRequest
    ) -> api.EnrolledFederationClient:
        """A client with a token that is told here alone, or a board."""
        session = transaction.session
        row = self._open(session, federation_id)
        if (request.name is None) == (request.endpoint is None):
            raise Invalid(
                "client_ambiguous",
                "A client has a name, or is the endpoint of a board; one of the two.",
                "Send name for a client that comes with a token, endpoint for a board that registered over LwM2M.",
                "body",
            )
        if request.endpoint is not None:
            self._devices.device(session, request.endpoint)
            if row.scope != HEAD:
                raise Invalid(
                    "board_trains_head",
                    f"Boards train the head alone, and federation {federation_id} trains everything.",
                    "Create a federation with scope head.",
                    "body.endpoint",
                )
        name = request.name or request.endpoint or ""
        if rows.client_by_name(session, federation_id, name) is not None:
            raise Conflict(
                "client_enrolled",
                f"{name} is enrolled already.",
                "Take another name; or remove the client and enrol it again for a new token.",
                "body.name" if request.name else "body.endpoint",
            )
        if rows.count_clients(session, federation_id) >= MAX_CLIENTS:
            raise Conflict(
                "federation_full", f"Federation {federation_id} has {MAX_CLIENTS} clients.", "Begin another one."
            )
        token = secrets.token_urlsafe(TOKEN_BYTES) if request.endpoint is None else None
        client = FederationClientRow(
            id=new_id("cli"),
            federation_id=federation_id,
            name=name,
            endpoint=request.endpoint,
            token_sha256=None if token is None else token_sha256(token),
        )
        session.add(client)
        session.flush()
        transaction.after_commit(lambda: self._bell.ring(federation_id))
        return api.EnrolledFederationClient.model_validate({**client.model_dump(), "token": token})

    def clients(
        self, session: Session, federation_id: str, cursor: str | None, limit: int
    ) -> Page[FederationClientRow]:
        """A page, in the order of enrolment."""
        self.federation(session, federation_id)
        return rows.client_page(session, federation_id, cursor, limit)

    def remove_client(self, transaction: Transaction, federation_id: str, client_id: str) -> None:
        """Void its token; an open round no longer waits for it."""
        session = transaction.session
        row = self._open(session, federation_id)
        client = rows.client(session, federation_id, client_id)
        if client is None:
            raise NotFound(
                "client_not_found",
                f"Federation {federation_id} has no client {client_id}.",
                f"GET /v1/federations/{federation_id}/clients lists them.",
                "client_id",
            )
        client.removed_at = now()
        session.add(client)
        current = rows.round_(session, federation_id, row.round)
        if current is not None:
            answers = rows.answers(session, federation_id, row.round)
            store_round(session, current, step(round_of(current, answers), Left(client_id)))
        transaction.after_commit(lambda: self._bell.ring(federation_id))

    def round(self, session: Session, federation_id: str, number: int) -> FederationRoundRow:
        """One round, or NotFound."""
        self.federation(session, federation_id)
        row = rows.round_(session, federation_id, number)
        if row is None:
            raise NotFound(
                "round_not_found",
                f"Federation {federation_id} has opened no round {number}.",
                f"GET /v1/federations/{federation_id}/rounds lists them.",
                "round",
            )
        return row

    def rounds(self, session: Session, federation_id: str, cursor: str | None, limit: int) -> Page[FederationRoundRow]:
        """A page, newest first."""
        self.federation(session, federation_id)
        return rows.round_page(session, federation_id, cursor, limit)

    def finish(self, transaction: Transaction, row: FederationRow) -> None:
        """Have a worker make a version of the average."""
        session = transaction.session
        version = self._models.version(session, row.model, row.version)
        closed = [item for item in rows.rounds(session, row.id) if item.result_sha256 is not None]
        names = rows.names(session, row.id)
        snapshot = snapshot_with_file(session, row.snapshot_sha256)
        job = _job(row, version, FEDERATION_RESULT, snapshot.dataset)
        job.federated = {
            "federation_id": row.id,
            "scope": row.scope,
            "parameters": (row.document or {})["parameters"],
            "weights_sha256": row.weights_sha256,
            "rounds": [_lineage(session, item, names) for item in closed],
        }
        row.job_id = self._training.queue(transaction, job).id
        row.state = FederationState.FINISHING
        self._changed(transaction, row)

    def end(
        self, transaction: Transaction, row: FederationRow, state: FederationState, error: dict[str, Any] | None = None
    ) -> None:
        """The end of a federation; what clients sent is removed."""
        session, federation_id = transaction.session, row.id
        current = rows.round_(session, federation_id, row.round)
        if current is not None and current.closed_at is None:
            close_round(session, current, RoundState.ABANDONED, frozenset())
        row.state, row.error, row.finished_at = state, error, now()
        snapshots.release(session, row.snapshot_sha256, f"federation/{federation_id}")
        transaction.after_commit(lambda: self._files.forget_updates(federation_id))
        self._changed(transaction, row)

    def training_ended(self, transaction: Transaction, job: TrainingJobRow, formats: dict[str, Any]) -> None:
        """A job that works for a federation has ended."""
        row = rows.by_job(transaction.session, job.id)
        if row is None or not may_become(row.state, FederationState.FAILED):
            return  # none of ours, or it was cancelled meanwhile
        if job.state != TrainingState.SUCCEEDED:
            self.end(transaction, row, FederationState.FAILED, _told(job))
        elif row.state == FederationState.PREPARING:
            row.trainable_sha256 = formats["trainable"]["sha256"]
            transaction.session.add(row)
            transaction.after_commit(lambda: self._bell.ring(row.id))
        else:
            row.result_version = job.version
            self.end(transaction, row, FederationState.FINISHED)

    def _open(self, session: Session, federation_id: str) -> FederationRow:
        row = self.federation(session, federation_id)
        if row.state not in {FederationState.PREPARING, FederationState.ENROLLING, FederationState.RUNNING}:
            raise Conflict(
                "federation_over", f"Federation {federation_id} is {row.state}.", "Nobody joins or leaves any more."
            )
        return row

    def _changed(self, transaction: Transaction, row: FederationRow) -> None:
        transaction.session.add(row)
        record(transaction.session, row)
        transaction.after_commit(lambda: self._bell.ring(row.id))


def record(session: Session, row: FederationRow) -> None:
    """An event that tells what a federation has become."""
    data: dict[str, Any] = {"state": row.state, "name": row.name, "model": row.model, "round": row.round}
    if row.result_version is not None:
        data["version"] = row.result_version
    if row.error:
        data["error"] = row.error
    events.append(session, "federation.state", f"federation/{row.id}", data)


def close_round(
    session: Session,
    row: FederationRoundRow,
    state: RoundState,
    averaged: Collection[str],
    why: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """The end of a round, and what became of its updates; `averaged` are the clients whose updates are in it.

    `why` is told of one that has no average although there were enough updates.
    """
    row.state, row.closed_at = state, now()
    session.add(row)
    for update in rows.updates(session, row.federation_id, row.round):
        if update.state == UpdateState.ACCEPTED:
            update.state = UpdateState.AVERAGED if update.client_id in averaged else UpdateState.UNUSED
            session.add(update)
    data = {"round": row.round, "state": str(state), "updates": len(averaged), "samples": row.samples}
    events.append(session, "federation.round", f"federation/{row.federation_id}", {**data, "score": row.score, **why})


def _made_before(session: Session, row: FederationRow) -> str | None:
    """The trainable model that an earlier federation had made of the same version in the same way."""
    batch = row.settings["training"]["batch_size"]
    return next(
        (
            other.trainable_sha256
            for other in rows.of_version(session, row.model, row.version)
            if other.trainable_sha256 is not None
            and other.scope == row.scope
            and other.settings["training"]["batch_size"] == batch
        ),
        None,
    )


def _job(row: FederationRow, version: ModelVersionRow, kind: str, dataset: str) -> TrainingJobRow:
    return TrainingJobRow(
        id=new_id("trn"),
        kind=kind,
        model=row.model,
        parent={"model": version.model, "version": version.version, "sha256": version.sha256},
        snapshot_sha256=row.snapshot_sha256,
        dataset=dataset,
    )


def _lineage(session: Session, item: FederationRoundRow, names: Mapping[str, str]) -> dict[str, Any]:
    """What a version says of a round that it comes from."""
    averaged = [
        update.client_id
        for update in rows.updates(session, item.federation_id, item.round)
        if update.state == UpdateState.AVERAGED
    ]
    clients = [names[client_id] for client_id in averaged[:NAMED_CLIENTS]]
    return {"round": item.round, "clients": clients, "updates": len(averaged), "samples": item.samples}


def _told(job: TrainingJobRow) -> dict[str, Any]:
    """Why a job that worked for a federation did not succeed."""
    if job.error is not None:
        return {name: job.error[name] for name in ("slug", "detail", "remedy")}
    return {
        "slug": f"training_{job.state}",
        "detail": f"Training job {job.id}, which worked for this federation, was {job.state}.",
        "remedy": "Begin another federation.",
    }
