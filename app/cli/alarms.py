"""`tinymlaas alarms`: which device drifts, since when, and what was done about it."""

from typing import Annotated, Literal

import typer
from rich.console import RenderableType

from app.cli.client import at
from app.cli.options import DEFAULT_LIMIT, All, Limit, bounded
from app.cli.output import facts, state
from app.cli.session import session_of
from app.contract.models import Alarm, AlarmAcknowledgement

commands = typer.Typer(no_args_is_help=True, help="Alarms: devices that drift, and what was done about it.")

AlarmId = Annotated[str, typer.Argument(metavar="ALARM")]


@commands.command("list")
def list_alarms(
    context: typer.Context,
    state_: Annotated[Literal["open", "cleared"] | None, typer.Option("--state", help="Only these.")] = None,
    endpoint: Annotated[str | None, typer.Option(metavar="ENDPOINT", help="Only of this device.")] = None,
    model: Annotated[str | None, typer.Option(metavar="NAME", help="Only of this model.")] = None,
    limit: Limit = DEFAULT_LIMIT,
    everything: All = False,
) -> None:
    """List alarms, newest first."""
    session = session_of(context)
    filters = {"state": state_, "endpoint": endpoint, "model": model}
    params = {key: value for key, value in filters.items() if value is not None}
    with session.client() as client:
        listing = client.listing(at("alarms"), Alarm, limit=bounded(limit, everything), params=params)
    session.output.listing(
        listing,
        ("ID", "STATE", "DEVICE", "MODEL", "STATISTIC", "VALUE", "THRESHOLD", "ACTION", "RAISED", "SEEN"),
        lambda item: (
            item.id,
            state(item.state),
            item.endpoint,
            f"{item.model}@{item.version}",
            item.statistic,
            round(item.value, 3),
            round(item.threshold, 3),
            _action_told(item),
            item.raised_at,
            item.acknowledged_at,
        ),
    )


@commands.command()
def show(context: typer.Context, alarm_id: AlarmId) -> None:
    """Show an alarm: since when, how much, what was done."""
    session = session_of(context)
    with session.client() as client:
        session.output.answer(client.get(at("alarms", alarm_id), Alarm), _view)


@commands.command()
def acknowledge(
    context: typer.Context,
    alarm_id: AlarmId,
    note: Annotated[str | None, typer.Option(help="For whoever reads it later.")] = None,
) -> None:
    """Say that an alarm was seen; it is cleared by itself when the device is as before."""
    session = session_of(context)
    request = AlarmAcknowledgement.model_construct(note=note)
    with session.client() as client:
        session.output.answer(client.post(at("alarms", alarm_id, "acknowledgement"), Alarm, request), _view)


def _view(body: Alarm) -> RenderableType:
    error = body.action.error
    return facts(
        [
            ("alarm", body.id),
            ("state", state(body.state)),
            ("device", body.endpoint),
            ("model", f"{body.model}@{body.version}"),
            ("monitor", body.monitor_id),
            ("statistic", f"{body.statistic} ({body.method}): {body.value:.3f}, threshold {body.threshold:.3f}"),
            ("window", f"{body.window}, of {body.samples} inferences"),
            ("since", body.since),
            ("raised", body.raised_at),
            ("action", _action_told(body)),
            ("error", error.detail if error else None),
            ("remedy", error.remedy if error else None),
            ("acknowledged", body.acknowledged_at),
            ("note", body.note),
            ("cleared", body.cleared_at),
            ("because", body.cleared_because),
        ]
    )


def _action_told(body: Alarm) -> str:
    if body.action.kind == "none":
        return "none"
    opened = body.action.job_id or body.action.federation_id
    return f"{body.action.kind} {body.action.state}" + (f": {opened}" if opened else "")
