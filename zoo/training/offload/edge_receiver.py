"""The receiver on nnstreamer-edge's wire: takes one sender's services and samples, and sends the trained model back.

There is no authentication in this protocol: it listens where it is told to, connects to nobody but the sender itself,
and takes one session. A peer that breaks the protocol is told off and the next one is heard, until the time limit.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from zoo.datasets.errors import DatasetError
from zoo.training.offload.conf import Conf
from zoo.training.offload.edge_services import (
    DATA,
    EDGE_LIMITS,
    LAYOUT,
    Offer,
    as_message,
    incoming,
    offer_of,
    take_service,
)
from zoo.training.offload.edge_stream import Connection, dial, host_info, own_address, tuned
from zoo.training.offload.edge_wire import TEXT, Command, Limits, Message, as_text
from zoo.training.offload.errors import OffloadError, WireError

LOOPBACK = "127.0.0.1"
HANDSHAKE_SECONDS = 5.0
RETRY_SECONDS = 0.1
_CAPABILITY = "other/tensors"


@dataclass(frozen=True)
class Offloaded:
    """What a sender has sent, as a session takes it: the sender's conf, and files by their names."""

    conf_text: str
    files: dict[str, bytes]


class EdgeReceiver:
    """One receiver of one session; `close` it."""

    def __init__(self, conf: Conf, conf_text: str, note: Callable[[str], None], limits: Limits = EDGE_LIMITS) -> None:
        self._conf = conf
        self._conf_text = conf_text
        self._note = note
        self._limits = limits
        self._server: asyncio.Server | None = None
        self._arrived: asyncio.Queue[Connection] = asyncio.Queue(1)
        self._busy = False
        self._refused: Exception | None = None
        self._open: list[Connection] = []
        self._client_id = 0

    async def listen(self, host: str = LOOPBACK) -> None:
        """Bind the conf's port. Raises WireError."""
        if self._conf.connect_type != "TCP" or self._conf.port is None:
            raise WireError("The wire needs connect-type TCP and a port in the conf.", field="offloading.port")
        port = int(self._conf.port)
        try:
            self._server = await asyncio.start_server(self._accepted, host, port, backlog=4)
        except OSError as error:
            raise WireError(f"{host}:{port} cannot be listened on: {error.strerror or error}.") from error
        self._note(f"Listens for a sender on {host}:{self._server.sockets[0].getsockname()[1]}.")

    async def receive(self) -> Offloaded:
        """The first sender's data that are right, within the conf's time limit. Raises WireError."""
        loop = asyncio.get_running_loop()
        limit, begin = self._conf.time_limit, loop.time()
        try:
            async with asyncio.timeout(limit) as timer:
                while True:
                    connection = await self._arrived.get()
                    try:
                        # It begins anew with a sender's data, as over HTTP; once, or bad ones would hold it off.
                        return await self._session(
                            connection, lambda: timer.reschedule(min(loop.time(), begin + limit) + limit)
                        )
                    except (OffloadError, DatasetError) as error:
                        self._refused = error
                        self._note(f"{connection.peer} was refused: {error}")
                        await self._hang_up()
                        self._busy = False
        except TimeoutError as error:
            last = f" The last one was refused: {self._refused}" if self._refused else ""
            raise WireError(
                f"No sender has sent everything in {limit} s.{last}",
                remedy="Start the sender while this side waits, or raise offloading.training.time-limit.",
            ) from error

    async def reply(self, model: bytes) -> None:
        """Send the trained model over the connection to the sender. Raises WireError."""
        service = next(iter(self._conf.files.values()))
        await self._open[-1].send(as_message(service, model, self._client_id))

    async def close(self) -> None:
        """Listen no more, and end every connection."""
        if self._server is not None:
            self._server.close()
        await self._hang_up()

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._busy:
            writer.close()
            return
        tuned(writer)
        self._busy = True
        self._open.append(Connection(reader, writer))
        self._arrived.put_nowait(self._open[-1])

    async def _hang_up(self) -> None:
        while self._open:
            await self._open.pop().close()

    async def _session(self, connection: Connection, restart: Callable[[], None]) -> Offloaded:
        self._client_id = secrets.randbits(62) + 1
        await connection.send(Message(Command.CAPABILITY, self._client_id, (as_text(_CAPABILITY),)))
        told = await connection.expect(Command.HOST_INFO, TEXT, HANDSHAKE_SECONDS)
        self._open.append(await dial(*own_address(told.text, connection.peer)))
        messages: list[Message] = []
        while True:
            # A service is one memory, and no message is larger than what may still come.
            left = min(self._limits.memory, self._limits.total - sum(len(item.memories[0]) for item in messages))
            message = await connection.expect(Command.TRANSFER_DATA, Limits(left, left))
            if take_service(messages, message):
                break
        offer = offer_of(messages, self._conf, self._conf_text)
        self._note(f"{connection.peer} has sent {', '.join(offer.files)} and its pipeline.")
        restart()
        data, layout = await self._samples(connection.peer, offer)
        return Offloaded(offer.conf_text, {**offer.files, LAYOUT: layout, DATA: data})

    async def _samples(self, peer: str, offer: Offer) -> tuple[bytes, bytes]:
        """The samples of one epoch from the sender's edgesink, and their .json."""
        source = offer.source
        if source.properties.get("connect-type", "TCP") != "TCP":
            raise WireError("edgesrc: connect-type is not TCP.", field="connect-type")
        address = f"{source.properties.get('dest-host', '')}:{source.properties.get('dest-port', '')}"
        publisher, first = await _subscribed(*own_address(address, peer))
        try:
            expected = incoming(first.text, offer.wanted, self._limits)
            await publisher.send(host_info(publisher, first.client_id))
            data = bytearray()
            for number in range(offer.wanted):
                message = await publisher.read(expected.limits)
                if message is None or message.command is not Command.TRANSFER_DATA:
                    raise WireError(f"The samples ended after {number} of {offer.wanted}.")
                data += expected.sample(message)
            self._note(f"{peer} has sent {offer.wanted} samples, {len(data):,} bytes.")
            return bytes(data), expected.layout(offer.wanted)
        finally:
            await publisher.close()


async def _subscribed(host: str, port: int) -> tuple[Connection, Message]:
    """A connection to an edgesink and its capability; it may begin only now, or not have its caps yet."""
    loop = asyncio.get_running_loop()
    end = loop.time() + HANDSHAKE_SECONDS
    while True:
        try:
            connection = await dial(host, port)
        except WireError:
            if loop.time() >= end:
                raise
        else:
            first = await _capability(connection, required=loop.time() >= end)
            if first is not None:
                return connection, first
        await asyncio.sleep(RETRY_SECONDS)


async def _capability(connection: Connection, *, required: bool) -> Message | None:
    """What an edgesink tells first; None, and the connection closed, where it hangs up and that is not the last try."""
    first = None
    try:
        first = await connection.read(TEXT, HANDSHAKE_SECONDS)
        if (first is None and required) or (first is not None and first.command is not Command.CAPABILITY):
            first = None
            raise WireError(f"{connection.peer} is no edgesink: it tells of no capability.")
    finally:
        if first is None:
            await connection.close()
    return first
