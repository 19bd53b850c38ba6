"""Where packages go as they arrive, pushed or pulled: a store, and the sinks that feed Objects 5 and 9 with it."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from lwm2m.errors import Refused
from lwm2m.messages import Code


class PackageStore(Protocol):
    """Keeps the bytes of one package at a time."""

    @property
    def limit(self) -> int:
        """The largest package that is taken, in bytes."""
        ...

    def open(self) -> None:
        """Start with an empty package; what was there is forgotten."""
        ...

    def write(self, data: bytes) -> None:
        """Append."""
        ...

    async def close(self) -> None:
        """The package is complete: make it durable."""
        ...

    def discard(self) -> None:
        """Forget the package, complete or not."""
        ...


class StoreSink:
    """Implements `PackageSink` on a store: asks before the first block and tells after the last."""

    def __init__(
        self,
        store: PackageStore,
        admit: Callable[[bytes, bool], None],
        arrived: Callable[[int, int | None], Awaitable[None]],
        lost: Callable[[], None],
    ) -> None:
        self._store = store
        self._admit = admit
        self._arrived = arrived
        self._lost = lost
        self._open = False
        self._size = 0
        self._first: int | None = None

    @property
    def limit(self) -> int:
        """Beyond it the transfer ends with 4.13."""
        return self._store.limit

    def begin(self, first: bytes, *, more: bool) -> None:
        """Refuse at the first block what would be refused at the last."""
        self._admit(first, more)
        self._store.open()
        self._open = True
        self._size = 0
        self._first = first[0] if first else None

    def block(self, data: bytes) -> None:
        """Append."""
        if not self._open:
            raise Refused(Code.REQUEST_ENTITY_INCOMPLETE, "no package is being received")
        self._store.write(data)
        self._size += len(data)

    async def complete(self) -> None:
        """Make it durable, then tell."""
        self._open = False
        await self._store.close()
        await self._arrived(self._size, self._first)

    def abandon(self) -> None:
        """Forget an unfinished package."""
        if self._open:
            self._open = False
            self._store.discard()
            self._lost()
