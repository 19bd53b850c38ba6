"""Builds firmware with the image's builder as a plain process; makes its package and this folder importable."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
IMAGE = ROOT / "builders" / "images" / "cortex-m"
# random_chains and tflite_writer are shared with the unit tests.
sys.path[:0] = [str(HERE), str(ROOT / "tests" / "unit" / "compiler"), str(IMAGE)]

Vectors = Sequence[tuple[Sequence[bytes], Sequence[bytes]]]


@pytest.fixture
def request_folder(tmp_path: Path) -> Callable[[bytes, Vectors], Path]:
    """Writes /in for a model and its golden vectors."""

    def write(model: bytes, vectors: Vectors) -> Path:
        from compiler.compile import compile_model

        graph = compile_model(model).graph
        tensors = {
            name: [
                {"name": t.name, "shape": list(t.shape), "dtype": t.dtype.label, "scale": 1.0, "zero_point": 0}
                for t in side
            ]
            for name, side in (("inputs", graph.inputs), ("outputs", graph.outputs))
        }
        build = {
            "contract": 1,
            "model": {
                "name": "model",
                "version": 1,
                "sha256": hashlib.sha256(model).hexdigest(),
                "file": "model.tflite",
            },
            "tensors": tensors,
            "board": "mps2-an386",
            "parameters": {},
            "firmware_version": "1.2.3+4",
            "source_date_epoch": 1767225600,
        }
        golden = {
            "contract": 1,
            "tolerance": 0,
            "vectors": [
                {"inputs": [part.hex() for part in inputs], "outputs": [part.hex() for part in outputs]}
                for inputs, outputs in vectors
            ],
        }
        folder = tmp_path / "in"
        folder.mkdir(exist_ok=True)
        (folder / "model.tflite").write_bytes(model)
        (folder / "build.json").write_text(json.dumps(build))
        (folder / "golden.json").write_text(json.dumps(golden))
        return folder

    return write


@pytest.fixture
def run_builder(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs build.py in an empty working folder, with only PATH in its environment."""

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-B", str(IMAGE / "build.py"), *map(str, arguments)],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.fixture(params=["kws_ref_model", "ad01_int8"])
def reference_model(request: pytest.FixtureRequest) -> tuple[str, bytes]:
    """A model of the MLPerf Tiny benchmark, kept beside the repository."""
    file = ROOT.parent / "shared" / "models" / f"{request.param}.tflite"
    if not file.exists():
        pytest.skip(f"{file.name} is not beside the repository: the project ships only models that it trained")
    return str(request.param), file.read_bytes()


@pytest.fixture
def oracle_vectors() -> Callable[[bytes, int, int], Vectors]:
    """Random int8 inputs and what tflite-micro computes for them."""

    def compute(model: bytes, count: int, seed: int) -> Vectors:
        import tflite_micro

        rng = np.random.default_rng(seed)
        interpreter = tflite_micro.runtime.Interpreter.from_bytes(model)
        shape = interpreter.get_input_details(0)["shape"]
        vectors = []
        for _ in range(count):
            array = rng.integers(-128, 128, shape).astype(np.int8)
            interpreter.set_input(array, 0)
            interpreter.invoke()
            vectors.append(([array.tobytes()], [interpreter.get_output(0).tobytes()]))
        return vectors

    return compute
