"""Tells those who wait in the event loop that a federation has changed; rung from any thread, after the commit."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class FederationBell:
    """Each listener has an event of its own: clear it, look, then wait, and no change is missed."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._listeners: set[tuple[str | None, asyncio.Event]] = set()

    def hang(self, loop: asyncio.AbstractEventLoop) -> None:
        """From now on those who wait in this loop hear it."""
        self._loop = loop

    @contextmanager
    def listening(self, federation_id: str | None = None) -> Iterator[asyncio.Event]:
        """An event that is set at every change of the federation, or without an id of any; in the loop alone."""
        listener = (federation_id, asyncio.Event())
        self._listeners.add(listener)
        try:
            yield listener[1]
        finally:
            self._listeners.discard(listener)

    def ring(self, federation_id: str | None = None) -> None:
        """The federation has changed; without an id, everybody is to look. Before there is a loop nobody listens."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._tell, federation_id)

    def _tell(self, federation_id: str | None) -> None:
        for wanted, event in self._listeners:
            if federation_id is None or wanted is None or wanted == federation_id:
                event.set()
