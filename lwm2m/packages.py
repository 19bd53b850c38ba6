"""Serves firmware packages to devices that pull: CoAP GET, block by block, straight from the source."""

from typing import Protocol

from lwm2m.messages import Block, Code, Method, Reply, Request

PREFIX = "fw"
MAX_EXPONENT = 6  # blocks of 1024 bytes
_OPAQUE = 42
_MAX_TOKEN = 128


class Package(Protocol):
    """Bytes that do not change while they are served."""

    @property
    def size(self) -> int:
        """Number of bytes."""

    @property
    def etag(self) -> bytes:
        """One to eight bytes that differ when the content differs."""

    async def read(self, offset: int, length: int) -> bytes:
        """Exactly `length` bytes from `offset`, fewer only at the end."""


class PackageSource(Protocol):
    """Knows which packages devices may fetch now."""

    async def open(self, token: str) -> Package | None:
        """The package behind an unguessable token, or None when there is none (any more)."""


async def serve_package(source: PackageSource | None, request: Request) -> Reply:
    """Answer a request below /fw. Each block is a request of its own: a device resumes where it likes."""
    if request.method != Method.GET:
        return _error(Code.METHOD_NOT_ALLOWED, "packages can only be fetched")
    token = request.path[1] if len(request.path) == 2 else ""
    package = await source.open(token) if source and 0 < len(token) <= _MAX_TOKEN else None
    if package is None:
        return _error(Code.NOT_FOUND, "no such package: it is not assigned to a device, or not any more")
    return await serve_blocks(package, request, _OPAQUE)


async def serve_blocks(package: Package, request: Request, content_format: int) -> Reply:
    """The block that a GET asks for, the first unless it says which, or 2.03 for a peer that has it all."""
    if package.etag in request.etags:
        return Reply(Code.VALID, etag=package.etag)
    asked = request.block2 or Block(0, more=False, exponent=MAX_EXPONENT)
    exponent = min(asked.exponent, MAX_EXPONENT)
    offset = asked.number * asked.size
    if offset >= max(package.size, 1):
        return _error(Code.BAD_REQUEST, f"block {asked.number} lies behind the end of the package")
    block = Block(offset >> (exponent + 4), more=False, exponent=exponent)
    data = await package.read(offset, block.size)
    more = offset + len(data) < package.size
    return Reply(
        Code.CONTENT,
        payload=data,
        content_format=content_format,
        etag=package.etag,
        block2=Block(block.number, more, exponent),
        size2=package.size if block.number == 0 else None,
    )


def _error(code: Code, diagnostic: str) -> Reply:
    return Reply(code, payload=diagnostic.encode())
