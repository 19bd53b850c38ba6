"""`tinymlaas serve` and `tinymlaas edge run`: the two programs that stay."""

from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from app.cli.errors import EndedBadly, Misused

VERBATIM = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}

edge = typer.Typer(no_args_is_help=True, help="The agent beside a board.")


def serve(
    host: Annotated[str | None, typer.Option(help="Address of the HTTP API.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port of the HTTP API.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Database, blobs, logs and keys.")] = None,
    lwm2m_dtls_port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port of LwM2M over DTLS.")] = None,
    lwm2m_host: Annotated[str | None, typer.Option(help="Address of the LwM2M server.")] = None,
    lwm2m_port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port of the LwM2M server.")] = None,
    lwm2m_public_host: Annotated[str | None, typer.Option(help="How devices reach the LwM2M server.")] = None,
    log_json: Annotated[bool | None, typer.Option("--log-json/--log-text", help="Log lines as JSON.")] = None,
) -> None:
    """Run the server until Ctrl-C; every setting is also an environment variable, such as TINYMLAAS_PORT."""
    from app.place import PlaceTakenError
    from app.serve import serve as run
    from app.settings import Settings

    given = {
        "host": host,
        "port": port,
        "data_dir": data_dir,
        "lwm2m_dtls_port": lwm2m_dtls_port,
        "lwm2m_host": lwm2m_host,
        "lwm2m_port": lwm2m_port,
        "lwm2m_public_host": lwm2m_public_host,
        "log_json": log_json,
    }
    try:
        settings = Settings.model_validate({name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        raise Misused(str(error), "Correct the option, or the TINYMLAAS_ variable of that name.") from error
    try:
        run(settings)
    except PlaceTakenError as error:
        raise EndedBadly(str(error), error.remedy) from error


@edge.command(context_settings=VERBATIM)
def run(context: typer.Context) -> None:
    """Run the agent for one board until Ctrl-C; `tinymlaas edge run --help` shows its own options."""
    from edge.agent import main

    raise typer.Exit(main(context.args))


def simulate(context: typer.Context) -> None:
    """Simulate many LwM2M devices, with faults when wanted; `tinymlaas simulate --help` shows its own options."""
    from lwm2m.simulator import main

    raise typer.Exit(main(context.args))


@edge.callback()
def _group() -> None:
    """Keeps `run` a word of its own, though it is the only command."""
