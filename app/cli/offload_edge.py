"""`tinymlaas offload ... --edge`: the sides of an offloading on nnstreamer-edge's own wire, in place of HTTP."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from app.cli import files
from app.cli.client import ApiClient, at
from app.cli.errors import EndedBadly, Misused
from app.cli.session import Session
from app.contract.models import OffloadSession, OffloadSessionRequest
from zoo.datasets.errors import DatasetError
from zoo.training.offload.conf import Conf
from zoo.training.offload.edge_receiver import LOOPBACK, EdgeReceiver, Offloaded
from zoo.training.offload.edge_sender import EdgeSender
from zoo.training.offload.errors import OffloadError

Reply = Callable[[bytes], None]


@contextmanager
def received(session: Session, conf: Conf, text: str, listen: str | None) -> Iterator[tuple[Offloaded, Reply]]:
    """What a sender has sent over the wire, and how it is replied to; until then its connection stays open."""
    # The loop runs only while there is something to read or write: in between the command waits for the server.
    with _told(), asyncio.Runner() as runner:
        receiver = EdgeReceiver(conf, text, session.output.note)
        try:
            runner.run(receiver.listen(listen or LOOPBACK))
            yield runner.run(receiver.receive()), lambda model: runner.run(receiver.reply(model))
        finally:
            runner.run(receiver.close())


def begin(session: Session, client: ApiClient, request: OffloadSessionRequest, offloaded: Offloaded) -> str:
    """Put what came over the wire into a session of the server, as a sender would over HTTP; its id."""
    asked = request.model_copy(update={"sender_conf": offloaded.conf_text})
    made = client.post(at("offload", "sessions"), OffloadSession, asked).body.id
    for name, data in offloaded.files.items():
        with session.output.bytes_bar(name, len(data)) as advance:
            to = at("offload", "sessions", made, "files", name)
            client.upload(to, OffloadSession, BytesIO(data), len(data), advance, method="PUT")
    return made


def send(session: Session, conf: Conf, folder: Path, listen: str | None) -> None:
    """Carry a sender's conf out over the wire, and keep the trained model that is replied."""
    with _told():
        try:
            sender = EdgeSender(conf, folder, session.output.note)
            name, model = asyncio.run(sender.run(listen or LOOPBACK))
        except OSError as error:  # of a file: what a connection can raise is a WireError
            raise Misused(f"{error.filename} cannot be read: {error.strerror}.") from error
    with files.replacing(folder / name) as file:
        file.write(model)
    session.output.line(f"{folder / name}: {len(model):,} bytes")


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except (OffloadError, DatasetError) as error:
        raise EndedBadly(str(error), error.remedy) from error
