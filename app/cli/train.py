"""`tinymlaas train`: models made from data."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from app.cli import files
from app.cli.client import Answer, ApiClient, at
from app.cli.errors import EndedBadly, Misused
from app.cli.models import metric_told
from app.cli.options import DEFAULT_LIMIT, All, Limit, Wait, bounded, parse_reference
from app.cli.output import Output, as_json, facts, short, state, table
from app.cli.session import Session, session_of
from app.cli.waiting import follow_training
from app.contract.models import Recipe, RecipeName, TrainingJob, TrainingJobRequest, TrainingMetrics
from zoo.training.errors import RecipeError
from zoo.training.recipe import MAX_RECIPE_BYTES, read_recipe

commands = typer.Typer(no_args_is_help=True, help="Models made from data: training, quantising, evaluating.")

JobId = Annotated[str, typer.Argument(metavar="JOB")]
ModelName = Annotated[str, typer.Argument(metavar="MODEL", help="The model that gets the new version.")]
Snapshot = Annotated[
    str | None, typer.Option(metavar="SHA256", help="A data set's snapshot; without it the parent's own data.")
]
RecipeOption = Annotated[
    str | None, typer.Option("--recipe", metavar="NAME_OR_FILE", help="One that ships, or a file of JSON or YAML.")
]
ParentOption = Annotated[
    str | None, typer.Option("--parent", metavar="MODEL", help="NAME or NAME@VERSION to start from; the model itself.")
]
Epochs = Annotated[int | None, typer.Option(min=1, max=1000, help="In place of the recipe's.")]
Seed = Annotated[int | None, typer.Option(min=0, help="In place of the recipe's.")]
Activate = Annotated[bool, typer.Option("--activate", help="Make the new version the active one.")]


@dataclass(frozen=True, slots=True)
class _Learning:
    """What every kind that learns is asked with, by the names of the API."""

    snapshot: str | None
    epochs: int | None
    seed: int | None
    activate: bool


@commands.command()
def new(
    context: typer.Context,
    model: ModelName,
    recipe: Annotated[str, typer.Option(metavar="NAME_OR_FILE", help="One that ships, or a file of JSON or YAML.")],
    snapshot: Annotated[str, typer.Option(metavar="SHA256", help="A data set's snapshot.")],
    epochs: Epochs = None,
    seed: Seed = None,
    activate: Activate = False,
    wait: Wait = True,
) -> None:
    """Train a new network by a recipe."""
    learning = _Learning(snapshot, epochs, seed, activate)
    _start(context, "centralised", model, wait, recipe=recipe, **asdict(learning))


@commands.command("continue")
def continue_(
    context: typer.Context,
    model: ModelName,
    snapshot: Snapshot = None,
    parent: ParentOption = None,
    recipe: RecipeOption = None,
    epochs: Epochs = None,
    seed: Seed = None,
    activate: Activate = False,
    wait: Wait = True,
) -> None:
    """Train a version on with other data: its network, its weights."""
    learning = _Learning(snapshot, epochs, seed, activate)
    _start(context, "incremental", model, wait, recipe=recipe, parent=parent, **asdict(learning))


@commands.command()
def transfer(
    context: typer.Context,
    model: ModelName,
    parent: Annotated[str, typer.Option(metavar="MODEL", help="NAME or NAME@VERSION, the backbone.")],
    recipe: Annotated[str, typer.Option(metavar="NAME_OR_FILE", help="Its layers are the new head.")],
    snapshot: Snapshot = None,
    epochs: Epochs = None,
    seed: Seed = None,
    activate: Activate = False,
    wait: Wait = True,
) -> None:
    """Give a frozen version a new head."""
    learning = _Learning(snapshot, epochs, seed, activate)
    _start(context, "transfer", model, wait, recipe=recipe, parent=parent, **asdict(learning))


@commands.command()
def quantise(
    context: typer.Context,
    model: ModelName,
    parent: ParentOption = None,
    snapshot: Snapshot = None,
    wait: Wait = True,
) -> None:
    """Compare a version as float32, float16, dynamic range and int8."""
    _start(context, "quantise", model, wait, parent=parent, snapshot=snapshot)


@commands.command()
def evaluate(
    context: typer.Context,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="NAME, or NAME@VERSION.")],
    snapshot: Snapshot = None,
    wait: Wait = True,
) -> None:
    """Evaluate a version on the held-out samples of a data set."""
    _start(context, "evaluate", parse_reference(model)[0], wait, parent=model, snapshot=snapshot)


@commands.command()
def trainable(
    context: typer.Context,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="NAME, or NAME@VERSION.")],
    scope: Annotated[str | None, typer.Option(metavar="all|head", help="What learns; the whole network.")] = None,
    batch: Annotated[int | None, typer.Option(min=1, max=1024, help="Samples of a step; the recipe's batch.")] = None,
    wait: Wait = True,
) -> None:
    """Make a version's form `trainable`: `models download --form trainable` has it, `on-device` trains it."""
    _start(context, "trainable", parse_reference(model)[0], wait, parent=model, scope=scope, batch=batch)


@commands.command("list")
def list_jobs(
    context: typer.Context,
    state_: Annotated[str | None, typer.Option("--state", help="Only jobs in this state.")] = None,
    model: Annotated[str | None, typer.Option(metavar="NAME", help="Only jobs of this model.")] = None,
    limit: Limit = DEFAULT_LIMIT,
    everything: All = False,
) -> None:
    """List training jobs, newest first."""
    session = session_of(context)
    filters = {key: value for key, value in (("state", state_), ("model", model)) if value is not None}
    with session.client() as client:
        listing = client.listing(at("training-jobs"), TrainingJob, limit=bounded(limit, everything), params=filters)
    session.output.listing(
        listing,
        ("ID", "STATE", "KIND", "MODEL", "EPOCHS", "FLOAT", "INT8", "SECONDS", "CREATED"),
        lambda job: (
            job.id,
            state(job.state),
            job.kind,
            job.model if job.version is None else f"{job.model}@{job.version}",
            f"{job.epochs_done}/{job.epochs_total}" if job.epochs_total else None,
            job.metric.float32 if job.metric else None,
            job.metric.int8 if job.metric else None,
            job.seconds,
            job.created_at,
        ),
    )


@commands.command()
def show(context: typer.Context, job_id: JobId) -> None:
    """Show a job: what it was made from, what came out."""
    session = session_of(context)
    with session.client() as client:
        answer = client.get(at("training-jobs", job_id), TrainingJob)
    session.output.answer(answer, view)


@commands.command()
def follow(context: typer.Context, job_id: JobId) -> None:
    """Follow a job to its end; a failed one's exit code is 1."""
    session = session_of(context)
    with session.client() as client:
        _finish(session.output, _followed(session, client, client.get(at("training-jobs", job_id), TrainingJob)))


@commands.command()
def metrics(context: typer.Context, job_id: JobId) -> None:
    """Show the figures of every epoch."""
    session = session_of(context)
    with session.client() as client:
        answer = client.get(at("training-jobs", job_id, "metrics"), TrainingMetrics)
    session.output.answer(answer, lambda body: _metrics_view(body.epochs))


@commands.command()
def cancel(context: typer.Context, job_id: JobId) -> None:
    """Cancel a job; its worker is stopped within a second."""
    session = session_of(context)
    with session.client() as client:
        answer = client.post(at("training-jobs", job_id, "cancellation"), TrainingJob)
    session.output.answer(answer, view)


@commands.command()
def recipes(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Print this one, to save and change it.")] = None,
) -> None:
    """List the recipes that ship, or print one as JSON."""
    session = session_of(context)
    with session.client() as client:
        if name is not None:
            session.output.raw(client.get(at("recipes", name), Recipe).body.recipe)
            return
        listing = client.listing(at("recipes"), Recipe, limit=None)
    session.output.listing(
        listing,
        ("NAME", "TASK", "EPOCHS", "DESCRIPTION"),
        lambda item: (
            item.name,
            item.recipe.get("task"),
            item.recipe.get("epochs"),
            item.recipe.get("description"),
        ),
    )


def _start(
    context: typer.Context,
    kind: str,
    model: str,
    wait: bool,
    *,
    recipe: str | None = None,
    parent: str | None = None,
    **more: Any,
) -> None:
    session = session_of(context)
    parent_model, parent_version = parse_reference(parent) if parent is not None else (None, None)
    request = TrainingJobRequest.model_construct(
        kind=kind,  # type: ignore[arg-type]  # one of the contract's, as the commands give it
        model=model,
        recipe=read_recipe_option(recipe),
        parent_model=parent_model,
        parent_version=parent_version,
        **more,
    )
    with session.client() as client:
        answer = client.post(at("training-jobs"), TrainingJob, request)
        if wait:
            answer = _followed(session, client, answer)
    _finish(session.output, answer)


def read_recipe_option(given: str | None) -> RecipeName | dict[str, Any] | None:
    """The name of a recipe that ships, or the document of a file: checked here, where the file's author is."""
    if given is None:
        return None
    path = Path(given)
    if not path.suffix and not path.exists():
        return RecipeName.model_construct(given)
    with files.opened(path) as (file, _):
        text = file.read(MAX_RECIPE_BYTES + 1)
    try:
        return read_recipe(text).document
    except RecipeError as error:
        raise Misused(f"{path}: {error}", error.remedy) from error


def _followed(session: Session, client: ApiClient, answer: Answer[TrainingJob]) -> Answer[TrainingJob]:
    job = answer.body
    output = session.output
    if not output.json:
        output.note(f"Training job {job.id} is queued; Ctrl-C leaves it running.")
    with output.steps_bar(f"{job.kind} {job.model}", job.epochs_total) as show_epoch:

        def heard(figures: dict[str, float]) -> None:
            show_epoch(int(figures["epoch"]), _told(figures))

        return follow_training(session, client, job.id, heard)


def _finish(output: Output, answer: Answer[TrainingJob]) -> None:
    output.answer(answer, view)
    job = answer.body
    if job.state in {"failed", "cancelled"}:
        if job.error is not None:
            raise EndedBadly(job.error.detail, job.error.remedy)
        raise EndedBadly(f"Training job {job.id} was {job.state}.")


def _told(figures: dict[str, float]) -> str:
    return "  ".join(f"{name} {value:.4g}" for name, value in figures.items() if name != "epoch")


def _metrics_view(epochs: Sequence[dict[str, float]]) -> RenderableType:
    if not epochs:
        return Text("There is no epoch yet.")
    names = list(epochs[0])
    return table(
        [name.upper().replace("_", " ") for name in names], [[item.get(name) for name in names] for item in epochs]
    )


def view(body: TrainingJob) -> RenderableType:
    """A job for a person."""
    metric = body.metric
    parent = body.parent
    made = facts(
        [
            ("job", body.id),
            ("state", state(body.state)),
            ("kind", body.kind),
            ("model", body.model if body.version is None else f"{body.model}@{body.version}"),
            ("parent", f"{parent.model}@{parent.version}" if parent else None),
            ("data set", body.dataset),
            ("snapshot", short(body.snapshot_sha256)),
            ("recipe", as_json(body.recipe) if body.recipe else None),
            ("seed", None if body.seed is None else str(body.seed)),
            ("epochs", f"{body.epochs_done} of {body.epochs_total}" if body.epochs_total else None),
            (metric.name.replace("_", " ") if metric else "metric", metric_told(metric)),
            ("attempts", body.attempts),
            ("created", body.created_at),
            ("seconds", body.seconds),
            ("error", body.error.detail if body.error else None),
            ("field", body.error.field if body.error else None),
            ("remedy", body.error.remedy if body.error else None),
        ]
    )
    if not body.comparison:
        return made
    rows = [(item.form, item.size, item.value, item.instructions) for item in body.comparison]
    head = ("FORM", "BYTES", body.comparison[0].metric.upper().replace("_", " "), "INSTRUCTIONS, ESTIMATED")
    return Group(made, Text(""), table(head, rows))
