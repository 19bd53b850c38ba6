"""Fixtures and rules for every test: what a machine must have, ports that are held, containers that are cleaned up."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import docker
import pytest
from docker.errors import DockerException

from builders.docker_runner import DockerRunner
from builders.engine import connect

TESTS = Path(__file__).parent
FOLDERS = ("unit", "contract", "integration", "e2e")  # the order in which they run: quick answers first
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
TENSORFLOW_JS = TESTS.parent / "app" / "web" / "vendor" / "tf.min.js"


# --- What the machine must have --------------------------------------------------------------------------------------


def _why_no_docker() -> str | None:
    try:
        client = docker.from_env(timeout=5)
    except DockerException as error:
        return f"no Docker Engine answers ({error}); run tools/setup test"
    client.close()  # from_env asked for the API version: an engine answered
    return None


def _why_no_qemu() -> str | None:
    return None if shutil.which("qemu-system-arm") else "qemu-system-arm is not installed; run tools/setup test"


def _why_no_toolchain() -> str | None:
    compiler = shutil.which("arm-none-eabi-gcc")
    if compiler is None:
        return "arm-none-eabi-gcc is not installed; run tools/setup test"
    libc = subprocess.run([compiler, "-print-file-name=libc.a"], capture_output=True, text=True, check=True).stdout
    # The compiler answers with the bare name when it does not find the library.
    found = Path(libc.strip()).is_absolute()
    return None if found else "newlib for arm-none-eabi is not installed; run tools/setup test"


def _why_no_browser() -> str | None:
    if not any(map(shutil.which, BROWSERS)):
        return "Chromium is not installed; run tools/setup test"
    return None if TENSORFLOW_JS.exists() else "TensorFlow.js is not there; run tools/setup web"


REASONS_MISSING: dict[str, Callable[[], str | None]] = {
    "docker": cache(_why_no_docker),
    "qemu": cache(_why_no_qemu),
    "toolchain": cache(_why_no_toolchain),
    "browser": cache(_why_no_browser),
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: FOLDERS.index(_folder(item)))


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers():
        reason = REASONS_MISSING[marker.name]() if marker.name in REASONS_MISSING else None
        if reason and os.environ.get("CI") == "true":
            pytest.fail(f"needs {marker.name}: {reason}", pytrace=False)
        elif reason:
            pytest.skip(f"needs {marker.name}: {reason}")


def _folder(item: pytest.Item) -> str:
    return item.path.relative_to(TESTS).parts[0]


# --- Unit tests open no socket ---------------------------------------------------------------------------------------

_unit_test_running = False


def _refuse_sockets(event: str, _arguments: tuple[object, ...]) -> None:
    if _unit_test_running and event in {"socket.bind", "socket.connect", "socket.sendto", "socket.getaddrinfo"}:
        message = f"{event}: a test in tests/unit opens no socket; it belongs into tests/integration"
        raise AssertionError(message)


sys.addaudithook(_refuse_sockets)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    global _unit_test_running  # noqa: PLW0603 - an audit hook is one per process and takes no argument of ours
    _unit_test_running = _folder(item) == "unit"
    try:
        return (yield)
    finally:
        _unit_test_running = False


# --- Ports -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ReservedPort:
    """A loopback port that nobody else gets, because a socket holds it until `release`."""

    number: int
    held_by: socket.socket

    def release(self) -> int:
        """Give the port up, right before the program under test binds it."""
        self.held_by.close()
        return self.number


@dataclass
class PortReserver:
    """Reserves loopback ports; closes at the end of the test whatever was not released."""

    kind: socket.SocketKind
    _reserved: list[ReservedPort] = field(default_factory=list)

    def __call__(self) -> ReservedPort:
        """Reserve one port more."""
        holder = socket.socket(socket.AF_INET, self.kind)
        holder.bind(("127.0.0.1", 0))
        self._reserved.append(ReservedPort(holder.getsockname()[1], holder))
        return self._reserved[-1]

    def close(self) -> None:
        for port in self._reserved:
            port.release()


@pytest.fixture
def reserve_tcp_port() -> Iterator[PortReserver]:
    reserver = PortReserver(socket.SOCK_STREAM)
    yield reserver
    reserver.close()


@pytest.fixture
def reserve_udp_port() -> Iterator[PortReserver]:
    reserver = PortReserver(socket.SOCK_DGRAM)
    yield reserver
    reserver.close()


# --- Containers ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session", autouse=True)
def _nothing_left_on_the_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Remove the containers and volumes of every server whose data folder this run made, and of no other server."""
    yield
    servers = [file.read_text() for file in tmp_path_factory.getbasetemp().rglob("server-id")]
    if not servers or REASONS_MISSING["docker"]():
        return
    client = connect()
    for server_id in servers:
        DockerRunner(client, server_id=server_id).reap(frozenset())
    client.close()
