"""scikit-learn's digits as a training test needs them: small pictures of bytes, as an upload and as a snapshot."""

import io
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from zoo.datasets import snapshot
from zoo.datasets.schema import Schema

SMALL_RECIPE: dict[str, Any] = {
    "recipe": 1,
    "task": "classification",
    "layers": [
        {"type": "conv2d", "filters": 6, "kernel": 3, "bias": False},
        {"type": "batch_normalisation"},
        {"type": "activation", "function": "relu"},
        {"type": "max_pooling2d", "pool": 2},
        {"type": "flatten"},
        {"type": "dropout", "rate": 0.2},
        {"type": "dense", "activation": "softmax"},
    ],
    "optimiser": {"type": "adam", "rate": 0.01, "schedule": "cosine"},
    "epochs": 20,
    "batch": 32,
    "seed": 3,
    "augmentation": [{"type": "shift", "pixels": 1}],
}
"""A second of training; dropout, batch normalisation and augmentation have a state that a resumed run must have too."""


@cache
def digits(size: int = 8) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Pictures [1797, size, size, 1] of 0 to 255, and the digits."""
    found = load_digits()
    pictures = (found.images * 15.9375).astype(np.uint8)
    if size != 8:
        nearest = np.arange(size) * 8 // size
        pictures = pictures[:, nearest][:, :, nearest]
    return pictures[..., np.newaxis], found.target.astype(np.int32)


def npz(rows: slice) -> bytes:
    """Some of them, as an upload."""
    pictures, numbers = digits()
    data = io.BytesIO()
    np.savez(data, x=pictures[rows], y=numbers[rows])
    return data.getvalue()


def write_snapshot(path: Path, *, size: int = 8, below: int = 10) -> str:
    """A snapshot's file of the digits lower than `below`; its SHA-256. The last 300 are the test split."""
    pictures, numbers = digits(size)
    chosen = numbers < below
    pictures, numbers = pictures[chosen], numbers[chosen]
    rows = np.arange(len(numbers), dtype=np.int32)
    split: dict[snapshot.Part, NDArray[np.int32]] = {
        "train": rows[:-450],
        "validation": rows[-450:-300],
        "test": rows[-300:],
    }
    schema = Schema("image", (size, size, 1), "uint8", ("ink",), tuple(str(number) for number in range(below)))
    parts = snapshot.chunks(schema, (picture.tobytes() for picture in pictures), numbers, None, split)
    path.write_bytes(b"".join(parts))
    return snapshot.file_sha256(path)
