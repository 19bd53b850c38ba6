"""The emulated board boots what is flashed, reports, keeps running, and fails in the way the firmware fails."""

import asyncio
import os
import signal
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.acceptance import judge
from edge.errors import BoardMissingError, FlashError
from edge.mcuboot import verify
from edge.qemu import QemuBoard, SerialLog
from edge.report import BootFailure, BootFailureKind, BootReport

pytestmark = [pytest.mark.qemu, pytest.mark.toolchain]

Build = Callable[..., bytes]


def ignore(_done: int, _total: int) -> None:
    pass


async def test_a_flashed_image_boots_reports_and_keeps_running(
    board: QemuBoard, build: Build, keys: object, tmp_path: Path
) -> None:
    image = build("1.0.0+5")
    steps: list[tuple[int, int]] = []
    await board.flash(image, lambda done, total: steps.append((done, total)))
    outcome = await board.boot()
    assert isinstance(outcome, BootReport)
    firmware = verify(image, keys.public_pem)  # type: ignore[attr-defined] # the fixture's Keys
    assert judge(firmware, outcome).passed
    assert (outcome.hz, outcome.arena, outcome.stack) == (25_000_000, 64, 128)
    await asyncio.sleep(0.2)
    assert steps[-1] == (len(image), len(image))
    assert board.powered
    assert (tmp_path / "a,comma" / "serial.log").read_text().endswith("idle\n")


async def test_the_same_image_takes_the_same_number_of_ticks(board: QemuBoard, build: Build) -> None:
    await board.flash(build("1.0.0+5"), ignore)
    reports = [await board.boot(), await board.boot()]
    first, second = (report.ticks for report in reports if isinstance(report, BootReport))
    assert first == second
    assert all(ticks > 10 for ticks in first)


@pytest.mark.parametrize(
    ("behaviour", "kind", "detail"),
    [
        ("HANG", BootFailureKind.HANG, "within 1 s"),
        ("HARD_FAULT", BootFailureKind.CRASH, "fault kind=hard"),
        ("LOCKUP", BootFailureKind.CRASH, "Lockup"),
        ("NOISE", BootFailureKind.GARBAGE, "two"),
    ],
)
async def test_a_bad_firmware_fails_in_its_own_way_and_loses_power(
    tmp_path: Path, build: Build, behaviour: str, kind: BootFailureKind, detail: str
) -> None:
    board = QemuBoard(tmp_path, boot_deadline=1)
    await board.flash(build("1.0.0", behaviour), ignore)
    outcome = await board.boot()
    assert isinstance(outcome, BootFailure)
    assert outcome.kind is kind
    assert detail in outcome.detail
    assert not board.powered


async def test_an_empty_slot_has_no_image(board: QemuBoard) -> None:
    assert await board.boot() == BootFailure(BootFailureKind.NO_IMAGE, "the firmware slot holds no image")


async def test_flashing_a_shorter_image_leaves_nothing_of_the_longer_one(board: QemuBoard, tmp_path: Path) -> None:
    await board.flash(b"long" * 100, ignore)
    await board.flash(b"short", ignore)
    flash = (tmp_path / "a,comma" / "flash.bin").read_bytes()
    assert flash[: board.slot_size] == b"short".ljust(board.slot_size, b"\xff")
    assert await board.holds(b"short")
    assert not await board.holds(b"long" * 100)


async def test_an_image_larger_than_the_slot_is_not_written(board: QemuBoard) -> None:
    with pytest.raises(FlashError):
        await board.flash(bytes(board.slot_size + 1), ignore)


def test_a_machine_without_qemu_says_so_before_any_image_is_blamed(tmp_path: Path) -> None:
    with pytest.raises(BoardMissingError, match="no-such-qemu is not installed"):
        QemuBoard(tmp_path, executable="no-such-qemu")


async def test_killing_the_agent_kills_its_board(tmp_path: Path, build: Build) -> None:
    board = QemuBoard(tmp_path)
    await board.flash(build("1.0.0+5"), ignore)
    script = textwrap.dedent("""
        import asyncio, sys
        from pathlib import Path
        from edge.qemu import QemuBoard

        async def main():
            board = QemuBoard(Path(sys.argv[1]))
            await board.boot()
            print(board._process.pid, flush=True)
            await asyncio.sleep(60)

        asyncio.run(main())
    """)
    agent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert agent.stdout is not None
    machine = int(await agent.stdout.readline())
    assert "qemu-system-arm" in _command(machine)
    agent.kill()
    await agent.wait()
    for _ in range(100):
        if _gone(machine):
            break
        await asyncio.sleep(0.02)
    else:
        os.kill(machine, signal.SIGKILL)
        pytest.fail("the board outlived its agent")


def test_the_serial_log_is_bounded(tmp_path: Path) -> None:
    log = SerialLog(tmp_path / "serial.log", limit=100)
    for _ in range(50):
        log.append(b"0123456789")
    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert sizes == {"serial.log": 100, "serial.log.1": 100}


def _command(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text()


def _gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):  # gone before it was opened, or before it was read
        return True
    return state == "Z"
