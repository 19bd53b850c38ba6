"""`tinymlaas boards list`: what firmware can be built for."""

import typer

from app.cli.client import at
from app.cli.options import DEFAULT_LIMIT, All, Limit, bounded
from app.cli.session import session_of
from app.contract.models import Board

commands = typer.Typer(no_args_is_help=True, help="The targets that can be built for, and emulated boards.")


@commands.command("list")
def list_boards(context: typer.Context, limit: Limit = DEFAULT_LIMIT, everything: All = False) -> None:
    """List boards by name."""
    session = session_of(context)
    with session.client() as client:
        listing = client.listing(at("boards"), Board, limit=bounded(limit, everything))
    session.output.listing(
        listing,
        ("NAME", "CPU", "FLASH", "RAM", "BUILDERS"),
        lambda board: (board.name, board.cpu, board.flash_bytes, board.ram_bytes, len(board.builders)),
    )
