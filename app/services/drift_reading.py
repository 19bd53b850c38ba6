"""What a device tells of its inferences: an output, its number and, where known, what the input was like."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lwm2m.events import Sent
from lwm2m.nodes import flatten
from lwm2m.paths import Path
from lwm2m.values import Value

INFERENCE = Path.of(26242, 0)
OUTPUT, SEQUENCE = INFERENCE / 1, INFERENCE / 2
INPUT_MEAN, INPUT_DEVIATION = INFERENCE / 4, INFERENCE / 5
MODEL_SHA256 = Path.of(26241, 0, 1)
MAX_OUTPUT_BYTES = 16 * 1024
MAX_SEQUENCE = 1 << 31
_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, slots=True)
class Reading:
    """One inference of a device: its output tensor's bytes, and its number since the device started.

    The same number again is the same inference, told twice. The moments are of the input tensor in real units.
    """

    endpoint: str
    output: bytes
    sequence: int
    input_mean: float | None = None
    input_deviation: float | None = None
    model_sha256: str | None = None


def readings_of(sent: Sent) -> list[Reading]:
    """The inferences in a Send, oldest first; what is none, or is nothing that can be, is left out."""
    found = []
    for sample in sent.samples:
        values = {leaf.path: leaf.value for path, node in sample.nodes.items() for leaf in flatten(path, node)}
        output, sequence = values.get(OUTPUT), values.get(SEQUENCE)
        if not isinstance(output, bytes) or not 0 < len(output) <= MAX_OUTPUT_BYTES:
            continue
        if isinstance(sequence, bool) or not isinstance(sequence, int) or not 0 < sequence < MAX_SEQUENCE:
            continue
        sha256 = values.get(MODEL_SHA256)
        found.append(
            Reading(
                sent.endpoint,
                output,
                sequence,
                _number(values, INPUT_MEAN),
                _number(values, INPUT_DEVIATION),
                sha256.lower() if isinstance(sha256, str) else None,
            )
        )
    return found


def _number(values: Mapping[Path, Value], path: Path) -> float | None:
    value = values.get(path)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) and abs(value) <= _LARGEST else None
