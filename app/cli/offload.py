"""`tinymlaas offload`: training offloaded from a small device, as nnstreamer's sender and receiver carry it out."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated

import typer
from rich.console import RenderableType

from app.cli import files, offload_edge
from app.cli.client import Answer, ApiClient, at
from app.cli.errors import CliError, EndedBadly, Misused
from app.cli.options import DEFAULT_LIMIT, All, Limit, bounded
from app.cli.output import facts, state
from app.cli.session import Session, session_of
from app.cli.waiting import POLL_SECONDS, Patience
from app.contract.models import OffloadConfText, OffloadMetrics, OffloadSession, OffloadSessionRequest
from zoo.training.offload.conf import MAX_CONF_BYTES, RECEIVER, SENDER, Conf, parse_conf
from zoo.training.offload.errors import OffloadError

commands = typer.Typer(no_args_is_help=True, help="Training offloaded from small devices, by nnstreamer's confs.")

_LIVE = frozenset({"waiting-for-data", "training"})

ConfFile = Annotated[Path, typer.Argument(metavar="CONF", help="The file as nnstreamer has it: strict JSON.")]
Folder = Annotated[
    Path | None, typer.Option("--path", metavar="FOLDER", help="@APP_RW_PATH@; without it the folder of CONF.")
]
Edge = Annotated[
    bool, typer.Option("--edge", help="Speak nnstreamer-edge's TCP wire: no authentication, no encryption.")
]
Listen = Annotated[
    str | None,
    typer.Option(metavar="HOST", help="With --edge: where it listens; without it on 127.0.0.1 alone."),
]


@commands.command()
def receiver(
    context: typer.Context,
    conf: ConfFile,
    path: Folder = None,
    model: Annotated[
        str | None, typer.Option(metavar="NAME", help="The zoo's model; without it made of the service key.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of new weights, and of which samples validate.")] = 1,
    edge: Edge = False,
    listen: Listen = None,
) -> None:
    """Wait for a sender's data, see it trained, and keep the trained model."""
    session = session_of(context)
    _check_listen(edge, listen)
    text, parsed = _read(conf, RECEIVER)
    to = (path or conf.parent) / next(iter(parsed.files))
    request = OffloadSessionRequest.model_construct(receiver_conf=text, model=model, seed=seed)
    with session.client() as client:
        if edge:
            with offload_edge.received(session, parsed, text, listen) as (offloaded, reply):
                begun = offload_edge.begin(session, client, request, offloaded)
                _finish(session, client, _followed(session, client, begun), to)
                reply(to.read_bytes())
            return
        answer = client.post(at("offload", "sessions"), OffloadSession, request)
        session.output.note(f"Session {answer.body.id} waits for data of the topic {parsed.topic!r}.")
        answer = _followed(session, client, answer.body.id)
        _finish(session, client, answer, to)


@commands.command()
def sender(
    context: typer.Context,
    conf: ConfFile,
    path: Folder = None,
    session_id: Annotated[
        str | None, typer.Option("--session", metavar="SESSION", help="Without it the one that waits for this topic.")
    ] = None,
    edge: Edge = False,
    listen: Listen = None,
) -> None:
    """Send the files that a conf names to the receiver that waits, and fetch the trained model."""
    session, folder = session_of(context), path or conf.parent
    _check_listen(edge, listen)
    text, parsed = _read(conf, SENDER)
    if edge:
        if session_id is not None:
            raise Misused(
                "--session names one of the server, and --edge reaches a receiver by dest-host and dest-port."
            )
        offload_edge.send(session, parsed, folder, listen)
        return
    with session.client() as client:
        found = session_id or _waiting(session, client, parsed)
        joined = client.put(
            at("offload", "sessions", found, "sender"), OffloadSession, OffloadConfText.model_construct(conf=text)
        )
        with _leaving(client, found):
            for item in joined.body.files:
                with (
                    files.opened(folder / item.name) as (file, size),
                    session.output.bytes_bar(item.name, size) as advance,
                ):
                    to = at("offload", "sessions", found, "files", item.name)
                    client.upload(to, OffloadSession, file, size, advance, method="PUT")
        answer = _followed(session, client, found)
        name = answer.body.result.name if answer.body.result else ""
        _finish(session, client, answer, folder / name)


@commands.command("list")
def list_sessions(context: typer.Context, limit: Limit = DEFAULT_LIMIT, everything: All = False) -> None:
    """List sessions, newest first."""
    session = session_of(context)
    with session.client() as client:
        listing = client.listing(at("offload", "sessions"), OffloadSession, limit=bounded(limit, everything))
    session.output.listing(
        listing,
        ("ID", "STATE", "TOPIC", "MODEL", "CREATED"),
        lambda item: (
            item.id,
            state(item.state),
            item.topic,
            item.model if item.version is None else f"{item.model}@{item.version}",
            item.created_at,
        ),
    )


@commands.command()
def show(context: typer.Context, session_id: Annotated[str, typer.Argument(metavar="SESSION")]) -> None:
    """Show a session: its files, where it stands, what came out."""
    session = session_of(context)
    with session.client() as client:
        session.output.answer(client.get(at("offload", "sessions", session_id), OffloadSession), view)


def _read(path: Path, node_type: str) -> tuple[str, Conf]:
    """A conf's text, checked here, where its author is."""
    with files.opened(path) as (file, _):
        data = file.read(MAX_CONF_BYTES + 1)
    try:
        return data.decode(), parse_conf(data, node_type)
    except OffloadError as error:
        raise Misused(f"{path}: {error}", error.remedy) from error


def _check_listen(edge: bool, listen: str | None) -> None:
    if listen is not None and not edge:
        raise Misused("--listen is where nnstreamer-edge's wire listens; give --edge too.")


@contextmanager
def _leaving(client: ApiClient, session_id: str) -> Iterator[None]:
    """A sender that cannot go on leaves the session: the receiver then waits for the next, or for this one mended."""
    try:
        yield
    except BaseException:
        with suppress(CliError):  # what went wrong first is what counts; the session has its deadline
            client.delete(at("offload", "sessions", session_id, "sender"))
        raise


def _waiting(session: Session, client: ApiClient, conf: Conf) -> str:
    """The newest session of the conf's topic that has no sender; it may be about to begin."""
    end = session.clock() + conf.time_limit
    while True:
        listing = client.listing(at("offload", "sessions"), OffloadSession, limit=50, params={"topic": conf.topic})
        for item in listing.items:
            if item.state == "waiting-for-data" and item.sender is None:
                return item.id
        if session.clock() >= end:
            raise EndedBadly(
                f"No receiver waits for the topic {conf.topic!r}.", "Start one: tinymlaas offload receiver CONF."
            )
        session.sleep(POLL_SECONDS)


def _followed(session: Session, client: ApiClient, session_id: str) -> Answer[OffloadSession]:
    """Wait until a session has ended, telling training_result once for every epoch."""
    shown = 0

    def ask() -> Answer[OffloadSession]:
        nonlocal shown
        answer = client.get(at("offload", "sessions", session_id), OffloadSession)
        metrics = client.get(at("offload", "sessions", session_id, "metrics"), OffloadMetrics)
        for figures in metrics.body.training_result[shown:]:
            shown += 1
            told = "  ".join("-" if value is None else f"{value:.4f}" for value in figures)
            session.output.note(f"epoch {shown}: training loss, accuracy, validation loss, accuracy  {told}")
        return answer

    patience = Patience(session)
    while True:
        answer = patience(ask)
        if answer is not None and answer.body.state not in _LIVE:
            return answer
        session.sleep(POLL_SECONDS)


def _finish(session: Session, client: ApiClient, answer: Answer[OffloadSession], to: Path) -> None:
    body = answer.body
    if body.result is None:
        session.output.answer(answer, view)
        if body.error is not None:
            raise EndedBadly(body.error.detail, body.error.remedy)
        raise EndedBadly(f"Session {body.id} ended without a model: {body.state}.")
    with files.replacing(to) as file, session.output.bytes_bar(to.name, body.result.size) as advance:
        client.download(at("offload", "sessions", body.id, "result"), body.result.sha256, file, advance)
    session.output.answer(answer, view)
    session.output.note(f"{to}: {body.result.size:,} bytes, sha256 {body.result.sha256}")


def view(body: OffloadSession) -> RenderableType:
    """A session for a person."""
    result = body.result
    return facts(
        [
            ("session", body.id),
            ("state", state(body.state)),
            ("topic", body.topic),
            ("model", body.model if body.version is None else f"{body.model}@{body.version}"),
            ("training job", body.training_job_id),
            *((item.name, "missing" if item.size is None else f"{item.size:,} bytes") for item in body.files),
            ("registered", f"{result.key} version {result.version}" if result else None),
            ("error", body.error.detail if body.error else None),
            ("remedy", body.error.remedy if body.error else None),
        ]
    )
