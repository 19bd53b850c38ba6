"""Federated averaging (McMahan et al., 2017), one update at a time; and which updates move suspiciously far."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, sqrt

import numpy as np
from numpy.typing import NDArray

from zoo.federated.errors import ParticipantsError
from zoo.federated.parameters import Floats, Parameters, Weights

MAX_CLIP_NORM = 1e6
MAX_NOISE_MULTIPLIER = 100.0
LEAST_UPDATES_FOR_OUTLIERS = 4
_LEAST_SPREAD = 0.2
_BLOCK = 1 << 16
"""Numbers handled at once: as float64 they stay in a core's cache, and no array of the whole size is made."""

Doubles = NDArray[np.float64]


class FedAvg:
    """sum(n_k w_k) / sum(n_k) over the updates k: the accumulator is float64, and no update is kept.

    With `clip_norm` an update further than that from the global model (L2 over all parameters) is drawn towards it,
    up to that distance. With `noise_multiplier`, which needs `clip_norm`, each number of the average gets Gaussian
    noise of deviation noise_multiplier * clip_norm / updates, and all updates have the same weight: what one client
    can change is then at most clip_norm / updates, whereas a weight of its own choosing would have no such bound.
    Whoever knows `seed` can take the noise away again: give one only to repeat an experiment. Without, it is the
    operating system's.
    """

    def __init__(
        self,
        parameters: Parameters,
        global_weights: Weights,
        *,
        clip_norm: float | None = None,
        noise_multiplier: float = 0.0,
        seed: int | Sequence[int] | None = None,
    ) -> None:
        if clip_norm is not None and not 0 < clip_norm <= MAX_CLIP_NORM:
            raise ValueError(f"clip_norm is {clip_norm}; it is above 0 and at most {MAX_CLIP_NORM:g}")
        if not 0 <= noise_multiplier <= MAX_NOISE_MULTIPLIER:
            raise ValueError(f"noise_multiplier is {noise_multiplier}; it is from 0 to {MAX_NOISE_MULTIPLIER:g}")
        if noise_multiplier and clip_norm is None:
            raise ValueError("noise_multiplier needs clip_norm: without it no noise covers what one client can change")
        self._parameters = parameters
        self._global = parameters.checked(global_weights)
        self._clip_norm = clip_norm
        self._noise_multiplier = noise_multiplier
        self._seed = seed
        self._sums = [np.zeros(item.count, np.float64) for item in parameters]
        self._scratch = np.empty(_BLOCK, np.float64)
        self._weight = self._global_weight = 0.0
        self.updates = 0
        """How many were added."""

    def add(self, samples: int, weights: Weights) -> None:
        """Take an update into the average; it is not kept. The weights are as `decode_update` gives them."""
        if samples < 1:
            raise ValueError("an update comes from at least one sample")
        if [array.shape for array in weights] != [item.shape for item in self._parameters]:
            raise ValueError("the update has other shapes than the parameters")
        weight, share = 1.0 if self._noise_multiplier else float(samples), 1.0
        if self._clip_norm is not None:
            norm = update_norm(weights, self._global)
            share = min(1.0, self._clip_norm / norm) if norm else 1.0
        for total, array in zip(self._sums, weights, strict=True):
            self._add(total, _flat(array), weight * share)
        # global + share * (w - global) = share * w + (1 - share) * global, and the global model is added at the end.
        self._global_weight += weight * (1.0 - share)
        self._weight += weight
        self.updates += 1

    def result(self) -> Weights:
        """The average so far, noise added. Raises ParticipantsError when there was no update."""
        if not self.updates:
            raise ParticipantsError("There is no update to average.")
        deviation = self._noise_multiplier * (self._clip_norm or 0.0) / self.updates
        rng = np.random.default_rng(self._seed)
        averaged: list[Floats] = []
        for item, total, start in zip(self._parameters, self._sums, self._global, strict=True):
            mean = np.empty(item.count, np.float32)
            for place in range(0, item.count, _BLOCK):
                block = _flat(start)[place : place + _BLOCK].astype(np.float64)
                block *= self._global_weight
                block += total[place : place + _BLOCK]
                block /= self._weight
                if deviation:
                    block += rng.normal(0.0, deviation, len(block))
                mean[place : place + _BLOCK] = block
            averaged.append(mean.reshape(item.shape))
        return tuple(averaged)

    def _add(self, total: Doubles, array: Floats, weight: float) -> None:
        """Add weight * array to `total`, block by block."""
        for place in range(0, len(total), _BLOCK):
            end = min(place + _BLOCK, len(total))
            block = self._scratch[: end - place]
            block[...] = array[place:end]  # widened first: numpy is slower where it widens within an operation
            block *= weight
            total[place:end] += block


def update_norm(weights: Weights, global_weights: Weights) -> float:
    """How far an update moved: the L2 norm, over all parameters, of its weights minus the global model's."""
    squares, scratch = 0.0, np.empty(_BLOCK, np.float64)
    for array, start in zip(weights, global_weights, strict=True):
        flat, origin = _flat(array), _flat(start)
        for place in range(0, len(flat), _BLOCK):
            block = scratch[: min(_BLOCK, len(flat) - place)]
            block[...] = flat[place : place + _BLOCK]
            block -= origin[place : place + _BLOCK]
            # No dot product: BLAS would share blocks this small out to threads, and wait for them on a busy machine.
            np.multiply(block, block, out=block)
            squares += float(block.sum())
    return sqrt(squares)


def outliers(norms: Sequence[float], factor: float) -> tuple[int, ...]:
    """The indices of updates that moved further than median + factor * MAD of all of them.

    MAD is the median distance from the median, so that less than half of the clients cannot shift the bound as they
    like. It counts as at least a fifth of the median: where most clients have settled, one with other data still moves
    a few times as far, and is honest. A factor of 10 lets three times the median pass in any case. Fewer than 4 updates
    say nothing about what is usual, and none of them is one. A norm that is no number always is.
    """
    if len(norms) < LEAST_UPDATES_FOR_OUTLIERS:
        return ()
    values = np.array([norm if isfinite(norm) else np.inf for norm in norms], np.float64)
    median = float(np.median(values))
    if not isfinite(median):
        return tuple(int(index) for index in np.flatnonzero(np.isinf(values)))
    spread = max(float(np.median(np.abs(values - median))), _LEAST_SPREAD * median)
    return tuple(int(index) for index in np.flatnonzero(values > median + factor * spread))


def _flat(array: Floats) -> Floats:
    return array.reshape(-1)
