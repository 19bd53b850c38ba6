"""scikit-learn's digits as document 000 has MNIST: 28x28, 0 to 255, also as the file pair of datareposrc.

`python -m zoo.generators.lenet FOLDER` writes mnist.data and mnist.json there.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from zoo.generators.parts import in_order
from zoo.training.data import Floats, Integers, TrainingData

VALIDATION, TEST = 120, 360
_MARGIN, _SCALE = 2, 3


def digits() -> tuple[Floats, Integers]:
    """Ink from 0 to 255 [1797, 28, 28], and which digit it is: each pixel of 8x8 as 3x3, with a margin of two."""
    found = load_digits()
    large = np.kron(found.images, np.ones((_SCALE, _SCALE))) * (255 / 16)
    images = np.pad(large, ((0, 0), (_MARGIN, _MARGIN), (_MARGIN, _MARGIN)))
    return images.astype(np.float32), found.target.astype(np.int64)


def make() -> TrainingData:
    """[n, 28, 28, 1]; the tail holds people whom a training hardly saw."""
    images, numbers = digits()
    labels = tuple(str(number) for number in range(10))
    return in_order(images[..., np.newaxis], numbers, labels, validation=VALIDATION, test=TEST)


def datarepo(first: int, count: int) -> tuple[bytes, bytes]:
    """The .data and the .json of some digits: float32 of the picture, then of its one-hot label."""
    images, numbers = (array[first : first + count] for array in digits())
    labels = np.eye(10, dtype=np.float32)[numbers]
    records = np.concatenate([images.reshape(count, -1), labels], axis=1).astype("<f4")
    description = {
        "gst_caps": "other/tensors, format=(string)static, framerate=(fraction)30/1, num_tensors=(int)2, "
        "dimensions=(string)28:28:1:1.10:1:1:1, types=(string)float32.float32",
        "total_samples": count,
        "sample_size": records.itemsize * records.shape[1],
    }
    return records.tobytes(), json.dumps(description, indent=2).encode()


if __name__ == "__main__":
    data, description = datarepo(0, 1000)
    (Path(sys.argv[1]) / "mnist.data").write_bytes(data)
    (Path(sys.argv[1]) / "mnist.json").write_bytes(description)
