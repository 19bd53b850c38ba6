"""Message IDs that a device has not seen lately, also from a server that was just restarted."""

import secrets
import time
from collections.abc import Callable, Hashable
from typing import Any

MESSAGE_IDS = 1 << 16
EXCHANGE_LIFETIME = 247  # seconds (RFC 7252, 4.8.2)
PER_SECOND = MESSAGE_IDS / EXCHANGE_LIFETIME
AHEAD = 4096
"""As many peers that were sent more than the clock allows are looked through at a time for those it caught up with."""


class MessageIds:
    """Numbers the messages to each peer by the clock, once around in EXCHANGE_LIFETIME.

    A device answers a message ID that it has seen in that time with the answer of then (RFC 7252, 4.4 and 4.5), and a
    restarted server has the address of the one before: a random start met such a number in one restart of thirty, and
    a counter for all peers outruns the clock when many of them are updated. To one peer a server sends a message after
    the answer to the one before (NSTART, 4.7), so that only one less than 4 ms away is numbered ahead of the clock.
    """

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._last: dict[Hashable, int] = {}

    def next(self, peer: Hashable) -> int:
        """The ID of the next message to a peer."""
        clock = int(self._now() * PER_SECOND)
        number = max(clock, self._last.get(peer, 0) + 1)
        self._last[peer] = number
        if len(self._last) % AHEAD == 0:
            self._last = {each: last for each, last in self._last.items() if last >= clock}
        return number % MESSAGE_IDS


def number_messages(tokens: Any) -> Any:
    """Message IDs and tokens that the process before this one did not use, for an aiocoap token manager."""
    manager = tokens.token_interface
    ids = MessageIds()
    send = manager.send_message

    def send_message(message: Any, *rest: Any) -> Any:
        # Aiocoap numbers a message within this call, without saying whom it goes to.
        manager._next_message_id = lambda: ids.next(message.remote)
        return send(message, *rest)

    manager.send_message = send_message
    return randomise_tokens(tokens)


def randomise_tokens(tokens: Any) -> Any:
    """Tokens of 64 bits from a random start: one of this process never equals one of a resumed observation."""
    tokens._token = secrets.randbits(64)
    return tokens
