"""The `tinymlaas` command: global options, the nouns below it, and one place where errors become exit codes."""

from importlib.metadata import version as installed_version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from app.cli import (
    alarms,
    artifacts,
    boards,
    builders,
    builds,
    datasets,
    demo,
    devices,
    drift,
    events,
    federate,
    federate_client,
    federations,
    fleet,
    inference,
    models,
    offload,
    on_device,
    resources,
    serving,
    teaching,
    train,
    updates,
)
from app.cli.errors import EXIT_CODES, CliError, ExitCode, Misused
from app.cli.session import DEFAULT_SERVER, session_of

_FLAGS = ("--json",)
_VALUED = ("--server",)
_VERBATIM = ("edge", "simulate")  # what follows belongs to programs that have a --server of their own


def hoisted(arguments: list[str]) -> list[str]:
    """Global options moved to the front, so that they work on either side of the command's name."""
    front: list[str] = []
    rest: list[str] = []
    words = iter(arguments)
    for word in words:
        if word == "--" or (word in _VERBATIM and not any(not item.startswith("-") for item in rest)):
            rest += [word, *words]
        elif word in _FLAGS or word.startswith(tuple(f"{name}=" for name in _VALUED)):
            front.append(word)
        elif word in _VALUED:
            front += [word, *(value for value in [next(words, None)] if value is not None)]
        else:
            rest.append(word)
    return front + rest


class Root(TyperGroup):
    """The group of all commands."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take global options from anywhere."""
        return super().parse_args(ctx, hoisted(args))

    def invoke(self, ctx: Any) -> Any:
        """Run the command; an error is told and becomes the exit code."""
        try:
            return super().invoke(ctx)
        except CliError as error:
            session_of(ctx).output.error(error)
            raise typer.Exit(error.code) from error
        except UnicodeEncodeError as error:
            text = ascii(error.object[error.start : error.end])
            told = Misused(f"{text} cannot be sent as {error.encoding}.", "Arguments are UTF-8; --label takes ASCII.")
            session_of(ctx).output.error(told)
            raise typer.Exit(told.code) from error
        except KeyboardInterrupt as interruption:
            session_of(ctx).output.note("Interrupted.")
            raise typer.Exit(ExitCode.INTERRUPTED) from interruption


app = typer.Typer(
    cls=Root,
    name="tinymlaas",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="A model and a device in; signed firmware, delivered and proven on the device, out.",
    epilog=f"--server and --json work before and after a command's name. NO_COLOR=1 leaves colours out. {EXIT_CODES}",
)
app.add_typer(models.commands, name="models")
app.add_typer(datasets.commands, name="datasets")
fleet.add_to(boards.commands)
app.add_typer(boards.commands, name="boards")
app.add_typer(builders.commands, name="builders")
app.add_typer(train.commands, name="train")
app.add_typer(offload.commands, name="offload")
app.add_typer(federations.commands, name="federations")
federate_client.add_to(federate.commands)
app.add_typer(federate.commands, name="federate")
app.add_typer(on_device.commands, name="on-device")
app.add_typer(builds.commands, name="builds")
app.add_typer(artifacts.commands, name="artifacts")
resources.add_to(devices.commands)
inference.add_to(devices.commands)
teaching.add_to(devices.commands)
app.add_typer(devices.commands, name="devices")
app.add_typer(updates.commands, name="updates")
app.add_typer(drift.commands, name="drift")
app.add_typer(alarms.commands, name="alarms")
app.command()(events.events)
app.command()(serving.serve)
app.add_typer(serving.edge, name="edge")
app.command(context_settings=serving.VERBATIM)(serving.simulate)
app.command()(demo.demo)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tinymlaas {installed_version('tinymlaas')}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    server: Annotated[str, typer.Option(envvar="TINYMLAAS_SERVER", metavar="URL", help="The server.")] = DEFAULT_SERVER,
    as_json: Annotated[bool, typer.Option("--json", help="Print the API's JSON and nothing else.")] = False,
    _version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Print the version.")
    ] = False,
) -> None:
    """Take the global options."""
    session = session_of(context)
    session.server = server
    session.output.json = as_json
