"""`tinymlaas artifacts`: signed images, stored by their SHA-256."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import RenderableType

from app.cli import files
from app.cli.client import at
from app.cli.options import DEFAULT_LIMIT, All, Limit, bounded
from app.cli.output import facts
from app.cli.session import session_of
from app.contract.models import Artifact

commands = typer.Typer(no_args_is_help=True, help="Signed images and where they came from.")

Sha256 = Annotated[str, typer.Argument(metavar="SHA256")]


@commands.command("list")
def list_artifacts(context: typer.Context, limit: Limit = DEFAULT_LIMIT, everything: All = False) -> None:
    """List stored images, newest first."""
    session = session_of(context)
    with session.client() as client:
        listing = client.listing(at("artifacts"), Artifact, limit=bounded(limit, everything))
    session.output.listing(
        listing,
        ("SHA256", "KIND", "MODEL", "BOARD", "FIRMWARE", "SIZE", "DEVICES"),
        lambda artifact: (
            artifact.sha256,
            artifact.kind,
            f"{artifact.model}@{artifact.version}",
            artifact.board,
            artifact.firmware_version,
            artifact.size,
            len(artifact.devices),
        ),
    )


@commands.command()
def show(context: typer.Context, sha256: Sha256) -> None:
    """Show an image's provenance and the devices that run it."""
    session = session_of(context)
    with session.client() as client:
        answer = client.get(at("artifacts", sha256), Artifact)
    session.output.answer(answer, _view)


@commands.command()
def download(
    context: typer.Context,
    sha256: Sha256,
    to: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="Where to write it.")],
) -> None:
    """Download a signed image; the file appears only when its hash is right."""
    session = session_of(context)
    with session.client() as client:
        files.fetch(client, session.output, at("artifacts", sha256, "content"), sha256, to)


def _view(body: Artifact) -> RenderableType:
    return facts(
        [
            ("sha256", body.sha256),
            ("kind", body.kind),
            ("format", body.format),
            ("size", f"{body.size:,} bytes"),
            ("board", body.board),
            ("slot", body.slot),
            ("ABI", body.abi),
            ("firmware", body.firmware_version),
            ("security counter", body.security_counter),
            ("model", f"{body.model}@{body.version}"),
            ("model sha256", body.model_sha256),
            ("builder digest", body.builder_digest),
            ("build", body.build_id),
            ("signature", body.signature),
            ("devices", ", ".join(body.devices) or "none"),
            ("created", body.created_at),
        ]
    )
