"""One at a time for each key, without remembering keys that nobody waits for."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field


@dataclass
class _Queue:
    lock: threading.Lock = field(default_factory=threading.Lock)
    people: int = 0


class Turns:
    """For threads."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._queues: dict[str, _Queue] = {}

    def __len__(self) -> int:
        return len(self._queues)

    @contextmanager
    def of(self, key: str) -> Iterator[None]:
        """Wait for one's turn, and have it until the end."""
        with self._guard:
            queue = self._queues.setdefault(key, _Queue())
            queue.people += 1
        try:
            with queue.lock:
                yield
        finally:
            with self._guard:
                queue.people -= 1
                if not queue.people:
                    del self._queues[key]


@dataclass
class _AsyncQueue:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    people: int = 0


class AsyncTurns:
    """For the tasks of one event loop."""

    def __init__(self) -> None:
        self._queues: dict[str, _AsyncQueue] = {}

    def __len__(self) -> int:
        return len(self._queues)

    @asynccontextmanager
    async def of(self, key: str) -> AsyncIterator[None]:
        """Wait for one's turn, and have it until the end."""
        queue = self._queues.setdefault(key, _AsyncQueue())
        queue.people += 1
        try:
            async with queue.lock:
                yield
        finally:
            queue.people -= 1
            if not queue.people:
                del self._queues[key]
