"""Pushes a large payload block by block (Block1, RFC 7959), so that it streams from its source and shows progress."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from lwm2m.errors import BadRequest
from lwm2m.messages import Block, Code, Method, Reply, Request

MAX_EXPONENT = 6  # blocks of 1024 bytes
MAX_RESTARTS = 3

Exchange = Callable[[Request], Awaitable[Reply]]
Progress = Callable[[int], None]


class Source(Protocol):
    """Bytes to push."""

    @property
    def size(self) -> int:
        """Number of bytes."""

    async def read(self, offset: int, length: int) -> bytes:
        """Exactly `length` bytes from `offset`, fewer only at the end."""


class BytesSource:
    """Bytes in memory as a source."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    @property
    def size(self) -> int:
        """Number of bytes."""
        return len(self._data)

    async def read(self, offset: int, length: int) -> bytes:
        """The bytes."""
        return self._data[offset : offset + length]


async def push_blocks(
    exchange: Exchange,
    path: tuple[str, ...],
    content_format: int,
    source: Source,
    progress: Progress,
    *,
    method: int = Method.PUT,
) -> Reply:
    """Send `source` to `path`, one block after the other; the device's answer to the last block, or its refusal.

    A device may ask for smaller blocks at any time, and for a start over when it lost the blocks before (4.08).
    `progress` hears the number of bytes that the device has acknowledged.

    Raises:
        BadRequest: the device's answers break the protocol.
    """
    exponent = MAX_EXPONENT
    for _ in range(MAX_RESTARTS):
        reply, exponent, again = await _push_once(
            exchange, path, content_format, source, progress, exponent, method=method
        )
        if not again:
            break
    return reply


async def _push_once(
    exchange: Exchange,
    path: tuple[str, ...],
    content_format: int,
    source: Source,
    progress: Progress,
    exponent: int,
    *,
    method: int,
) -> tuple[Reply, int, bool]:
    """The last answer, the block size to use from now on, and whether to start over."""
    offset = 0
    while True:
        size = 16 << exponent
        data = await source.read(offset, size)
        end = offset + len(data)
        more = end < source.size
        if more and len(data) < size:
            raise BadRequest(f"the package has {end} bytes where {source.size} were announced")
        reply = await exchange(
            Request(
                method,
                path,
                content_format=content_format,
                payload=data,
                block1=Block(offset // size, more, exponent) if source.size > size else None,
                size1=source.size if offset == 0 and more else None,
            )
        )
        asked = min(exponent, reply.block1.exponent) if reply.block1 else exponent
        if reply.code == Code.REQUEST_ENTITY_TOO_LARGE and asked < exponent:
            return reply, asked, True
        if reply.code == Code.REQUEST_ENTITY_INCOMPLETE and offset > 0:
            return reply, asked, True
        if reply.code >> 5 != 2:
            return reply, asked, False
        progress(end)
        if not more:
            if reply.code == Code.CONTINUE:
                raise BadRequest("the device asks for more than the whole package")
            return reply, asked, False
        # Some stacks answer intermediate blocks with 2.04 instead of 2.31; both mean that it goes on.
        offset, exponent = end, asked
