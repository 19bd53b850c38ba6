"""Objects that an image brings along: taken for the sources that they were made of, and for no others."""

from dataclasses import replace
from pathlib import Path

import pytest
from firmware_builder.boards import load_boards
from firmware_builder.objects import object_key, place_objects
from firmware_builder.request import Optimise
from host_model import IMAGE

BOARDS = load_boards(IMAGE / "boards")
BOARD = BOARDS["mps2-an386-os"]


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A folder with one object for one board."""
    place = tmp_path / "objects" / object_key(BOARD, Optimise.BALANCED) / "os" / "core"
    place.mkdir(parents=True)
    (place / "os.o").write_bytes(b"object")
    return tmp_path / "objects"


def placed(made: Path, folder: Path, board: object, optimise: Optimise) -> list[str]:
    folder.mkdir()
    place_objects(board, optimise, folder, made)  # type: ignore[arg-type] # tests are not type-checked against the image's package
    return [file.relative_to(folder).as_posix() for file in folder.rglob("*.o")]


def test_they_are_taken_for_their_board_and_for_every_aim_that_compiles_them_alike(made: Path, tmp_path: Path) -> None:
    assert placed(made, tmp_path / "same", BOARD, Optimise.BALANCED) == ["os/core/os.o"]
    assert placed(made, tmp_path / "speed", BOARD, Optimise.SPEED) == ["os/core/os.o"]
    assert placed(made, tmp_path / "size", BOARD, Optimise.SIZE) == []
    assert placed(made, tmp_path / "other", BOARDS["mps2-an385-os"], Optimise.BALANCED) == []


def test_a_board_whose_memory_was_changed_gets_none(made: Path, tmp_path: Path) -> None:
    assert BOARD.os is not None
    slots = tuple(replace(slot, window_bytes=slot.window_bytes // 2) for slot in BOARD.os.model_slots)
    changed = replace(BOARD, os=replace(BOARD.os, model_slots=slots))
    assert placed(made, tmp_path / "smaller", changed, Optimise.BALANCED) == []
    flags = replace(BOARD, compiler_flags=(*BOARD.compiler_flags, "-mcpu=cortex-m4+nodsp"))
    assert placed(made, tmp_path / "flags", flags, Optimise.BALANCED) == []
