"""Drift of a running model: what its inputs and outputs are like, binned, against the samples that it was made for.

A reference comes from samples that the model never saw, a window from a device. What has no order (the predicted
classes) is compared by the population stability index, PSI = sum (q - p) ln(q / p); what has one by the distance of
Kolmogorov and Smirnov, the largest gap between the two cumulated shares. Both samples are finite, so a value counts
only where it is larger than chance alone makes it *and* larger than what anybody would act on:

- PSI of B classes without drift is (1/n + 1/m) times chi-square with B - 1 degrees of freedom (Yurdakul 2018,
  "Statistical Properties of Population Stability Index"); 0.25 is the usual limit of action (Siddiqi 2006, "Credit
  Risk Scorecards").
- The distance exceeds sqrt(-ln(a / 2) / 2) sqrt(1/n + 1/m) with probability a (Smirnov 1948); bins make it smaller,
  never larger (Noether 1963).
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from zoo.training.evaluation import Numbers, probabilities

CLASSES, CONFIDENCE, OUTPUT = "classes", "confidence", "output"
INPUT_MEAN, INPUT_DEVIATION = "input_mean", "input_deviation"
STATISTICS = (CLASSES, CONFIDENCE, OUTPUT, INPUT_MEAN, INPUT_DEVIATION)

CONFIDENCE_EDGES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
"""Finer where a good model is: the quantiles of its confidence would nearly all be the last step of int8."""
QUANTILES = 10
MAX_CLASSES = 1024
MIN_VALUES = 30
"""Below it the approximations above do not hold, and nothing is compared."""
_EMPTY = 0.5  # in place of the nothing in an empty bin, which has no logarithm; added to every bin


@dataclass(frozen=True, slots=True)
class Distribution:
    """Counts in bins between the inner `edges`: one bin more than edges, and a value on an edge lies above it.

    Without edges the bins are classes, which have no order. `total` and `squares` add up the values themselves.
    """

    counts: tuple[int, ...]
    edges: tuple[float, ...] | None = None
    total: float = 0.0
    squares: float = 0.0

    @property
    def size(self) -> int:
        """How many values there are."""
        return sum(self.counts)

    @property
    def mean(self) -> float | None:
        """Of the values; None of classes, or of nothing."""
        return self.total / self.size if self.edges is not None and self.size else None

    @property
    def deviation(self) -> float | None:
        """Of the values, as a population."""
        mean = self.mean
        return None if mean is None else math.sqrt(max(0.0, self.squares / self.size - mean * mean))

    def emptied(self) -> Self:
        """The same bins without values."""
        return type(self)((0,) * len(self.counts), self.edges)

    def with_value(self, value: float) -> Self:
        """One value more; a class is its number."""
        place = int(value) if self.edges is None else bisect_right(self.edges, value)
        counts = tuple(count + (index == place) for index, count in enumerate(self.counts))
        if self.edges is None:
            return type(self)(counts)
        return type(self)(counts, self.edges, self.total + value, self.squares + value * value)

    @classmethod
    def of_values(cls, values: NDArray[np.floating], edges: Sequence[float]) -> Self:
        """Values [n] in bins."""
        places = np.searchsorted(np.array(edges), values, side="right")
        counts = np.bincount(places, minlength=len(edges) + 1)
        wide = values.astype(np.float64)
        return cls(tuple(counts.tolist()), tuple(edges), float(wide.sum()), float((wide**2).sum()))

    @classmethod
    def of_quantiles(cls, values: NDArray[np.floating]) -> Self:
        """Values [n] in bins that hold equally many of them, where they are not too often the same."""
        inner = np.quantile(values.astype(np.float64), np.arange(1, QUANTILES) / QUANTILES)
        return cls.of_values(values, tuple(np.unique(inner).tolist()))

    @classmethod
    def of_json(cls, document: Mapping[str, Any]) -> Self:
        """From its `asdict`."""
        edges = document["edges"]
        return cls(
            tuple(document["counts"]),
            None if edges is None else tuple(edges),
            document["total"],
            document["squares"],
        )


@dataclass(frozen=True, slots=True)
class Reference:
    """What a version does on held-out samples of its training data: distributions by the names in STATISTICS."""

    task: str
    from_logits: bool
    labels: tuple[str, ...]
    split: str
    samples: int
    distributions: Mapping[str, Distribution]

    @property
    def is_classifier(self) -> bool:
        """Whether the largest output is a class."""
        return CLASSES in self.distributions

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    @classmethod
    def of_json(cls, document: Mapping[str, Any]) -> Self:
        """From what `to_json` gave."""
        found = {name: Distribution.of_json(item) for name, item in document["distributions"].items()}
        return cls(**{**document, "labels": tuple(document["labels"]), "distributions": found})


@dataclass(frozen=True, slots=True)
class Limits:
    """From where on a difference counts.

    `significance` is the probability that one statistic of one window exceeds its limit although nothing drifts.
    """

    psi: float = 0.25
    distance: float = 0.2
    significance: float = 0.001


@dataclass(frozen=True, slots=True)
class Comparison:
    """One statistic of a window: it drifts when `value` is above `threshold`."""

    statistic: str
    method: str
    value: float
    threshold: float
    samples: int

    @property
    def ratio(self) -> float:
        """Of the value to its threshold."""
        return self.value / self.threshold


def classes_and_confidence(outputs: Numbers, *, from_logits: bool) -> tuple[NDArray[np.int64], Numbers]:
    """The largest output of each row of [n, classes], and the probability that the model gives it."""
    found = probabilities(outputs, from_logits=from_logits)
    return found.argmax(axis=1).astype(np.int64), found.max(axis=1)


def observe(
    reference: Reference,
    output: Numbers,
    *,
    input_mean: float | None = None,
    input_deviation: float | None = None,
) -> dict[str, float]:
    """One inference, by the names in STATISTICS: the number of a class, or a value.

    `output` is flat and in real units; the moments of the input are given where they are known.
    """
    values: dict[str, float] = {}
    if reference.is_classifier:
        chosen, confidence = classes_and_confidence(output[np.newaxis], from_logits=reference.from_logits)
        values |= {CLASSES: float(chosen[0]), CONFIDENCE: float(confidence[0])}
    else:
        values[OUTPUT] = float(output.mean())
    given = {INPUT_MEAN: input_mean, INPUT_DEVIATION: input_deviation}
    values |= {name: value for name, value in given.items() if value is not None}
    return {name: value for name, value in values.items() if name in reference.distributions}


def compare(
    reference: Mapping[str, Distribution], window: Mapping[str, Distribution], limits: Limits
) -> tuple[Comparison, ...]:
    """Every statistic that both sides have enough values of."""
    found = []
    for name in STATISTICS:
        known, seen = reference.get(name), window.get(name)
        if known is None or seen is None or min(known.size, seen.size) < MIN_VALUES:
            continue
        noise = 1 / known.size + 1 / seen.size
        if known.edges is None:
            value, bins = _psi(known.counts, seen.counts)
            chance = noise * _chi_square(1 - limits.significance, max(1, bins - 1))
            found.append(Comparison(name, "psi", value, max(limits.psi, chance), seen.size))
        else:
            chance = math.sqrt(-math.log(limits.significance / 2) / 2 * noise)
            # A distance is at most 1: where chance alone explains that, nothing exceeds it.
            threshold = min(1.0, max(limits.distance, chance))
            found.append(Comparison(name, "ks", _distance(known.counts, seen.counts), threshold, seen.size))
    return tuple(found)


def _psi(known: Sequence[int], seen: Sequence[int]) -> tuple[float, int]:
    """The index, and the number of bins in which there is anything."""
    both = np.array([known, seen], np.float64)
    both = both[:, both.sum(axis=0) > 0] + _EMPTY
    p, q = both / both.sum(axis=1, keepdims=True)
    return float(((q - p) * np.log(q / p)).sum()), both.shape[1]


def _distance(known: Sequence[int], seen: Sequence[int]) -> float:
    p, q = (np.cumsum(counts) / sum(counts) for counts in (known, seen))
    return float(np.abs(p - q).max())


def _chi_square(probability: float, freedom: int) -> float:
    """The quantile, within two per cent on the safe side (Wilson and Hilferty 1931)."""
    part = 2 / (9 * freedom)
    return freedom * (1 - part + NormalDist().inv_cdf(probability) * math.sqrt(part)) ** 3
