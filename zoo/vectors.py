"""Chooses the inputs of the golden vectors: the same model gives the same bytes on every machine and version."""

from __future__ import annotations

import hashlib
import math
import struct
from itertools import islice

from zoo.inspect import ModelReport, TensorReport

MAX_VECTORS = 16
# What a microcontroller has to carry: golden outputs live in its image, inputs are streamed or stored beside it.
MAX_OUTPUT_BYTES = 12 * 1024
MAX_INPUT_BYTES = 256 * 1024
# A small step makes neighbours alike, as in images, sound and vibration.
_WALK_STEP = 16


def golden_inputs(report: ModelReport, *, count: int, seed: int) -> tuple[tuple[bytes, ...], ...]:
    """Up to `count` vectors of one byte string per input tensor, raw little-endian.

    At least one; fewer than `count` when all outputs would exceed 12 KiB or all inputs 256 KiB. In order: a random
    walk (smooth, like real signals), real zero, the lowest values, the highest values, then uniform noise and random
    walks in turn, each different from those before. Floats range over -1..1. Bytes come from SHAKE-256 of the seed.
    """
    outputs = sum(tensor.size for tensor in report.outputs)
    inputs = sum(tensor.size for tensor in report.inputs)
    count = max(1, min(count, MAX_VECTORS, MAX_OUTPUT_BYTES // outputs, MAX_INPUT_BYTES // inputs))
    # Real zero often is the lowest value, and a tiny input has few values at all: draw more, keep the different ones.
    drawn = (
        tuple(_values(tensor, vector, f"{seed}/{vector}/{i}") for i, tensor in enumerate(report.inputs))
        for vector in range(2 * count + 2)
    )
    return tuple(islice(dict.fromkeys(drawn), count))


def _values(tensor: TensorReport, vector: int, seed: str) -> bytes:
    elements = math.prod(tensor.shape)
    zero = tensor.zero_point if tensor.zero_point is not None else 0
    unsigned = zero + (128 if tensor.dtype == "int8" else 0)
    match vector:
        case 1:
            levels = bytes([min(max(unsigned, 0), 255)]) * elements if tensor.dtype != "float32" else b""
        case 2:
            levels = b"\x00" * elements
        case 3:
            levels = b"\xff" * elements
        case _ if vector % 2:
            levels = _noise(seed, elements)
        case _:
            levels = _walk(seed, elements)
    if tensor.dtype == "float32":
        return (
            struct.pack(f"<{elements}f", *(level / 127.5 - 1.0 for level in levels)) if levels else bytes(4 * elements)
        )
    # Levels count from the lowest value up; int8 stores them with the sign bit turned.
    return levels.translate(_TO_INT8) if tensor.dtype == "int8" else levels


_TO_INT8 = bytes(level ^ 0x80 for level in range(256))


def _noise(seed: str, elements: int) -> bytes:
    return hashlib.shake_256(seed.encode()).digest(elements)


def _walk(seed: str, elements: int) -> bytes:
    """A random walk, reflected at both ends of 0..255."""
    steps = _noise(seed, elements + 1)
    place = steps[0]
    levels = bytearray()
    for step in steps[1:]:
        place += step % (2 * _WALK_STEP + 1) - _WALK_STEP
        place = -place if place < 0 else 510 - place if place > 255 else place
        levels.append(place)
    return bytes(levels)
