"""What the numbers of a dataset are like: per column, sensor or colour channel."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.datasets.schema import Schema

BINS = 20
MAX_FEATURES = 512
_ROWS = 4096


@dataclass(frozen=True)
class FeatureStatistics:
    """Of one feature over all samples and, for series and images, all readings or pixels; `std` is of the population.

    `histogram` counts values in equal bins from `minimum` to `maximum`.
    """

    name: str
    count: int
    mean: float
    std: float
    minimum: float
    maximum: float
    histogram: tuple[int, ...]


def statistics(schema: Schema, batches: Callable[[], Iterable[NDArray[Any]]]) -> tuple[FeatureStatistics, ...]:
    """Statistics of the first 512 features.

    `batches` gives the samples, [n, *schema.shape] at a time, and is asked twice: the bins are known after the first
    time only. Sums are taken in float64 around the first value, so that a large offset costs no digits.
    """
    width = min(schema.shape[-1], MAX_FEATURES)
    count, total, squares = 0, np.zeros(width), np.zeros(width)
    low, high = np.full(width, np.inf), np.full(width, -np.inf)
    shift: NDArray[np.float64] | None = None
    for block in _blocks(batches, width):
        if shift is None:
            shift = block[0].copy()
        count += len(block)
        low, high = np.minimum(low, block.min(axis=0)), np.maximum(high, block.max(axis=0))
        centred = block - shift
        total += centred.sum(axis=0)
        squares += (centred**2).sum(axis=0)
    if shift is None:
        return ()
    mean = total / count
    std = np.sqrt(np.maximum(squares / count - mean**2, 0))
    histogram = np.zeros((width, BINS), np.int64)
    span = np.where(high > low, high - low, 1.0)
    for block in _blocks(batches, width):
        places = np.clip(((block - low) / span * BINS).astype(np.int64), 0, BINS - 1)
        for feature in range(width):
            histogram[feature] += np.bincount(places[:, feature], minlength=BINS)
    return tuple(
        FeatureStatistics(
            schema.features[feature],
            count,
            float(mean[feature] + shift[feature]),
            float(std[feature]),
            float(low[feature]),
            float(high[feature]),
            tuple(histogram[feature].tolist()),
        )
        for feature in range(width)
    )


def _blocks(batches: Callable[[], Iterable[NDArray[Any]]], width: int) -> Iterable[NDArray[np.float64]]:
    """Pieces of a bounded size, [values, width] in float64."""
    for batch in batches():
        per_sample = max(1, int(np.prod(batch.shape[1:-1])))
        step = max(1, _ROWS // per_sample)
        for begin in range(0, len(batch), step):
            piece = batch[begin : begin + step]
            yield piece.reshape(-1, batch.shape[-1])[:, :width].astype(np.float64)
