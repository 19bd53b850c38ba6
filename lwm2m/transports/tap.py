"""A tap on the message layer: every CoAP message that comes or goes, on all transports, while somebody listens."""

import time
from collections.abc import Callable, Iterable
from typing import Any

from aiocoap.numbers.contentformat import ContentFormat

from lwm2m.messages import TracedMessage
from lwm2m.transports.transport import Transport

_NAMES = {"ETAG": "ETag", "OSCORE": "OSCORE"}  # others are spelled as their parts: URI_PATH is Uri-Path

_SECRET = "token="  # noqa: S105 - what a query with a secret begins with

Trace = Callable[[TracedMessage], None]


class Tap:
    """Puts itself between aiocoap's parts when the first listener comes, and goes with the last.

    A listener gets each message from the moment it is parsed, and to the moment it is sent; under OSCORE the outer one.
    It must return at once and must not raise.
    """

    def __init__(self, transports: Callable[[], Iterable[Transport]]) -> None:
        self._transports = transports
        self._listeners: dict[object, tuple[Callable[[str], bool], Trace]] = {}
        self._tapped: list[tuple[Any, str]] = []

    def listen(self, wants: Callable[[str], bool], listener: Trace) -> Callable[[], None]:
        """Call `listener` with the messages of the peers that it `wants`, until the result is called."""
        if not self._listeners:
            for transport in self._transports():
                for owner, name, incoming in transport.ways:
                    self._tap(transport, owner, name, incoming=incoming)
        key = object()
        self._listeners[key] = wants, listener
        return lambda: self._forget(key)

    def _forget(self, key: object) -> None:
        self._listeners.pop(key, None)
        if self._listeners:
            return
        for owner, name in self._tapped:
            delattr(owner, name)
        self._tapped.clear()

    def _tap(self, transport: Transport, owner: Any, name: str, *, incoming: bool) -> None:
        passes = getattr(owner, name)

        def tapped(*arguments: Any) -> Any:
            message = next(each for each in arguments if hasattr(each, "opt"))
            self._tell(str(transport.peer(message.remote)), message, incoming=incoming)
            return passes(*arguments)

        setattr(owner, name, tapped)
        self._tapped.append((owner, name))

    def _tell(self, peer: str, message: Any, *, incoming: bool) -> None:
        listeners = [listener for wants, listener in self._listeners.values() if wants(peer)]
        if not listeners:
            return
        traced = TracedMessage(
            at=time.time(),
            incoming=incoming,
            kind=None if message.mtype is None else message.mtype.name,
            code=int(message.code),
            message_id=message.mid,
            token=message.token,
            options=tuple((_name(each.number), _value(_shown(each.value))) for each in message.opt.option_list()),
            payload=message.payload,
        )
        for listener in listeners:
            listener(traced)


def _name(number: Any) -> str:
    known = getattr(number, "name", "").removeprefix("OptionNumber")
    return _NAMES.get(known, known.replace("_", "-").title()) if known else f"Unknown ({int(number)})"


def _shown(value: Any) -> Any:
    """A value without what only its sender may know."""
    return f"{_SECRET}..." if isinstance(value, str) and value.startswith(_SECRET) else value


def _value(value: Any) -> str:
    match value:
        case ContentFormat():
            return f'"{value.media_type}"' if value.is_known() else str(int(value))
        case int():
            return str(int(value))
        case str():
            return f'"{value}"'
        case bytes():
            return f"0x{value.hex()}"
        case _:  # a block; exponent 7 is many of 1024 bytes (RFC 8323, 6)
            return f"(num={value.block_number}, m={str(value.more).lower()}, size={16 << min(value.size_exponent, 6)})"
