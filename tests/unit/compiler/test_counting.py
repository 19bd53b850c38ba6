"""What is made of an emulation: figures of every layer, or the reason why there are none, and never a failed build."""

import dataclasses
import time
from pathlib import Path

import pytest
from compiler.compile import compile_model
from firmware_builder.boards import bare, load_boards
from firmware_builder.counting import Count, LayerCost, count, performance
from firmware_builder.emulator import emulated
from firmware_builder.request import Optimise
from firmware_builder.toolchain import Toolchain
from host_model import IMAGE

BOARDS = load_boards(IMAGE / "boards")
BOARD = BOARDS["mps2-an386"]
PAYLOAD = bytes(64)


@pytest.fixture
def say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A shell script in the place of QEMU."""
    tools = tmp_path / "tools"
    tools.mkdir()
    script = tools / "qemu-system-arm"
    script.touch(mode=0o755)
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    return script


def test_the_layers_of_the_report_are_instructions_by_their_index(say: Path, tmp_path: Path) -> None:
    say.write_text(
        "#!/bin/sh\necho '@tml boot version=0.0.0+0'\necho '@tml layer index=0 ticks=7.025 name=ADD'\n"
        "echo '@tml layer index=3 ticks=12.000 name=CONV_2D'\necho '@tml ready vectors=0 hz=25000000'\nexec sleep 60\n"
    )
    began = time.monotonic()
    assert emulated(PAYLOAD, BOARD, tmp_path, 30).layers == {0: 281.0, 3: 480.0}
    assert time.monotonic() - began < 10, "it was not ended with the report"


@pytest.mark.parametrize(
    ("script", "seconds", "problem"),
    [
        ("exec sleep 60", 0.2, "it took more than 0.2 s"),
        ("echo '@tml layer index=0 ticks=7.025 name=ADD'; exec sleep 60", 0.2, "it took more than 0.2 s"),
        ("echo '@tml fault kind=hard pc=0x0 cfsr=0x1'; exec sleep 60", 30, "@tml fault kind=hard pc=0x0 cfsr=0x1"),
        ("echo unsupported machine type; exit 1", 30, "qemu-system-arm ended: unsupported machine type"),
    ],
)
def test_an_emulation_that_does_not_come_to_its_end_says_why(
    script: str, seconds: float, problem: str, say: Path, tmp_path: Path
) -> None:
    say.write_text(f"#!/bin/sh\n{script}\n")
    found = emulated(PAYLOAD, BOARD, tmp_path, seconds)
    assert (found.layers, found.problem) == ({}, problem)


def test_a_report_without_end_is_not_kept_in_memory(say: Path, tmp_path: Path) -> None:
    say.write_text("#!/bin/sh\nexec yes\n")
    assert emulated(PAYLOAD, BOARD, tmp_path, 30).problem.startswith("its report has more than ")


def test_without_qemu_there_are_no_instructions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert emulated(PAYLOAD, BOARD, tmp_path, 1).problem == "qemu-system-arm is not installed"


def test_a_model_that_would_take_too_long_is_not_emulated(tmp_path: Path) -> None:
    compiled = compile_model((IMAGE / "samples" / "mnist.tflite").read_bytes())
    toolchain = Toolchain(tmp_path, BOARD, Optimise.BALANCED)
    described = performance(count(compiled, BOARD, toolchain, most_macs=1000))
    assert "instructions" not in described
    assert described["macs"] == 199936
    assert described["notes"] == [
        "The instructions were not counted: 199936 multiplications are more than the 1000 that are emulated."
    ]


def test_the_total_is_the_sum_of_the_layers_and_missing_where_one_is() -> None:
    layers = (LayerCost(0, "CONV_2D", 100, 250.4), LayerCost(2, "ADD", 0, 10.4))
    found = performance(Count(layers, "Counted."))
    assert (found["instructions"], found["macs"], found["notes"]) == (261, 100, ["Counted."])
    assert found["layers"] == [
        {"name": "layer 0", "operator": "CONV_2D", "macs": 100, "instructions": 250},
        {"name": "layer 2", "operator": "ADD", "macs": 0, "instructions": 10},
    ]
    partial = performance(Count((layers[0], dataclasses.replace(layers[1], instructions=None)), "Not all."))
    assert "instructions" not in partial


def test_every_board_is_counted_on_a_bare_board_with_its_processor() -> None:
    for name, board in BOARDS.items():
        on = bare(BOARDS, board)
        assert (on.os, on.cpu, on.compiler_flags) == (None, board.cpu, board.compiler_flags)
        assert on.name == name.removesuffix("-os")
