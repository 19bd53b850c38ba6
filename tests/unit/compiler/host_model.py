"""Runs a compiled model on this workstation: generated C and kernels as a shared library, beside the pinned oracle."""

import ctypes
import itertools
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tflite_micro
from compiler.compile import compile_model

IMAGE = Path(__file__).parents[3] / "builders" / "images" / "cortex-m"
FLAGS = ("-std=c99", "-fwrapv", "-fPIC", "-Wall", "-Wextra", "-Wpedantic", "-Werror", f"-I{IMAGE / 'kernels'}")
VARIANTS = {"plain": (), "dsp": ("-DTML_EMULATE_DSP",)}
ORACLE_ARENA = 1 << 20


class HostModels:
    """Compiles models against kernels that were compiled once, plain and with the DSP path."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count()
        self._kernels: dict[str, list[str]] = {}
        for variant, defines in VARIANTS.items():
            objects: list[str] = []
            for source in sorted((IMAGE / "kernels").glob("*.c")):
                target = folder / f"{variant}_{source.stem}.o"
                subprocess.run(["gcc", *FLAGS, *defines, "-O2", "-c", str(source), "-o", str(target)], check=True)
                objects.append(str(target))
            self._kernels[variant] = objects

    def run(self, model: bytes, inputs: Sequence[Sequence[np.ndarray]]) -> dict[str, list[list[bytes]]]:
        """For each kernel variant, for each inference of one sequence, the bytes of each output."""
        results: dict[str, list[list[bytes]]] = {}
        for variant in self._kernels:
            library, graph = self.load(model, variant)
            results[variant] = [self.invoke(library, arrays, graph) for arrays in inputs]
        return results

    def load(self, model: bytes, variant: str, *, trainable_head: bool = False) -> tuple[ctypes.CDLL, object]:
        """The compiled model after a reset, and its graph."""
        compiled = compile_model(model, trainable_head=trainable_head)
        folder = self._folder / f"model_{next(self._numbers)}_{variant}"
        folder.mkdir()
        for name, text in compiled.sources.items():
            (folder / name).write_text(text)
        library = folder / "model.so"
        command = ["gcc", *FLAGS, *VARIANTS[variant], "-O1", "-shared", str(folder / "model.c")]
        subprocess.run([*command, *self._kernels[variant], "-o", str(library)], check=True)
        loaded = ctypes.CDLL(str(library))
        loaded.model_reset()
        return loaded, compiled.graph

    @staticmethod
    def invoke(library: ctypes.CDLL, arrays: Sequence[np.ndarray], graph: object) -> list[bytes]:
        """One inference."""
        count_in = len(graph.inputs)  # type: ignore[attr-defined] # tests are not type-checked against the image's package
        count_out = len(graph.outputs)  # type: ignore[attr-defined] # as above
        sources = (ctypes.c_void_p * count_in).in_dll(library, "model_inputs")
        targets = (ctypes.c_void_p * count_out).in_dll(library, "model_outputs")
        sizes = (ctypes.c_uint32 * count_out).in_dll(library, "model_output_bytes")
        for address, array in zip(sources, arrays, strict=True):
            ctypes.memmove(address, array.tobytes(), array.nbytes)
        assert library.model_invoke() == 0
        return [ctypes.string_at(address, size) for address, size in zip(targets, sizes, strict=True)]


def oracle(model: bytes, inputs: Sequence[Sequence[np.ndarray]]) -> list[list[bytes]]:
    """What the tflite-micro interpreter computes: for each inference, the bytes of each output."""
    interpreter = tflite_micro.runtime.Interpreter.from_bytes(model, arena_size=ORACLE_ARENA)
    results: list[list[bytes]] = []
    for arrays in inputs:
        for position, array in enumerate(arrays):
            interpreter.set_input(array, position)
        interpreter.invoke()
        results.append([interpreter.get_output(position).tobytes() for position in _outputs(model)])
    return results


def _outputs(model: bytes) -> range:
    return range(len(compile_model(model).graph.outputs))
