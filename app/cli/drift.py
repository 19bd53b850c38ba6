"""`tinymlaas drift`: versions that are watched on their devices."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer
from pydantic import ValidationError
from rich.console import Group, RenderableType
from rich.text import Text

from app.cli import files
from app.cli.client import Answer, ApiClient, at
from app.cli.errors import EndedBadly, Misused
from app.cli.options import DEFAULT_LIMIT, All, Limit, ModelReference, Wait, bounded, parse_reference
from app.cli.output import Cell, facts, short, state, table
from app.cli.session import Session, session_of
from app.cli.train import read_recipe_option
from app.cli.waiting import POLL_SECONDS, Patience
from app.contract.models import (
    DriftAction,
    DriftComparison,
    DriftDevice,
    DriftMonitor,
    DriftMonitorRequest,
    DriftWindow,
    DriftWindows,
    FederationRequest,
    TrainingJobRequest,
)
from zoo.drift import STATISTICS

commands = typer.Typer(no_args_is_help=True, help="Drift: what devices infer against what a version was made for.")

MonitorId = Annotated[str, typer.Argument(metavar="MONITOR")]
Endpoint = Annotated[str, typer.Argument(metavar="ENDPOINT")]
MAX_FEDERATION_BYTES = 64 * 1024
Retraining = Literal["centralised", "incremental", "transfer"]


@commands.command()
def watch(
    context: typer.Context,
    model: ModelReference,
    snapshot: Annotated[
        str | None, typer.Option(metavar="SHA256", help="Compare with this one; without it the version's own data.")
    ] = None,
    window: Annotated[int, typer.Option(min=30, max=10_000, help="Inferences of a device that are compared.")] = 200,
    consecutive: Annotated[int, typer.Option(min=1, max=10, help="Windows in a row that raise an alarm.")] = 2,
    significance: Annotated[float, typer.Option(help="Of one statistic in one window.")] = 0.001,
    psi_limit: Annotated[float, typer.Option(help="Of the predicted classes.")] = 0.25,
    distance_limit: Annotated[float, typer.Option(help="Of everything else.")] = 0.2,
    statistics: Annotated[
        list[str] | None,
        typer.Option("--statistic", metavar="NAME", help=f"One of {', '.join(STATISTICS)}; repeat it."),
    ] = None,
    retrain: Annotated[Retraining | None, typer.Option(help="An alarm opens a training job of this kind.")] = None,
    into: Annotated[str | None, typer.Option(metavar="MODEL", help="Which gets the new version; the same one.")] = None,
    dataset: Annotated[str | None, typer.Option(metavar="DATASET", help="Retrain on it as it is then.")] = None,
    recipe: Annotated[str | None, typer.Option(metavar="NAME_OR_FILE", help="Retrain by it.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, max=1000, help="In place of the recipe's.")] = None,
    federation: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="An alarm opens it: JSON as for POST /v1/federations."),
    ] = None,
    cooldown: Annotated[int, typer.Option(min=0, help="Seconds until something may be opened again.")] = 86_400,
    wait: Wait = True,
) -> None:
    """Watch a version on every device that runs it."""
    session = session_of(context)
    name, version = parse_reference(model)
    action = None
    if federation is not None:
        if any(value is not None for value in (retrain, into, recipe, epochs)):
            raise Misused("A federation trains by itself.", "Take --federation or --retrain, not both.")
        action = DriftAction.model_construct(
            kind="federation", federation=_federation(federation), dataset=dataset, cooldown_seconds=cooldown
        )
    elif retrain is not None:
        job = TrainingJobRequest.model_construct(
            kind=retrain,
            model=into or name,
            recipe=read_recipe_option(recipe),
            parent_model=None if retrain == "centralised" else name,
            parent_version=None if retrain == "centralised" else version,
            epochs=epochs,
        )
        action = DriftAction.model_construct(
            kind="training_job", training_job=job, dataset=dataset, cooldown_seconds=cooldown
        )
    elif any(value is not None for value in (into, dataset, recipe, epochs)):
        raise Misused(
            "--into, --dataset, --recipe and --epochs are of a retraining.",
            "Say which: --retrain KIND, or with --dataset --federation FILE.",
        )
    request = DriftMonitorRequest.model_construct(
        model=name,
        version=version,
        snapshot=snapshot,
        window_samples=window,
        consecutive=consecutive,
        significance=significance,
        psi_limit=psi_limit,
        distance_limit=distance_limit,
        statistics=statistics or None,  # type: ignore[arg-type]  # the server says which it does not know
        action=action,
    )
    with session.client() as client:
        answer = client.post(at("drift-monitors"), DriftMonitor, request)
        if wait and answer.body.state == "preparing":
            answer = _prepared(session, client, answer.body.id)
    session.output.answer(answer, _monitor_view)
    if answer.body.state == "failed":
        error = answer.body.error
        raise EndedBadly(
            error.detail if error else "The job that makes the reference was cancelled.",
            error.remedy if error else f"tinymlaas drift stop {answer.body.id}; then begin anew.",
        )


@commands.command("list")
def list_monitors(
    context: typer.Context,
    model: Annotated[str | None, typer.Option(metavar="NAME", help="Only of this model.")] = None,
    limit: Limit = DEFAULT_LIMIT,
    everything: All = False,
) -> None:
    """List what is watched, newest first."""
    session = session_of(context)
    params = {"model": model} if model is not None else None
    with session.client() as client:
        listing = client.listing(at("drift-monitors"), DriftMonitor, limit=bounded(limit, everything), params=params)
    session.output.listing(
        listing,
        ("ID", "STATE", "MODEL", "DEVICES", "OPEN ALARMS", "ACTION", "CREATED"),
        lambda item: (
            item.id,
            state(item.state),
            f"{item.model}@{item.version}",
            item.devices,
            item.open_alarms,
            item.action.kind,
            item.created_at,
        ),
    )


@commands.command()
def show(
    context: typer.Context,
    monitor_id: MonitorId,
    endpoint: Annotated[str | None, typer.Argument(metavar="ENDPOINT", help="This device's windows.")] = None,
) -> None:
    """Show a monitor, or the windows of one of its devices."""
    session = session_of(context)
    with session.client() as client:
        if endpoint is not None:
            windows = client.get(at("drift-monitors", monitor_id, "devices", endpoint), DriftWindows)
            session.output.answer(windows, _windows_view)
            return
        session.output.answer(client.get(at("drift-monitors", monitor_id), DriftMonitor), _monitor_view)


@commands.command()
def devices(
    context: typer.Context, monitor_id: MonitorId, limit: Limit = DEFAULT_LIMIT, everything: All = False
) -> None:
    """List the devices that told a monitor of inferences."""
    session = session_of(context)
    with session.client() as client:
        path = at("drift-monitors", monitor_id, "devices")
        listing = client.listing(path, DriftDevice, limit=bounded(limit, everything))
    session.output.listing(listing, _DEVICE_HEAD, _device_row)


@commands.command()
def picture(
    context: typer.Context,
    monitor_id: MonitorId,
    endpoint: Endpoint,
    to: Annotated[Path, typer.Option("-o", "--output", metavar="FILE.svg", help="Where to write it.")],
    window: Annotated[int | None, typer.Option(min=1, help="Its number; without it the newest that is full.")] = None,
) -> None:
    """Draw a device's window against the reference, as SVG."""
    session = session_of(context)
    path = at("drift-monitors", monitor_id, "devices", endpoint, "picture")
    params = {"window": str(window)} if window is not None else None
    with session.client() as client:
        drawn = client.text(path, params).content
        with files.replacing(to) as file:
            file.write(drawn)
    session.output.note(f"{to} is written.")


@commands.command()
def stop(context: typer.Context, monitor_id: MonitorId) -> None:
    """Watch no more; alarms are cleared and stay."""
    session = session_of(context)
    with session.client() as client:
        client.delete(at("drift-monitors", monitor_id))
    session.output.note(f"{monitor_id} is removed.")


def _federation(path: Path) -> FederationRequest:
    with files.opened(path) as (file, _):
        text = file.read(MAX_FEDERATION_BYTES + 1)
    try:
        return FederationRequest.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise Misused(f"{path}: {place or 'it'}: {first['msg']}", "openapi.yaml has FederationRequest.") from error


def _prepared(session: Session, client: ApiClient, monitor_id: str) -> Answer[DriftMonitor]:
    patience = Patience(session)
    with session.output.spinner("the reference is made"):
        while True:
            answer = patience(lambda: client.get(at("drift-monitors", monitor_id), DriftMonitor))
            if answer is not None and answer.body.state != "preparing":
                return answer
            session.sleep(POLL_SECONDS)


def _monitor_view(body: DriftMonitor) -> RenderableType:
    reference = body.reference
    return facts(
        [
            ("monitor", body.id),
            ("state", state(body.state)),
            ("model", f"{body.model}@{body.version}"),
            ("snapshot", short(body.snapshot_sha256)),
            ("reference", f"{reference.samples} samples of the {reference.split} split" if reference else None),
            ("reference's job", body.job_id),
            ("window", f"{body.window_samples} inferences, {body.consecutive} in a row"),
            ("limits", f"psi {body.psi_limit:g}, distance {body.distance_limit:g}, chance {body.significance:g}"),
            ("statistics", ", ".join(body.statistics) if body.statistics else "all"),
            ("action", body.action.kind),
            ("devices", body.devices),
            ("open alarms", body.open_alarms),
            ("error", body.error.detail if body.error else None),
            ("remedy", body.error.remedy if body.error else None),
        ]
    )


_DEVICE_HEAD = ("DEVICE", "INFERENCES", "WINDOWS", "ABOVE", "SKIPPED", "ALARM", "LAST")


def _device_row(item: DriftDevice) -> Sequence[Cell]:
    above, skipped = _counts(item.above), _counts(item.skipped)
    return item.endpoint, item.samples, item.windows, above, skipped, item.alarm_id, item.updated_at


def _windows_view(body: DriftWindows) -> RenderableType:
    names = list(dict.fromkeys(item.statistic for window in body.windows for item in window.comparisons or ()))
    rows = [
        (window.number, window.samples, window.closed_at, *(_compared(window, name) for name in names))
        for window in body.windows
    ]
    head = ("WINDOW", "INFERENCES", "FULL", *(name.upper().replace("_", " ") for name in names))
    return Group(table(_DEVICE_HEAD, [_device_row(body.device)]), Text(""), table(head, rows))


def _compared(window: DriftWindow, name: str) -> Cell:
    found: DriftComparison | None = next((item for item in window.comparisons or () if item.statistic == name), None)
    if found is None:
        return None
    return Text(f"{found.value:.3f} of {found.threshold:.3f}", style="bold red" if found.drifted else "green")


def _counts(found: dict[str, int]) -> str | None:
    return ", ".join(f"{name} {count}" for name, count in found.items()) or None
