"""`tinymlaas boards start|status|stop|cut|log`: emulated boards with the device OS, which register by themselves."""

import io
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from app.cli.client import ApiClient, at
from app.cli.errors import EndedBadly, Misused
from app.cli.output import table
from app.cli.session import Session, session_of
from app.cli.waiting import follow_build
from app.contract.models import (
    Artifact,
    Build,
    BuildRequest,
    CredentialsRequest,
    IssuedCredentials,
    Readiness,
)
from edge.errors import EdgeError
from edge.fleet import BoardRecord, Fleet, FleetBoard
from edge.os_board import BOARDS, HOST
from edge.provisioning import Provisioning

DEFAULT_FOLDER = Path("data/fleet")
DEFAULT_KEY = Path("data/keys/signing-public.pem")
DEFAULT_BOARD = "mps2-an386-os"
MAX_BOARDS = 64
LAST_PORT = 0xFFFF - MAX_BOARDS
TAIL_BYTES = 64 * 1024

Folder = Annotated[Path, typer.Option("--folder", envvar="TINYMLAAS_BOARDS", help="Where the boards' files are.")]
Names = Annotated[list[str] | None, typer.Argument(metavar="[BOARD]...", help="Names; without any, all of them.")]


def add_to(commands: typer.Typer) -> None:
    """Add the commands to `boards`."""
    for command in (start, status, stop, cut, log):
        commands.command()(command)


def start(
    context: typer.Context,
    board: Annotated[str, typer.Option(help=f"The target: {', '.join(BOARDS)}.")] = DEFAULT_BOARD,
    count: Annotated[int, typer.Option(min=1, max=MAX_BOARDS, help="How many.")] = 1,
    model: Annotated[str, typer.Option(metavar="MODEL", help="The model in the factory firmware.")] = "digits-cnn",
    name: Annotated[str, typer.Option(metavar="NAME", help="They are called NAME-1, NAME-2 and so on.")] = "board",
    public_key: Annotated[Path, typer.Option(help="The key that images are signed with, PEM.")] = DEFAULT_KEY,
    period: Annotated[int, typer.Option(min=0, help="Microseconds between two inferences.")] = 100_000,
    lifetime: Annotated[int, typer.Option(min=10, help="Of the registration, seconds.")] = 120,
    exact: Annotated[
        bool, typer.Option("--exact", help="The boards' clocks count instructions: figures repeat exactly.")
    ] = False,
    trainable_head: Annotated[
        bool, typer.Option("--trainable-head", help="The boards can train the last dense layer of the model.")
    ] = False,
    sensor_port: Annotated[
        int,
        typer.Option(min=0, max=LAST_PORT, help="Where sensors nearby give the first board samples; the next, one up."),
    ] = 0,
    folder: Folder = DEFAULT_FOLDER,
) -> None:
    """Manufacture emulated boards, and give them power; those that exist keep their flash and are only started.

    A board gets a key of its own from the server, which is shown to nobody and lies in the board's flash alone.
    """
    session = session_of(context)
    if board not in BOARDS:
        raise Misused(f"There is no emulated board {board}.", f"Take one of {', '.join(BOARDS)}.")
    fleet = Fleet(folder)
    with told(), session.client() as client:
        boards = [fleet.board(f"{name}-{number}") for number in range(1, count + 1)]
        missing = [each for each in boards if not each.exists]
        if missing:
            habits = Habits(period, lifetime, exact, trainable_head)
            factory = Factory(session, client, board, model, signing_point(public_key), habits)
            for each in missing:
                factory.make(each, sensor_port + boards.index(each) if sensor_port else 0)
        for each in boards:
            if each.pid is None:
                each.start()
    _show(session, boards)


def status(context: typer.Context, folder: Folder = DEFAULT_FOLDER) -> None:
    """List the emulated boards of this machine."""
    with told():
        _show(session_of(context), Fleet(folder).boards())


def stop(
    context: typer.Context,
    names: Names = None,
    remove: Annotated[bool, typer.Option("--remove", help="Throw their files away too, flash and key.")] = False,
    folder: Folder = DEFAULT_FOLDER,
) -> None:
    """Take boards' power; their flash is kept, and `start` goes on with it."""
    output = session_of(context).output
    with told():
        for board in _chosen(Fleet(folder), names):
            ran = board.stop()
            if remove:
                board.remove()
            output.note(f"{board.endpoint}: {'stopped' if ran else 'was off'}{', removed' if remove else ''}")


def cut(
    context: typer.Context,
    names: Names = None,
    seconds: Annotated[float, typer.Option("--for", min=0, max=3600, help="Seconds until it comes back.")] = 1.0,
    folder: Folder = DEFAULT_FOLDER,
) -> None:
    """Cut boards' power in the midst of whatever they do, and give it back."""
    output = session_of(context).output
    with told():
        for board in _chosen(Fleet(folder), names):
            output.note(f"{board.endpoint}: off for {seconds:g} s, runs again as process {board.cut(seconds)}")


def log(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="BOARD")],
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="The last lines.")] = 50,
    folder: Folder = DEFAULT_FOLDER,
) -> None:
    """Print the end of what a board said on its serial console."""
    with told():
        console = _existing(Fleet(folder), name).console
        if not console.exists():
            raise EndedBadly(f"Board {name} has said nothing yet.")
    with console.open("rb") as file:
        file.seek(max(0, file.seek(0, io.SEEK_END) - TAIL_BYTES))
        said = file.read().decode("ascii", "backslashreplace").splitlines()
    for line in said[-lines:]:
        session_of(context).output.line(line)


@dataclass(frozen=True, slots=True)
class Habits:
    """How boards behave that are made together."""

    period_us: int
    lifetime_s: int
    counts_instructions: bool
    trains: bool = False


class Factory:
    """Manufactures boards of one target: builds their firmware once, and has a key issued for each."""

    def __init__(
        self,
        session: Session,
        client: ApiClient,
        board: str,
        model: str,
        signing_key: bytes,
        habits: Habits,
    ) -> None:
        self._session = session
        self._client = client
        self._board = board
        self._model = model
        self._signing_key = signing_key
        self._habits = habits
        self._server = secure_server(client)
        self._build = self._built()
        self._images = {kind: self._image(kind) for kind in ("bootloader", "firmware")}

    def make(self, board: FleetBoard, sensor_port: int = 0) -> None:
        """One board, not started."""
        request = CredentialsRequest.model_construct()
        issued = self._client.put(at("devices", board.endpoint, "credentials"), IssuedCredentials, request).body
        page = Provisioning(
            endpoint=board.endpoint,
            server=self._server,
            board=self._board,
            signing_key=self._signing_key,
            seed=secrets.token_bytes(32),
            identity=issued.identity,
            key=bytes.fromhex(issued.key),
            period_us=self._habits.period_us,
            lifetime_s=self._habits.lifetime_s,
            sensor_port=sensor_port,
        )
        version, exact = self._build.firmware_version, self._habits.counts_instructions
        record = BoardRecord(board.endpoint, self._board, self._server, self._model, version, exact)
        board.manufacture(record, self._images["bootloader"], self._images["firmware"], page)
        self._session.output.note(f"{board.endpoint}: manufactured with {self._model}, {record.firmware_version}")

    def _built(self) -> Build:
        parameters: dict[str, object] = {"trainable_head": True} if self._habits.trains else {}
        request = BuildRequest.model_construct(model=self._model, board=self._board, parameters=parameters)
        build = self._client.post(at("builds"), Build, request).body
        build = follow_build(self._session, self._client, build.id, self._session.output.note).body
        if build.error is not None:
            raise EndedBadly(f"Build {build.id} failed: {build.error.detail}", build.error.remedy)
        return build

    def _image(self, kind: str) -> bytes:
        made = next((image for image in self._build.artifacts if image.kind == kind), None)
        if made is None:
            raise EndedBadly(f"Build {self._build.id} made no {kind}.", "Take a board whose name ends in -os.")
        artifact = self._client.get(at("artifacts", made.sha256), Artifact).body
        content = io.BytesIO()
        self._client.download(at("artifacts", artifact.sha256, "content"), artifact.sha256, content, _uncounted)
        return content.getvalue()


def secure_server(client: ApiClient) -> str:
    """The server's DTLS address as an emulated board reaches it: the host's own loopback is 10.0.2.2 to it."""
    address = client.get("/readyz", Readiness).body.lwm2m_secure
    if address is None:
        raise EndedBadly("The server has no LwM2M over DTLS.", "Start it with --lwm2m-dtls-port 5684.")
    parts = urlsplit(address)
    try:
        host = IPv4Address(parts.hostname or "")
    except AddressValueError as error:
        raise EndedBadly(
            f"A board is given an IPv4 address, and the server says {address}.",
            "Start the server with --lwm2m-public-host and its IPv4 address.",
        ) from error
    return f"coaps://{HOST if host.is_loopback or host.is_unspecified else host}:{parts.port}"


def signing_point(path: Path) -> bytes:
    """The uncompressed point of a P-256 public key in PEM."""
    try:
        key = serialization.load_pem_public_key(path.read_bytes())
    except OSError as error:
        raise Misused(f"{path} cannot be read: {error.strerror}.", "Name the server's --public-key.") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Misused(f"{path} is no public key in PEM.", "Name the server's --public-key.") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise Misused(f"{path} is no key of P-256.", "Name the server's --public-key.")
    return key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)


@contextmanager
def told() -> Iterator[None]:
    """Errors of the edge package become those of the command."""
    try:
        yield
    except EdgeError as error:
        raise EndedBadly(str(error), "`tinymlaas boards status` lists the boards.") from error


def _chosen(fleet: Fleet, names: list[str] | None) -> list[FleetBoard]:
    return [_existing(fleet, name) for name in names] if names else fleet.boards()


def _existing(fleet: Fleet, name: str) -> FleetBoard:
    board = fleet.board(name)
    board.record()
    return board


def _show(session: Session, boards: list[FleetBoard]) -> None:
    rows = [(board.record(), board.pid) for board in boards]
    if session.output.json:
        session.output.raw(
            [
                {
                    "endpoint": record.endpoint,
                    "board": record.board,
                    "server": record.server,
                    "model": record.model,
                    "pid": pid,
                }
                for record, pid in rows
            ]
        )
        return
    shown = [
        (record.endpoint, "off" if pid is None else "on", record.board, record.model, record.server, pid and str(pid))
        for record, pid in rows
    ]
    session.output.show(table(("NAME", "POWER", "BOARD", "FACTORY MODEL", "SERVER", "PROCESS"), shown))


def _uncounted(passed: int, total: int | None) -> None:
    """Counts nothing."""
