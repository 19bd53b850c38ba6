"""Pulls a package into a store: coap(s):// by blocks and http(s):// by ranges, resumed while the ETag holds."""

import asyncio
import logging
import secrets
import ssl
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import httpx
from aiocoap import Message
from aiocoap.error import Error as CoapError
from aiocoap.error import NoRequestInterface, ResolutionError
from aiocoap.numbers.codes import Code as CoapCode

from lwm2m.client.intake import PackageStore
from lwm2m.client.schedule import backoff
from lwm2m.firmware import UpdateResult
from lwm2m.messages import Code

BLOCK_EXPONENT = 6  # 1024 bytes
MAX_FAILURES = 5  # in a row; any progress starts the count anew
MAX_RESTARTS = 2  # a package that changes under its URI more often is not worth waiting for
TOTAL_SECONDS = 3600.0
ANSWER_SECONDS = 20.0

_log = logging.getLogger(__name__)


class PullError(Exception):
    """A pull ended without the package; `result` is the Update Result that says so."""

    def __init__(self, result: UpdateResult, detail: str) -> None:
        super().__init__(detail)
        self.result = result


class _TryAgain(Exception):
    """A passing trouble: the same bytes may be asked for again."""


class _Target:
    """The store being filled: bounded, and emptied when the package changed under way."""

    def __init__(self, store: PackageStore) -> None:
        self._store = store
        self._restarts = 0
        self.size = 0
        self.etag: bytes | str | None = None
        store.open()

    def add(self, data: bytes) -> None:
        """Append; Result 2 when the package outgrows the slot."""
        if self.size + len(data) > self._store.limit:
            detail = f"the package is larger than {self._store.limit} bytes"
            raise PullError(UpdateResult.NOT_ENOUGH_FLASH, detail)
        self._store.write(data)
        self.size += len(data)

    def restart(self) -> None:
        """Begin at the first byte again."""
        self._restarts += 1
        if self._restarts > MAX_RESTARTS:
            raise PullError(UpdateResult.INTEGRITY_FAILURE, "the package keeps changing while it is downloaded")
        self._store.open()
        self.size = 0
        self.etag = None


async def pull(
    uri: str,
    store: PackageStore,
    context: Any,
    *,
    wait: Callable[[int], float] | None = None,
    tls: ssl.SSLContext | None = None,
) -> None:
    """Fetch into a store, and close it; PullError otherwise.

    `context` is the aiocoap context to use: for coaps:// it needs an association with that server. `wait` gives the
    seconds before the n-th attempt in a row; `tls` is whom to trust over https://, the system's authorities otherwise.
    """
    coap, web = _CoapPull(uri, context).advance, _HttpPull(uri, tls).advance
    fetchers = {"coap": coap, "coaps": coap, "http": web, "https": web}
    advance = fetchers.get(uri.partition("://")[0].lower())
    if advance is None:
        raise PullError(UpdateResult.UNSUPPORTED_PROTOCOL, f"only {', '.join(fetchers)} can be pulled")
    _require_host(uri)
    target = _Target(store)
    try:
        async with asyncio.timeout(TOTAL_SECONDS):
            await _persist(advance, target, wait or _jittered)
        await store.close()
    except TimeoutError as error:
        raise PullError(UpdateResult.CONNECTION_LOST, f"not complete after {TOTAL_SECONDS:g} s") from error


async def _persist(advance: Any, target: _Target, wait: Callable[[int], float]) -> None:
    failures = 0
    while True:
        before = target.size
        try:
            if await advance(target):
                return
            failures = 0
        except _TryAgain as trouble:
            failures = 1 if target.size > before else failures + 1
            if failures > MAX_FAILURES:
                raise PullError(UpdateResult.CONNECTION_LOST, str(trouble)) from trouble
            _log.warning("download interrupted offset=%d failures=%d reason=%s", target.size, failures, trouble)
            await asyncio.sleep(wait(failures))


class _CoapPull:
    """One Block2 at a time (RFC 7959), stop and wait."""

    def __init__(self, uri: str, context: Any) -> None:
        self._uri = uri
        self._context = context
        self._exponent = BLOCK_EXPONENT

    async def advance(self, target: _Target) -> bool:
        """Fetch the next block; whether it was the last."""
        response = await self._ask(target.size >> (self._exponent + 4), fresh=target.size == 0)
        code = int(response.code)
        if code == Code.REQUEST_ENTITY_INCOMPLETE:
            target.restart()
            return False
        if code != Code.CONTENT:
            if code >> 5 == 5:
                raise _TryAgain(f"{response.code}")
            raise PullError(UpdateResult.INVALID_URI, f"the server answered {response.code}")
        if target.size and response.opt.etag != target.etag:
            _log.warning("package changed under its URI, starting over")
            target.restart()
            return False
        return self._take(response, target)

    def _take(self, response: Any, target: _Target) -> bool:
        block = response.opt.block2
        if block is None:
            if target.size:
                target.restart()
            target.add(response.payload)
            return True
        self._exponent = min(self._exponent, block.size_exponent)
        if block.start != target.size or (block.more and len(response.payload) != block.size):
            raise _TryAgain(f"block {block.block_number} of {block.size} at offset {target.size}")
        if target.size == 0:
            target.etag = response.opt.etag
        target.add(response.payload)
        return not block.more

    async def _ask(self, number: int, *, fresh: bool) -> Any:
        try:
            message = Message(code=CoapCode.GET, uri=self._uri, block2=(number, False, self._exponent))
        except (ValueError, CoapError) as error:
            raise PullError(UpdateResult.INVALID_URI, f"not a URI: {error}") from error
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await self._context.request(message, handle_blockwise=False).response
        except ResolutionError as error:
            raise PullError(UpdateResult.INVALID_URI, f"the host is not known: {error}") from error
        except (TimeoutError, CoapError, OSError) as error:
            if fresh and isinstance(error, NoRequestInterface):
                detail = "there is no association with the server of this URI"
                raise PullError(UpdateResult.UNSUPPORTED_PROTOCOL, detail) from error
            raise _TryAgain(f"no answer: {str(error) or type(error).__name__}") from error


class _HttpPull:
    """One GET that streams to the end, continued with Range and If-Range after an error."""

    def __init__(self, uri: str, tls: ssl.SSLContext | None) -> None:
        self._uri = uri
        self._tls = tls

    async def advance(self, target: _Target) -> bool:
        """Fetch the rest; only errors interrupt."""
        headers = {"Accept-Encoding": "identity"}
        if target.size and isinstance(target.etag, str) and not target.etag.startswith("W/"):
            headers |= {"Range": f"bytes={target.size}-", "If-Range": target.etag}
        elif target.size:
            target.restart()
        try:
            async with (
                httpx.AsyncClient(timeout=ANSWER_SECONDS, verify=self._tls or True) as client,
                client.stream("GET", self._uri, headers=headers) as response,
            ):
                self._check(response, target)
                async for chunk in response.aiter_raw():  # of any size: a fixed one would lose its rest in an error
                    target.add(chunk)
                return True
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise PullError(UpdateResult.INVALID_URI, f"not a URI: {error}") from error
        except httpx.TransportError as error:
            raise _TryAgain(f"{type(error).__name__}: {error}") from error

    def _check(self, response: httpx.Response, target: _Target) -> None:
        status = response.status_code
        if status == httpx.codes.PARTIAL_CONTENT and target.size:
            if not response.headers.get("Content-Range", "").startswith(f"bytes {target.size}-"):
                target.restart()
                raise _TryAgain("the server answered with another range")
        elif status == httpx.codes.OK:
            if target.size:
                _log.warning("package changed under its URI, starting over")
                target.restart()
            target.etag = response.headers.get("ETag")
        elif status >= 500 or status == httpx.codes.TOO_MANY_REQUESTS:
            raise _TryAgain(f"HTTP {status}")
        else:
            raise PullError(UpdateResult.INVALID_URI, f"the server answered HTTP {status}")


def _require_host(uri: str) -> None:
    try:
        parts = urlsplit(uri)
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError as error:
        raise PullError(UpdateResult.INVALID_URI, f"not a URI: {error}") from error
    if not usable:
        raise PullError(UpdateResult.INVALID_URI, "the URI names no host and port")


def _jittered(failures: int) -> float:
    return backoff(failures, secrets.SystemRandom().random())
