"""nntrainer's weights file (.bin): float32, little endian, layer by layer, and what the optimiser leaves behind them.

After the weights: nothing or `adam`; with it, once the optimiser has run, its two moments; then the epoch and the
iteration, uint32 each. What is behind the weights is kept, so that a file that is saved again has the same bytes.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from zoo.training.offload.description import Description
from zoo.training.offload.errors import WeightsError

Floats = NDArray[np.float32]

TAG = b"adam"
_COUNTS = struct.Struct("<II")


@dataclass(frozen=True, eq=False)
class Weights:
    """Weights in the order and layout of the .bin; `optimiser` is what stands between them and the two counts."""

    arrays: tuple[Floats, ...]
    optimiser: bytes = TAG
    epoch: int = 0
    iteration: int = 0

    def dump(self) -> bytes:
        """The file."""
        stored = b"".join(np.ascontiguousarray(array, "<f4").tobytes() for array in self.arrays)
        return stored + self.optimiser + _COUNTS.pack(self.epoch, self.iteration)

    def to_keras(self, description: Description) -> list[list[Floats]]:
        """For each layer, its weights in the order and layout of Keras."""
        left = iter(self.arrays)
        made = []
        for layer in description.layers:
            arrays = {weight.place: weight.to_keras(next(left)) for weight in layer.weights}
            made.append([arrays[place] for place in sorted(arrays)])
        return made


def of_keras(description: Description, layers: list[list[Floats]], *, epoch: int, iteration: int) -> Weights:
    """Weights of Keras, for each layer in its order, as a file has them; without moments."""
    arrays = tuple(
        weight.to_stored(np.asarray(found[weight.place], np.float32))
        for layer, found in zip(description.layers, layers, strict=True)
        for weight in layer.weights
    )
    tag = TAG if description.optimiser.type == "adam" else b""
    return Weights(arrays, tag, epoch % (1 << 32), iteration % (1 << 32))


def parse_weights(description: Description, data: bytes) -> Weights:
    """Read a .bin of this network. Raises WeightsError for another size, or values that are no numbers."""
    shapes = [weight.stored for layer in description.layers for weight in layer.weights]
    ends = np.cumsum([0, *(4 * math.prod(shape) for shape in shapes)]).tolist()
    size = ends[-1]
    rest = data[size : -_COUNTS.size]
    with_moments = rest.startswith(TAG) and len(rest) == len(TAG) + 2 * size
    if len(data) < size + _COUNTS.size or not (rest in {b"", TAG} or with_moments):
        raise WeightsError(
            f"The .bin has {len(data)} bytes. This network's {description.parameters} parameters make {size + 8}, "
            f"{size + 12} with the mark of adam, or {3 * size + 12} with its moments."
        )
    arrays = tuple(
        np.frombuffer(data, "<f4", math.prod(shape), begin).reshape(shape)
        for shape, (begin, _) in zip(shapes, pairwise(ends), strict=True)
    )
    if not all(np.isfinite(array).all() for array in arrays):
        raise WeightsError("The .bin holds weights that are no numbers, or infinite ones.")
    epoch, iteration = _COUNTS.unpack(data[-_COUNTS.size :])
    return Weights(arrays, rest, epoch, iteration)
