"""The sender on nnstreamer-edge's wire: sends services and samples as its conf says, and takes the trained model.

datareposrc and edgesink are carried out here as far as the conf's sender-pipeline needs them, and nothing else of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo.datasets.datarepo import MAX_DESCRIPTION_BYTES, parse_description
from zoo.training.offload.conf import PLACEHOLDER, Conf, file_below
from zoo.training.offload.edge_receiver import HANDSHAKE_SECONDS, LOOPBACK
from zoo.training.offload.edge_services import (
    EDGE_LIMITS,
    as_message,
    caps_text,
    in_sequence,
    offsets,
    pipeline_bytes,
    reply_of,
)
from zoo.training.offload.edge_stream import Connection, dialled, host_info, tuned
from zoo.training.offload.edge_wire import TEXT, Command, Message, as_text
from zoo.training.offload.errors import ConfError, MisfitError, PipelineError, WireError
from zoo.training.offload.pipeline import Element, parse_pipeline, the_element
from zoo.training.offload.plan import check_length

REPLY_SECONDS = 6 * 3600.0
"""For the training; a receiver that gives up hangs up, and is noticed at once."""

_ANYWHERE = {"0.0.0.0", "::"}  # noqa: S104 - only compared with what the user has given


@dataclass(frozen=True)
class Samples:
    """What a datareposrc sends: so many in each epoch, of each the bytes of its tensors."""

    file: Path
    caps: str
    record: int
    parts: tuple[slice, ...]
    rows: range
    epochs: int
    shuffled: bool
    seed: int

    def __iter__(self) -> Iterator[tuple[bytes, ...]]:
        """Read one after the other: a small device has no memory for all of them."""
        random = np.random.default_rng(self.seed)
        with self.file.open("rb") as file:
            for _ in range(self.epochs):
                order = random.permutation(self.rows) if self.shuffled else self.rows
                for row in order:
                    file.seek(int(row) * self.record)
                    record = file.read(self.record)
                    yield tuple(record[part] for part in self.parts)


def samples_of(source: Element, folder: Path, seed: int) -> Samples:
    """Read what a datareposrc would send. Raises OffloadError or DatasetError."""
    data, layout = (
        folder / file_below(source.properties.get(key, ""), PLACEHOLDER, key, PipelineError)
        for key in ("location", "json")
    )
    with layout.open("rb") as file:
        description = parse_description(file.read(MAX_DESCRIPTION_BYTES + 1))
    check_length(description, data.stat().st_size)
    first = source.whole("start-sample-index", 0)
    last = source.whole("stop-sample-index", description.total_samples - 1)
    if not first <= last < description.total_samples:
        raise MisfitError(
            f"datareposrc sends samples {first} to {last}; the .json has {description.total_samples}.",
            field="stop-sample-index",
        )
    chosen, places = in_sequence(source, description), offsets(description)
    return Samples(
        data,
        caps_text(tuple(description.tensors[number] for number in chosen)),
        description.sample_size,
        tuple(slice(places[number], places[number + 1]) for number in chosen),
        range(first, last + 1),
        source.whole("epochs", 1, least=1),
        source.flag("is-shuffle", default=True),
        seed,
    )


class EdgeSender:
    """One sender of one session."""

    def __init__(self, conf: Conf, folder: Path, note: Callable[[str], None], *, seed: int = 1) -> None:
        self._conf = conf
        self._note = note
        sending = parse_pipeline(conf.sender_pipeline or "")
        self._samples = samples_of(the_element(sending, "datareposrc"), folder, seed)
        self._port = the_element(sending, "edgesink").whole("port", least=1)
        trainer = the_element(parse_pipeline(conf.pipeline or ""), "tensor_trainer")
        self._wanted = trainer.whole("num-training-samples", least=1) + trainer.whole("num-validation-samples", least=1)
        self._files = [(service, (folder / name).read_bytes()) for name, service in conf.files.items()]
        if conf.connect_type != "TCP" or conf.dest_host is None or conf.dest_port is None or self._port > 65535:
            raise ConfError(
                "The wire needs connect-type TCP, dest-host, dest-port, and edgesink's port.",
                field="offloading.dest-host",
            )

    async def run(self, listen: str = LOOPBACK, patience: float = REPLY_SECONDS) -> tuple[str, bytes]:
        """Carry it out; the trained model's name and bytes. Raises WireError."""
        back, subscribers = _Listener(), _Listener()
        try:
            await back.listen(listen, 0)
            await subscribers.listen(listen, self._port)
            async with dialled(self._conf.dest_host or "", int(self._conf.dest_port or 0)) as connection:
                here = connection.here.rpartition(":")[0]
                if listen not in {here, *_ANYWHERE}:
                    raise WireError(
                        f"The receiver would connect to {here}, and this side listens on {listen}.",
                        remedy=f"Listen there: --listen {here}. Whoever reaches it could read the samples.",
                    )
                told = await connection.expect(Command.CAPABILITY, TEXT, HANDSHAKE_SECONDS)
                await connection.send(host_info(connection, told.client_id, f"{here}:{back.port}"))
                replies = await back.accept(connection.peer)
                await self._services(connection, told.client_id)
                publishing = asyncio.create_task(self._publish(subscribers, connection.peer))
                try:
                    return await self._reply(replies, publishing, patience)
                finally:
                    publishing.cancel()
                    # What went wrong there is told above, or the model has come all the same.
                    await asyncio.gather(publishing, return_exceptions=True)
        finally:
            await back.close()
            await subscribers.close()

    async def _services(self, connection: Connection, client_id: int) -> None:
        for service, data in self._files:
            await connection.send(as_message(service, data, client_id))
        pipeline = next(item.service for item in self._conf.transfers if item.pipeline is not None)
        service = self._conf.services[pipeline]
        await connection.send(as_message(service, pipeline_bytes(self._conf), client_id))
        self._note(f"Sent {len(self._files)} files and the pipeline to {connection.peer}.")

    async def _publish(self, subscribers: _Listener, peer: str) -> None:
        """Be the edgesink of one subscriber."""
        subscriber = await subscribers.accept(peer)
        await subscriber.send(Message(Command.CAPABILITY, 1, (as_text(self._samples.caps),)))
        await subscriber.expect(Command.HOST_INFO, TEXT, HANDSHAKE_SECONDS)
        sent = 0
        try:
            for sample in self._samples:
                # A receiver that trains while it reads takes the next sample when it has room for it.
                await subscriber.send(Message(Command.TRANSFER_DATA, 1, sample), REPLY_SECONDS)
                sent += 1
        except WireError:
            # A receiver that has the samples of an epoch need not take them again in the next.
            if sent < self._wanted:
                raise
        self._note(f"Sent {sent} samples.")

    async def _reply(self, replies: Connection, publishing: asyncio.Task[None], patience: float) -> tuple[str, bytes]:
        replying = asyncio.create_task(replies.expect(Command.TRANSFER_DATA, EDGE_LIMITS, patience))
        try:
            await asyncio.wait({replying, publishing}, return_when=asyncio.FIRST_COMPLETED)
            if publishing.done() and not replying.done():
                publishing.result()
            return reply_of(await replying)
        finally:
            replying.cancel()
            await asyncio.gather(replying, return_exceptions=True)  # its end was told above


class _Listener:
    """A port on which one peer is expected; others are turned away."""

    def __init__(self) -> None:
        self._arrived: asyncio.Queue[Connection] = asyncio.Queue(4)
        self._open: list[Connection] = []
        self._server: asyncio.Server | None = None
        self.port = 0

    async def listen(self, host: str, port: int) -> None:
        try:
            self._server = await asyncio.start_server(self._accepted, host, port, backlog=4)
        except OSError as error:
            raise WireError(f"{host}:{port} cannot be listened on: {error.strerror or error}.") from error
        self.port = self._server.sockets[0].getsockname()[1]

    async def accept(self, peer: str) -> Connection:
        """The first connection of this peer. Raises WireError."""
        try:
            async with asyncio.timeout(HANDSHAKE_SECONDS * 4):
                while (connection := await self._arrived.get()).peer != peer:
                    await connection.close()
        except TimeoutError as error:
            raise WireError(f"{peer} has not connected to port {self.port}.") from error
        return connection

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for connection in self._open:
            await connection.close()

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._arrived.full():
            writer.close()
            return
        tuned(writer)
        self._open.append(Connection(reader, writer))
        self._arrived.put_nowait(self._open[-1])
