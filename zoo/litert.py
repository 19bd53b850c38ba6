"""Adapter of the LiteRT interpreter: a model's bytes in, arrays to arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import NDArray

_NO_KERNEL = "Didn't find op for builtin opcode"


class LiteRt:
    """One loaded model; not thread-safe.

    BUILTIN_REF takes the reference kernels and no delegate: LiteRT's optimised kernels and XNNPACK round differently
    from each other and from machine to machine, the reference kernels do not. A few operators (ELU, TILE) have no
    reference kernel; a model with one of them runs on the optimised kernels, without a delegate.

    Raises ValueError or RuntimeError for a model that it cannot run, and for one whose tensors do not have the shapes
    that the file states: LiteRT would compute them anew, but microcontroller runtimes and compilers believe the file.
    """

    def __init__(self, model: bytes) -> None:
        self._interpreter = _loaded(model)
        stated = self._interpreter.get_tensor_details()
        self._interpreter.allocate_tensors()
        computed = self._interpreter.get_tensor_details()
        for before, after in zip(stated, computed, strict=False):  # allocating adds scratch tensors at the end
            if not np.array_equal(before["shape"], after["shape"]):
                raise ValueError(
                    f"The file states the shape {before['shape'].tolist()} for the tensor {before['name']!r}, "
                    f"but it comes out as {after['shape'].tolist()}."
                )
        self._inputs = [detail["index"] for detail in self._interpreter.get_input_details()]
        self._outputs = [detail["index"] for detail in self._interpreter.get_output_details()]

    def run(self, inputs: list[NDArray[Any]]) -> list[NDArray[Any]]:
        """One inference; arrays in the tensors' own shapes and types."""
        for index, array in zip(self._inputs, inputs, strict=True):
            self._interpreter.set_tensor(index, array)
        self._interpreter.invoke()
        return [np.array(self._interpreter.get_tensor(index)) for index in self._outputs]


def _loaded(model: bytes) -> Any:
    try:
        return _interpreter(model, OpResolverType.BUILTIN_REF)
    except ValueError as error:
        if _NO_KERNEL not in str(error):
            raise
        return _interpreter(model, OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES)


def _interpreter(model: bytes, kernels: OpResolverType) -> Any:
    return Interpreter(model_content=model, num_threads=1, experimental_op_resolver_type=kernels)
