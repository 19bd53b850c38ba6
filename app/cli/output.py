"""Everything that is printed: JSON or tables on standard output, progress and problems on standard error."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import typer
from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table
from rich.text import Text

from app.cli.client import Advance, Answer, Body, Listing
from app.cli.errors import CliError, ProblemAnswered

PIPE_WIDTH = 20_000  # nothing is folded in a pipe: a row is a line
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

Cell = str | int | float | datetime | None | Text


def clean(text: str) -> str:
    """Text of a peer without what would steer a terminal; line ends and tabs stay."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def _console(*, stderr: bool) -> Console:
    console = Console(stderr=stderr, highlight=False, markup=False, emoji=False, soft_wrap=False)
    return (
        console
        if console.is_terminal
        else Console(stderr=stderr, highlight=False, markup=False, emoji=False, width=PIPE_WIDTH)
    )


@dataclass
class Output:
    """Prints for a person, or for a program (`json`)."""

    json: bool = False
    out: Console = field(default_factory=lambda: _console(stderr=False))
    err: Console = field(default_factory=lambda: _console(stderr=True))

    def answer(self, answer: Answer[Body], render: Callable[[Body], RenderableType]) -> None:
        """One resource."""
        if self.json:
            self.raw(answer.raw)
        else:
            self.show(render(answer.body))

    def listing(self, listing: Listing[Body], columns: Sequence[str], row: Callable[[Body], Sequence[Cell]]) -> None:
        """A list; a person is told when it goes on."""
        if self.json:
            self.raw(listing.raw)
            return
        if listing.items:
            self.show(table(columns, map(row, listing.items)))
        else:
            self.note("There are none.")
        if listing.more:
            self.note("There are more: --all shows all of them, --limit N as many as N.")

    def show(self, what: RenderableType) -> None:
        """A table or a text for a person; in a pipe without the blanks that fill up its lines."""
        if self.out.is_terminal:
            self.out.print(what)
            return
        with self.out.capture() as captured:
            self.out.print(what)
        typer.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))

    def raw(self, value: object, *, indent: int | None = 2) -> None:
        """JSON on standard output; everything that is not ASCII is escaped, so nothing steers a terminal."""
        typer.echo(json.dumps(value, indent=indent))

    def line(self, text: str) -> None:
        """A line for a person on standard output."""
        self.out.print(Text(clean(text)), soft_wrap=True)

    def note(self, text: str, style: str = "dim") -> None:
        """A line for a person on standard error: progress, advice."""
        self.err.print(Text(clean(text), style=style), soft_wrap=True)

    def error(self, error: CliError) -> None:
        """Why it did not work and what to do next; with `json` a problem is on standard output, as it came."""
        if isinstance(error, ProblemAnswered):
            if self.json:
                self.raw(error.body)
                return
            self._say("Refused" if error.problem.status < 500 else "Failed", error.detail)
            if error.problem.field:
                self._say("Field", error.problem.field)
            for item in (error.problem.errors or [])[1:]:  # the first one is the detail
                self._say("Also", f"{item.field}: {item.detail}")
        else:
            self._say("Error", error.detail)
        if error.remedy:
            self._say("Remedy", error.remedy)

    def _say(self, word: str, text: str) -> None:
        colour = {"Remedy": "green", "Field": "cyan"}.get(word, "bold red")
        self.err.print(Text.assemble((f"{word}: ", colour), clean(text)), soft_wrap=True)

    @contextmanager
    def bytes_bar(self, what: str, total: int | None) -> Iterator[Advance]:
        """A bar of bytes, on a terminal only."""
        with self._progress(BarColumn(), DownloadColumn()) as progress:
            task = progress.add_task(clean(what), total=total)

            def advance(passed: int, total: int | None) -> None:
                progress.update(task, advance=passed, total=total)

            yield advance

    @contextmanager
    def state_bar(self, what: str) -> Iterator[Callable[[str, int, int], None]]:
        """A bar of bytes under a state, on a terminal only: tell it state, bytes done and bytes in all."""
        with self._progress(BarColumn(), DownloadColumn()) as progress:
            task = progress.add_task(clean(what), total=None)

            def show(state: str, done: int, total: int) -> None:
                progress.update(task, description=clean(f"{what}: {state}"), completed=done, total=total or None)

            yield show

    @contextmanager
    def steps_bar(self, what: str, total: int) -> Iterator[Callable[[int, str], None]]:
        """A bar of steps with a text: tell it how many are done. Without a total it spins; elsewhere each is a line."""
        last = 0
        with self._progress(BarColumn(), MofNCompleteColumn()) as progress:
            task = progress.add_task(clean(what), total=total or None)

            def show(done: int, told: str) -> None:
                nonlocal last
                progress.update(task, completed=done, description=clean(f"{what}: {told}"))
                if progress.disable and not self.json and done > last:
                    self.note(f"{what} {done}{f' of {total}' if total else ''}: {told}")
                last = max(last, done)

            yield show

    @contextmanager
    def spinner(self, what: str) -> Iterator[Callable[[str], None]]:
        """A spinner with a text that can be changed; on a terminal only."""
        with self._progress() as progress:
            task = progress.add_task(clean(what), total=None)
            yield lambda text: progress.update(task, description=clean(text))

    def _progress(self, *columns: ProgressColumn) -> Progress:
        return Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            *columns,
            TimeElapsedColumn(),
            console=self.err,
            transient=True,
            disable=self.json or not self.err.is_terminal,
        )


def table(columns: Sequence[str], rows: Iterable[Sequence[Cell]], *, title: str | None = None) -> Table:
    """Rows under a head, without lines."""
    made = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0), title=title, title_justify="left")
    for column in columns:
        made.add_column(column, overflow="fold")
    for row in rows:
        made.add_row(*(cell(value) for value in row))
    return made


def facts(pairs: Iterable[tuple[str, Cell]]) -> Table:
    """Names and values of one resource; what is not there is left out."""
    made = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    made.add_column(style="bold", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in pairs:
        if value is not None:
            made.add_row(name, cell(value))
    return made


def cell(value: Cell) -> Text:
    """A value as a person reads it."""
    match value:
        case Text():
            return value
        case None:
            return Text("-", style="dim")
        case datetime():
            return Text(value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC"))
        case int():
            return Text(f"{value:,}")
        case float():
            return Text(f"{value:,.6g}")
        case _:
            return Text(clean(value))


def state(name: str) -> Text:
    """A state in its colour."""
    colours = {"succeeded": "green", "online": "green", "failed": "red", "rolled-back": "red", "cancelled": "yellow"}
    return Text(clean(name), style=colours.get(name, "cyan" if name != "offline" else "dim"))


def short(sha256: str | None) -> str | None:
    """The beginning of a digest, enough to tell two apart in a table."""
    return sha256.removeprefix("sha256:")[:12] if sha256 else None


def as_json(value: object) -> str:
    """JSON in a table's cell."""
    return json.dumps(value)
