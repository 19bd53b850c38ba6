"""Data in which the parts of the split stand one after the other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zoo.training.data import Floats, Integers, TrainingData


def in_order(
    samples: Floats, targets: Integers | Floats | None, labels: tuple[str, ...], *, validation: int, test: int
) -> TrainingData:
    """The last `test` samples are the test split, the `validation` ones before them the validation split."""
    rows: NDArray[np.int64] = np.arange(len(samples))
    first = len(samples) - test - validation
    return TrainingData(
        np.ascontiguousarray(samples, np.float32),
        targets,
        labels,
        train=rows[:first],
        validation=rows[first : first + validation],
        test=rows[first + validation :],
    )
