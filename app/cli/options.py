"""Options and arguments that several commands take."""

from typing import Annotated

import typer

from app.cli.errors import Misused

Limit = Annotated[int, typer.Option("--limit", min=1, max=100_000, help="At most so many.")]
All = Annotated[bool, typer.Option("--all", help="All of them, page after page.")]
ModelReference = Annotated[str, typer.Argument(metavar="MODEL", help="NAME, or NAME@VERSION.")]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Follow it to its end; or return at once.")]

DEFAULT_LIMIT = 50


def bounded(limit: int, everything: bool) -> int | None:
    """What a listing takes: a number of items, or None for all."""
    return None if everything else limit


def parse_reference(reference: str) -> tuple[str, int | None]:
    """`name@3` as ("name", 3), `name` as ("name", None). Raises Misused."""
    name, at, version = reference.partition("@")
    if not at:
        return name, None
    if not (version.isascii() and version.isdigit() and 0 < len(version) <= 10 and int(version) > 0):
        raise Misused(f"{version!r} is not a version of a model.", "Give it as NAME@NUMBER, such as digits-cnn@1.")
    return name, int(version)
