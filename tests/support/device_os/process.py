"""One running program of the device OS, and what tests wait for."""

import asyncio
import hashlib
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

from lwm2m.server import Lwm2mServer

ENDPOINT = "board-1"


class Packages:
    """A `PackageSource`: bytes by their token."""

    def __init__(self) -> None:
        self.by_token: dict[str, bytes] = {}

    async def open(self, token: str) -> "OnePackage | None":
        """The package behind a token."""
        return OnePackage(self.by_token[token]) if token in self.by_token else None


class OnePackage:
    """A `Package` in memory."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.size = len(content)
        self.etag = hashlib.sha256(content).digest()[:8]

    async def read(self, offset: int, length: int) -> bytes:
        """A part."""
        return self._content[offset : offset + length]


class Device:
    """One running program."""

    def __init__(self, process: asyncio.subprocess.Process, folder: Path) -> None:
        self.process = process
        self.folder = folder

    def slot(self, target: int) -> bytes:
        """All that the core in memory keeps of a slot."""
        return (self.folder / f"slot-{target}").read_bytes()

    def move(self) -> None:
        """Another local port, as behind a NAT that forgot the mapping."""
        self.process.send_signal(signal.SIGUSR1)

    async def stop(self) -> None:
        """Cut the power; a program that ended by itself must not have ended by a sanitizer."""
        if self.process.returncode is None:
            self.process.kill()
        errors = await self.process.stderr.read() if self.process.stderr else b""
        await self.process.wait()
        assert self.process.returncode in (0, -signal.SIGKILL), errors.decode(errors="replace")


StartDevice = Callable[..., Awaitable[Device]]


async def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait for something that happens by itself."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - another process makes it come true
            await asyncio.sleep(0.02)


def is_registered(server: Lwm2mServer, endpoint: str = ENDPOINT) -> Callable[[], bool]:
    """Whether the endpoint is registered."""
    return lambda: any(each.endpoint == endpoint for each in server.registrations())
