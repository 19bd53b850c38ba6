"""Models made from data: jobs, their metrics, and the recipes that ship."""

from typing import Annotated, Literal

from fastapi import Path, Query, Response

from app.api.dependencies import Cursor, IdempotencyKey, Limit, ModelQuery, ServicesDep, TrainingJobId
from app.contract.binding import Handlers
from app.contract.models import Recipe, RecipePage, TrainingJob, TrainingJobPage, TrainingJobRequest, TrainingMetrics
from app.services.training import as_training_job, shipped_recipe, shipped_recipes

handlers = Handlers()

TrainingStateQuery = Annotated[Literal["queued", "running", "succeeded", "failed", "cancelled"] | None, Query()]
RecipeName = Annotated[str, Path(pattern="^[a-z0-9][a-z0-9-]{0,62}$")]


@handlers("listRecipes")
def list_recipes(cursor: Cursor = None, limit: Limit = 50) -> RecipePage:
    """Recipes by name."""
    return shipped_recipes(cursor, limit)


@handlers("getRecipe")
def get_recipe(recipe_name: RecipeName) -> Recipe:
    """One recipe."""
    return shipped_recipe(recipe_name)


@handlers("listTrainingJobs")
def list_training_jobs(
    services: ServicesDep,
    cursor: Cursor = None,
    limit: Limit = 50,
    state: TrainingStateQuery = None,
    model: ModelQuery = None,
) -> TrainingJobPage:
    """Jobs, newest first."""
    with services.database.read() as session:
        page = services.training.listing(session, cursor, limit, state, model)
    return TrainingJobPage(items=[as_training_job(row) for row in page.items], next_cursor=page.next_cursor)


@handlers("createTrainingJob")
def create_training_job(
    services: ServicesDep,
    body: TrainingJobRequest,
    response: Response,
    idempotency_key: IdempotencyKey = None,  # noqa: ARG001 - KeyedRoute acts on it; here it is validated
) -> TrainingJob:
    """Queue a job."""
    with services.database.write() as transaction:
        job = as_training_job(services.training.create(transaction, body))
    response.headers["Location"] = f"/v1/training-jobs/{job.id}"
    return job


@handlers("getTrainingJob")
def get_training_job(services: ServicesDep, training_job_id: TrainingJobId) -> TrainingJob:
    """One job."""
    with services.database.read() as session:
        return as_training_job(services.training.job(session, training_job_id))


@handlers("getTrainingMetrics")
def get_training_metrics(
    services: ServicesDep,
    training_job_id: TrainingJobId,
    after: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> TrainingMetrics:
    """The figures of every epoch."""
    with services.database.read() as session:
        return services.training.metrics(session, training_job_id, after)


@handlers("cancelTrainingJob")
def cancel_training_job(services: ServicesDep, training_job_id: TrainingJobId) -> TrainingJob:
    """Ask it to stop."""
    with services.database.write() as transaction:
        return as_training_job(services.training.cancel(transaction, training_job_id))
