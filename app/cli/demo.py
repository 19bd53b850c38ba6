"""`tinymlaas demo`: a server, a builder and an emulated board of its own; two models built, delivered and proven."""

import shutil
import socket
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group

from app.cli.errors import EndedBadly, Misused
from app.cli.processes import FreePort, Interruptions, Programs
from app.cli.proof import summary
from app.cli.session import Session, session_of
from app.cli.stage import Stage
from app.cli.tour import curl_lines

DEMO_BOARD = "demo-board"
KEPT_LOOK_SECONDS = 0.5


def demo(
    context: typer.Context,
    keep: Annotated[bool, typer.Option("--keep", envvar="KEEP", help="Leave it running until Ctrl-C.")] = False,
    data_dir: Annotated[Path | None, typer.Option(help="An empty folder for everything; else a temporary one.")] = None,
    model: Annotated[str, typer.Option(metavar="NAME", help="The first model.")] = "digits-cnn",
    then: Annotated[str, typer.Option(metavar="NAME", help="The model that takes its place.")] = "hello-world-sine",
    board: Annotated[str, typer.Option(help="The emulated board.")] = "mps2-an386",
    alone: Annotated[
        bool, typer.Option("--alone/--agent-only", help="Then the same on a board that updates itself.")
    ] = True,
) -> None:
    """Build, deliver and prove two models on emulated boards, with a server of its own on free ports.

    First on a board behind the edge agent, then on one that has the device OS and updates itself.

    Ends with a table, and with exit code 0 only when every byte of the golden outputs agreed.
    """
    session = session_of(context)
    if shutil.which("qemu-system-arm") is None:
        raise EndedBadly("qemu-system-arm is not installed: it is the board.", "Run tools/setup demo, or make demo.")
    folder = _folder(data_dir)
    began = time.monotonic()
    ports = FreePort(socket.SOCK_STREAM), FreePort(socket.SOCK_DGRAM)
    session.server = f"http://127.0.0.1:{ports[0].number}"
    with Interruptions() as interruptions, Programs(interruptions) as programs, session.client() as client:
        stage = Stage(session, client, programs, folder, began, DEMO_BOARD)
        stage.say(f"Everything of this demo, logs included, is in {folder}")
        with stage.explained():
            stage.start_server(*ports)
            stage.register_builder()
            stage.start_board(board, ports[1].number)
            # One way of delivery each: the server writes the first image, the device fetches the second.
            proofs = [stage.prove(model, board, "1.0.0", "push"), stage.prove(then, board, "1.1.0", "pull")]
            if alone and stage.start_os_board(then):
                # The same models, on a board that needs no agent: the model alone, then the whole firmware.
                proofs += [stage.prove_itself(model, "1.2.0", "sota"), stage.prove_itself(then, "1.3.0", "fota")]
        seconds = time.monotonic() - began
        agreed = all(proof.agreed for proof in proofs)
        if session.output.json:
            session.output.raw(
                {"proofs": [proof.to_json() for proof in proofs], "agreed": agreed, "seconds": round(seconds, 3)}
            )
        else:
            session.output.show(Group("", summary(proofs), ""))
            session.output.line(f"{'Proven' if agreed else 'NOT PROVEN'} in {seconds:.1f} s.")
        if keep:
            for line in curl_lines(session.server, folder, proofs[:2], DEMO_BOARD):
                (session.output.note if session.output.json else session.output.line)(line)
            _keep(session, programs)
    if not agreed:
        raise EndedBadly("The board did not compute what the model computes.", f"Compare the logs in {folder}.")


def _keep(session: Session, programs: Programs) -> None:
    try:
        while programs.dead() is None:
            session.sleep(KEPT_LOOK_SECONDS)
    except KeyboardInterrupt:
        session.output.note("Stopping.")
        return
    ended = programs.dead()
    if ended is not None:
        raise EndedBadly(f"The {ended.name} ended by itself.", f"Its log is {ended.log}.")


def _folder(wanted: Path | None) -> Path:
    if wanted is None:
        return Path(tempfile.mkdtemp(prefix="tinymlaas-demo-"))
    try:
        wanted.mkdir(parents=True, exist_ok=True)
        used = any(wanted.iterdir())
    except OSError as error:
        raise Misused(f"{wanted} cannot be used: {error.strerror}.", "Name another --data-dir.") from error
    if used:
        raise Misused(f"{wanted} is not empty, and a demo begins afresh.", "Name another --data-dir, or none.")
    return wanted.resolve()
