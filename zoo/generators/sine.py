"""Points of a sine with normal noise; the test split is the noiseless sine, evenly over 0 to 2 pi."""

from __future__ import annotations

import numpy as np

from zoo.generators.parts import in_order
from zoo.training.data import TrainingData

SEED = 20260107
TRAIN, VALIDATION, TEST = 2000, 200, 629
NOISE = 0.05


def make() -> TrainingData:
    """Points [n, 1] and their sines [n, 1]."""
    rng = np.random.default_rng(SEED)
    x = rng.uniform(0, 2 * np.pi, (TRAIN + VALIDATION, 1))
    x[0], x[TRAIN - 1] = 0, 2 * np.pi  # the quantised input has to reach both ends
    y = np.sin(x) + rng.normal(0, NOISE, x.shape)
    even = np.linspace(0, 2 * np.pi, TEST)[:, np.newaxis]
    samples = np.concatenate([x, even]).astype(np.float32)
    targets = np.concatenate([y, np.sin(even)]).astype(np.float32)
    return in_order(samples, targets, (), validation=VALIDATION, test=TEST)
