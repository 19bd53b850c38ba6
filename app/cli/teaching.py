"""`tinymlaas devices teach|training|forget`: labelled samples for a board that trains, and what came of it."""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import RenderableType

from app.cli.client import at
from app.cli.errors import Misused
from app.cli.inputs import read_instances
from app.cli.output import facts, state
from app.cli.session import session_of
from app.contract.models import DeviceTraining, TeachRequest

AT_ONCE = 16
"""Samples in a request: each is an exchange with the device."""
MAX_SAMPLES = 10_000

Endpoint = Annotated[str, typer.Argument(metavar="ENDPOINT")]
Samples = list[tuple[object, int]]


def add_to(commands: typer.Typer) -> None:
    """Add the commands to `devices`."""
    for command in (teach, training, forget):
        commands.command()(command)


def teach(
    context: typer.Context,
    endpoint: Endpoint,
    given: Annotated[
        str | None,
        typer.Option("--input", "-i", metavar="FILE_OR_JSON", help="Instances in JSON, or - for those on stdin."),
    ] = None,
    label: Annotated[
        list[int] | None,
        typer.Option("--label", "-l", min=0, help="The class of an instance, in their order; one alone is of all."),
    ] = None,
    npz: Annotated[
        Path | None, typer.Option("--npz", metavar="FILE", help="A NumPy file with samples x and their classes y.")
    ] = None,
) -> None:
    """Give a board labelled samples, which its head is trained with in a federation.

    Values are in the real units of the model's input, as for `infer`. They pass through the server, which keeps none.
    """
    session = session_of(context)
    match given, npz:
        case None, Path():
            samples = _of_npz(npz)
        case str(), None:
            samples = _of_json(given, label or [])
        case _:
            raise Misused("Samples come from --input or from --npz, one of the two.")
    with session.client() as client:
        for at_once in _portions(samples):
            instances, labels = [each for each, _ in at_once], [number for _, number in at_once]
            request = TeachRequest.model_construct(instances=instances, labels=labels)
            answer = client.post(at("devices", endpoint, "training", "samples"), DeviceTraining, request)
    session.output.answer(answer, _view)


def training(context: typer.Context, endpoint: Endpoint) -> None:
    """Show what a board says of its training."""
    session = session_of(context)
    with session.client() as client:
        answer = client.get(at("devices", endpoint, "training"), DeviceTraining)
    session.output.answer(answer, _view)


def forget(context: typer.Context, endpoint: Endpoint) -> None:
    """Let a board forget its labelled samples."""
    session = session_of(context)
    with session.client() as client:
        client.delete(at("devices", endpoint, "training", "samples"))
    session.output.note(f"{endpoint}: holds no samples")


def _of_json(given: str, labels: list[int]) -> Samples:
    instances = read_instances(given)
    if len(labels) == 1:
        labels = labels * len(instances)
    if len(labels) != len(instances):
        raise Misused(
            f"{len(instances)} instances have {len(labels)} labels.", "Give --label once, or once for each instance."
        )
    return list(zip(instances, labels, strict=True))


def _of_npz(path: Path) -> Samples:
    try:
        with np.load(path, allow_pickle=False) as found:
            x, y = found["x"], found["y"]
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise Misused(f"{path} is no NumPy file with x and y: {error}.", "numpy.savez(FILE, x=..., y=...)") from error
    whole = y.ndim == 1 and np.issubdtype(y.dtype, np.integer) and len(x) == len(y)
    if not whole or not 1 <= len(y) <= MAX_SAMPLES or not np.issubdtype(x.dtype, np.number) or y.min() < 0:
        raise Misused(
            f"{path} has x of {x.dtype}{list(x.shape)} and y of {y.dtype}{list(y.shape)}.",
            f"x has 1 to {MAX_SAMPLES:,} samples of numbers, and y for each the place of its class, from 0 on.",
        )
    return [(each.tolist(), int(number)) for each, number in zip(x, y, strict=True)]


def _portions(samples: Samples) -> Iterator[Samples]:
    for start in range(0, len(samples), AT_ONCE):
        yield samples[start : start + AT_ONCE]


def _view(body: DeviceTraining) -> RenderableType:
    return facts(
        [
            ("endpoint", body.endpoint),
            ("state", state(body.state)),
            ("error", body.error),
            ("samples", f"{body.samples} of {body.capacity}" if body.capacity is not None else body.samples),
            ("round", body.round),
            ("answers with", "the trained head" if body.uses else "the model's own head"),
            ("loss", body.loss),
            ("steps", body.steps),
            ("written to flash", body.persists),
            ("head", f"{body.features} features, {body.outputs} outputs"),
            ("correct", body.correct),
        ]
    )
