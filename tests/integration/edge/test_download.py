"""Pulls resume after errors, start over when the package changes, stay within bounds and name the result otherwise."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiocoap import Context, Message, resource
from aiocoap.numbers.codes import Code as CoapCode

from edge.download import DownloadError, download
from lwm2m.firmware import UpdateResult

LIMIT = 100_000
PACKAGE = bytes(index * 7 % 251 for index in range(20_000))


class CoapPackage(resource.Resource):
    """Serves blocks; `before` may change anything, or return the code to fail with, before a block is answered."""

    def __init__(self) -> None:
        super().__init__()
        self.content = PACKAGE
        self.etag: bytes | None = b"v1"
        self.exponent = 6
        self.asked: list[int] = []
        self.before: Callable[[int], CoapCode | None] = lambda _count: None

    async def needs_blockwise_assembly(self, _request: Any) -> bool:
        return False

    async def render_get(self, request: Any) -> Any:
        block = request.opt.block2
        self.asked.append(block.start)
        if (code := self.before(len(self.asked))) is not None:
            return Message(code=code)
        exponent = min(block.size_exponent, self.exponent)
        size = 16 << exponent
        data = self.content[block.start : block.start + size]
        response = Message(code=CoapCode.CONTENT, payload=data)
        if self.etag is not None:
            response.opt.etag = self.etag
        response.opt.block2 = (block.start // size, block.start + size < len(self.content), exponent)
        return response


@dataclass
class CoapSide:
    package: CoapPackage
    context: Any
    uri: str


@pytest.fixture
async def coap(reserve_udp_port: Any) -> AsyncIterator[CoapSide]:
    package, site = CoapPackage(), resource.Site()
    site.add_resource(["fw"], package)
    port = reserve_udp_port().release()
    server = await Context.create_server_context(site, bind=("127.0.0.1", port), transports=["udp6"])
    client = await Context.create_client_context()
    yield CoapSide(package, client, f"coap://127.0.0.1:{port}/fw")
    await client.shutdown()
    await server.shutdown()


@dataclass
class HttpSide:
    """One scripted HTTP server: `answers` says how the n-th request is treated."""

    content: bytes = PACKAGE
    etag: str | None = '"v1"'
    cut_after: list[int] = field(default_factory=list)
    status: list[int] = field(default_factory=list)
    requests: list[dict[str, str]] = field(default_factory=list)
    change_to: tuple[bytes, str] | None = None
    uri: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        self.requests.append(headers)
        if len(self.requests) == 2 and self.change_to:
            self.content, self.etag = self.change_to
        status = self.status.pop(0) if self.status else 200
        start = 0
        if status == 200 and "range" in headers and headers.get("if-range") == self.etag:
            status, start = 206, int(headers["range"].removeprefix("bytes=").removesuffix("-"))
        body = self.content[start:] if status in (200, 206) else b""
        lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Connection: close"]
        if self.etag is not None:
            lines.append(f"ETag: {self.etag}")
        if status == 206:
            lines.append(f"Content-Range: bytes {start}-{len(self.content) - 1}/{len(self.content)}")
        writer.write("\r\n".join([*lines, "", ""]).encode())
        writer.write(body[: self.cut_after.pop(0)] if self.cut_after else body)
        await writer.drain()
        writer.close()
        await writer.wait_closed()


@pytest.fixture
async def http() -> AsyncIterator[HttpSide]:
    side = HttpSide()
    server = await asyncio.start_server(side.serve, "127.0.0.1", 0)
    async with server:
        side.uri = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/fw"
        yield side


async def fetch(uri: str, tmp_path: Path, context: Any = None, limit: int = LIMIT) -> bytes:
    path = tmp_path / "package.part"
    async with asyncio.timeout(20):
        await download(uri, path, limit, context, wait=lambda _failures: 0.0)
    return await asyncio.to_thread(path.read_bytes)


async def failure(uri: str, tmp_path: Path, context: Any = None, limit: int = LIMIT) -> UpdateResult:
    with pytest.raises(DownloadError) as caught:
        await fetch(uri, tmp_path, context, limit)
    return caught.value.result


@pytest.mark.parametrize("exponent", [6, 4])
async def test_coap_blocks_add_up_also_when_the_server_wants_smaller_ones(
    coap: CoapSide, tmp_path: Path, exponent: int
) -> None:
    coap.package.exponent = exponent
    assert await fetch(coap.uri, tmp_path, coap.context) == PACKAGE
    assert len(coap.package.asked) == -(-len(PACKAGE) // (16 << exponent))


async def test_a_coap_pull_goes_on_where_it_was_interrupted(coap: CoapSide, tmp_path: Path) -> None:
    coap.package.before = lambda count: CoapCode.SERVICE_UNAVAILABLE if count in (3, 4) else None
    assert await fetch(coap.uri, tmp_path, coap.context) == PACKAGE
    assert coap.package.asked[:6] == [0, 1024, 2048, 2048, 2048, 3072]


async def test_a_coap_package_that_changes_is_fetched_from_the_start(coap: CoapSide, tmp_path: Path) -> None:
    def change(count: int) -> None:
        if count == 5:
            coap.package.content, coap.package.etag = PACKAGE[::-1], b"v2"

    coap.package.before = change
    assert await fetch(coap.uri, tmp_path, coap.context) == PACKAGE[::-1]


async def test_a_coap_package_that_never_stays_the_same_is_an_integrity_failure(coap: CoapSide, tmp_path: Path) -> None:
    def change(count: int) -> None:
        coap.package.etag = str(count).encode()

    coap.package.before = change
    assert await failure(coap.uri, tmp_path, coap.context) is UpdateResult.INTEGRITY_FAILURE


@pytest.mark.parametrize(
    ("code", "result"),
    [
        (CoapCode.NOT_FOUND, UpdateResult.INVALID_URI),
        (CoapCode.FORBIDDEN, UpdateResult.INVALID_URI),
        (CoapCode.INTERNAL_SERVER_ERROR, UpdateResult.CONNECTION_LOST),
    ],
)
async def test_a_coap_error_is_a_result(coap: CoapSide, tmp_path: Path, code: CoapCode, result: UpdateResult) -> None:
    coap.package.before = lambda _count: code
    assert await failure(coap.uri, tmp_path, coap.context) is result


async def test_a_package_beyond_the_limit_ends_the_pull_early(coap: CoapSide, http: HttpSide, tmp_path: Path) -> None:
    assert await failure(coap.uri, tmp_path, coap.context, 5000) is UpdateResult.NOT_ENOUGH_FLASH
    assert len(coap.package.asked) == 5
    assert await failure(http.uri, tmp_path, limit=5000) is UpdateResult.NOT_ENOUGH_FLASH


async def test_an_http_pull_goes_on_where_it_was_interrupted(http: HttpSide, tmp_path: Path) -> None:
    http.cut_after = [5000, 3000]
    assert await fetch(http.uri, tmp_path) == PACKAGE
    assert [request.get("range") for request in http.requests] == [None, "bytes=5000-", "bytes=8000-"]
    assert http.requests[1]["if-range"] == '"v1"'


async def test_an_http_package_that_changes_or_has_no_etag_is_fetched_from_the_start(
    http: HttpSide, tmp_path: Path
) -> None:
    http.cut_after = [5000]
    http.change_to = (PACKAGE[::-1], '"v2"')
    assert await fetch(http.uri, tmp_path) == PACKAGE[::-1]
    http.etag, http.cut_after = None, [5000]
    assert await fetch(http.uri, tmp_path) == PACKAGE[::-1]
    assert "range" not in http.requests[-1]


async def test_an_http_server_in_trouble_is_asked_again_but_not_for_ever(http: HttpSide, tmp_path: Path) -> None:
    http.status = [503, 503]
    assert await fetch(http.uri, tmp_path) == PACKAGE
    http.status = [503] * 20
    assert await failure(http.uri, tmp_path) is UpdateResult.CONNECTION_LOST
    assert len(http.requests) == 3 + 6


@pytest.mark.parametrize("status", [301, 403, 404, 410])
async def test_an_http_refusal_ends_the_pull_at_once(http: HttpSide, tmp_path: Path, status: int) -> None:
    http.status = [status]
    assert await failure(http.uri, tmp_path) is UpdateResult.INVALID_URI
    assert len(http.requests) == 1


@pytest.mark.parametrize(
    ("uri", "result"),
    [
        ("ftp://127.0.0.1/fw", UpdateResult.UNSUPPORTED_PROTOCOL),
        ("coaps://127.0.0.1/fw", UpdateResult.UNSUPPORTED_PROTOCOL),
        ("file:///etc/passwd", UpdateResult.UNSUPPORTED_PROTOCOL),
        ("nonsense", UpdateResult.UNSUPPORTED_PROTOCOL),
        ("http://", UpdateResult.INVALID_URI),
        ("http://[::1", UpdateResult.INVALID_URI),
        ("http://127.0.0.1:99999/fw", UpdateResult.INVALID_URI),
        ("coap://[::1", UpdateResult.INVALID_URI),
        ("coap://127.0.0.1/fw#part", UpdateResult.INVALID_URI),
    ],
)
async def test_a_uri_that_cannot_be_fetched_has_its_result(
    coap: CoapSide, tmp_path: Path, uri: str, result: UpdateResult
) -> None:
    assert await failure(uri, tmp_path, coap.context) is result
