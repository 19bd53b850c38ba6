"""A peer of nnstreamer-edge 0.2.6, byte by byte: it shares no code with the codec that it is to test."""

import asyncio
import struct
from dataclasses import dataclass

HEADER = "<IIQqI4x256QQ"
MAGIC, VERSION_KEY = 0xFEEDFEED, 0xEFDD_0000_0600_0002
ERROR, TRANSFER_DATA, HOST_INFO, CAPABILITY = range(4)


def packed(
    command: int,
    *memories: bytes,
    client_id: int = 0,
    magic: int = MAGIC,
    version: int = VERSION_KEY,
    promised: list[int] | None = None,
    meta_size: int | None = None,
    **meta: str,
) -> bytes:
    """A message; `promised` and `meta_size` lie about lengths. Underscores in keys of `meta` become hyphens."""
    said = b"".join(f"{key.replace('_', '-')}\0{text}\0".encode() for key, text in meta.items())
    tail = struct.pack("<I", len(meta)) + said if meta else b""
    sizes = [len(memory) for memory in memories] if promised is None else promised
    padded = sizes + [0] * (256 - len(sizes))
    length = len(tail) if meta_size is None else meta_size
    header = struct.pack(HEADER, magic, command, version, client_id, len(sizes), *padded, length)
    return header + b"".join(memories) + tail


@dataclass
class Peer:
    """One end of a connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def send(self, command: int, *memories: bytes, **more: str) -> None:
        """Write a message."""
        self.writer.write(packed(command, *memories, **more))

    async def read(self) -> tuple[int, int, list[bytes], dict[str, str]]:
        """Command, client, memories and meta data of the next message."""
        header = struct.unpack(HEADER, await self.reader.readexactly(struct.calcsize(HEADER)))
        magic, command, key, client_id, count, *sizes, meta_size = header
        assert (magic, key) == (MAGIC, VERSION_KEY)
        memories = [await self.reader.readexactly(size) for size in sizes[:count]]
        parts = (await self.reader.readexactly(meta_size))[4:].decode().split("\0")[:-1]
        return command, client_id, memories, dict(zip(parts[::2], parts[1::2], strict=True))

    async def ended(self) -> bool:
        """Whether the other side hangs up."""
        try:
            return await self.reader.read() == b""
        except ConnectionResetError:
            return True


@dataclass
class Listener:
    """A port on loopback, and who has connected to it."""

    port: int
    server: asyncio.Server
    arrived: asyncio.Queue[Peer]

    @property
    def address(self) -> bytes:
        """As a HOST_INFO has it."""
        return f"127.0.0.1:{self.port}\0".encode()


class Peers:
    """Connects and listens as the C library does, and closes all of it."""

    def __init__(self) -> None:
        self._peers: list[Peer] = []
        self._listeners: list[Listener] = []

    async def dial(self, port: int, host: str = "127.0.0.1") -> Peer:
        """Connect."""
        self._peers.append(Peer(*await asyncio.open_connection(host, port)))
        return self._peers[-1]

    async def listen(self) -> Listener:
        """Listen."""
        arrived: asyncio.Queue[Peer] = asyncio.Queue()

        async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._peers.append(Peer(reader, writer))
            arrived.put_nowait(self._peers[-1])

        server = await asyncio.start_server(accepted, "127.0.0.1", 0)
        self._listeners.append(Listener(server.sockets[0].getsockname()[1], server, arrived))
        return self._listeners[-1]

    async def close(self) -> None:
        """Everything."""
        for listener in self._listeners:
            listener.server.close()
        for peer in self._peers:
            peer.writer.close()
        await asyncio.gather(*(peer.writer.wait_closed() for peer in self._peers), return_exceptions=True)
