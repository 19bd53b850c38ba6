"""`tinymlaas devices`: what registered over LwM2M, and what it runs."""

from typing import Annotated

import typer
from rich.console import RenderableType

from app.cli.client import at
from app.cli.options import DEFAULT_LIMIT, All, Limit, bounded
from app.cli.output import as_json, facts, state
from app.cli.session import session_of
from app.contract.models import Device, Event

commands = typer.Typer(no_args_is_help=True, help="Devices, what they run and what happened to them.")

Endpoint = Annotated[str, typer.Argument(metavar="ENDPOINT")]


@commands.command("list")
def list_devices(context: typer.Context, limit: Limit = DEFAULT_LIMIT, everything: All = False) -> None:
    """List devices by endpoint."""
    session = session_of(context)
    with session.client() as client:
        listing = client.listing(at("devices"), Device, limit=bounded(limit, everything))
    session.output.listing(
        listing,
        ("ENDPOINT", "REACHABILITY", "BOARD", "FIRMWARE", "MODEL", "LAST SEEN"),
        lambda device: (
            device.endpoint,
            state(device.reachability),
            device.board,
            device.firmware_version,
            _model(device),
            device.last_seen_at,
        ),
    )


@commands.command()
def show(context: typer.Context, endpoint: Endpoint) -> None:
    """Show a device, what it runs and where that came from."""
    session = session_of(context)
    with session.client() as client:
        answer = client.get(at("devices", endpoint), Device)
    session.output.answer(answer, _view)


@commands.command()
def history(context: typer.Context, endpoint: Endpoint, limit: Limit = DEFAULT_LIMIT, everything: All = False) -> None:
    """List what happened to a device, newest first."""
    session = session_of(context)
    with session.client() as client:
        listing = client.listing(at("devices", endpoint, "history"), Event, limit=bounded(limit, everything))
    session.output.listing(
        listing,
        ("AT", "EVENT", "DATA"),
        lambda event: (event.at, event.type, as_json(event.data)),
    )


def _model(device: Device) -> str | None:
    return f"{device.model}@{device.version}" if device.model is not None else None


def _slots(device: Device) -> str | None:
    held = [f"{slot.slot}: {slot.version or 'empty'}{' (runs)' if slot.active else ''}" for slot in device.model_slots]
    return ", ".join(held) or None


def _view(body: Device) -> RenderableType:
    return facts(
        [
            ("endpoint", body.endpoint),
            ("reachability", state(body.reachability)),
            ("address", body.address),
            ("LwM2M", body.lwm2m_version),
            ("lifetime", f"{body.lifetime} s" if body.lifetime is not None else None),
            ("board", body.board),
            ("firmware", body.firmware_version),
            ("artifact", body.artifact_sha256),
            ("model", _model(body)),
            ("model runs from", body.model_source),
            ("model artifact", body.model_artifact_sha256),
            ("model slots", _slots(body)),
            ("ABI", body.abi),
            ("model sha256", body.model_sha256),
            ("first seen", body.first_seen_at),
            ("last seen", body.last_seen_at),
        ]
    )
