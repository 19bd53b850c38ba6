"""A client's way to its federation over CoAP: the assignment, the global model and updates, block by block."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import cbor2
from aiocoap import Message
from aiocoap.error import Error as CoapError
from aiocoap.numbers.codes import Code as CoapCode

from lwm2m.client.connection import Connection, Psk, ServerAccount, parse_server
from lwm2m.codecs import ContentFormat
from lwm2m.messages import Code, is_success
from lwm2m.transports.association import AssociationEnded

BLOCK_EXPONENT = 6  # 1024 bytes
ANSWER_SECONDS = 30.0
TRANSFER_SECONDS = 600.0
MAX_ASSIGNMENT_BYTES = 4096
MAX_DIAGNOSTIC = 1024  # characters
_SLUG = re.compile(r"([a-z][a-z0-9_]{2,40}): (.*)", re.DOTALL)
_LATER = frozenset({Code.REQUEST_ENTITY_INCOMPLETE, Code.TOO_MANY_REQUESTS})  # the same again helps


class NoAnswer(Exception):
    """The server does not answer, or not now: the same may be asked for again."""


class RefusedAnswer(Exception):
    """The server answered with an error code. `slug` is what its diagnostic text begins with, or empty."""

    def __init__(self, code: int, diagnostic: str) -> None:
        found = _SLUG.fullmatch(diagnostic)
        self.code = code
        self.slug = found[1] if found else ""
        self.detail = found[2] if found else diagnostic or "it gave no reason"
        super().__init__(f"{code >> 5}.{code & 31:02d}: {self.detail}")


class FederationLink:
    """One client of one federation. Its methods block, each until its exchange is over; close it.

    `server` is coap://HOST:PORT or, with a pre-shared key, coaps://HOST:PORT; BadRequest for another. Every method
    raises NoAnswer or RefusedAnswer. After silence the next one connects anew: a server that was killed has forgotten
    an association, and tells nobody.
    """

    def __init__(
        self,
        server: str,
        federation: str,
        token: str,
        psk: Psk | None = None,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        self._server = server.rstrip("/")
        self._base = f"{self._server}/fed/{quote(federation, safe='')}"
        self._token = quote(token, safe="")
        self._answer_seconds = answer_seconds
        self._account = ServerAccount(self._server, lifetime=0, psk=psk)
        parse_server(self._account)
        self._runner = asyncio.Runner()
        self._connection: Connection | None = None

    def assignment(self) -> object:
        """What to do now, as its CBOR says it."""
        data = self._runner.run(self._fetch(f"{self._base}/assignment?token={self._token}", MAX_ASSIGNMENT_BYTES))
        try:
            found: object = cbor2.loads(data)
        except (cbor2.CBORDecodeError, RecursionError) as error:
            raise RefusedAnswer(Code.CONTENT, f"the assignment is no CBOR: {error}") from error
        return found

    def model(self, number: int, form: str, most: int) -> bytes:
        """The global model of a round, of at most `most` bytes."""
        uri = f"{self._base}/rounds/{number}/model?token={self._token}&form={form}"
        return self._runner.run(self._fetch(uri, most))

    def submit(self, number: int, body: bytes) -> None:
        """Hand over an update."""
        self._runner.run(self._send(f"{self._base}/rounds/{number}/updates?token={self._token}", body))

    def close(self) -> None:
        """Free the socket."""
        self._runner.run(self._disconnect())
        self._runner.close()

    async def _fetch(self, uri: str, most: int) -> bytes:
        """One block at a time, so that no answer outgrows its bound (RFC 7959)."""
        data, etag, exponent = bytearray(), None, BLOCK_EXPONENT
        async with self._bounded(TRANSFER_SECONDS):
            while True:
                block = (len(data) >> (exponent + 4), False, exponent)
                message = Message(code=CoapCode.GET, uri=uri, block2=block, accept=ContentFormat.CBOR)
                answer = await self._exchange(message, handle_blockwise=False, seconds=self._answer_seconds)
                came = answer.opt.block2
                if data and (answer.opt.etag != etag or came is None or came.start != len(data)):
                    raise NoAnswer("The document changed while it was fetched.")
                if came is not None and came.more and len(answer.payload) != came.size:
                    raise NoAnswer("A block came that is none.")
                etag = answer.opt.etag
                data += answer.payload
                if len(data) > most:
                    raise RefusedAnswer(Code.CONTENT, f"the document is longer than {most} bytes")
                if came is None or not came.more:
                    return bytes(data)
                exponent = min(exponent, came.size_exponent)

    async def _send(self, uri: str, body: bytes) -> None:
        message = Message(code=CoapCode.POST, uri=uri, payload=body, content_format=ContentFormat.CBOR)
        message.opt.size1 = len(body)  # so that a server refuses what is too long before it has come
        async with self._bounded(TRANSFER_SECONDS):
            await self._exchange(message, handle_blockwise=True, seconds=TRANSFER_SECONDS)

    async def _exchange(self, message: Any, *, handle_blockwise: bool, seconds: float) -> Any:
        try:
            async with asyncio.timeout(seconds):
                connection = await self._connected()
                await connection.address(message)
                answer = await connection.context.request(message, handle_blockwise=handle_blockwise).response
        except (TimeoutError, CoapError, OSError, AssociationEnded) as error:
            await self._disconnect()
            raise NoAnswer(f"{self._server} does not answer: {str(error) or type(error).__name__}.") from error
        code = int(answer.code)
        if is_success(code):
            return answer
        diagnostic = answer.payload.decode("utf-8", "replace")[:MAX_DIAGNOSTIC]
        if code >> 5 == 5 or code in _LATER:
            raise NoAnswer(f"{self._server} answered {answer.code}: {diagnostic}")
        raise RefusedAnswer(code, diagnostic)

    async def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = await Connection.open(None, ("::", 0), self._account, None)
        return self._connection

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    @asynccontextmanager
    async def _bounded(self, seconds: float) -> AsyncIterator[None]:
        """A time limit whose end is NoAnswer."""
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError as error:
            await self._disconnect()
            raise NoAnswer(f"The transfer took more than {seconds:.0f} seconds.") from error
