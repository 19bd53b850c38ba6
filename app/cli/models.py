"""`tinymlaas models`: the zoo."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from app.cli import files
from app.cli.client import Answer, ApiClient, at
from app.cli.errors import Misused
from app.cli.inputs import read_instances
from app.cli.options import DEFAULT_LIMIT, All, Limit, ModelReference, bounded, parse_reference
from app.cli.output import as_json, facts, table
from app.cli.session import session_of
from app.contract.models import (
    EvaluationMetric,
    FederationLineage,
    Lineage,
    Model,
    ModelEvaluation,
    ModelVersion,
    Prediction,
    PredictionRequest,
    Tensor,
)

commands = typer.Typer(no_args_is_help=True, help="The zoo: models, their versions, prediction.")


@commands.command("list")
def list_models(context: typer.Context, limit: Limit = DEFAULT_LIMIT, everything: All = False) -> None:
    """List models by name."""
    session = session_of(context)
    with session.client() as client:
        listing = client.listing(at("models"), Model, limit=bounded(limit, everything))
    session.output.listing(
        listing,
        ("NAME", "TASK", "ACTIVE", "LATEST", "DESCRIPTION"),
        lambda model: (model.name, model.task, model.active_version, model.latest_version, model.description),
    )


@commands.command()
def show(context: typer.Context, model: ModelReference) -> None:
    """Show a model; with @VERSION that version's tensors, operators and estimates."""
    session = session_of(context)
    name, number = parse_reference(model)
    with session.client() as client:
        if number is not None:
            session.output.answer(client.get(at("models", name, "versions", number), ModelVersion), _version_view)
            return
        answer = client.get(at("models", name), Model)
        active = None if session.output.json else _version(client, name, answer.body.active_version).body

    def view(body: Model) -> RenderableType:
        pairs = facts(
            [
                ("name", body.name),
                ("task", body.task),
                ("description", body.description),
                ("latest version", body.latest_version),
                ("active version", body.active_version),
            ]
        )
        return Group(pairs, Text(""), _version_view(active)) if active is not None else pairs

    session.output.answer(answer, view)


@commands.command()
def upload(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The model; a new name makes a new model.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An int8 .tflite.")],
) -> None:
    """Upload a .tflite as the next version; it is inspected and run by the oracle before it is stored."""
    session = session_of(context)
    with (
        session.client() as client,
        files.opened(file) as (source, size),
        session.output.bytes_bar(file.name, size) as advance,
    ):
        answer = client.upload(at("models", name, "versions"), ModelVersion, source, size, advance)
    session.output.answer(answer, _version_view)


@commands.command()
def activate(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME")],
    version: Annotated[int, typer.Argument(metavar="VERSION", min=1)],
) -> None:
    """Make a version the one that predictions and builds use."""
    session = session_of(context)
    with session.client() as client:
        answer = client.post(at("models", name, "versions", version, "activation"), Model)
    session.output.answer(answer, lambda model: Text(f"{model.name}: version {model.active_version} is active"))


@commands.command()
def predict(
    context: typer.Context,
    model: ModelReference,
    given: Annotated[
        str | None,
        typer.Option("--input", "-i", metavar="FILE_OR_JSON", help="A file, - for standard input, or the JSON itself."),
    ] = None,
    pictures: Annotated[
        list[Path] | None, typer.Option("--picture", "-p", metavar="FILE", help="A PNG or JPEG; may be repeated.")
    ] = None,
) -> None:
    """Run a model on the server: one line of JSON for each instance.

    The input is a list of instances, or an object with the list as its member `instances`; each instance has the
    shape of the model's input without the batch dimension, in real units. Pictures become instances as the model's card
    says.
    """
    session = session_of(context)
    name, number = parse_reference(model)
    path = at("models", name, "predict") if number is None else at("models", name, "versions", number, "predict")
    if (given is None) == (not pictures):
        raise Misused("Give either an input or pictures.", "Such as --input '[[0.5]]', or --picture three.png.")
    with session.client() as client:
        if given is not None:
            request = PredictionRequest.model_construct(instances=read_instances(given))
            answer = client.post(path, Prediction, request)
        else:
            with files.all_opened(pictures or []) as sources:
                answer = client.submit(path, Prediction, "picture", sources)
    session.output.answer(answer, lambda body: Text("\n".join(map(as_json, body.prediction))))


@commands.command()
def download(
    context: typer.Context,
    model: ModelReference,
    to: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="Where to write it.")],
    form: Annotated[
        str | None,
        typer.Option("--form", help="keras, float32, float16, dynamic_range, nntrainer or trainable."),
    ] = None,
) -> None:
    """Download the .tflite; without @VERSION the active one."""
    session = session_of(context)
    name, number = parse_reference(model)
    with session.client() as client:
        version = _version(client, name, number).body
        path, sha256 = at("models", name, "versions", version.version, "content"), version.sha256
        if form is not None:
            found = {item.format: item.sha256 for item in version.formats}
            if form not in found:
                raise Misused(f"{name}@{version.version} has no form {form}; it has {', '.join(found) or 'none'}.")
            path, sha256 = at("models", name, "versions", version.version, "formats", form), found[form]
        files.fetch(client, session.output, path, sha256, to)


@commands.command()
def evaluation(
    context: typer.Context,
    model: ModelReference,
    picture: Annotated[
        str | None, typer.Option(help="confusion, calibration, errors or drift, as SVG on standard output.")
    ] = None,
) -> None:
    """Show what a version gets right and wrong on samples that it never saw."""
    session = session_of(context)
    name, number = parse_reference(model)
    with session.client() as client:
        if number is None:
            number = client.get(at("models", name), Model).body.active_version
        path = at("models", name, "versions", number, "evaluation")
        if picture is not None:
            session.output.line(client.text(at("models", name, "versions", number, "evaluation", picture)).text)
            return
        session.output.answer(client.get(path, ModelEvaluation), _evaluation_view)


def _version(client: ApiClient, name: str, number: int | None) -> Answer[ModelVersion]:
    if number is None:
        number = client.get(at("models", name), Model).body.active_version
    return client.get(at("models", name, "versions", number), ModelVersion)


def _version_view(body: ModelVersion) -> RenderableType:
    report = body.report
    pairs = facts(
        [
            ("model", f"{body.model}@{body.version}" + (" (active)" if body.active else "")),
            ("sha256", body.sha256),
            ("size", f"{body.size:,} bytes"),
            ("parameters", report.parameters),
            ("multiply-accumulates", report.macs),
            ("flash, estimated", f"{report.flash_estimate_bytes:,} bytes"),
            ("RAM, estimated", f"{report.ram_estimate_bytes:,} bytes"),
            ("operators", ", ".join(f"{item.count} {item.name}" for item in report.operators)),
            ("golden vectors", body.golden_vectors),
            (body.metric.name.replace("_", " ") if body.metric else "metric", metric_told(body.metric)),
            ("other forms", ", ".join(f"{item.format} ({item.size:,} bytes)" for item in body.formats) or None),
            *_lineage(body.lineage),
            ("stored", body.created_at),
        ]
    )
    tensors = [("input", tensor) for tensor in report.inputs] + [("output", tensor) for tensor in report.outputs]
    rows = [(kind, item.name, item.dtype, _shape(item), item.scale, item.zero_point) for kind, item in tensors]
    return Group(pairs, Text(""), table(("TENSOR", "NAME", "TYPE", "SHAPE", "SCALE", "ZERO POINT"), rows))


def metric_told(metric: EvaluationMetric | None) -> str | None:
    """The one figure of an evaluation."""
    if metric is None:
        return None
    full = f"float {metric.float32:.4g}, " if metric.float32 is not None else ""
    return f"{full}int8 {metric.int8:.4g} ({metric.better} is better)"


def _lineage(lineage: Lineage | None) -> list[tuple[str, str | int | None]]:
    if lineage is None:
        return []
    parent = lineage.parent
    return [
        ("made by", f"{lineage.job_id} ({lineage.kind})"),
        ("from", f"{parent.model}@{parent.version}" if parent else None),
        ("average of", _federation_told(lineage.federation) if lineage.federation else None),
        ("data set", lineage.dataset),
        ("snapshot", lineage.snapshot_sha256),
        ("seed", None if lineage.seed is None else str(lineage.seed)),
        ("code", ", ".join(f"{name} {value[:12]}" for name, value in lineage.code.items())),
    ]


def _federation_told(body: FederationLineage) -> str:
    clients = max((item.updates or len(item.clients) for item in body.rounds), default=0)
    return f"up to {clients} clients in each of {len(body.rounds)} rounds of {body.federation_id}"


def _evaluation_view(body: ModelEvaluation) -> RenderableType:
    figures = body.int8
    pairs = facts(
        [
            ("model", f"{body.model}@{body.version}"),
            ("task", body.task),
            ("samples", f"{body.samples} of the {body.split} split"),
            (body.metric.name.replace("_", " "), metric_told(body.metric)),
            *(
                (f"{name.replace('_', ' ')}, int8", value)
                for name, value in figures.items()
                if isinstance(value, float)
            ),
            ("expected calibration error", figures.get("calibration", {}).get("expected_calibration_error")),
            ("decisions changed by int8", (body.drift or {}).get("decisions_changed")),
            ("largest change by int8", (body.drift or {}).get("largest_difference")),
            ("pictures", ", ".join(body.pictures)),
        ]
    )
    if "classes" not in figures:
        return pairs
    names = ("label", "precision", "recall", "f1", "samples")
    rows = [[item[name] for name in names] for item in figures["classes"]]
    classes = table([name.upper() for name in names], rows)
    return Group(pairs, Text(""), classes)


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape))
