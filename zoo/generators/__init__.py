"""The data of the catalogue's models: computed, or in scikit-learn's wheel; nothing is downloaded."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from zoo.errors import NoSuchModelError
from zoo.training.data import TrainingData

GENERATORS = {
    "accelerometer-gestures": "gestures",
    "digits-cnn": "digits",
    "hello-world-sine": "sine",
    "keyword-spotting": "keywords",
    "lenet-digits": "lenet",
    "vibration-autoencoder": "bearings",
    "wine-mlp": "wine",
}
"""Which module makes the data of which model of the catalogue."""


def data_of(model: str) -> TrainingData:
    """The data that a model of the catalogue was trained on: always the same. Raises NoSuchModelError."""
    if model not in GENERATORS:
        raise NoSuchModelError(f"No data is known for {model[:80]!r}; there is some for {', '.join(GENERATORS)}.")
    make: Callable[[], TrainingData] = import_module(f"zoo.generators.{GENERATORS[model]}").make
    return make()
