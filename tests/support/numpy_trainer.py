"""A trainer in twenty lines of numpy, so that a federation is tested without LiteRT: ReLU, softmax, plain SGD."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoo.federated.parameters import Floats, Parameter, Parameters, Weights
from zoo.training.errors import DivergedError

BATCH = 16
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Report:
    """What `train` says."""

    loss: float


@dataclass(frozen=True)
class Score:
    """What `evaluate` says."""

    accuracy: float
    loss: float


class NumpyTrainer:
    """One hidden layer of ReLUs between `inputs` numbers and `outputs` labels."""

    def __init__(self, inputs: int, hidden: int, outputs: int, seed: int = 1) -> None:
        rng = np.random.default_rng(seed)
        shapes = {
            "h/kernel": (inputs, hidden),
            "h/bias": (hidden,),
            "o/kernel": (hidden, outputs),
            "o/bias": (outputs,),
        }
        self.parameters = Parameters([Parameter(name, shape) for name, shape in shapes.items()])
        self._weights: list[Floats] = [
            (rng.normal(0, np.sqrt(2 / shape[0]), shape) if len(shape) > 1 else np.zeros(shape)).astype(np.float32)
            for shape in shapes.values()
        ]

    def get_weights(self) -> Weights:
        return tuple(array.copy() for array in self._weights)

    def set_weights(self, weights: Sequence[Floats]) -> None:
        self._weights = [array.copy() for array in self.parameters.checked(weights)]

    def train(self, x: Floats, y: Integers, epochs: int, learning_rate: float, rng: np.random.Generator) -> Report:
        total = 0.0
        for _ in range(epochs):
            order, total = rng.permutation(len(x)), 0.0
            for start in range(0, len(order), BATCH):
                rows = order[start : start + BATCH]
                total += self._step(x[rows], y[rows], np.float32(learning_rate)) * len(rows)
        return Report(total / len(x))

    def evaluate(self, x: Floats, y: Integers) -> Score:
        _, probabilities = self._forward(x)
        loss = -np.log(np.maximum(probabilities[np.arange(len(y)), y], 1e-12)).mean()
        return Score(float((probabilities.argmax(1) == y).mean()), float(loss))

    def _forward(self, x: Floats) -> tuple[Floats, Floats]:
        kernel, bias, out_kernel, out_bias = self._weights
        with np.errstate(over="ignore", invalid="ignore"):  # a model that an attack has ruined computes with infinities
            hidden = np.maximum(x @ kernel + bias, 0)
            logits = hidden @ out_kernel + out_bias
            powers = np.exp(logits - logits.max(1, keepdims=True))
            return hidden, powers / powers.sum(1, keepdims=True)

    def _step(self, x: Floats, y: Integers, rate: np.float32) -> float:
        hidden, probabilities = self._forward(x)
        loss = float(-np.log(np.maximum(probabilities[np.arange(len(y)), y], 1e-12)).mean())
        if not np.isfinite(loss):
            raise DivergedError("The loss is not a number any more.")
        slope = probabilities.copy()
        slope[np.arange(len(y)), y] -= 1
        slope /= len(y)
        with np.errstate(over="ignore", invalid="ignore"):  # the next step's loss tells
            back = (slope @ self._weights[2].T) * (hidden > 0)
            slopes = (x.T @ back, back.sum(0), hidden.T @ slope, slope.sum(0))
            self._weights = [array - rate * of_array for array, of_array in zip(self._weights, slopes, strict=True)]
        return loss
