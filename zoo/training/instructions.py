"""Estimates how many instructions one inference takes on a Cortex-M4, by the form of the model's numbers.

Multiply-accumulates times a figure. That of int8 is what the shipped builder's kernels were counted at in QEMU on the
models of MLPerf Tiny (1.2 to 2.5, bench/kernels.py). The others are estimates of a kernel that loads two operands,
multiplies, adds and shares a loop: no builder here makes such firmware, they say what quantising saves.
"""

from __future__ import annotations

import math

from zoo.inspect import inspect

PER_MAC = {"int8": 2.0, "float32": 4.5, "float16": 6.5, "dynamic_range": 5.5}
"""float16 widens each weight first; dynamic range widens and scales it."""
PER_ELEMENT = 6.0
"""Elements of outputs: activation, requantising, storing."""


def estimate(model: bytes, form: str) -> int:
    """Instructions of one inference of a .tflite."""
    report = inspect(model)
    # What only widens constant weights is counted with the multiplications.
    computing = (operator for operator in report.operators if operator.name not in {"DEQUANTIZE", "RESHAPE"})
    elements = sum(math.prod(shape) for operator in computing for shape in operator.output_shapes)
    return round(report.macs * PER_MAC[form] + elements * PER_ELEMENT)
