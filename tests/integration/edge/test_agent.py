"""The agent as a process: it leaves politely, refuses what it cannot use, and survives kill -9 at any moment."""

import asyncio
import random
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path as FilePath
from typing import Any

import pytest

from edge.agent import main
from edge.journal import Journal, Step
from edge.mcuboot import parse
from edge.store import ImageStore
from lwm2m.errors import Lwm2mError
from lwm2m.events import Deregistered, Reason
from lwm2m.nodes import Resource
from lwm2m.paths import Path
from lwm2m.server import Lwm2mServer

pytestmark = [pytest.mark.qemu, pytest.mark.toolchain]

ENDPOINT = "rpi-1"
PACKAGE, UPDATE, STATE = Path.of(5, 0, 0), Path.of(5, 0, 2), Path.of(5, 0, 3)
VERSION = Path.of(3, 0, 3)
DOWNLOADED = 2


class Agents:
    """Starts `python -m edge` over one state folder, and kills what is left."""

    def __init__(self, server: Lwm2mServer, folder: FilePath, public_key: FilePath) -> None:
        self.server = server
        self.folder = folder
        self._arguments = ["--server", f"coap://127.0.0.1:{server.port}", "--endpoint", ENDPOINT]
        self._arguments += ["--board", "mps2-an386", "--public-key", str(public_key), "--bind", "127.0.0.1"]
        self._arguments += ["--state-dir", str(folder), "--boot-deadline", "5"]
        self._started: list[asyncio.subprocess.Process] = []

    async def start(self) -> asyncio.subprocess.Process:
        log = await asyncio.to_thread((self.folder.parent / "agent.log").open, "ab")
        with log:
            process = await asyncio.create_subprocess_exec(sys.executable, "-m", "edge", *self._arguments, stderr=log)
        self._started.append(process)
        return process

    async def kill_all(self) -> None:
        for process in self._started:
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def value(self, path: Path) -> Any:
        """What the device answers; retried while it (re)registers."""
        async with asyncio.timeout(30):
            while True:
                with suppress(Lwm2mError):
                    content = (await self.server.read(ENDPOINT, path, timeout=1)).require_success().content
                    assert isinstance(content, Resource)
                    return content.value
                await asyncio.sleep(0.05)

    async def is_downloaded(self) -> None:
        async with asyncio.timeout(30):
            # Polled, as the server does it: notifications are best effort.
            while await self.value(STATE) != DOWNLOADED:  # noqa: ASYNC110 - see above
                await asyncio.sleep(0.02)

    async def runs(self, *versions: str) -> str:
        """Wait until the device reports one of these versions."""
        async with asyncio.timeout(30):
            while True:
                if (version := await self.value(VERSION)) in versions:
                    return str(version)
                await asyncio.sleep(0.05)

    def machines(self) -> list[int]:
        """The QEMU processes that have this folder's flash open."""
        found = []
        for entry in FilePath("/proc").iterdir():
            with suppress(OSError):
                command = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
                if str(self.folder).encode() in command and b"memory-backend-file" in command:
                    found.append(int(entry.name))
        return found


@pytest.fixture
async def agents(tmp_path: FilePath, keys: Any) -> AsyncIterator[Agents]:
    async with Lwm2mServer(port=0) as server:
        agents = Agents(server, tmp_path / "state", keys.public)
        yield agents
        await agents.kill_all()


async def test_sigterm_deregisters_powers_the_board_off_and_exits_with_0(agents: Agents, build: Any) -> None:
    process = await agents.start()
    await agents.runs("0.0.0")
    assert (await agents.server.push(ENDPOINT, PACKAGE, build("1.0.0+5"))).success
    await agents.is_downloaded()
    await agents.server.execute(ENDPOINT, UPDATE)
    await agents.runs("1.0.0+5")
    assert len(agents.machines()) == 1
    reasons: list[Reason] = []
    agents.server.events.listen(lambda e: reasons.append(e.reason) if isinstance(e, Deregistered) else None)
    process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), 10) == 0
    assert set(reasons) == {Reason.REQUEST}  # a second one when the update's own registration was still to come
    assert agents.server.registrations() == []
    assert agents.machines() == []


async def test_a_second_agent_on_the_same_folder_is_refused(agents: Agents) -> None:
    await agents.start()
    await agents.runs("0.0.0")
    second = await agents.start()
    assert await asyncio.wait_for(second.wait(), 10) == 1


async def test_kill_9_at_any_moment_of_an_update_always_ends_with_an_accepted_image(agents: Agents, build: Any) -> None:
    chance = random.Random()
    aims = [None, Step.FLASHING, Step.REVERTING, Step.BOOTED, None, Step.BOOTED, Step.FLASHING]
    images = [build(f"{major}.0.0", "GOOD" if major % 3 else "WRONG_BYTE") for major in range(1, 8)]
    bad = {"3.0.0+0", "6.0.0+0"}
    process = await agents.start()
    await agents.runs("0.0.0")
    allowed = {"0.0.0"}
    for number, image in enumerate(images):
        candidate = f"{number + 1}.0.0+0"
        assert (await agents.server.push(ENDPOINT, PACKAGE, image)).success
        await agents.is_downloaded()
        await agents.server.execute(ENDPOINT, UPDATE)
        if number > 0:
            if (aim := aims[number]) is not None:
                await _reaches(agents, aim)
            await asyncio.sleep(chance.uniform(0, 0.12 if aim is None else 0.02))
            process.kill()
            await process.wait()
            assert await _none_left(agents)
            process = await agents.start()
        allowed |= {candidate} - bad
        await _settled(agents)
        allowed = {await agents.runs(*allowed)}
        assert len(agents.machines()) == 1
    journal = Journal(agents.folder / "journal.json").record
    assert journal.current is not None
    image = ImageStore(agents.folder / "images").load(journal.current)
    assert {str(parse(image).version)} == allowed
    process.send_signal(signal.SIGTERM)
    await process.wait()
    flash = await asyncio.to_thread((agents.folder / "board" / "flash.bin").read_bytes)
    assert flash.startswith(image)


async def _reaches(agents: Agents, step: Step) -> None:
    """Look at the journal until it is at a step; an update that was faster has passed it, and is killed later."""
    async with asyncio.timeout(5):
        # Another process's file gives no event.
        while Journal(agents.folder / "journal.json").record.step not in (  # noqa: ASYNC110 - see above
            step,
            Step.ACCEPTED,
            Step.REVERTED,
        ):
            await asyncio.sleep(0.001)


async def _settled(agents: Agents) -> None:
    """Wait until no update is under way; one that waits across the kill is started again, as the server would."""
    async with asyncio.timeout(30):
        while True:
            state = await agents.value(STATE)
            if state == DOWNLOADED:
                await agents.server.execute(ENDPOINT, UPDATE)
            elif state == 0 and Journal(agents.folder / "journal.json").record.step in (Step.ACCEPTED, Step.REVERTED):
                return
            await asyncio.sleep(0.05)


async def _none_left(agents: Agents) -> bool:
    for _ in range(100):
        if not agents.machines():
            return True
        await asyncio.sleep(0.02)
    return False


@pytest.mark.parametrize(
    ("option", "value", "complaint"),
    [
        ("--server", "http://127.0.0.1", "coap://host"),
        ("--public-key", "no-such-file.pem", "no-such-file.pem"),
        ("--public-key", __file__, "PEM"),
        ("--board", "toaster", "mps2-an386"),
        ("--lifetime", "1", "at least 3"),
    ],
)
def test_options_that_cannot_work_are_refused_before_anything_starts(
    keys: Any, tmp_path: FilePath, capsys: pytest.CaptureFixture[str], option: str, value: str, complaint: str
) -> None:
    options = {
        "--server": "coap://127.0.0.1",
        "--endpoint": ENDPOINT,
        "--board": "mps2-an386",
        "--public-key": str(keys.public),
        "--state-dir": str(tmp_path / "state"),
        option: value,
    }
    with pytest.raises(SystemExit) as caught:
        main([part for pair in options.items() for part in pair])
    assert caught.value.code == 2
    assert complaint in capsys.readouterr().err
    assert not (tmp_path / "state").exists()


def test_the_command_line_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    for option in ("--server", "--endpoint", "--board", "--public-key", "--state-dir", "--lifetime", "--bind"):
        assert option in text
