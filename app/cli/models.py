"""`tinymlaas models`: the zoo."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from app.cli import files
from app.cli.client import Answer, ApiClient, at
from app.cli.errors import Misused
from app.cli.options import DEFAULT_LIMIT, All, Limit, ModelReference, bounded, parse_reference
from app.cli.output import as_json, facts, table
from app.cli.session import session_of
from app.contract.models import Model, ModelVersion, Prediction, PredictionRequest, Tensor

MAX_INPUT_BYTES = 64 * 1024 * 1024

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
            request = PredictionRequest.model_construct(instances=_instances(given))
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
) -> None:
    """Download the .tflite; without @VERSION the active one."""
    session = session_of(context)
    name, number = parse_reference(model)
    with session.client() as client:
        version = _version(client, name, number).body
        content = at("models", name, "versions", version.version, "content")
        files.fetch(client, session.output, content, version.sha256, to)


def _version(client: ApiClient, name: str, number: int | None) -> Answer[ModelVersion]:
    if number is None:
        number = client.get(at("models", name), Model).body.active_version
    return client.get(at("models", name, "versions", number), ModelVersion)


def _instances(given: str) -> list[object]:
    text = given if given.lstrip().startswith(("[", "{")) else _read(given)
    try:
        value: object = json.loads(text)
    except ValueError as error:
        raise Misused(f"The input is not JSON: {error}.", "Such as --input '[[0.5]]'.") from error
    if isinstance(value, dict):
        value = value.get("instances")
    if not isinstance(value, list) or not value:
        raise Misused("The input holds no list of instances.", "Such as --input '[[0.5]]'.")
    return value


def _read(given: str) -> str:
    if given == "-":
        data = typer.get_binary_stream("stdin").read(MAX_INPUT_BYTES + 1)
    else:
        with files.opened(Path(given)) as (file, _):
            data = file.read(MAX_INPUT_BYTES + 1)
    if len(data) > MAX_INPUT_BYTES:
        raise Misused(f"The input is larger than {MAX_INPUT_BYTES:,} bytes.")
    return data.decode("utf-8", "replace")


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
            ("uploaded", body.created_at),
        ]
    )
    tensors = [("input", tensor) for tensor in report.inputs] + [("output", tensor) for tensor in report.outputs]
    rows = [(kind, item.name, item.dtype, _shape(item), item.scale, item.zero_point) for kind, item in tensors]
    return Group(pairs, Text(""), table(("TENSOR", "NAME", "TYPE", "SHAPE", "SCALE", "ZERO POINT"), rows))


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape))
