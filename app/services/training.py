"""Training jobs, as requests see them: asked for, listed, cancelled; `TrainingJob` does the work."""

from collections.abc import Callable
from typing import Any

from sqlmodel import Session

from app.contract import models as api
from app.domain.training import ENDED, TrainingState
from app.errors import Conflict, Invalid, NotFound
from app.services.identity import new_id
from app.services.models import ModelService
from app.services.ports import JobEngine
from app.storage import events, snapshots
from app.storage import training as rows
from app.storage.columns import now
from app.storage.database import Database, Transaction
from app.storage.dataset_tables import DatasetSnapshotRow
from app.storage.pages import Page
from app.storage.tables import ModelVersionRow, TrainingJobRow
from zoo.cards import catalog, recipe_names, recipe_text
from zoo.training.kinds import EVALUATE, KINDS, REFERENCE, TRAINABLE, Kind
from zoo.training.on_device.document import ALL
from zoo.training.recipe import Recipe, parse_recipe, read_recipe

Ended = Callable[[Transaction, TrainingJobRow, dict[str, Any]], None]
"""Told of every job that ends, in the transaction that says so, with the other forms that it made, by name."""


class TrainingService:
    """Use cases of training jobs."""

    def __init__(self, database: Database, models: ModelService, jobs: JobEngine) -> None:
        self._database = database
        self._models = models
        self._jobs = jobs
        self._told: tuple[Ended, ...] = ()

    def tell(self, *told: Ended) -> tuple[Ended, ...]:
        """Who hears of a job that is cancelled before it runs: services that are made of this one."""
        self._told = told
        return told

    def create(self, transaction: Transaction, request: api.TrainingJobRequest) -> TrainingJobRow:
        """Queue a job."""
        return self.queue(transaction, self.prepare(transaction.session, request))

    def prepare(self, session: Session, request: api.TrainingJobRequest) -> TrainingJobRow:
        """The row of a job. Everything that can be known to be wrong without the data is refused here."""
        kind = KINDS[request.kind]
        parent = self._parent(session, request, kind)
        recipe = _recipe(request, parent, kind)
        snapshot = _snapshot(session, request, parent)
        return TrainingJobRow(
            id=new_id("trn"),
            kind=request.kind,
            model=parent.model if request.kind in {EVALUATE, REFERENCE, TRAINABLE} and parent else request.model,
            parent=None
            if parent is None
            else {"model": parent.model, "version": parent.version, "sha256": parent.sha256},
            snapshot_sha256=snapshot.sha256,
            dataset=snapshot.dataset,
            recipe=None if recipe is None else recipe.document,
            seed=recipe.seed if recipe is not None and kind.learns else None,
            activate=request.activate,
            trainable=_trainable(request, parent),
            epochs_total=recipe.epochs if recipe is not None and kind.learns else 0,
        )

    def queue(self, transaction: Transaction, row: TrainingJobRow) -> TrainingJobRow:
        """Put a new job in its queue, once the transaction is committed."""
        session = transaction.session
        session.add(row)
        session.flush()
        snapshots.use(session, row.snapshot_sha256, f"training-job/{row.id}")
        record(session, row)
        transaction.after_commit(lambda: self._jobs.start("training", row.id))
        return row

    def _parent(self, session: Session, request: api.TrainingJobRequest, kind: Kind) -> ModelVersionRow | None:
        if not kind.parent:
            for field in ("parent_model", "parent_version"):
                if getattr(request, field) is not None:
                    raise Invalid(
                        "parent_not_taken",
                        f"A job of kind {request.kind} starts from nothing.",
                        "Leave the parent out, or use incremental or transfer.",
                        f"body.{field}",
                    )
            return None
        parent = self._models.version(session, request.parent_model or request.model, request.parent_version)
        if kind.float_source:
            require_float_source(parent, "body.parent_version")
        return parent

    def job(self, session: Session, job_id: str) -> TrainingJobRow:
        """One job, or NotFound."""
        row = rows.by_id(session, job_id)
        if row is None:
            raise NotFound(
                "training_job_not_found",
                f"There is no training job {job_id}.",
                "GET /v1/training-jobs lists them.",
                "training_job_id",
            )
        return row

    def listing(
        self, session: Session, cursor: str | None, limit: int, state: str | None, model: str | None
    ) -> Page[TrainingJobRow]:
        """A page of jobs."""
        return rows.listing(session, cursor, limit, state, model)

    def metrics(self, session: Session, job_id: str, after: int) -> api.TrainingMetrics:
        """The epochs past a number."""
        # The state comes first: figures that are read after the end are whole.
        row = self.job(session, job_id)
        figures = [epoch.figures for epoch in rows.epochs(session, job_id, after)]
        return api.TrainingMetrics.model_validate({"job_id": job_id, "state": row.state, "epochs": figures})

    def cancel(self, transaction: Transaction, job_id: str) -> TrainingJobRow:
        """Ask a job to stop; a queued one is cancelled at once, a running one within a second by its job."""
        row = self.job(transaction.session, job_id)
        if TrainingState(row.state) in ENDED:
            raise Conflict(
                "training_job_ended", f"Training job {job_id} has ended: {row.state}.", "Nothing is left to cancel."
            )
        row.cancel_requested = True
        if row.state == TrainingState.QUEUED:
            row.state, row.finished_at = TrainingState.CANCELLED, now()
            snapshots.release(transaction.session, row.snapshot_sha256, f"training-job/{row.id}")
            record(transaction.session, row)
            for tell in self._told:
                tell(transaction, row, {})
        transaction.session.add(row)
        return row

    def resume(self) -> None:
        """Start the jobs that were committed and whose start a crash may have swallowed."""
        with self._database.read() as session:
            ids = [row.id for row in rows.unfinished(session)]
        for job_id in ids:
            self._jobs.start("training", job_id)


def require_float_source(version: ModelVersionRow, field: str) -> None:
    """Invalid when a version has no float form."""
    if "keras" not in (version.formats or {}):
        raise Invalid(
            "no_float_source",
            f"{version.model} version {version.version} has no float form to go on from: it was not trained here.",
            "Take a version that a training job made; GET /v1/models/{name}/versions shows `formats`.",
            field,
        )


def recipe_of_version(version: ModelVersionRow) -> dict[str, Any]:
    """What a version was trained with; {} when that is not known."""
    if version.lineage and version.lineage["recipe"]:
        found: dict[str, Any] = version.lineage["recipe"]
        return found
    return next((entry.recipe for entry in catalog() if entry.card.model_sha256 == version.sha256), {})


def shipped_recipes(cursor: str | None, limit: int) -> api.RecipePage:
    """A page of the recipes that ship, by name; the cursor is the last name of the page before."""
    names = [name for name in recipe_names() if cursor is None or name > cursor]
    page, more = names[:limit], len(names) > limit
    return api.RecipePage(items=[shipped_recipe(name) for name in page], next_cursor=page[-1] if more else None)


def shipped_recipe(name: str, field: str = "recipe_name") -> api.Recipe:
    """One of them, or NotFound; `field` is where the name was given."""
    if name not in recipe_names():
        raise NotFound(
            "recipe_not_found", f"There is no recipe {name}.", "GET /v1/recipes lists those that ship.", field
        )
    return api.Recipe(name=name, recipe=read_recipe(recipe_text(name)).document)


def record(session: Session, row: TrainingJobRow, **more: Any) -> None:
    """An event that tells what a job has become."""
    data: dict[str, Any] = {"kind": row.kind, "model": row.model, "epochs_done": row.epochs_done, **more}
    if row.version is not None:
        data["version"] = row.version
    if row.error:
        data["error"] = row.error
    events.append(session, f"training-job.{row.state}", f"training-job/{row.id}", data)


def as_training_job(row: TrainingJobRow) -> api.TrainingJob:
    """A job as the API shows it."""
    result = row.result or {}
    seconds = (row.finished_at - row.started_at).total_seconds() if row.finished_at and row.started_at else None
    hidden = {"seq", "result", "offload", "federated", "trainable", "cancel_requested", "activate", "fruitless"}
    return api.TrainingJob.model_validate(
        {
            **row.model_dump(exclude=hidden),
            "metric": result.get("metric"),
            "comparison": result.get("comparison", []),
            "seconds": seconds,
        }
    )


def _recipe(request: api.TrainingJobRequest, parent: ModelVersionRow | None, kind: Kind) -> Recipe | None:
    """The recipe of the job with the request's changes; the parent's when the request has none and the kind learns."""
    if not kind.learns and (request.epochs is not None or request.seed is not None):
        field = "epochs" if request.epochs is not None else "seed"
        raise Invalid(
            "recipe_not_taken", f"A job of kind {request.kind} does not learn.", f"Leave {field} out.", f"body.{field}"
        )
    given = request.recipe
    if given is None:
        inherited = recipe_of_version(parent) if parent is not None and kind.learns and not kind.recipe else {}
        if kind.recipe or (kind.learns and not inherited):
            raise Invalid(
                "recipe_missing",
                f"A job of kind {request.kind} needs a recipe.",
                "Give one, or the name of one that ships (GET /v1/recipes).",
                "body.recipe",
            )
        return parse_recipe(inherited).with_changes(epochs=request.epochs, seed=request.seed) if inherited else None
    document = shipped_recipe(given.root, "body.recipe").recipe if isinstance(given, api.RecipeName) else given
    return parse_recipe(document).with_changes(epochs=request.epochs, seed=request.seed)


def _trainable(request: api.TrainingJobRequest, parent: ModelVersionRow | None) -> dict[str, Any] | None:
    """Scope and batch of a trainable model, with their defaults."""
    if request.kind != TRAINABLE or parent is None:
        for field in ("scope", "batch"):
            if getattr(request, field) is not None:
                raise Invalid(
                    "option_not_taken",
                    f"A job of kind {request.kind} makes no trainable model.",
                    f"Leave {field} out, or use kind trainable.",
                    f"body.{field}",
                )
        return None
    recipe = recipe_of_version(parent)
    if not recipe:
        raise Invalid(
            "recipe_unknown",
            f"Nobody knows the recipe of {parent.model} version {parent.version}: neither its loss nor its batch.",
            "Take a version that a job of kind centralised, incremental or transfer made.",
            "body.parent_version",
        )
    return {"scope": request.scope or ALL, "batch": request.batch or parse_recipe(recipe).batch}


def _snapshot(session: Session, request: api.TrainingJobRequest, parent: ModelVersionRow | None) -> DatasetSnapshotRow:
    lineage = (parent.lineage if parent is not None else None) or {}
    sha256 = request.snapshot or lineage.get("snapshot_sha256")
    if sha256 is None:
        raise Invalid(
            "snapshot_missing",
            f"A job of kind {request.kind} needs data.",
            "Give a data set's snapshot: POST /v1/datasets/{name}/snapshots makes one, and "
            "`tinymlaas datasets snapshot NAME`, for --snapshot SHA256.",
            "body.snapshot",
        )
    return snapshot_with_file(session, sha256)


def snapshot_with_file(session: Session, sha256: str) -> DatasetSnapshotRow:
    """A snapshot that can be read, or NotFound, or Conflict; the body's field is `snapshot`."""
    row = snapshots.by_sha256(session, sha256)
    if row is None:
        raise NotFound(
            "snapshot_not_found",
            f"There is no snapshot {sha256}.",
            "GET /v1/datasets/{name}/snapshots lists those of a data set.",
            "body.snapshot",
        )
    if row.removed_at is not None:
        raise Conflict(
            "snapshot_removed",
            f"The data of snapshot {sha256} was deleted.",
            "Take another snapshot.",
            "body.snapshot",
        )
    return row
