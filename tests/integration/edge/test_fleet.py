"""Boards of a fleet as processes: only what was started as a board is ever killed."""

import json
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.errors import BoardStateError
from edge.fleet import Fleet, FleetBoard


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts a process that sleeps, with more arguments."""
    started = []

    def begin(*arguments: str) -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", *arguments]))
        while not Path(f"/proc/{started[-1].pid}/cmdline").read_bytes():
            time.sleep(0.01)  # it is between fork and exec
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.wait()


def _board(fleet: Fleet, name: str, pid: int | None = None) -> FleetBoard:
    board = fleet.board(name)
    board.folder.mkdir(parents=True)
    record = {"endpoint": name, "board": "mps2-an386-os", "server": "coaps://10.0.2.2:5684", "model": "m"}
    (board.folder / "board.json").write_text(json.dumps({**record, "firmware_version": "1.0.0+1"}))
    if pid is not None:
        (board.folder / "machine.pid").write_text(f"{pid}\n")
    return board


def test_a_running_board_is_stopped_by_its_process(
    tmp_path: Path, start: Callable[..., subprocess.Popen[bytes]]
) -> None:
    machine = start("-pidfile", str(tmp_path / "board-1" / "machine.pid"))
    board = _board(Fleet(tmp_path), "board-1", machine.pid)
    assert board.pid == machine.pid
    with pytest.raises(BoardStateError, match="runs already"):
        board.start()
    assert board.stop()
    assert board.pid is None
    assert not board.stop()


def test_a_machine_is_known_by_whichever_way_its_folder_is_found(
    tmp_path: Path, start: Callable[..., subprocess.Popen[bytes]]
) -> None:
    fleet, link = tmp_path / "fleet", tmp_path / "link"
    machine = start("-pidfile", str(fleet / "board-1" / "machine.pid"))
    _board(Fleet(fleet), "board-1", machine.pid)
    link.symlink_to(fleet)
    assert Fleet(link).board("board-1").pid == machine.pid


def test_a_process_that_got_the_number_of_a_board_since_is_left_alone(
    tmp_path: Path, start: Callable[..., subprocess.Popen[bytes]]
) -> None:
    other = start("-pidfile", str(tmp_path / "board-2" / "machine.pid"))
    board = _board(Fleet(tmp_path), "board-1", other.pid)
    assert board.pid is None
    assert not board.stop()
    assert other.poll() is None


@pytest.mark.qemu
def test_a_machine_whose_starter_was_killed_at_once_is_known_and_stopped(tmp_path: Path) -> None:
    board = _board(Fleet(tmp_path), "board-1")
    (board.folder / "flash.bin").write_bytes(bytes(16 << 20))
    # A stack, the reset handler's address, and the handler: a branch to itself.
    (board.folder / "bootloader.bin").write_bytes(struct.pack("<IIH", 0x20008000, 9, 0xE7FE))
    starter = """
import os, signal, subprocess, sys
from pathlib import Path
from edge.fleet import Fleet

class Killed(subprocess.Popen):
    def __init__(self, *given, **named):
        super().__init__(*given, **named)
        os.kill(os.getpid(), signal.SIGKILL)

subprocess.Popen = Killed
Fleet(Path(sys.argv[1])).board("board-1").start()
"""
    ended = subprocess.run([sys.executable, "-c", starter, str(tmp_path)], check=False, timeout=30)
    assert ended.returncode == -signal.SIGKILL
    deadline = time.monotonic() + 20
    while board.pid is None:
        assert time.monotonic() < deadline, "the machine did not say who it is"
        time.sleep(0.02)
    with pytest.raises(BoardStateError, match="runs already"):
        board.start()
    pid = board.pid
    assert board.stop()
    assert not Path(f"/proc/{pid}/cmdline").exists() or not Path(f"/proc/{pid}/cmdline").read_bytes()


def test_a_machine_that_ends_at_once_is_a_board_that_did_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin" / "qemu-system-arm"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho no such machine >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    board = _board(Fleet(tmp_path), "board-1")
    with pytest.raises(BoardStateError, match=r"did not start; read .*machine.log"):
        board.start()
    assert board.pid is None
    assert (board.folder / "machine.log").read_text() == "no such machine\n"


def test_boards_are_listed_by_number_and_without_what_is_none(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path / "boards")
    assert fleet.boards() == []
    for name in ("board-10", "board-2", "arm-1"):
        _board(fleet, name)
    (fleet.folder / "board-3").mkdir()
    assert [board.endpoint for board in fleet.boards()] == ["arm-1", "board-2", "board-10"]


@pytest.mark.parametrize("name", ["", "../x", "A", "a/b", "-a", "a" * 64])
def test_a_name_that_is_no_folder_of_its_own_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BoardStateError, match="no name of a board"):
        Fleet(tmp_path).board(name)


def test_a_board_that_is_off_is_not_cut_and_one_that_is_not_there_is_not_known(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path)
    with pytest.raises(BoardStateError, match="is off"):
        _board(fleet, "board-1").cut(0)
    with pytest.raises(BoardStateError, match="no board board-9"):
        fleet.board("board-9").record()


def test_a_damaged_process_file_is_a_board_that_is_off(tmp_path: Path) -> None:
    board = _board(Fleet(tmp_path), "board-1")
    (board.folder / "machine.pid").write_text("{")
    assert board.pid is None
    assert not board.stop()
