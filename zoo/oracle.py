"""Golden vectors: what a model answers in the pinned oracle, the tflite-micro interpreter, in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from zoo.errors import OracleFailedError, UnsupportedModelError
from zoo.inspect import ModelReport, inspect
from zoo.request import CPU_SECONDS, ENGINE_MARK, Answer, Request
from zoo.vectors import golden_inputs

WALL_SECONDS = 60.0
# The interpreter's own structures and its recording of them come on top of the tensors.
ARENA_SLACK_BYTES = 4 * 1024 * 1024
MAX_RAM_BYTES = 16 * 1024 * 1024
_STDERR_TAIL_BYTES = 64 * 1024
_DETAIL_CHARACTERS = 400
_EDGE_DTYPES = frozenset({"int8", "uint8", "float32"})


@dataclass(frozen=True)
class GoldenVector:
    """One inference: raw little-endian bytes of each input tensor and of each output tensor."""

    inputs: tuple[bytes, ...]
    outputs: tuple[bytes, ...]

    def to_json(self) -> dict[str, list[str]]:
        """As the builder contract's golden.json has it: hex strings."""
        return {"inputs": [data.hex() for data in self.inputs], "outputs": [data.hex() for data in self.outputs]}


@dataclass(frozen=True)
class Probe:
    """A model that is known to load and run: its report and its golden vectors.

    `litert_difference` is the largest difference between an output element of the oracle and of LiteRT, as stored: they
    round fully connected layers differently.
    """

    report: ModelReport
    vectors: tuple[GoldenVector, ...]
    litert_difference: float


def golden_vectors(model: bytes, *, count: int = 8, seed: int | None = None) -> tuple[GoldenVector, ...]:
    """Up to `count` inputs (see `zoo.vectors`) and what the oracle answers; the vectors of `probe`, which see."""
    return probe(model, count=count, seed=seed).vectors


def probe(model: bytes, *, count: int = 8, seed: int | None = None) -> Probe:
    """Inspect a model and run it in LiteRT and in the oracle, in a subprocess: call it at upload.

    LiteRT serves predictions inside the API process later: a model that would crash it has to do so here. `seed`
    defaults to the model's sha256. Raises ModelError: what `inspect` raises, UnsupportedModelError for inputs or
    outputs that are not int8, uint8 or float32, and OracleFailedError when an interpreter refuses the model, crashes,
    or runs out of memory or time. Blocks for a third of a second, and at most for a minute.
    """
    report = inspect(model)
    for tensor in (*report.inputs, *report.outputs):
        if tensor.dtype not in _EDGE_DTYPES:
            raise UnsupportedModelError(f"The input or output {tensor.name!r} is {tensor.dtype}, not int8.")
    if report.ram_bytes > MAX_RAM_BYTES:
        raise OracleFailedError(f"The model needs {report.ram_bytes} bytes of RAM; the oracle has {MAX_RAM_BYTES}.")
    inputs = golden_inputs(report, count=count, seed=int(report.sha256, 16) if seed is None else seed)
    request: Request = {
        "arena_bytes": 4 * report.ram_bytes + 2 * len(model) + ARENA_SLACK_BYTES,
        "inputs": [{"shape": list(tensor.shape), "dtype": tensor.dtype} for tensor in report.inputs],
        "outputs": len(report.outputs),
        "vectors": [[data.hex() for data in vector] for vector in inputs],
    }
    answer: Answer = json.loads(_interpreter(json.dumps(request).encode() + b"\n" + model))
    litert = [_outputs(report, vector) for vector in answer["litert"]]
    oracle = [_outputs(report, vector) for vector in answer["tflite_micro"]]
    vectors = tuple(GoldenVector(given, found) for given, found in zip(inputs, oracle, strict=True))
    differences = (_difference(report, a, b) for a, b in zip(litert, oracle, strict=True))
    return Probe(report, vectors, max(differences))


def _outputs(report: ModelReport, vector: list[str]) -> tuple[bytes, ...]:
    outputs = tuple(bytes.fromhex(text) for text in vector)
    if [len(data) for data in outputs] != [tensor.size for tensor in report.outputs]:
        raise OracleFailedError("The outputs are not of the size that the model states.")
    return outputs


def _difference(report: ModelReport, a: tuple[bytes, ...], b: tuple[bytes, ...]) -> float:
    differences = [0.0]
    for tensor, left, right in zip(report.outputs, a, b, strict=True):
        if left != right:
            pairs = zip(_numbers(left, tensor.dtype), _numbers(right, tensor.dtype), strict=True)
            differences.append(max(abs(x - y) for x, y in pairs))
    return max(differences)


def _numbers(data: bytes, dtype: str) -> Iterator[float]:
    letter = {"int8": "b", "uint8": "B", "float32": "f"}[dtype]
    return (number for (number,) in struct.iter_unpack(f"<{letter}", data))


def _interpreter(request: bytes) -> bytes:
    """Send a request to a new `python -m zoo.interpreter` and return its standard output."""
    with tempfile.TemporaryFile() as stderr:
        try:
            finished = subprocess.run(
                [sys.executable, "-m", "zoo.interpreter"],
                input=request,
                stdout=subprocess.PIPE,
                stderr=stderr,
                cwd=Path(__file__).parents[1],  # so that -m finds this very package
                # Nothing of the server's environment: it may hold keys. One thread each: threads map memory.
                env={"PATH": os.defpath, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
                timeout=WALL_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise OracleFailedError(f"The model took more than {WALL_SECONDS:.0f} seconds to run.") from error
        if finished.returncode == 0:
            return finished.stdout
        stderr.seek(max(0, stderr.seek(0, os.SEEK_END) - _STDERR_TAIL_BYTES))
        raise OracleFailedError(_explain(finished.returncode, stderr.read().decode("utf-8", "replace")))


def _explain(returncode: int, stderr: str) -> str:
    """A sentence from how the process ended and the last thing that it said."""
    lines = [line.rstrip() for line in stderr.splitlines() if line.strip()]
    engine = next((line for line in reversed(lines) if line.startswith(ENGINE_MARK)), ENGINE_MARK + "interpreter")
    # A traceback's indented lines name our own source, which says nothing about the model.
    traceback = next((i for i, line in enumerate(lines) if line.startswith("Traceback")), len(lines))
    spoken = [line.strip() for line in lines[:traceback] if not line.startswith(ENGINE_MARK)][-2:]
    error = [line.strip() for line in lines[traceback + 1 :] if not line[0].isspace()]
    detail = " ".join([*spoken, *error])[:_DETAIL_CHARACTERS]
    name = engine.removeprefix(ENGINE_MARK)
    if returncode == -signal.SIGXCPU:
        return f"The model took more than {CPU_SECONDS} seconds of processor time in {name}."
    how = "refused the model" if returncode > 0 else f"was ended by {signal.Signals(-returncode).name}"
    return f"{name} {how}: {detail or 'it gave no reason.'}"
