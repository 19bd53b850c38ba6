"""The device OS's network side as a process, and the real server in front of it."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from lwm2m.coap import Listener
from lwm2m.security import MemorySecurityStore, PskCredential
from lwm2m.server import Lwm2mServer
from tests.support import device_os
from tests.support.device_os.process import ENDPOINT, Device, Packages, StartDevice

KEY = bytes.fromhex("000102030405060708090a0b0c0d0e0f")
ACK_MS = 100  # twenty times faster than RFC 7252, so that what is lost is missed soon


def _need(why: str | None) -> None:
    if why is not None:
        assert "CI" not in os.environ, why
        pytest.skip(why)


@pytest.fixture(scope="session")
def sanitizers() -> None:
    """A compiler for this machine."""
    _need(None if shutil.which("gcc") else "gcc is not installed; run tools/setup test")


@pytest.fixture(scope="session")
def libraries() -> None:
    """What the device OS links."""
    _need(device_os.missing())


@pytest.fixture(scope="session")
def program(
    tmp_path_factory: pytest.TempPathFactory,
    libraries: None,  # noqa: ARG001 - asked for, not used
    sanitizers: None,  # noqa: ARG001 - asked for, not used
) -> Path:
    """The device as a program."""
    return device_os.compile_device(tmp_path_factory.mktemp("device-os"))


@pytest.fixture
def packages() -> Packages:
    """What the server lets devices pull."""
    return Packages()


@pytest.fixture
async def server(packages: Packages) -> AsyncIterator[Lwm2mServer]:
    """Plain and DTLS at once; the endpoint that tests register over DTLS has a key."""
    security = MemorySecurityStore({"secure-1": PskCredential("secure-1", KEY)})
    listeners = (Listener("coaps", "127.0.0.1", 0),)
    async with Lwm2mServer(port=0, security=security, listeners=listeners, packages=packages) as running:
        yield running


@pytest.fixture
async def start_device(program: Path, tmp_path: Path) -> AsyncIterator[StartDevice]:
    """start_device(port, endpoint=..., key=..., lifetime=..., telemetry=..., sensor_port=...): with a key over DTLS."""
    async with AsyncExitStack() as stack:

        async def start(
            port: int,
            *,
            endpoint: str = ENDPOINT,
            key: bytes | None = None,
            lifetime: int = 60,
            telemetry: int = 0,
            sensor_port: int = 0,
        ) -> Device:
            folder = tmp_path / endpoint
            folder.mkdir(exist_ok=True)
            scheme = "coap" if key is None else "coaps"
            arguments = [str(folder), endpoint, f"{scheme}://127.0.0.1:{port}", str(lifetime), str(telemetry)]
            credential = [] if key is None else [endpoint, key.hex()]
            process = await asyncio.create_subprocess_exec(
                *(str(program), *arguments, str(ACK_MS), *credential),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                env={"SENSOR_PORT": str(sensor_port)},
            )
            device = Device(process, folder)
            stack.push_async_callback(device.stop)
            return device

        yield start
