"""nnstreamer-edge messages over an asyncio connection: each is read whole, within its limits, before a deadline."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass

from zoo.training.offload.edge_wire import (
    HEADER,
    PREFIX,
    Command,
    Limits,
    Message,
    as_text,
    check_prefix,
    decode_header,
    decode_meta,
    encode,
)
from zoo.training.offload.errors import WireError

CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0
"""For one message, of a peer that has something to say."""


@dataclass(frozen=True)
class Connection:
    """One connection; `peer` is the other side's address as the kernel tells it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @property
    def peer(self) -> str:
        """Of an IPv4 peer of an IPv6 socket, its IPv4 address."""
        name = self.writer.get_extra_info("peername")
        return plain_address(str(name[0])) if name else "a peer that is gone already"

    @property
    def here(self) -> str:
        """This side's address as host:port."""
        host, port = self.writer.get_extra_info("sockname")[:2]
        return f"{plain_address(str(host))}:{port}"

    async def read(self, limits: Limits, seconds: float = READ_SECONDS) -> Message | None:
        """The next message, or None where the peer ended between two. Raises WireError."""
        try:
            async with asyncio.timeout(seconds):
                return await self._message(limits)
        except TimeoutError as error:
            raise WireError(f"{self.peer} sent no whole message in {seconds:g} s.") from error
        except asyncio.IncompleteReadError as error:
            raise WireError(f"{self.peer} closed the connection in the middle of a message.") from error
        except OSError as error:
            raise WireError(f"The connection of {self.peer} broke: {error.strerror or error}.") from error

    async def expect(self, command: Command, limits: Limits, seconds: float = READ_SECONDS) -> Message:
        """The next message, which has to be of this command. Raises WireError."""
        message = await self.read(limits, seconds)
        if message is None or message.command is not command:
            found = "the end" if message is None else message.command.name
            raise WireError(
                f"{self.peer} had to send {command.name}, and sent {found}.",
                remedy="The wire carries no reasons: look at what the other side has told.",
            )
        return message

    async def send(self, message: Message, seconds: float = READ_SECONDS) -> None:
        """Write a message whole. Raises WireError when the peer does not take it in time."""
        data = encode(message)
        try:
            async with asyncio.timeout(seconds):
                self.writer.write(data)
                await self.writer.drain()
        except TimeoutError as error:
            raise WireError(f"{self.peer} did not take {len(data)} bytes in {seconds:g} s.") from error
        except OSError as error:
            raise WireError(f"The connection of {self.peer} broke: {error.strerror or error}.") from error

    async def close(self) -> None:
        """Close it, whatever state it is in."""
        self.writer.close()
        # A connection that the peer has reset is closed as well.
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(1):
                await self.writer.wait_closed()

    async def _message(self, limits: Limits) -> Message | None:
        try:
            prefix = await self.reader.readexactly(PREFIX.size)
        except asyncio.IncompleteReadError as error:
            if error.partial:
                raise
            return None
        check_prefix(prefix)
        header = decode_header(prefix + await self.reader.readexactly(HEADER.size - PREFIX.size), limits)
        memories = tuple([await self.reader.readexactly(size) for size in header.sizes])
        meta = decode_meta(await self.reader.readexactly(header.meta_size))
        return Message(header.command, header.client_id, memories, meta)


@contextlib.asynccontextmanager
async def dialled(host: str, port: int) -> AsyncIterator[Connection]:
    """A connection to a peer, closed at the end. Raises WireError."""
    connection = await dial(host, port)
    try:
        yield connection
    finally:
        await connection.close()


async def dial(host: str, port: int) -> Connection:
    """Connect; close it. Raises WireError."""
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            connection = Connection(*await asyncio.open_connection(host, port))
    except TimeoutError as error:
        raise WireError(f"{host}:{port} did not answer in {CONNECT_SECONDS:g} s.") from error
    except OSError as error:
        raise WireError(f"{host}:{port} cannot be reached: {error.strerror or error}.") from error
    tuned(connection.writer)
    return connection


def tuned(writer: asyncio.StreamWriter) -> None:
    """Small messages go at once, as the other side waits for them; a host that is gone is noticed during a training."""
    connected = writer.get_extra_info("socket")
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


def host_info(connection: Connection, client_id: int, address: str | None = None) -> Message:
    """Under which address this side listens."""
    return Message(Command.HOST_INFO, client_id, (as_text(address or connection.here),))


def own_address(text: str, peer: str) -> tuple[str, int]:
    """A peer's host:port, which has to be the peer's own: nobody has this side connect to a third. Raises WireError."""
    host, _, port = text.rpartition(":")
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) < 65536):
        raise WireError(f"{text[:60]!r} is no address; host:port is expected.")
    if not is_own(host, peer):
        raise WireError(
            f"{peer} asks for a connection to {host[:60]!r}, and only its own address is dialled.",
            remedy="Write the sender's own IP address as host and dest-host of its conf; no proxy may be in between.",
        )
    return peer, int(port)


def is_own(host: str, peer: str) -> bool:
    """Whether a host that a peer names is the peer; a name is not looked up."""
    try:
        return ipaddress.ip_address(plain_address(host.strip("[]"))) == ipaddress.ip_address(peer)
    except ValueError:
        return host == "localhost" and ipaddress.ip_address(peer).is_loopback


def plain_address(host: str) -> str:
    """An address without the form of IPv4 in IPv6."""
    return host.removeprefix("::ffff:")
