"""Duplicate detection in bounded memory: messages of the last minutes, and no more of them than are allowed."""

import time
from collections import deque
from collections.abc import Callable, Hashable
from typing import Any

from lwm2m.transports.message_ids import EXCHANGE_LIFETIME

MAX_MESSAGES = 20_000
"""About 80 MiB with their answers. At 2,000 messages a second that is the 10 s in which the first repetitions come."""


class RecentMessages(dict[Hashable, Any]):
    """Messages by sender and ID, each with its answer for a repetition; the oldest goes when there are too many.

    Aiocoap keeps each for EXCHANGE_LIFETIME with a timer of its own: whoever sends 4,000 datagrams a second, from
    addresses that need not be theirs, would take gigabytes.
    """

    def __init__(self, limit: int = MAX_MESSAGES, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._limit = limit
        self._now = now
        self._arrived: deque[tuple[float, Hashable]] = deque()

    def is_new(self, key: Hashable) -> bool:
        """Whether this message was not seen lately; from now on it was."""
        now = self._now()
        while self._arrived and self._arrived[0][0] <= now - EXCHANGE_LIFETIME:
            del self[self._arrived.popleft()[1]]
        if key in self:
            return False
        if len(self) >= self._limit:
            del self[self._arrived.popleft()[1]]
        self._arrived.append((now, key))
        self[key] = None
        return True


def bound_duplicates(tokens: Any, recent: RecentMessages | None = None) -> None:
    """Let the message manager below an aiocoap token manager remember what it has seen in `recent`."""
    manager = tokens.token_interface
    seen = manager._recent_messages = RecentMessages() if recent is None else recent
    answer_again = manager._deduplicate_message

    def deduplicate(message: Any) -> bool:
        if seen.is_new((message.remote, message.mid)):
            return False
        repeated: bool = answer_again(message)
        return repeated

    manager._deduplicate_message = deduplicate
