"""Clients of a simulated federation: honest ones train on samples of their own, attackers send what nobody should."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

import cbor2
import numpy as np
from numpy.typing import NDArray

from zoo.federated.documents import Form, Update, decode_model, encode_update
from zoo.federated.parameters import Floats, Parameters, Weights

Integers = NDArray[np.int64]

_SCALE = 100.0


class Trained(Protocol):
    """What a training says of itself."""

    @property
    def loss(self) -> float:
        """The mean loss of its last epoch."""
        ...


class Judged(Protocol):
    """What an evaluation says."""

    @property
    def accuracy(self) -> float | None:
        """The share of samples whose label was found."""
        ...

    @property
    def loss(self) -> float:
        """The mean loss."""
        ...


class Trainer(Protocol):
    """Trains a model's weights with plain gradient descent; `zoo.training.on_device` has the real one."""

    @property
    def parameters(self) -> Parameters:
        """What is trained."""
        ...

    def get_weights(self) -> Weights:
        """Copies of all weights."""
        ...

    def set_weights(self, weights: Sequence[Floats]) -> None:
        """Replace all weights."""
        ...

    def train(self, x: Floats, y: Integers, epochs: int, learning_rate: float, rng: np.random.Generator) -> Trained:
        """So many passes over the samples, each in an order of its own."""
        ...

    def evaluate(self, x: Floats, y: Integers) -> Judged:
        """How good the model is on these samples."""
        ...


@dataclass(frozen=True)
class Training:
    """How a client trains in a round, and in which form weights travel."""

    epochs: int = 5
    learning_rate: float = 0.2
    form: Form = "float32"


@dataclass(frozen=True)
class Client:
    """Samples that never leave it: x [n, ...] as the network sees them, y [n] label numbers."""

    name: str
    x: Floats
    y: Integers

    def answer(self, model: bytes, base: bytes, trainer: Trainer, training: Training, seed: Sequence[int]) -> bytes:
        """Read the global model, train it on the own samples, and write the update."""
        return encode_update(self.trained(model, base, trainer, training, seed), training.form)

    def trained(self, model: bytes, base: bytes, trainer: Trainer, training: Training, seed: Sequence[int]) -> Update:
        """The update before it is written."""
        received = decode_model(model, trainer.parameters)
        trainer.set_weights(received.weights)
        rng = np.random.default_rng(seed)
        report = trainer.train(self.x, self.y, training.epochs, training.learning_rate, rng)
        return Update(received.round, base, len(self.x), trainer.get_weights(), report.loss)


class Attack(StrEnum):
    """What an attacker does."""

    SCALED = "scaled"
    """Goes a hundred times as far as its training went, backwards."""
    NOT_A_NUMBER = "not-a-number"
    """Sends weights that are no numbers."""
    REPLAYED = "replayed"
    """Sends its first update again in every later round."""


@dataclass
class Attacker:
    """A client that is enrolled, and selected, like the others."""

    client: Client
    attack: Attack
    _first: bytes | None = None

    @property
    def name(self) -> str:
        """The client's."""
        return self.client.name

    def answer(self, model: bytes, base: bytes, trainer: Trainer, training: Training, seed: Sequence[int]) -> bytes:
        """What it sends in the place of an update."""
        if self.attack is Attack.REPLAYED and self._first is not None:
            return self._first
        update = self.client.trained(model, base, trainer, training, seed)
        match self.attack:
            case Attack.SCALED:
                start = decode_model(model, trainer.parameters).weights
                away = tuple(
                    origin - np.float32(_SCALE) * (array - origin)
                    for origin, array in zip(start, update.weights, strict=True)
                )
                return encode_update(replace(update, weights=away))
            case Attack.NOT_A_NUMBER:
                return _poisoned(update)
            case Attack.REPLAYED:
                self._first = encode_update(update, training.form)
                return self._first


def _poisoned(update: Update) -> bytes:
    """Written by hand: `encode_update` writes no such thing."""
    arrays = [cbor2.CBORTag(85, np.full(array.size, np.nan, "<f4").tobytes()) for array in update.weights]
    return cbor2.dumps({"round": update.round, "base": update.base, "samples": update.samples, "weights": arrays})
