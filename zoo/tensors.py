"""Numbers in real units and the tensors that a model computes with: nested lists in, stored values, and back."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.errors import BadInputError, UnsupportedModelError
from zoo.inspect import TensorReport

SERVED = frozenset({"int8", "uint8", "float32"})
"""Types of the tensors that are served."""


def as_array(instances: Sequence[object], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """[n, *shape] of nested lists of numbers. Raises BadInputError, which names the place that does not fit."""
    flat: list[float] = []
    for number, instance in enumerate(instances):
        _flatten(instance, shape, (number,), shape, flat)
    return np.array(flat, np.float32).reshape(len(instances), *shape)


def _flatten(
    value: object, shape: tuple[int, ...], path: tuple[int, ...], whole: tuple[int, ...], flat: list[float]
) -> None:
    """Append the numbers of a nested list of exactly `shape` to `flat`; the depth is the shape's, never the peer's."""
    if shape:
        if not isinstance(value, list):
            raise _misfit(path, whole, f"is no list of {shape[0]}")
        if len(value) != shape[0]:
            raise _misfit(path, whole, f"has length {len(value)} instead of {shape[0]}")
        for i, item in enumerate(value):
            _flatten(item, shape[1:], (*path, i), whole, flat)
        return
    # bool is an int to Python, but no measurement; an int may be too large for a float.
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _FLOAT32_MAX:
        raise _misfit(path, whole, "is no finite number")
    flat.append(float(value))


_FLOAT32_MAX = float(np.finfo(np.float32).max)


def _misfit(path: tuple[int, ...], shape: tuple[int, ...], problem: str) -> BadInputError:
    place = "".join(f"[{i}]" for i in path)
    return BadInputError(f"instances{place} {problem}. Each instance must have the shape {list(shape)}.")


def to_stored(real: NDArray[np.float32], tensor: TensorReport) -> NDArray[Any]:
    """Stored values, as the QUANTIZE operator does: divide, round half away from zero, shift, saturate."""
    if tensor.scale is None or tensor.zero_point is None:
        return real
    with np.errstate(over="ignore"):  # infinity saturates like any other large number
        scaled = real / np.float32(tensor.scale)
    rounded = np.trunc(scaled + np.copysign(np.float32(0.5), scaled)) + tensor.zero_point
    limits = np.iinfo(tensor.dtype)
    stored: NDArray[Any] = np.clip(rounded, limits.min, limits.max).astype(tensor.dtype)
    return stored


def to_real(stored: NDArray[Any], tensor: TensorReport) -> NDArray[np.float64]:
    """The numbers that stored values stand for."""
    values = stored.astype(np.float64)
    if tensor.scale is None or tensor.zero_point is None:
        return values
    return (values - tensor.zero_point) * tensor.scale


def single_tensor(tensors: Sequence[Mapping[str, Any]], what: str) -> TensorReport:
    """The one input or output of a model, from its stored report. Raises UnsupportedModelError where it has several."""
    if len(tensors) != 1:
        raise UnsupportedModelError(f"The model has {len(tensors)} {what}s; only one is served.")
    [told] = tensors
    shape, dtype = tuple(told["shape"]), told["dtype"]
    if dtype not in SERVED or shape[:1] != (1,):
        raise UnsupportedModelError(
            f"The tensor {told['name']!r} is {dtype} {list(shape)}; int8, uint8 and float32 with a batch of one are "
            "served."
        )
    size = math.prod(shape) * np.dtype(dtype).itemsize
    return TensorReport(told["name"], shape, dtype, told["scale"], told["zero_point"], size)
