"""`tinymlaas events`: everything that happens, as it happens."""

import json
from typing import Annotated

import typer
from rich.text import Text

from app.cli.errors import OffContract
from app.cli.output import Output, as_json, cell, clean
from app.cli.session import session_of
from app.cli.sse import ServerEvent, follow_events
from app.contract.models import Event


def events(
    context: typer.Context,
    subject: Annotated[
        str | None,
        typer.Option(metavar="KIND/ID", help="Only this: build/ID, training-job/ID, device/ENDPOINT, ..."),
    ] = None,
    since: Annotated[int | None, typer.Option(metavar="ID", min=0, help="Begin after this event; 0: with all.")] = None,
    until_now: Annotated[bool, typer.Option("--until-now", help="End when everything up to now was shown.")] = False,
) -> None:
    """Follow events until Ctrl-C; a broken connection is taken up where it was left. With --json one event a line."""
    session = session_of(context)
    with session.client() as client:
        begin = str(since) if since is not None else None
        for event in follow_events(session, client, subject=subject, since=begin, until_now=until_now):
            show_event(session.output, event)


def show_event(output: Output, received: ServerEvent) -> None:
    """One event as a line, or as JSON."""
    try:
        raw: object = json.loads(received.data)
        event = Event.model_validate(raw)
    except ValueError as error:
        raise OffContract(f"Event {received.id!r} is not what the contract says.") from error
    if output.json:
        output.raw(raw, indent=None)
        return
    line = Text.assemble(
        cell(event.at),
        "  ",
        (clean(event.type), "bold"),
        "  ",
        clean(event.subject),
        "  ",
        (as_json(event.data), "dim"),
    )
    output.out.print(line, soft_wrap=True)
