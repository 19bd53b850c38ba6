"""Every board boots in QEMU, on its own processor, and computes what the oracle computes."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from board import MACHINES, fields, run_firmware

pytestmark = [pytest.mark.qemu, pytest.mark.toolchain]

ROOT = Path(__file__).parents[3]
IMAGE = ROOT / "builders" / "images" / "cortex-m"
MODELS = {
    "digits": IMAGE / "samples" / "mnist.tflite",
    "vibration": ROOT / "zoo" / "catalog" / "vibration-autoencoder" / "vibration-autoencoder.tflite",
}
VECTORS = 4
# 3 on each board in every run of the tests; more in their place to look for trouble.
SEEDS = range(int(os.environ.get("TINYMLAAS_TEST_BOARD_GRAPHS", "3")))
SEEDS_OF_ALL = range(2)  # of networks that hold every operator but windows
Oracle = Callable[..., list[tuple[list[bytes], list[bytes]]]]


@pytest.fixture
def assert_exact(
    request_folder: Callable[..., Path],
    oracle_vectors: Oracle,
    run_builder: Callable[..., subprocess.CompletedProcess[str]],
    tmp_path: Path,
) -> Callable[[bytes, str, str], None]:
    """Builds a model for a board, boots it, and compares every byte with the oracle."""

    def check(data: bytes, board: str, optimise: str) -> None:
        vectors = oracle_vectors(data, VECTORS, 1)
        folder, out = request_folder(data, vectors), tmp_path / "out"
        out.mkdir()
        document = json.loads((folder / "build.json").read_text())
        document |= {"board": board, "parameters": {"optimise": optimise}}
        (folder / "build.json").write_text(json.dumps(document))

        built = run_builder("--in", folder, "--out", out)
        assert built.returncode == 0, built.stdout
        boot, *golden, ready = run_firmware((out / "firmware.bin").read_bytes(), tmp_path, board)

        assert fields(boot)["board"] == board
        assert [fields(line)["output"] for line in golden] == [outputs[0].hex() for _, outputs in vectors]
        assert fields(ready)["vectors"] == str(VECTORS)

    return check


@pytest.mark.parametrize("board", list(MACHINES))
@pytest.mark.parametrize("model", list(MODELS))
def test_the_board_reproduces_the_golden_vectors(
    model: str, board: str, assert_exact: Callable[[bytes, str, str], None]
) -> None:
    assert_exact(MODELS[model].read_bytes(), board, "balanced")


@pytest.mark.parametrize("board", ["mps2-an385", "mps2-an386"])
@pytest.mark.parametrize("model", ["lstm", "streaming", "recurrent"])
def test_the_state_of_a_trained_model_outlives_the_inferences(
    model: str, board: str, assert_exact: Callable[[bytes, str, str], None]
) -> None:
    """The vectors are one sequence: without the state of the first, the outputs of the others differ."""
    assert_exact((ROOT / "tests" / "unit" / "compiler" / "models" / f"{model}.tflite").read_bytes(), board, "balanced")


@pytest.mark.parametrize("optimise", ["speed", "size"])
def test_what_a_build_is_optimised_for_changes_no_output(
    optimise: str, assert_exact: Callable[[bytes, str, str], None]
) -> None:
    assert_exact(MODELS["digits"].read_bytes(), "mps2-an386", optimise)


@pytest.mark.parametrize("board", ["mps2-an385", "mps2-an386", "mps3-an547"])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_network_is_exact_without_and_with_dsp_instructions_and_vectors(
    seed: int, board: str, assert_exact: Callable[[bytes, str, str], None]
) -> None:
    from random_chains import random_chain

    assert_exact(random_chain(seed)[0], board, "balanced")


@pytest.mark.parametrize("board", ["mps2-an385", "mps2-an386", "mps3-an547"])
@pytest.mark.parametrize("seed", SEEDS_OF_ALL)
def test_all_operators_in_one_network_are_exact(
    seed: int, board: str, assert_exact: Callable[[bytes, str, str], None]
) -> None:
    from random_chains import BINARY, LAYERS, MOVES, random_chain

    assert_exact(random_chain(seed, (*BINARY, *MOVES, *LAYERS))[0], board, "balanced")


def test_the_tests_know_exactly_the_bare_boards_of_the_image() -> None:
    names = (file.stem for file in (IMAGE / "boards").glob("*.json"))
    assert sorted(MACHINES) == sorted(name for name in names if not name.endswith("-os"))


def test_a_profile_times_every_layer_and_adds_up_to_the_inference(
    request_folder: Callable[..., Path],
    oracle_vectors: Oracle,
    run_builder: Callable[..., subprocess.CompletedProcess[str]],
    tmp_path: Path,
) -> None:
    data = MODELS["digits"].read_bytes()
    folder, out = request_folder(data, oracle_vectors(data, 1, 1)), tmp_path / "out"
    out.mkdir()
    document = json.loads((folder / "build.json").read_text())
    (folder / "build.json").write_text(json.dumps(document | {"parameters": {"profile": True}}))

    assert run_builder("--in", folder, "--out", out).returncode == 0
    lines = [fields(line) for line in run_firmware((out / "firmware.bin").read_bytes(), tmp_path)[1:-1]]
    whole, layers = int(lines[0]["ticks"]), lines[1:]

    assert {layer["name"] for layer in layers} >= {"CONV_2D", "FULLY_CONNECTED"}
    assert abs(sum(int(layer["ticks"]) for layer in layers) - whole) <= 2 * len(layers)
