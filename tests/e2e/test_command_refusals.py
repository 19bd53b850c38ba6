"""The command says no as the API does: the same words on stderr, an exit code that means something, nothing stored."""

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.e2e.conftest import BOARD, ROOT, World
from tests.unit.compiler.tflite_writer import WrittenOperator, WrittenTensor, write_model

pytestmark = [pytest.mark.docker, pytest.mark.qemu]

DIGITS = (ROOT / "zoo/catalog/digits-cnn/digits-cnn.tflite").read_bytes()
REFUSED, ENDED_BADLY = 3, 1


def _giant() -> bytes:
    rows, columns = 2200, 2100  # 4.6 million weights for 4 MiB of flash
    return write_model(
        [
            WrittenTensor([1, columns], "int8", [0.1], [0]),
            WrittenTensor([rows, columns], "int8", [0.1], [0], data=np.ones([rows, columns], np.int8)),
            WrittenTensor([1, rows], "int8", [0.1], [0]),
        ],
        [WrittenOperator("FULLY_CONNECTED", [0, 1], [2], {})],
        [0],
        [2],
    )


def _stored(world: World) -> set[str]:
    return {path.name for path in (world.server.data_dir / "blobs").rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("make", "told"),
    [
        pytest.param(lambda: DIGITS[: len(DIGITS) // 2], "part of it seems to be missing", id="truncated"),
        pytest.param(lambda: random.Random(1).randbytes(5000), "TensorFlow Lite", id="random"),
        pytest.param((ROOT / "tests/unit/zoo/data/float.tflite").read_bytes, "int8", id="float only"),
        pytest.param(lambda: DIGITS + bytes(17 * 1024 * 1024), "bytes", id="too large"),
    ],
)
def test_a_bad_model_file_is_refused_by_the_command(
    world: World, tmp_path: Path, make: Callable[[], bytes], told: str
) -> None:
    file = tmp_path / "model.tflite"
    file.write_bytes(make())
    before = _stored(world)
    asked = world.command("models", "upload", "bad-model", str(file))
    assert asked.returncode == REFUSED, asked.stderr
    assert told in asked.stderr
    assert "Traceback" not in asked.stderr
    assert world.api.get("/v1/models/bad-model").status_code == 404
    assert _stored(world) == before


def test_a_model_that_does_not_fit_the_board_is_refused_by_the_command_with_numbers(
    world: World, tmp_path: Path
) -> None:
    file = tmp_path / "giant.tflite"
    file.write_bytes(_giant())
    assert world.command("models", "upload", "giant-by-command", str(file)).returncode == 0
    asked = world.command("builds", "create", "giant-by-command", "--board", BOARD)
    assert asked.returncode == REFUSED, asked.stderr
    assert "4194304" in asked.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("builds", "create", "digits-cnn", "--board", "esp32"), "esp32"),
        (("builds", "create", "digits-cnn@99", "--board", BOARD), "99"),
        (("builds", "create", "no-such-model", "--board", BOARD), "no-such-model"),
        (
            ("builds", "create", "digits-cnn", "--board", BOARD, "--builder", "bldr_0123456789abcdef"),
            "bldr_0123456789abcdef",
        ),
        (("builders", "register", "no-such/image:1"), "no-such/image:1"),
        (("updates", "create", "no-such-device", "0" * 64), "no-such-device"),
    ],
)
def test_unknown_things_are_refused_by_the_command_by_name(world: World, words: tuple[str, ...], told: str) -> None:
    before = _stored(world)
    asked = world.command(*words)
    assert asked.returncode == REFUSED, asked.stderr
    assert told in asked.stderr
    assert _stored(world) == before


def test_an_operator_that_the_builder_does_not_know_ends_the_command_badly_and_is_named(
    world: World, tmp_path: Path
) -> None:
    tensor, logarithms = WrittenTensor([1, 4], "int8", [0.1], [0]), WrittenTensor([1, 4], "int8", [16 / 256], [127])
    file = tmp_path / "unknown.tflite"
    file.write_bytes(write_model([tensor, logarithms], [WrittenOperator("LOG_SOFTMAX", [0], [1])], [0], [1]))
    assert world.command("models", "upload", "unknown-operator", str(file)).returncode == 0
    asked = world.command("builds", "create", "unknown-operator", "--board", BOARD)
    assert asked.returncode == ENDED_BADLY, asked.stderr
    assert "LOG_SOFTMAX" in asked.stderr
