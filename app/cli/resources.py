"""`tinymlaas devices read|write|execute|observe|watch|credentials`: a device's resources and its key."""

import json
from typing import Annotated

import typer
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from app.cli.client import at
from app.cli.events import show_event
from app.cli.output import as_json, cell, clean, facts
from app.cli.session import session_of
from app.cli.sse import follow_events
from app.contract.models import (
    CredentialsRequest,
    DeviceCredentials,
    IssuedCredentials,
    ResourceExecution,
    ResourceValues,
    ResourceWrite,
    ResourceWritten,
)

Endpoint = Annotated[str, typer.Argument(metavar="ENDPOINT")]
ResourcePath = Annotated[str, typer.Argument(metavar="PATH", help="An LwM2M path, as 3/0/3.")]

credentials = typer.Typer(no_args_is_help=True, help="A device's pre-shared key for DTLS.")


def add_to(devices: typer.Typer) -> None:
    """Put these commands under `devices`."""
    for command in (read, write, execute, observe, watch):
        devices.command()(command)
    devices.add_typer(credentials, name="credentials")


def read(context: typer.Context, endpoint: Endpoint, path: ResourcePath) -> None:
    """Read an object, an instance or a resource of a device, now."""
    session = session_of(context)
    with session.client() as client:
        answer = client.get(_resource(endpoint, path), ResourceValues)
    session.output.answer(answer, _values)


def write(
    context: typer.Context,
    endpoint: Endpoint,
    path: ResourcePath,
    value: Annotated[str, typer.Argument(help='JSON (60, true, "text"), or plain text.')],
    type_: Annotated[
        str | None, typer.Option("--type", help="string, integer, opaque ...; for objects that are not known.")
    ] = None,
) -> None:
    """Write a resource of a device."""
    session = session_of(context)
    body = ResourceWrite.model_validate({"value": _parsed(value), "type": type_})
    with session.client() as client:
        answer = client.put(_resource(endpoint, path), ResourceWritten, body)
    session.output.answer(answer, _written)


def execute(
    context: typer.Context,
    endpoint: Endpoint,
    path: ResourcePath,
    arguments: Annotated[str, typer.Option(help="As LwM2M writes them: 0='x',1")] = "",
) -> None:
    """Execute a resource of a device."""
    session = session_of(context)
    with session.client() as client:
        answer = client.post(_resource(endpoint, path), ResourceWritten, ResourceExecution(arguments=arguments))
    session.output.answer(answer, _written)


def observe(
    context: typer.Context,
    endpoint: Endpoint,
    path: ResourcePath,
    stop: Annotated[bool, typer.Option("--stop", help="Observe it no more.")] = False,
) -> None:
    """Let the server observe a path; `devices watch` shows the changes."""
    session = session_of(context)
    with session.client() as client:
        if stop:
            client.delete(at("devices", endpoint, "observations", *path.strip("/").split("/")))
            session.output.note(f"/{path.strip('/')} of {endpoint} is not observed any more.")
            return
        answer = client.put(at("devices", endpoint, "observations", *path.strip("/").split("/")), ResourceValues)
    session.output.answer(answer, _values)


def watch(context: typer.Context, endpoint: Endpoint) -> None:
    """Follow what happens to a device until Ctrl-C."""
    session = session_of(context)
    with session.client() as client:
        for event in follow_events(session, client, subject=f"device/{endpoint}", since=None, until_now=False):
            show_event(session.output, event)


@credentials.command("show")
def show_credentials(context: typer.Context, endpoint: Endpoint) -> None:
    """Show which identity a device uses; its key is never shown again."""
    session = session_of(context)
    with session.client() as client:
        answer = client.get(at("devices", endpoint, "credentials"), DeviceCredentials)
    session.output.answer(answer, lambda body: facts([("identity", body.identity), ("given", body.created_at)]))


@credentials.command("set")
def set_credentials(
    context: typer.Context,
    endpoint: Endpoint,
    identity: Annotated[str | None, typer.Option(help="Without it the endpoint name.")] = None,
    key: Annotated[str | None, typer.Option(help="Hex; without it the server makes one.")] = None,
) -> None:
    """Give a device a pre-shared key, and show it this once."""
    session = session_of(context)
    with session.client() as client:
        body = CredentialsRequest(identity=identity, key=key)
        answer = client.put(at("devices", endpoint, "credentials"), IssuedCredentials, body)
    session.output.answer(answer, lambda issued: facts([("identity", issued.identity), ("key", issued.key)]))


@credentials.command("delete")
def delete_credentials(context: typer.Context, endpoint: Endpoint) -> None:
    """Take a device's key away; it may register without DTLS again."""
    session = session_of(context)
    with session.client() as client:
        client.delete(at("devices", endpoint, "credentials"))
    session.output.note(f"{endpoint} has no key any more.")


def _resource(endpoint: str, path: str) -> str:
    return at("devices", endpoint, "resources", *path.strip("/").split("/"))


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _values(body: ResourceValues) -> RenderableType:
    table = Table("PATH", "NAME", "TYPE", "VALUE", box=None)
    for value in body.values:
        shown = value.value if isinstance(value.value, str) else as_json(value.value)
        table.add_row(clean(value.path), cell(value.name), value.type, clean(shown))
    return table


def _written(body: ResourceWritten) -> RenderableType:
    return Text(f"{clean(body.path)} of {clean(body.endpoint)}: done")
