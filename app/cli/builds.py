"""`tinymlaas builds`: a model version compiled into firmware for a board."""

import json
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from app.cli.client import SLOW_SECONDS, Answer, ApiClient, at
from app.cli.errors import EndedBadly, Misused
from app.cli.options import DEFAULT_LIMIT, All, Limit, ModelReference, Wait, bounded, parse_reference
from app.cli.output import Cell, Output, as_json, facts, short, state, table
from app.cli.session import Session, session_of
from app.cli.waiting import BUILD_ENDED, LogFollower, follow_build
from app.contract.models import (
    Build,
    BuildArtifact,
    BuildEstimate,
    BuildRequest,
    EstimateRequest,
    Memory,
    Performance,
)
from edge.qemu import MACHINES

commands = typer.Typer(no_args_is_help=True, help="Builds of firmware.")

BuildId = Annotated[str, typer.Argument(metavar="BUILD")]
Parameters = Annotated[
    list[str] | None, typer.Option("--parameter", "-p", metavar="NAME=VALUE", help="JSON, or text. Repeatable.")
]


@commands.command()
def create(
    context: typer.Context,
    model: ModelReference,
    board: Annotated[str, typer.Option(help="The target, one of `tinymlaas boards list`.")],
    builder: Annotated[
        str | None, typer.Option(metavar="ID", help="Without it the newest builder for the board.")
    ] = None,
    parameter: Parameters = None,
    firmware_version: Annotated[str, typer.Option(metavar="X.Y.Z")] = "1.0.0",
    security_counter: Annotated[int, typer.Option(min=1, help="A device refuses images with a lower one.")] = 1,
    wait: Wait = True,
) -> None:
    """Build firmware and follow the log; the same build again is answered from the store."""
    session = session_of(context)
    name, version = parse_reference(model)
    request = BuildRequest.model_construct(
        model=name,
        version=version,
        board=board,
        builder_id=builder,
        parameters=_parameters(parameter or []),
        firmware_version=firmware_version,
        security_counter=security_counter,
    )
    with session.client() as client:
        answer = client.post(at("builds"), Build, request)
        followed = wait and answer.body.state not in BUILD_ENDED
        if followed:
            answer = _follow(session, client, answer.body.id)
    _finish(session.output, answer)
    if followed and not session.output.json and _to_be_measured(answer.body):
        session.output.note(
            f"A server that measures builds counts this in a moment: `tinymlaas builds show {answer.body.id}`."
        )


@commands.command()
def estimate(
    context: typer.Context,
    model: ModelReference,
    board: Annotated[str, typer.Option(help="The target, one of `tinymlaas boards list`.")],
    builder: Annotated[
        str | None, typer.Option(metavar="ID", help="Without it the newest builder for the board.")
    ] = None,
    parameter: Parameters = None,
) -> None:
    """Say what a build would give: memory, and instructions in total and per layer. Nothing is built."""
    session = session_of(context)
    name, version = parse_reference(model)
    request = EstimateRequest.model_construct(
        model=name, version=version, board=board, builder_id=builder, parameters=_parameters(parameter or [])
    )
    with session.client() as client, session.output.spinner("Estimating"):
        answer = client.post(at("builds", "estimate"), BuildEstimate, request, seconds=SLOW_SECONDS)
    session.output.answer(answer, _estimate_view)


@commands.command("list")
def list_builds(
    context: typer.Context,
    state_: Annotated[str | None, typer.Option("--state", help="Only builds in this state.")] = None,
    model: Annotated[str | None, typer.Option(metavar="NAME", help="Only builds of this model.")] = None,
    limit: Limit = DEFAULT_LIMIT,
    everything: All = False,
) -> None:
    """List builds, newest first."""
    session = session_of(context)
    filters = {key: value for key, value in (("state", state_), ("model", model)) if value is not None}
    with session.client() as client:
        listing = client.listing(at("builds"), Build, limit=bounded(limit, everything), params=filters)
    session.output.listing(
        listing,
        ("ID", "STATE", "MODEL", "BOARD", "FIRMWARE", "SECONDS", "ARTIFACT", "CREATED"),
        lambda build: (
            build.id,
            state(build.state),
            f"{build.model}@{build.version}",
            build.board,
            build.firmware_version,
            build.seconds,
            short(build.artifact_sha256),
            build.created_at,
        ),
    )


@commands.command()
def show(context: typer.Context, build_id: BuildId) -> None:
    """Show a build: what it was made from, what came out."""
    session = session_of(context)
    with session.client() as client:
        answer = client.get(at("builds", build_id), Build)
    session.output.answer(answer, view)


@commands.command()
def log(
    context: typer.Context,
    build_id: BuildId,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the build has ended.")] = False,
) -> None:
    """Print what the builder printed; with --follow a failed build's exit code is 1."""
    session = session_of(context)
    output = session.output
    lines: list[str] = []
    on_line = lines.append if output.json else output.line
    failed = False
    with session.client() as client:
        if follow:
            failed = follow_build(session, client, build_id, on_line).body.state != "succeeded"
        else:
            follower = LogFollower(client, build_id, on_line)
            follower.read()
            follower.close()
    if output.json:
        output.raw({"lines": lines})
    if failed:
        raise EndedBadly(f"Build {build_id} did not succeed.", f"tinymlaas builds show {build_id} says why.")


@commands.command()
def cancel(context: typer.Context, build_id: BuildId) -> None:
    """Cancel a build; its container is stopped within seconds."""
    session = session_of(context)
    with session.client() as client:
        answer = client.post(at("builds", build_id, "cancellation"), Build)
    session.output.answer(answer, view)


def _follow(session: Session, client: ApiClient, build_id: str) -> Answer[Build]:
    output = session.output
    output.note(f"Build {build_id} is queued; Ctrl-C leaves it running.") if not output.json else None
    with output.spinner(f"Building {build_id}"):
        return follow_build(session, client, build_id, None if output.json else output.note)


def _finish(output: Output, answer: Answer[Build]) -> None:
    output.answer(answer, view)
    build = answer.body
    if build.state in {"failed", "cancelled"}:
        if build.error is not None:
            raise EndedBadly(build.error.detail, build.error.remedy)
        raise EndedBadly(f"Build {build.id} was {build.state}.")


def _to_be_measured(build: Build) -> bool:
    """Whether the figures are estimates that a server replaces once it has booted the image."""
    return build.performance is not None and build.performance.basis == "estimated" and build.board in MACHINES


def _parameters(given: list[str]) -> dict[str, object]:
    parameters: dict[str, object] = {}
    for pair in given:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            raise Misused(f"{pair!r} is not NAME=VALUE.")
        try:
            parameters[name] = json.loads(text)
        except ValueError:
            parameters[name] = text
    return parameters


def _image(item: BuildArtifact) -> str:
    return f"{item.kind} {item.file}, {item.size:,} bytes for slot {item.slot}: {short(item.sha256)}"


def view(body: Build) -> RenderableType:
    """A build for a person."""
    pairs = facts(
        [
            ("build", body.id),
            ("state", state(body.state)),
            ("model", f"{body.model}@{body.version}"),
            ("model sha256", body.model_sha256),
            ("board", body.board),
            ("builder", f"{body.builder_id} ({body.builder_digest})"),
            ("parameters", as_json(body.parameters) if body.parameters else None),
            ("firmware", body.firmware_version),
            ("security counter", body.security_counter),
            ("artifact", body.artifact_sha256),
            ("images", "\n".join(map(_image, body.artifacts)) or None),
            *(_memory(body.memory) if body.memory else ()),
            *(_performance(body.performance) if body.performance else ()),
            ("operators", ", ".join(f"{item.count} {item.name}" for item in body.operators) or None),
            ("toolchain", ", ".join(f"{name} {version}" for name, version in body.toolchain.items()) or None),
            ("created", body.created_at),
            ("seconds", body.seconds),
            ("error", body.error.detail if body.error else None),
            ("remedy", body.error.remedy if body.error else None),
        ]
    )
    return _with_layers(pairs, body.performance)


def _estimate_view(body: BuildEstimate) -> RenderableType:
    pairs = facts(
        [
            ("model", f"{body.model}@{body.version}"),
            ("board", body.board),
            ("builder", f"{body.builder_id} ({body.builder_digest})"),
            ("parameters", as_json(body.parameters) if body.parameters else None),
            *_memory(body.memory),
            *_performance(body.performance),
            ("operators", ", ".join(f"{item.count} {item.name}" for item in body.operators)),
        ]
    )
    return _with_layers(pairs, body.performance)


def _memory(memory: Memory) -> list[tuple[str, Cell]]:
    return [
        ("flash", f"{memory.flash_bytes:,} bytes"),
        ("RAM", f"{memory.ram_bytes:,} bytes, {memory.arena_bytes:,} of them the arena"),
    ]


def _performance(found: Performance) -> list[tuple[str, Cell]]:
    cost = [
        f"{value:,} {what}"
        for value, what in ((found.instructions, "instructions"), (found.cycles, "cycles"), (found.macs, "MACs"))
        if value is not None
    ]
    seconds = [] if found.seconds is None else [f"{found.seconds * 1000:,.3f} ms"]
    figures = ", ".join([*cost, *seconds]) or "nothing known"
    return [("inference", f"{figures} ({found.basis})"), *(("note", note) for note in found.notes)]


def _with_layers(pairs: RenderableType, found: Performance | None) -> RenderableType:
    if found is None or not found.layers:
        return pairs
    rows = [(item.name, item.operator, item.instructions, item.cycles, item.macs) for item in found.layers]
    title = f"LAYER ({found.layers_basis})"
    return Group(pairs, Text(""), table((title, "OPERATOR", "INSTRUCTIONS", "CYCLES", "MACS"), rows))
