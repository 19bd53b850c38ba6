"""A package that arrives block by block (Block1, RFC 7959), handed on as it comes and never held in memory whole."""

from dataclasses import dataclass
from typing import Protocol

from lwm2m.errors import Refused
from lwm2m.messages import Block, Code
from lwm2m.uploads import require_next


class PackageSink(Protocol):
    """Where the blocks of a write go. Each method may raise Refused to end the transfer with that code."""

    @property
    def limit(self) -> int:
        """The largest package that is taken, in bytes."""
        ...

    def begin(self, first: bytes, *, more: bool) -> None:
        """A write starts; `first` is its first block (it follows as a `block` too) and `more` whether others come."""
        ...

    def block(self, data: bytes) -> None:
        """The next bytes."""
        ...

    async def complete(self) -> None:
        """All bytes have arrived."""
        ...

    def abandon(self) -> None:
        """The transfer was refused, restarted or not heard of again: forget its bytes."""
        ...


@dataclass(slots=True)
class Package:
    """One transfer in progress into a sink: keeps the order and the bounds."""

    sink: PackageSink
    peer: str
    received: int = 0

    @classmethod
    def start(cls, sink: PackageSink, peer: str, payload: bytes, *, more: bool, announced: int | None) -> "Package":
        """Take a first block; 4.13 when the announced size is beyond the limit."""
        if announced is not None and announced > sink.limit:
            raise Refused(Code.REQUEST_ENTITY_TOO_LARGE, f"at most {sink.limit} bytes are taken")
        sink.begin(payload, more=more)
        return cls(sink, peer)

    def take(self, payload: bytes, block: Block | None) -> None:
        """The next block: 4.08 when it is not the next one, 4.13 when the package grows too large."""
        if block is not None:
            require_next(block, len(payload), self.received)
        if self.received + len(payload) > self.sink.limit:
            raise Refused(Code.REQUEST_ENTITY_TOO_LARGE, f"at most {self.sink.limit} bytes are taken")
        self.sink.block(payload)
        self.received += len(payload)
