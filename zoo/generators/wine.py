"""scikit-learn's wines: 13 chemical measurements of 178 wines from three cultivars of one region."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_wine

from zoo.generators.parts import in_order
from zoo.training.data import TrainingData

SEED = 7
VALIDATION, TEST = 18, 54


def make() -> TrainingData:
    """[178, 13] in the measurements' own units, shuffled: the set is ordered by cultivar."""
    wine = load_wine()
    order = np.random.default_rng(SEED).permutation(len(wine.data))
    samples, classes = wine.data[order].astype(np.float32), wine.target[order].astype(np.int64)
    return in_order(samples, classes, ("cultivar 1", "cultivar 2", "cultivar 3"), validation=VALIDATION, test=TEST)
