"""The oracle's subprocess, `python -m zoo.interpreter`: runs one untrusted model in native code, under limits.

Standard input: one line of JSON (a Request), then the model's bytes. Standard output: an Answer as JSON. Standard
error: what the native code says. Any failure ends the process.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from tflite_micro import runtime

from zoo.litert import LiteRt
from zoo.request import CPU_SECONDS, ENGINE_MARK, LITERT, TFLITE_MICRO, Answer, Request

# On top of what the process maps after its imports, and of the arena.
MEMORY_BYTES = 512 * 1024 * 1024
STDERR_BYTES = 1024 * 1024


class Engine(Protocol):
    """A loaded model."""

    def run(self, inputs: list[NDArray[Any]]) -> list[NDArray[Any]]:
        """One inference."""
        ...


class TfliteMicro:
    """The pinned oracle: TensorFlow Lite Micro's own interpreter with its reference kernels."""

    def __init__(self, model: bytes, *, arena_bytes: int, outputs: int) -> None:
        self._interpreter: Any = runtime.Interpreter.from_bytes(model, arena_size=arena_bytes)
        self._outputs = outputs

    def run(self, inputs: list[NDArray[Any]]) -> list[NDArray[Any]]:
        """One inference; arrays in the tensors' own shapes and types."""
        for index, array in enumerate(inputs):
            self._interpreter.set_input(array, index)
        self._interpreter.invoke()
        return [np.array(self._interpreter.get_output(index)) for index in range(self._outputs)]


def main() -> None:
    """Answer the one request on standard input."""
    # Native code prints to descriptor 1 as it likes; the answer goes out on a copy that it does not know.
    with os.fdopen(os.dup(1), "w") as answer:
        os.dup2(2, 1)
        request: Request = json.loads(sys.stdin.buffer.readline())
        model = sys.stdin.buffer.read()
        _limit(request["arena_bytes"])
        result: Answer = {
            # First, because it checks the whole FlatBuffer and every shape, which the micro interpreter trusts.
            "litert": _run(LITERT, lambda: LiteRt(model), request),
            "tflite_micro": _run(
                TFLITE_MICRO,
                lambda: TfliteMicro(model, arena_bytes=request["arena_bytes"], outputs=request["outputs"]),
                request,
            ),
        }
        json.dump(result, answer)


def _run(name: str, load: Callable[[], Engine], request: Request) -> list[list[str]]:
    sys.stderr.write(f"{ENGINE_MARK}{name}\n")
    sys.stderr.flush()  # native code writes to the same descriptor past our buffer
    engine = load()
    tensors = request["inputs"]
    answers = []
    for vector in request["vectors"]:
        inputs = [
            np.frombuffer(bytes.fromhex(text), tensor["dtype"]).reshape(tensor["shape"])
            for text, tensor in zip(vector, tensors, strict=True)
        ]
        answers.append([output.tobytes().hex() for output in engine.run(inputs)])
    return answers


def _limit(arena_bytes: int) -> None:
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    memory = mapped + arena_bytes + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    # The soft limit sends SIGXCPU, which says what happened; at the hard one the kernel kills.
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (STDERR_BYTES, STDERR_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main()
