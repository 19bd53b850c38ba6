"""scikit-learn's handwritten digits, 8x8. Ordered by writer: the tail holds people whom a training hardly saw."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_digits

from zoo.generators.parts import in_order
from zoo.training.data import TrainingData

VALIDATION, TEST = 120, 360


def make() -> TrainingData:
    """Ink from 0 to 1, [n, 8, 8, 1]."""
    digits = load_digits()
    images = (digits.images / 16).astype(np.float32)[..., np.newaxis]
    labels = tuple(str(digit) for digit in range(10))
    return in_order(images, digits.target.astype(np.int64), labels, validation=VALIDATION, test=TEST)
