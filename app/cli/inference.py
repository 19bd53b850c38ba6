"""`tinymlaas devices infer`: an input to a device, and what its model makes of it."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import RenderableType

from app.cli import files
from app.cli.client import at
from app.cli.inputs import read_instances
from app.cli.output import as_json, table
from app.cli.session import session_of
from app.contract.models import DeviceInference, PredictionRequest

PICTURES = (".png", ".jpg", ".jpeg")


def add_to(commands: typer.Typer) -> None:
    """Add the command to `devices`."""
    commands.command()(infer)


def infer(
    context: typer.Context,
    endpoint: Annotated[str, typer.Argument(metavar="ENDPOINT")],
    given: Annotated[
        str,
        typer.Option(
            "--input", "-i", metavar="FILE_OR_JSON", help="A PNG, a JPEG, instances in JSON, or - for those on stdin."
        ),
    ],
) -> None:
    """Run an input on a device, with the model that it runs at this moment."""
    session = session_of(context)
    path = at("devices", endpoint, "inference")
    with session.client() as client:
        if given.lower().endswith(PICTURES):
            with files.all_opened([Path(given)]) as sources:
                answer = client.submit(path, DeviceInference, "picture", sources)
        else:
            request = PredictionRequest.model_construct(instances=read_instances(given))
            answer = client.post(path, DeviceInference, request)
    session.output.answer(answer, _view)


def _view(body: DeviceInference) -> RenderableType:
    rows = [
        (result.sequence, result.label, as_json(result.prediction), result.instructions, f"{body.model}@{body.version}")
        for result in body.results
    ]
    return table(("SEQUENCE", "LABEL", "OUTPUT", "INSTRUCTIONS", "MODEL"), rows)
