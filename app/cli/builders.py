"""`tinymlaas builders`: partners' images, and the one that ships."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from app.cli.client import SLOW_SECONDS, Answer, ApiClient, at
from app.cli.errors import EndedBadly, ExitCode, Misused
from app.cli.options import DEFAULT_LIMIT, All, Limit, bounded
from app.cli.output import as_json, facts, short, state, table
from app.cli.session import Session, session_of
from app.cli.waiting import follow_check
from app.contract.models import Builder, BuilderCheck, BuilderRegistration, Readiness
from builders.errors import BuilderError

commands = typer.Typer(no_args_is_help=True, help="Builder images, pinned by digest.")


@commands.command("list")
def list_builders(context: typer.Context, limit: Limit = DEFAULT_LIMIT, everything: All = False) -> None:
    """List registered builders, newest first."""
    session = session_of(context)
    with session.client() as client:
        listing = client.listing(at("builders"), Builder, limit=bounded(limit, everything))
    session.output.listing(
        listing,
        ("ID", "NAME", "VERSION", "ENGINE", "BOARDS", "DIGEST"),
        lambda builder: (
            builder.id,
            builder.name,
            builder.version,
            builder.engine,
            ", ".join(board.name for board in builder.boards),
            short(builder.digest),
        ),
    )


@commands.command()
def show(context: typer.Context, builder_id: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """Show a builder: its boards and the parameters that it takes."""
    session = session_of(context)
    with session.client() as client:
        answer = client.get(at("builders", builder_id), Builder)
    session.output.answer(answer, _view)


@commands.command()
def register(
    context: typer.Context,
    image: Annotated[
        str | None, typer.Argument(metavar="IMAGE", help="An image's reference, best with its digest.")
    ] = None,
    shipped: Annotated[
        bool, typer.Option("--shipped", help="The builder that ships: its image is built first.")
    ] = False,
) -> None:
    """Register a builder image by its digest; registering it again changes nothing."""
    session = session_of(context)
    if shipped == (image is not None):
        raise Misused("Name an image, or give --shipped.")
    with session.client() as client, session.output.spinner("Registering") as say:
        if image is not None:
            answer = register_image(client, image)
        else:
            say("Building the shipped builder's image")
            answer = register_shipped(client, session.output.note if not session.output.json else _silence)
    session.output.answer(answer, _view)


@commands.command()
def check(
    context: typer.Context,
    image: Annotated[
        str,
        typer.Argument(
            metavar="IMAGE", help="A builder image on this machine's engine; with --on-server a builder's id."
        ),
    ],
    on_server: Annotated[
        bool, typer.Option("--on-server", help="Check a registered builder on the server, and keep the result there.")
    ] = False,
) -> None:
    """Try every rule of the builder contract on an image, here and offline, or on the server. Takes a minute."""
    if on_server:
        _check_on_server(session_of(context), image)
        return
    from builders.conformance import Check, check_image
    from builders.engine import connect

    output = session_of(context).output
    try:
        engine = connect()
        try:
            with output.spinner("Checking") as say:

                def progress(made: Check) -> None:
                    say(made.title)

                report = check_image(engine, image, on_progress=progress, loosen=True)
        finally:
            engine.close()
    except BuilderError as error:
        raise EndedBadly(str(error), error.remedy) from error
    if output.json:
        output.raw(report.to_json())
        raise typer.Exit(ExitCode.DONE if report.passed else ExitCode.ENDED_BADLY)
    output.show(_rules([(item.id, item.outcome, item.detail, item.remedy) for item in report.checks]))
    if not report.passed:
        raise _broken(image, [item.id for item in report.failures])
    output.note(f"{image} keeps every rule ({len(report.checks)} tried, {report.seconds:.0f} s).")


def _check_on_server(session: Session, builder_id: str) -> None:
    output = session.output
    with session.client() as client, output.spinner("Checking") as say:
        answer = client.post(at("builders", builder_id, "checks"), BuilderCheck)

        def progress(check: BuilderCheck) -> None:
            say(check.rules[-1].title if check.rules else f"Check {check.id} is {check.state}")

        answer = follow_check(session, client, builder_id, answer.body.id, progress)
    check = answer.body
    broken = [rule.id for rule in check.rules if rule.outcome == "failed"]
    if output.json:
        output.raw(answer.raw)
        raise typer.Exit(ExitCode.DONE if check.state == "passed" else ExitCode.ENDED_BADLY)
    output.show(_rules([(rule.id, rule.outcome, rule.detail, rule.remedy) for rule in check.rules]))
    if check.error is not None:
        raise EndedBadly(check.error.detail, check.error.remedy)
    if broken:
        raise _broken(builder_id, broken)
    output.note(f"{builder_id} keeps every rule ({len(check.rules)} tried).")


def _rules(found: Sequence[tuple[str, str, str, str]]) -> RenderableType:
    rows = [
        (rule, state(outcome), remedy or detail if outcome != "passed" else "")
        for rule, outcome, detail, remedy in found
    ]
    return table(("RULE", "OUTCOME", "WHAT TO DO"), rows)


def _broken(what: str, rules: Sequence[str]) -> EndedBadly:
    return EndedBadly(f"{what} breaks {len(rules)} rules: {', '.join(rules)}.", "The remedy of each stands above.")


def register_image(client: ApiClient, image: str) -> Answer[Builder]:
    """Register an image; the server pulls it when it is not there."""
    request = BuilderRegistration.model_construct(image=image)
    return client.post(at("builders"), Builder, request, seconds=SLOW_SECONDS)


def register_shipped(client: ApiClient, on_log: Callable[[str], None]) -> Answer[Builder]:
    """Register the shipped builder, its image built by this machine's engine where the server uses one."""
    if client.get("/readyz", Readiness).body.builder_engine == "local":
        from builders.local import REFERENCE

        return register_image(client, REFERENCE)
    from builders.engine import connect
    from builders.image import build_shipped_image

    try:
        engine = connect()
        try:
            image = build_shipped_image(engine, on_log)
        finally:
            engine.close()
    except BuilderError as error:
        raise EndedBadly(str(error), error.remedy) from error
    return register_image(client, image)


def _silence(_line: str) -> None:
    """What a log line becomes when a program reads our output."""


def _view(body: Builder) -> RenderableType:
    pairs = facts(
        [
            ("id", body.id),
            ("name", f"{body.name} {body.version}"),
            ("maintainer", body.maintainer),
            ("description", body.description),
            ("image", body.image),
            ("digest", body.digest),
            ("engine", body.engine),
            ("model formats", ", ".join(body.model_formats)),
            ("parameters", as_json(body.parameters)),
            ("estimates", "offered" if body.estimates else "not offered"),
            ("check", _last_check(body.check) if body.check else "never made on the server"),
            ("registered", body.created_at),
        ]
    )
    rows = [(board.name, board.cpu, board.flash_bytes, board.ram_bytes) for board in body.boards]
    boards = table(("BOARD", "CPU", "FLASH", "RAM"), rows)
    if body.check is None or not body.check.rules:
        return Group(pairs, Text(""), boards)
    rules = [(rule.id, rule.outcome, rule.detail, rule.remedy) for rule in body.check.rules]
    return Group(pairs, Text(""), boards, Text(""), _rules(rules))


def _last_check(check: BuilderCheck) -> str:
    counts = Counter(rule.outcome for rule in check.rules)
    told = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))
    return f"{check.state} ({told or 'no rule tried'}), {check.id}"
