"""A whole update through the real server: push and pull, acceptance, refusal, return to the image before, restarts."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

import pytest

from edge.journal import Journal
from edge.proxy import FlasherProxy
from edge.qemu import QemuBoard
from edge.store import ImageStore
from edge.updater import Updater
from lwm2m.client import Settings
from lwm2m.codecs import ContentFormat
from lwm2m.events import Notification, Registered
from lwm2m.messages import Code
from lwm2m.nodes import Resource
from lwm2m.paths import Path
from lwm2m.server import Lwm2mServer
from lwm2m.values import ResourceType

pytestmark = [pytest.mark.qemu, pytest.mark.toolchain]

Build = Callable[..., bytes]
PACKAGE, URI, UPDATE = Path.of(5, 0, 0), Path.of(5, 0, 1), Path.of(5, 0, 2)
STATE, RESULT, CANCEL = Path.of(5, 0, 3), Path.of(5, 0, 5), Path.of(5, 0, 10)
VERSION, PACKAGE_VERSION, REBOOT = Path.of(3, 0, 3), Path.of(5, 0, 7), Path.of(3, 0, 4)
IDLE, DOWNLOADED = 0, 2


@dataclass(frozen=True)
class Stored:
    """A package for CoAP pulls."""

    content: bytes
    etag: bytes = b"e"

    @property
    def size(self) -> int:
        return len(self.content)

    async def read(self, offset: int, length: int) -> bytes:
        return self.content[offset : offset + length]


@dataclass
class Shelf:
    packages: dict[str, Stored] = field(default_factory=dict)

    async def open(self, token: str) -> Stored | None:
        return self.packages.get(token)


@dataclass
class Site:
    """The server, its packages, and what a test asks of the one device."""

    server: Lwm2mServer
    shelf: Shelf

    async def value(self, path: Path) -> Any:
        content = (await self.server.read("dev", path, timeout=20)).require_success().content
        assert isinstance(content, Resource)
        return content.value

    async def report(self) -> dict[str, Any]:
        return dict(json.loads(await self.value(Path.of(26241, 0, 0))))

    async def reaches(self, state: int, result: int) -> None:
        async with asyncio.timeout(20):
            # Polled, as the server does it: notifications are best effort.
            while (await self.value(STATE), await self.value(RESULT)) != (state, result):  # noqa: ASYNC110 - see above
                await asyncio.sleep(0.02)

    async def registers_again_after(self, action: Awaitable[Any]) -> None:
        back = asyncio.get_running_loop().create_future()
        stop = self.server.events.listen(
            lambda event: back.set_result(None) if isinstance(event, Registered) and not back.done() else None
        )
        await action
        await asyncio.wait_for(back, 20)
        stop()

    async def push(self, image: bytes) -> None:
        assert (await self.server.push("dev", PACKAGE, image)).success

    async def pull(self, uri: str) -> None:
        response = await self.server.write("dev", URI, Resource(1, ResourceType.STRING, uri), ContentFormat.TEXT)
        assert response.success, response.diagnostic

    async def update(self) -> None:
        await self.registers_again_after(self.server.execute("dev", UPDATE))


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    shelf = Shelf()
    async with Lwm2mServer(port=0, packages=shelf) as server:
        yield Site(server, shelf)


@asynccontextmanager
async def agent(site: Site, folder: FilePath, public_key: bytes) -> AsyncIterator[FlasherProxy]:
    board = QemuBoard(folder / "board", boot_deadline=2)
    updater = Updater(Journal(folder / "journal.json"), ImageStore(folder / "images"), board, public_key)
    proxy = FlasherProxy(updater, board.board, board.slot_size, folder, "dev")
    settings = Settings(f"coap://127.0.0.1:{site.server.port}", "dev", 60, "127.0.0.1")
    running: asyncio.Task[None]

    async def start() -> None:
        nonlocal running
        running = asyncio.create_task(proxy.run(settings))

    await site.registers_again_after(start())
    try:
        yield proxy
        assert not running.done(), running.exception()
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        await proxy.stop()


@pytest.fixture
async def device(site: Site, tmp_path: FilePath, keys: Any) -> AsyncIterator[FlasherProxy]:
    async with agent(site, tmp_path, keys.public_pem) as proxy:
        yield proxy


async def test_a_pushed_image_is_flashed_proven_and_reported(site: Site, device: FlasherProxy, build: Build) -> None:
    assert await site.value(VERSION) == "0.0.0"
    assert await site.value(PACKAGE_VERSION) == ""
    seen: list[Any] = []
    site.server.events.listen(lambda event: seen.append(event.node) if isinstance(event, Notification) else None)
    await site.server.observe("dev", STATE)
    await site.push(build("1.0.0+5", pad=5000))
    await site.reaches(DOWNLOADED, 0)
    assert await site.value(PACKAGE_VERSION) == "1.0.0+5"
    await site.update()
    await site.reaches(IDLE, 1)
    assert await site.value(VERSION) == "1.0.0+5"
    assert await site.value(Path.of(26241, 0, 1)) == "5a" * 32
    assert await site.value(Path.of(26241, 0, 2)) == "mps2-an386"
    assert await site.value(Path.of(26241, 0, 4)) == 64
    report = await site.report()
    assert (report["verdict"], report["result"], report["version"]) == ("passed", 1, "1.0.0+5")
    assert report["outputs"] == ["00010203", "10111213"]
    assert report["instructions"] == int(await site.value(Path.of(26241, 0, 3))) > 1000
    assert {node.value for node in seen} >= {2, 3}
    assert device.version() == "1.0.0+5"


@pytest.mark.parametrize("behaviour", ["WRONG_BYTE", "HANG", "HARD_FAULT"])
async def test_an_image_that_does_not_prove_itself_is_replaced_by_the_one_before(
    site: Site, device: FlasherProxy, build: Build, behaviour: str
) -> None:
    await site.push(build("1.0.0+5"))
    await site.reaches(DOWNLOADED, 0)
    await site.update()
    await site.push(build("2.0.0", behaviour))
    await site.reaches(DOWNLOADED, 0)
    await site.update()
    await site.reaches(IDLE, 8)
    assert await site.value(VERSION) == await site.value(PACKAGE_VERSION) == "1.0.0+5"
    report = await site.report()
    assert report["version"] == "2.0.0+0"
    if behaviour == "WRONG_BYTE":
        assert (report["vector"], report["byte"]) == (1, 2)
        assert report["reason"] == "golden vector 1 differs at byte 2: expected 0x12, received 0x13"
        assert report["expected_sha256"] != report["received_sha256"]
    else:
        assert {"HANG": "hang", "HARD_FAULT": "fault kind=hard"}[behaviour] in report["reason"]
    assert device.version() == "1.0.0+5"


async def test_an_image_is_pulled_over_coap(site: Site, device: FlasherProxy, build: Build) -> None:
    site.shelf.packages["token"] = Stored(build("1.0.0+5", pad=3000))
    await site.pull(f"coap://127.0.0.1:{site.server.port}/fw/token")
    await site.reaches(DOWNLOADED, 0)
    await site.update()
    assert await site.value(VERSION) == "1.0.0+5"
    assert device.version() == "1.0.0+5"


async def test_an_image_is_pulled_over_http(site: Site, device: FlasherProxy, build: Build) -> None:
    image = build("1.0.0+5", pad=300_000)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(image) + image)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as http:
        await site.pull(f"http://127.0.0.1:{http.sockets[0].getsockname()[1]}/fw")
        await site.reaches(DOWNLOADED, 0)
    await site.update()
    assert await site.value(VERSION) == "1.0.0+5"
    assert device.version() == "1.0.0+5"


async def test_bad_packages_and_uris_end_idle_with_their_result(site: Site, device: FlasherProxy, build: Build) -> None:
    damaged = bytearray(build("1.0.0+5"))
    damaged[0x210] ^= 1
    for package, result, reason in ((bytes(damaged), 5, "wrong-hash"), (b"\x7fELF" * 100, 6, "wrong-magic")):
        await site.push(package)
        await site.reaches(IDLE, result)
        assert reason in (await site.report())["reason"]
    for uri, result in ((f"coap://127.0.0.1:{site.server.port}/fw/none", 7), ("ftp://host/x", 9)):
        await site.pull(uri)
        await site.reaches(IDLE, result)
        assert (await site.report())["verdict"] == "not-downloaded"
    assert (await site.server.execute("dev", UPDATE)).code == Code.METHOD_NOT_ALLOWED
    assert device.version() == "0.0.0"


async def test_a_waiting_package_can_be_cancelled_reset_and_not_be_overwritten(
    site: Site, device: FlasherProxy, build: Build
) -> None:
    image = build("1.0.0+5")
    assert (await site.server.execute("dev", CANCEL)).code == Code.METHOD_NOT_ALLOWED
    await site.push(image)
    await site.reaches(DOWNLOADED, 0)
    assert (await site.server.push("dev", PACKAGE, image)).code == Code.BAD_REQUEST
    assert (await site.server.execute("dev", CANCEL)).success
    await site.reaches(IDLE, 10)
    await site.push(image)
    await site.reaches(DOWNLOADED, 0)
    await site.push(b"\0")
    await site.reaches(IDLE, 0)
    assert (await site.server.push("dev", PACKAGE, bytes(5 << 20))).code == Code.REQUEST_ENTITY_TOO_LARGE
    assert device.version() == "0.0.0"


async def test_a_download_that_is_going_on_can_be_cancelled(site: Site, device: FlasherProxy, build: Build) -> None:
    asked, left = asyncio.Event(), asyncio.Event()

    async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await reader.read()  # until the device hangs up
        writer.close()
        left.set()

    http = await asyncio.start_server(stall, "127.0.0.1", 0)
    await site.pull(f"http://127.0.0.1:{http.sockets[0].getsockname()[1]}/fw")
    await asyncio.wait_for(asked.wait(), 5)
    assert await site.value(STATE) == 1
    assert (await site.server.execute("dev", CANCEL)).success
    await site.reaches(IDLE, 10)
    await asyncio.wait_for(left.wait(), 5)
    http.close()
    await site.push(build("1.0.0+5"))
    await site.reaches(DOWNLOADED, 0)
    assert device.version() == "0.0.0"


async def test_an_older_security_counter_is_refused_with_result_8(
    site: Site, device: FlasherProxy, build: Build
) -> None:
    await site.push(build("2.0.0", counter=5))
    await site.reaches(DOWNLOADED, 0)
    await site.update()
    await site.push(build("3.0.0", counter=4))
    await site.reaches(IDLE, 8)
    assert "older-security-counter" in (await site.report())["reason"]
    assert device.version() == "2.0.0+0"


async def test_a_reboot_boots_the_board_and_registers_again(site: Site, device: FlasherProxy, build: Build) -> None:
    await site.push(build("1.0.0+5"))
    await site.reaches(DOWNLOADED, 0)
    await site.update()
    await site.registers_again_after(site.server.execute("dev", REBOOT))
    assert await site.value(VERSION) == "1.0.0+5"
    assert device.version() == "1.0.0+5"


async def test_version_result_and_a_waiting_package_survive_a_restart_of_the_agent(
    site: Site, tmp_path: FilePath, keys: Any, build: Build
) -> None:
    async with agent(site, tmp_path, keys.public_pem):
        await site.push(build("1.0.0+5"))
        await site.reaches(DOWNLOADED, 0)
        await site.update()
    async with agent(site, tmp_path, keys.public_pem):
        await site.reaches(IDLE, 1)
        assert await site.value(VERSION) == "1.0.0+5"
        await site.push(build("2.0.0"))
        await site.reaches(DOWNLOADED, 0)
    async with agent(site, tmp_path, keys.public_pem):
        assert await site.value(STATE) == DOWNLOADED
        assert await site.value(VERSION) == "1.0.0+5"
        await site.update()
        assert await site.value(VERSION) == "2.0.0+0"
