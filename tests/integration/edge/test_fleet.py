"""Boards of a fleet as processes: only what was started as a board is ever killed."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.errors import BoardStateError
from edge.fleet import Fleet, FleetBoard


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield process
    process.kill()
    process.wait()


def _started(pid: int) -> int:
    text = Path(f"/proc/{pid}/stat").read_text()
    return int(text[text.rindex(")") + 2 :].split()[19])


def _board(fleet: Fleet, name: str, pid: int | None = None, started: int = 0) -> FleetBoard:
    board = fleet.board(name)
    board.folder.mkdir(parents=True)
    record = {"endpoint": name, "board": "mps2-an386-os", "server": "coaps://10.0.2.2:5684", "model": "m"}
    (board.folder / "board.json").write_text(json.dumps({**record, "firmware_version": "1.0.0+1"}))
    if pid is not None:
        (board.folder / "process.json").write_text(json.dumps({"pid": pid, "started": started}))
    return board


def test_a_running_board_is_stopped_by_its_process(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    board = _board(Fleet(tmp_path), "board-1", sleeper.pid, _started(sleeper.pid))
    assert board.pid == sleeper.pid
    with pytest.raises(BoardStateError, match="runs already"):
        board.start()
    assert board.stop()
    assert board.pid is None
    assert not board.stop()


def test_a_process_that_got_the_number_of_a_board_since_is_left_alone(
    tmp_path: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    board = _board(Fleet(tmp_path), "board-1", sleeper.pid, _started(sleeper.pid) - 1)
    assert board.pid is None
    assert not board.stop()
    assert sleeper.poll() is None


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
    (board.folder / "process.json").write_text("{")
    assert board.pid is None
    assert not board.stop()
