"""`tinymlaas updates`: firmware or a model alone to one device, kept only when the device proves it."""

from typing import Annotated, Literal

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from app.cli.client import Answer, ApiClient, at
from app.cli.devices import Endpoint
from app.cli.errors import EndedBadly
from app.cli.options import DEFAULT_LIMIT, All, Limit, Wait, bounded
from app.cli.output import as_json, facts, short, state, table
from app.cli.session import Session, session_of
from app.cli.waiting import follow_update
from app.contract.models import InferenceFigures, Update, UpdateExplanation, UpdateRequest

commands = typer.Typer(no_args_is_help=True, help="Updates of devices.")

Method = Literal["auto", "fota", "sota"]
Severity = Literal["critical", "mandatory", "optional"]
OptionalSha256 = Annotated[str | None, typer.Argument(metavar="[SHA256]", help="An artifact.")]
UpdateId = Annotated[str, typer.Argument(metavar="UPDATE")]


@commands.command()
def create(
    context: typer.Context,
    endpoint: Endpoint,
    sha256: OptionalSha256 = None,
    build: Annotated[
        str | None,
        typer.Option(metavar="BUILD", help="Whatever of this build suits the device, instead of an artifact."),
    ] = None,
    built_in: Annotated[
        bool, typer.Option("--built-in", help="Back to the model in the device's firmware; nothing is sent.")
    ] = False,
    method: Annotated[
        Method, typer.Option(help="The whole firmware (fota), the model alone (sota), or what can be (auto).")
    ] = "auto",
    push: Annotated[
        bool, typer.Option("--push/--pull", help="The server writes the image; or the device fetches it.")
    ] = False,
    severity: Annotated[Severity | None, typer.Option(help="How urgent it is (Object 5 v1.1).")] = None,
    max_defer: Annotated[
        int | None, typer.Option(min=0, help="Seconds for which a user may put the installation off.")
    ] = None,
    wait: Wait = True,
) -> None:
    """Deliver an artifact or a build to a device, and follow it until the device has proven it."""
    session = session_of(context)
    request = UpdateRequest.model_construct(
        endpoint=endpoint,
        artifact_sha256=sha256,
        build_id=build,
        model_source="built-in" if built_in else None,
        method=method,
        delivery="push" if push else "pull",
        severity=severity,
        max_defer_seconds=max_defer,
    )
    with session.client() as client:
        answer = create_update(client, request)
        if wait:
            _follow(session, client, answer.body)
            return
    session.output.answer(answer, _view)


@commands.command("list")
def list_updates(
    context: typer.Context,
    endpoint: Annotated[str | None, typer.Option(help="Only updates of this device.")] = None,
    state_: Annotated[str | None, typer.Option("--state", help="Only updates in this state.")] = None,
    limit: Limit = DEFAULT_LIMIT,
    everything: All = False,
) -> None:
    """List updates, newest first."""
    session = session_of(context)
    filters = {key: value for key, value in (("endpoint", endpoint), ("state", state_)) if value is not None}
    with session.client() as client:
        listing = client.listing(at("updates"), Update, limit=bounded(limit, everything), params=filters)
    session.output.listing(
        listing,
        ("ID", "STATE", "KIND", "DEVICE", "SLOT", "VERSION", "ARTIFACT", "DELIVERY", "SECONDS", "CREATED"),
        lambda update: (
            update.id,
            state(update.state),
            update.kind,
            update.endpoint,
            update.slot,
            update.expected_version,
            short(update.artifact_sha256 or ""),
            update.delivery,
            update.delivery_seconds,
            update.created_at,
        ),
    )


@commands.command()
def show(context: typer.Context, update_id: UpdateId) -> None:
    """Show an update."""
    session = session_of(context)
    with session.client() as client:
        answer = client.get(at("updates", update_id), Update)
    session.output.answer(answer, _view)


@commands.command()
def explain(context: typer.Context, update_id: UpdateId) -> None:
    """Say where an update stands, what the device said and what happens next."""
    session = session_of(context)
    with session.client() as client:
        answer = client.get(at("updates", update_id, "explain"), UpdateExplanation)
    session.output.answer(answer, _explanation)


@commands.command()
def cancel(context: typer.Context, update_id: UpdateId) -> None:
    """Cancel an update that the device has not begun to install."""
    session = session_of(context)
    with session.client() as client:
        answer = client.post(at("updates", update_id, "cancellation"), Update)
    session.output.answer(answer, _view)


@commands.command()
def watch(context: typer.Context, update_id: UpdateId) -> None:
    """Follow an update to its end; the exit code is 1 when the device did not keep it."""
    session = session_of(context)
    with session.client() as client:
        _follow(session, client, client.get(at("updates", update_id), Update).body)


def create_update(client: ApiClient, request: UpdateRequest) -> Answer[Update]:
    """Queue an update."""
    return client.post(at("updates"), Update, request)


def _follow(session: Session, client: ApiClient, update: Update) -> None:
    output, told = session.output, ""

    def show(found: Update) -> None:
        nonlocal told
        bar(found.state, found.bytes_sent, found.bytes_total)
        if found.state != told and not output.json:
            output.note(f"{found.endpoint}: {found.state}")
        told = found.state

    with output.state_bar(f"Updating {update.endpoint}") as bar:
        answer = follow_update(session, client, update.id, show)
    output.answer(answer, _view)
    if answer.body.state != "succeeded":
        explanation = client.get(at("updates", update.id, "explain"), UpdateExplanation).body
        raise EndedBadly(explanation.summary, explanation.next)


def _view(body: Update) -> RenderableType:
    return facts(
        [
            ("update", body.id),
            ("state", state(body.state)),
            ("reason", body.reason),
            ("kind", f"{body.kind}, {body.delivery}"),
            ("slot", body.slot),
            ("why", body.choice_reason),
            ("device", body.endpoint),
            ("severity", body.severity),
            ("may be put off for", f"{body.max_defer_seconds} s" if body.max_defer_seconds is not None else None),
            ("artifact", body.artifact_sha256),
            ("previous", body.previous_sha256),
            ("bytes", f"{body.bytes_sent:,} of {body.bytes_total:,}"),
            ("expected version", body.expected_version),
            ("reported version", body.reported_version),
            ("result", body.result),
            ("delivery seconds", body.delivery_seconds),
            ("created", body.created_at),
            ("given up at", body.deadline_at),
            ("longest gap", _gap(body.inference)),
            ("device's report", as_json(body.report) if body.report is not None else None),
        ]
    )


def _gap(figures: InferenceFigures | None) -> str | None:
    """How long inference stood still, and how long one inference takes."""
    if figures is None:
        return None
    return f"{figures.longest_gap_ticks:,} ticks; an inference takes {figures.inference_ticks:,}"


def _explanation(body: UpdateExplanation) -> RenderableType:
    pairs = facts(
        [
            ("update", body.id),
            ("state", state(body.state)),
            ("kind", body.kind),
            ("why", body.choice_reason),
            ("summary", body.summary),
            ("device says", body.device_result),
            ("next", body.next),
        ]
    )
    rows = [(step.at, step.state, step.text) for step in body.steps]
    return Group(pairs, Text(""), table(("AT", "STATE", "WHAT HAPPENED"), rows))
