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
FOUND = (37,)  # GCC took a layer of it for a function without effect (kernels/tml_specialise.h, TML_LAYER)
TICK, CALL = 40, 12  # instructions
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
        slowest = max(int(fields(line)["ticks"]) for line in golden) * 1e9 / int(fields(ready)["hz"])
        told = json.loads((out / "result.json").read_text())["performance"]
        assert told["notes"] == [f"Counted in QEMU, on an emulated {board}, with one input."]
        # Ticks are whole ones; the calls of the layers are not among theirs.
        assert told["instructions"] == pytest.approx(slowest, rel=0.01, abs=TICK + CALL * (len(told["layers"]) + 1))

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


@pytest.mark.parametrize("board", ["mps2-an385", "mps2-an386", "mps3-an547"])
@pytest.mark.parametrize("model", ["attention", "free_batch"])
def test_a_keras_model_of_many_layers_is_exact(
    model: str, board: str, assert_exact: Callable[[bytes, str, str], None]
) -> None:
    assert_exact((ROOT / "tests" / "unit" / "compiler" / "models" / f"{model}.tflite").read_bytes(), board, "balanced")


@pytest.mark.parametrize("optimise", ["speed", "size"])
def test_what_a_build_is_optimised_for_changes_no_output(
    optimise: str, assert_exact: Callable[[bytes, str, str], None]
) -> None:
    assert_exact(MODELS["digits"].read_bytes(), "mps2-an386", optimise)


@pytest.mark.parametrize("board", ["mps2-an385", "mps2-an386", "mps3-an547"])
@pytest.mark.parametrize("seed", sorted({*SEEDS, *FOUND}))
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


@pytest.mark.parametrize("board", list(MACHINES))
def test_an_estimate_has_the_layers_of_a_profile_and_the_memory_of_a_build(
    board: str,
    request_folder: Callable[..., Path],
    oracle_vectors: Oracle,
    run_builder: Callable[..., subprocess.CompletedProcess[str]],
    tmp_path: Path,
) -> None:
    """The profile is booted here as a device does it; the estimate is the builder's."""
    data = MODELS["digits"].read_bytes()
    folder = request_folder(data, oracle_vectors(data, 1, 1))
    document = json.loads((folder / "build.json").read_text()) | {"board": board, "parameters": {"profile": True}}
    results = {}
    for mode in ("estimate", "build"):
        out = tmp_path / mode
        out.mkdir()
        (folder / "build.json").write_text(json.dumps(document | ({"mode": mode} if mode == "estimate" else {})))
        built = run_builder("--in", folder, "--out", out)
        assert built.returncode == 0, built.stdout
        results[mode] = json.loads((out / "result.json").read_text())
    assert {file.name for file in (tmp_path / "estimate").iterdir()} == {"result.json"}
    assert results["estimate"]["status"] == "estimated"
    assert results["estimate"]["memory"] == results["build"]["memory"]
    assert results["estimate"]["performance"] == results["build"]["performance"]

    lines = run_firmware((tmp_path / "build" / "firmware.bin").read_bytes(), tmp_path, board)
    golden, *layers, ready = [fields(line) for line in lines[1:]]
    per_tick = 1e9 / int(ready["hz"])
    measured = {f"layer {layer['index']}": float(layer["ticks"]) * per_tick for layer in layers}
    estimated = {layer["name"]: layer["instructions"] for layer in results["estimate"]["performance"]["layers"]}
    assert {layer["name"] for layer in layers} >= {"CONV_2D", "FULLY_CONNECTED"}
    assert estimated == pytest.approx(measured, rel=0.01, abs=16)
    assert sum(measured.values()) == pytest.approx(int(golden["ticks"]) * per_tick, rel=0.01)
