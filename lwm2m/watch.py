"""Observations on aiocoap: one token, its first answer, later notifications, the goodbye, and OSCORE around them."""

# ruff: noqa: ASYNC109 - a deadline is part of a CoAP exchange: retransmissions are planned by it

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import aiocoap
import aiocoap.error
from aiocoap.oscore import RequestIdentifiers
from aiocoap.pipe import Pipe

from lwm2m.messages import Reply
from lwm2m.transports.wire import answered, reply_of

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Way:
    """How messages reach a device: aiocoap's remote, the token manager of its port, and the OSCORE context if any."""

    peer: str
    remote: Any
    tokens: Any
    security: Any

    def protect(self, message: Any) -> tuple[Any, Any]:
        """The message as it goes out, and what its answers are opened with."""
        if self.security is None:
            return message, None
        outer, identifiers = self.security.protect(message)
        outer.remote = self.remote
        return outer, identifiers

    def open(self, message: Any, identifiers: Any) -> Any:
        """An incoming message without its protection.

        Raises:
            ProtectionInvalid: it does not belong to the request, or was changed.
            NotAProtectedMessage: it is not protected.
        """
        if self.security is None:
            return message
        return self.security.unprotect(message, identifiers)[0]


class LiveWatch:
    """Implements `Watch`: one observe request, its first answer as a future, later messages as calls."""

    def __init__(self, way: Way, message: Any, on_message: Callable[[Any], None]) -> None:
        self._way = way
        self._plain = message
        self._on_message = on_message
        self._sequence: int | None = None
        self._goodbye: asyncio.Future[Any] | None = None
        self._goodbye_identifiers: Any = None
        self._identifiers: Any = None
        self._pipe: Pipe | None = None
        self._forgotten = False
        self._stop: Callable[[], None] = lambda: None
        self.first: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    @property
    def token(self) -> bytes:
        """What notifications are known by: the token, and under OSCORE also the number of the request."""
        token = bytes(self._pipe.request.token) if self._pipe is not None else b""
        if self._identifiers is None:
            return token
        return bytes([len(token)]) + token + bytes(self._identifiers.partial_iv)

    def begin(self) -> None:
        """Send the request; its answer comes in `first`."""
        message, self._identifiers = self._way.protect(self._plain)
        self._pipe = Pipe(message, self._way.tokens.log)
        self._stop = self._pipe.on_event(self._on_event)
        self._way.tokens.request(self._pipe)

    def resume(self, token: bytes) -> None:
        """Listen under the token of an earlier watch; nothing is sent."""
        message = self._plain
        if self._way.security is not None:
            length = token[0] if token else 0
            partial_iv = token[1 + length :]
            token = token[1 : 1 + length]
            code = aiocoap.numbers.codes.FETCH
            self._identifiers = RequestIdentifiers(self._way.security.sender_id, partial_iv, None, code)
            message = aiocoap.Message(code=code, observe=0)
            message.remote = self._way.remote
        message.token = token
        self.first.set_result(message)
        self._listen(message)

    def _listen(self, message: Any) -> None:
        pipe = self._pipe = Pipe(message, self._way.tokens.log)
        self._stop = pipe.on_event(self._on_event)
        key = (message.token, self._way.remote)
        self._way.tokens.outgoing_requests[key] = pipe
        pipe.on_interest_end(lambda: self._forget_token(key, pipe))

    def _listen_again(self, message: Any) -> None:
        if not self._forgotten and self._way.tokens.outgoing_requests is not None:
            self._listen(message)

    async def cancel(self, timeout: float) -> Reply:
        """Ask the device to stop; its answer, which is the last message under the token."""
        plain = self._plain.copy(observe=1, mid=None, transport_tuning=self._plain.transport_tuning)
        plain.remote = self._plain.remote
        message, self._goodbye_identifiers = self._way.protect(plain)
        goodbye = self._goodbye = asyncio.get_running_loop().create_future()
        message.token = self._pipe.request.token if self._pipe is not None else b""
        self._way.tokens.token_interface.send_message(message, lambda: _fail(goodbye, aiocoap.error.MessageError()))
        try:
            return reply_of(await answered(self._way.peer, goodbye, timeout))
        finally:
            self.forget()

    def forget(self) -> None:
        """See `Watch.forget`."""
        self._forgotten = True
        self._stop()

    def _on_event(self, event: Any) -> bool:
        waiting = self.first if not self.first.done() else self._goodbye
        if event.message is None:
            if waiting is not None and event.exception is not None:
                _fail(waiting, event.exception)
            elif isinstance(event.exception, aiocoap.error.NetworkError) and self._pipe is not None:
                # Aiocoap ends everything of a device that let one request go unanswered. The device still observes;
                # the library is about to forget the token, so listen again after that.
                asyncio.get_running_loop().call_soon(self._listen_again, self._pipe.request)
            return False
        is_goodbye = waiting is self._goodbye and waiting is not None and event.message.opt.observe is None
        try:
            message = self._way.open(event.message, self._goodbye_identifiers if is_goodbye else self._identifiers)
        except aiocoap.error.Error as error:
            # Under OSCORE anybody may send under a token that was seen: only what opens counts.
            _log.warning("notification dropped: peer=%s error=%r", self._way.peer, error)
            if event.is_last and waiting is not None:
                _fail(waiting, error)
            return not event.is_last
        sequence = message.opt.observe
        if waiting is not None and not waiting.done() and (waiting is self.first or sequence is None):
            self._sequence = sequence or 0
            waiting.set_result(message)
        elif sequence is None or self._is_newer(sequence):
            self._on_message(message)
        return not event.is_last

    def _is_newer(self, sequence: int) -> bool:
        """RFC 7641, section 3.4, without the clock: a late message loses."""
        newer = self._sequence is None or 0 < (sequence - self._sequence) % (1 << 24) < 1 << 23
        if newer:
            self._sequence = sequence
        return newer

    def _forget_token(self, key: Any, pipe: Pipe) -> None:
        outgoing = self._way.tokens.outgoing_requests
        if outgoing is not None and outgoing.get(key) is pipe:
            del outgoing[key]


class Rests:
    """Fetches what notifications have beyond their first block, one at a time, and never tells of one after a newer.

    `fetch` gets the whole of a message, or None when it cannot be had; `spawn` runs work in the background.
    """

    def __init__(
        self,
        fetch: Callable[[Any], Awaitable[Any]],
        tell: Callable[[Any], None],
        spawn: Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"],
    ) -> None:
        self._fetch = fetch
        self._tell = tell
        self._spawn = spawn
        self._fetching: asyncio.Task[None] | None = None
        self._waiting: Any = None

    def take(self, message: Any) -> None:
        """The next notification."""
        busy = self._fetching is not None and not self._fetching.done()
        if message.opt.block2 is not None and message.opt.block2.more:
            # What is being fetched is the content of now: those in between are of no use, only the last.
            self._waiting = message
            if not busy:
                self._fetching = self._spawn(self._fetch_all())
            return
        self._waiting = None
        if self._fetching is not None and busy:
            self._fetching.cancel()
            self._fetching = None
        self._spawn(self._tell_soon(message))

    async def _fetch_all(self) -> None:
        while self._waiting is not None:
            first, self._waiting = self._waiting, None
            whole = await self._fetch(first)
            if whole is not None:
                self._tell(whole)

    async def _tell_soon(self, message: Any) -> None:
        self._tell(message)


def _fail(future: "asyncio.Future[Any]", error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
