"""The board `host`: the same firmware as a Linux program reports what the boards report."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
from compiler.compile import compile_model
from firmware_builder.boards import load_boards
from firmware_builder.request import default_request
from firmware_builder.sources import generated_sources, identity
from host_model import IMAGE, oracle
from random_chains import random_chain

FLAGS = ("-std=c99", "-O1", "-fwrapv", "-Wall", "-Wextra", "-Werror")
REPLACED = {"uart.c", "stack.c", "startup.c", "memory.c"}


@pytest.mark.parametrize("profile", [False, True])
@pytest.mark.usefixtures("host_models")  # fails or skips where gcc is missing
def test_the_firmware_runs_on_the_host_and_is_exact(profile: bool, tmp_path: Path) -> None:
    model, shape = random_chain(3)
    board = load_boards(IMAGE / "boards" / "host")["host"]
    compiled = compile_model(model)
    rng = np.random.default_rng(3)
    inputs = [[rng.integers(-128, 128, shape).astype(np.int8)] for _ in range(3)]
    golden = [arrays[0].tobytes() for arrays in inputs]
    who = identity(default_request("host", model), board, IMAGE / "kernels")
    for name, text in generated_sources(compiled, board, who, golden).items():
        (tmp_path / name).write_text(text)
    sources = [file for file in (IMAGE / "firmware").glob("*.c") if file.name not in REPLACED]
    sources += [*(IMAGE / "kernels").glob("*.c"), IMAGE / "boards" / "host" / "port.c", *tmp_path.glob("*.c")]
    folders = [f"-I{folder}" for folder in (tmp_path, IMAGE / "firmware", IMAGE / "kernels")]
    program = tmp_path / "firmware"
    subprocess.run(
        [
            "gcc",
            "-std=c99",
            "-O1",
            "-fwrapv",
            "-Wall",
            "-Wextra",
            "-Werror",
            *(["-DPROFILE"] if profile else []),
            *folders,
            *map(str, sources),
            "-o",
            str(program),
        ],
        check=True,
    )
    lines = subprocess.run([str(program)], capture_output=True, text=True, check=True).stdout.splitlines()

    assert lines[0].startswith("@tml boot version=0.0.0+0 board=host ")
    outputs = [line.rsplit("=", 1)[1] for line in lines if line.startswith("@tml golden ")]
    assert outputs == [outputs[0].hex() for outputs in oracle(model, inputs)]
    layers = [line for line in lines if line.startswith("@tml layer ")]
    assert len(layers) == (sum(layer.kernel is not None for layer in compiled.layers) if profile else 0)
    assert lines[-1].startswith("@tml ready vectors=3 hz=1000000000 ")
