"""`tinymlaas on-device`: a model that learns on this machine alone. No server is asked, and nothing leaves."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from app.cli import files
from app.cli.errors import EndedBadly, Misused
from app.cli.on_device_options import (
    BatteryMin,
    DataFile,
    MaxMemory,
    MaxSteps,
    PowerSupply,
    budget_of,
    refusing,
    report_loss,
    score_told,
)
from app.cli.output import facts, table
from app.cli.session import session_of
from zoo.training.on_device import samples
from zoo.training.on_device.adaptation import BASE, Adaptations, Adapted, Wish
from zoo.training.on_device.course import CHECKPOINT_SECONDS
from zoo.training.on_device.document import MAX_FILE_BYTES
from zoo.training.on_device.picture import forgetting

commands = typer.Typer(no_args_is_help=True, help="A model that learns on this machine alone.")

ModelFile = Annotated[
    Path, typer.Argument(metavar="FILE", help="The trainable .tflite (`models download --form trainable`).")
]
State = Annotated[Path, typer.Option("--state", metavar="DIR", help="The versions that were learned here.")]
Version = Annotated[int | None, typer.Option(min=0, help="0 is the base; without it the active one.")]
HERE = Path("on-device")


@commands.command()
def adapt(
    context: typer.Context,
    model: ModelFile,
    data: DataFile,
    state: State = HERE,
    epochs: Annotated[int, typer.Option(min=1, max=1000)] = 10,
    learning_rate: Annotated[float, typer.Option(min=1e-6, max=10)] = 0.01,
    seed: Annotated[int, typer.Option(min=0, help="Of the order of the samples, and of those held out.")] = 1,
    hold_out: Annotated[float, typer.Option(min=0.01, max=0.9, help="The share of the samples to judge by.")] = 0.2,
    from_version: Annotated[
        int | None, typer.Option("--from", min=0, help="Start there; 0 is the base, without it the active one.")
    ] = None,
    max_steps: MaxSteps = None,
    max_memory_mb: MaxMemory = None,
    battery_min_percent: BatteryMin = None,
    power_supply: PowerSupply = None,
    checkpoint_seconds: Annotated[
        float, typer.Option(min=0, help="Between two checkpoints; each writes all weights.")
    ] = CHECKPOINT_SECONDS,
) -> None:
    """Learn from this machine's samples; the base stays, and what was learned becomes the active version.

    Ended at any moment, the same command goes on where it was.
    """
    output = session_of(context).output
    budget = budget_of(max_steps, max_memory_mb, battery_min_percent, power_supply)
    with refusing():
        kept = Adaptations(_read(model), state)
        found = kept.adapt(
            samples.load(data, kept.trainer.document),
            Wish(epochs, learning_rate, seed, hold_out),
            budget,
            parent=from_version,
            checkpoint_seconds=checkpoint_seconds,
        )
    if output.json:
        told = asdict(found)
        told["report"]["loss"] = report_loss(found.report)
        output.raw(told)
    else:
        output.show(_facts(found))
    if found.version is None:
        raise EndedBadly(
            f"No version was made: {found.report.stopped}.",
            f"{found.report.steps} steps are kept; the same command goes on with them when the budget allows it.",
        )


@commands.command()
def evaluate(
    context: typer.Context, model: ModelFile, data: DataFile, state: State = HERE, version: Version = None
) -> None:
    """Judge a version by samples."""
    output = session_of(context).output
    with refusing():
        kept = Adaptations(_read(model), state)
        number = kept.active if version is None else version
        score = kept.scores([number], {"data": samples.load(data, kept.trainer.document)})[number]["data"]
    if output.json:
        output.raw({"version": number, **asdict(score)})
    else:
        output.show(
            facts(
                [
                    ("version", _named(number)),
                    ("samples", score.samples),
                    ("result", score_told(score)),
                    ("loss", score.loss),
                ]
            )
        )


@commands.command()
def compare(
    context: typer.Context,
    model: ModelFile,
    data: DataFile,
    base_data: Annotated[Path, typer.Option(metavar="FILE", help=".npz of what the base was made for.")],
    state: State = HERE,
    version: Version = None,
    picture: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the comparison as SVG.")] = None,
) -> None:
    """Show what a version gained on this machine's samples, and what it forgot of the base's."""
    output = session_of(context).output
    with refusing():
        kept = Adaptations(_read(model), state)
        number = kept.active if version is None else version
        document = kept.trainer.document
        data_sets = {
            "the base's samples": samples.load(base_data, document),
            "this machine's samples": samples.load(data, document),
        }
        numbers = [BASE, number] if number != BASE else [BASE]
        scores = kept.scores(numbers, data_sets)
    if picture is not None:
        drawn = forgetting([_named(item) for item in numbers], [scores[item] for item in numbers])
        with files.replacing(picture) as file:
            file.write(drawn.encode())
    if output.json:
        output.raw({str(item): {name: asdict(score) for name, score in scores[item].items()} for item in numbers})
        return
    head = ("VERSION", *(name.upper() for name in data_sets))
    output.show(table(head, [(_named(item), *map(score_told, scores[item].values())) for item in numbers]))


@commands.command()
def versions(context: typer.Context, model: ModelFile, state: State = HERE) -> None:
    """List the base and what was learned on this machine."""
    output = session_of(context).output
    with refusing():
        kept = Adaptations(_read(model), state)
        notes = {number: kept.note(number) for number in kept.numbers}
        active = kept.active
    if output.json:
        output.raw([{"version": number, "active": number == active, **note} for number, note in notes.items()])
        return
    rows = []
    for number, note in notes.items():
        told = note.get("report", {})
        star = "*" if number == active else ""
        rows.append(
            (_named(number), star, note.get("parent"), told.get("samples"), told.get("steps"), told.get("loss"))
        )
    output.show(table(("VERSION", "ACTIVE", "PARENT", "SAMPLES", "STEPS", "LOSS"), rows))


@commands.command()
def use(
    context: typer.Context,
    model: ModelFile,
    version: Annotated[int, typer.Argument(min=0, help="0 is the base.")],
    state: State = HERE,
) -> None:
    """Let another version answer on this machine, such as the base again."""
    with refusing():
        Adaptations(_read(model), state).activate(version)
    session_of(context).output.line(f"{_named(version)} is active.")


def _read(path: Path) -> bytes:
    with files.opened(path) as (file, _):
        data = file.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise Misused(f"{path} is larger than {MAX_FILE_BYTES:,} bytes.", "Give the trainable .tflite.")
    return data


def _named(number: int) -> str:
    return "base" if number == BASE else f"adapted {number}"


def _facts(found: Adapted) -> Table:
    report = found.report
    return facts(
        [
            ("version", None if found.version is None else _named(found.version)),
            ("learned from", f"{report.samples} samples, {report.steps} steps, from {_named(found.parent)} on"),
            ("before", f"{score_told(found.before)} of {found.held_out} held out"),
            ("after", f"{score_told(found.after)} of {found.held_out} held out"),
            ("loss", report_loss(report)),
            ("stopped", report.stopped),
        ]
    )
