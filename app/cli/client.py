"""The HTTP API as the command line uses it: typed answers, pages, problems as errors, downloads that are checked."""

import hashlib
import ipaddress
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Generic, Protocol, Self, TypeVar
from urllib.parse import quote, urlsplit

import httpx
from pydantic import BaseModel, ValidationError

from app.cli.errors import Failed, Misused, OffContract, Refused, Unreachable
from app.contract.models import Problem

Body = TypeVar("Body", bound=BaseModel)

PAGE = 200
CONNECT_SECONDS = 5.0
READ_SECONDS = 60.0
SLOW_SECONDS = 900.0  # registering a builder pulls its image; an upload may be large
_CHUNK = 64 * 1024


@dataclass(frozen=True)
class Answer(Generic[Body]):
    """A body as the contract types it, and the JSON that came."""

    body: Body
    raw: object


@dataclass(frozen=True)
class Listing(Generic[Body]):
    """Items of as many pages as were asked for; `raw` is one page that holds them all."""

    items: tuple[Body, ...]
    raw: object
    more: bool


class Advance(Protocol):
    """Told how many bytes more have passed, and how many there are in all when that is known."""

    def __call__(self, passed: int, total: int | None) -> None:
        """Count."""
        ...


class ApiClient:
    """One server. Every method raises Refused, Failed or Unreachable."""

    def __init__(self, server: str, transport: httpx.BaseTransport | None = None) -> None:
        self.server = checked_url(server)
        self._http = httpx.Client(
            base_url=self.server,
            transport=transport,
            timeout=httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
            # A proxy of the environment does not lead to this very machine.
            trust_env=not _is_loopback(self.server),
            headers={"User-Agent": "tinymlaas-cli"},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, path: str, model: type[Body], params: Mapping[str, str] | None = None) -> Answer[Body]:
        """One resource."""
        return _parse(self._send("GET", path, params=params), model)

    def post(
        self, path: str, model: type[Body], body: BaseModel | None = None, *, seconds: float = READ_SECONDS
    ) -> Answer[Body]:
        """Create or do something; `seconds` bounds the wait for the answer."""
        text = body.model_dump_json(exclude_none=True) if body is not None else None
        headers = {"Content-Type": "application/json"} if text is not None else None
        timeout = httpx.Timeout(seconds, connect=CONNECT_SECONDS)
        return _parse(self._send("POST", path, content=text, headers=headers, timeout=timeout), model)

    def put(
        self, path: str, model: type[Body], body: BaseModel | None = None, *, keep_null: bool = False
    ) -> Answer[Body]:
        """Set something; with `keep_null` to null where the body says so."""
        text = body.model_dump_json(exclude_none=not keep_null) if body is not None else None
        headers = {"Content-Type": "application/json"} if text is not None else None
        return _parse(self._send("PUT", path, content=text, headers=headers), model)

    def delete(self, path: str, params: Mapping[str, str] | None = None) -> None:
        """Take something away."""
        self._send("DELETE", path, params=params)

    def upload(
        self, path: str, model: type[Body], file: IO[bytes], size: int, advance: Advance, *, method: str = "POST"
    ) -> Answer[Body]:
        """Send a file as the body, counting."""

        def pieces() -> Iterator[bytes]:
            while piece := file.read(_CHUNK):
                yield piece
                advance(len(piece), size)

        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
        return _parse(self._send(method, path, content=pieces(), headers=headers), model)

    def submit(
        self,
        path: str,
        model: type[Body],
        field: str,
        files: Sequence[tuple[str, IO[bytes]]],
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer[Body]:
        """Send files with their names as a form."""
        form = [(field, file) for file in files]
        timeout = httpx.Timeout(SLOW_SECONDS, connect=CONNECT_SECONDS)
        return _parse(self._send("POST", path, params=params, headers=headers, files=form, timeout=timeout), model)

    def listing(
        self, path: str, model: type[Body], *, limit: int | None, params: Mapping[str, str] | None = None
    ) -> Listing[Body]:
        """Follow `next_cursor` until `limit` items are there, or all of them with `limit=None`."""
        items: list[object] = []
        cursor: str | None = None
        while True:
            wanted = PAGE if limit is None else min(PAGE, limit - len(items))
            query = {**(params or {}), "limit": str(wanted), **({"cursor": cursor} if cursor else {})}
            page = self.get(path, _Page, query).body
            items += page.items
            following = page.next_cursor
            if following is None or (limit is not None and len(items) >= limit):
                break
            if following == cursor:
                raise OffContract("The server's list does not go on: it gave the same cursor twice.", _REPORT)
            cursor = following
        try:
            parsed = tuple(model.model_validate(item) for item in items)
        except ValidationError as error:
            raise _not_the_contract(path, error) from error
        return Listing(parsed, {"items": items, "next_cursor": following}, following is not None)

    def text(self, path: str, params: Mapping[str, str] | None = None) -> httpx.Response:
        """A plain answer, such as a piece of a log."""
        return self._send("GET", path, params=params)

    def download(self, path: str, sha256: str, into: IO[bytes], advance: Advance) -> int:
        """Write a content-addressed body; what does not hash to `sha256` is an error. The bytes written."""
        digest, size = hashlib.sha256(), 0
        with self.stream(path) as response:
            length = response.headers.get("Content-Length", "")
            total = int(length) if length.isascii() and length.isdigit() else None
            for piece in response.iter_bytes(_CHUNK):
                digest.update(piece)
                size += len(piece)
                into.write(piece)
                advance(len(piece), total)
        if digest.hexdigest() != sha256:
            raise OffContract(
                f"{path} hashes to {digest.hexdigest()}, and {sha256} was asked for.",
                "Something on the way changed the bytes: download again.",
            )
        return size

    @contextmanager
    def stream(
        self, path: str, *, params: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> Iterator[httpx.Response]:
        """An answer that is read as it comes."""
        try:
            with self._http.stream("GET", path, params=params, headers=headers) as response:
                if not response.is_success:
                    response.read()
                    raise _problem(response)
                yield response
        except (httpx.TransportError, httpx.StreamError, httpx.DecodingError) as error:
            raise self._unreachable(error) from error

    def _send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        content: str | Iterator[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        files: Sequence[tuple[str, tuple[str, IO[bytes]]]] | None = None,
        timeout: httpx.Timeout | None = None,
    ) -> httpx.Response:
        try:
            response = self._http.request(
                method,
                path,
                params=params,
                content=content,
                headers=headers,
                files=files,
                timeout=timeout if timeout is not None else httpx.USE_CLIENT_DEFAULT,
            )
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise self._unreachable(error) from error
        if not response.is_success:
            raise _problem(response)
        return response

    def _unreachable(self, error: Exception) -> Unreachable:
        return Unreachable(
            f"{self.server} does not answer: {str(error) or type(error).__name__}.",
            "Start one with `tinymlaas serve`, or name another with --server or TINYMLAAS_SERVER.",
        )


class _Page(BaseModel):
    items: list[object]
    next_cursor: str | None


_REPORT = "Server and command line are of different versions, or something in between answers: check --server."


def at(*parts: str | int) -> str:
    """A path below /v1 with every part quoted: a name never becomes more than one segment."""
    return "/v1/" + "/".join(_segment(str(part)) for part in parts)


def checked_url(server: str) -> str:
    """The server's address without a trailing slash. Raises Misused."""
    try:
        parts = urlsplit(server)
        valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        valid = False
    if not valid:
        raise Misused(f"{server!r} is not an address of a server.", "Give it as http://host:port.")
    return server.rstrip("/")


def _segment(text: str) -> str:
    if text in {"", ".", ".."}:
        raise Misused(f"{text!r} is not a name.")
    return quote(text, safe="")


def _is_loopback(server: str) -> bool:
    host = urlsplit(server).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _parse(response: httpx.Response, model: type[Body]) -> Answer[Body]:
    try:
        raw: object = json.loads(response.content)
        return Answer(model.model_validate(raw), raw)
    except ValueError as error:  # JSON, UTF-8 and pydantic's errors are ValueErrors
        raise _not_the_contract(response.url.path, error) from error


def _problem(response: httpx.Response) -> Refused | Failed | Unreachable:
    """The error that an answer other than 2xx is."""
    try:
        raw: object = json.loads(response.content)
        problem = Problem.model_validate(raw)
    except ValueError:
        return Unreachable(f"{response.url} answered {response.status_code} and no problem in JSON.", _REPORT)
    return (Refused if 400 <= response.status_code < 500 else Failed)(problem, raw)


def _not_the_contract(path: str, error: ValueError) -> OffContract:
    first = str(error).splitlines()[0][:200]
    return OffContract(f"{path} answered what the contract does not say: {first}", _REPORT)
