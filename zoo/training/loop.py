"""The training loop: epochs in a graph, the same numbers on every run, resumed from the last checkpoint."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from zoo.training import checkpoint, network
from zoo.training.checkpoint import State
from zoo.training.data import Learned, augmented, order
from zoo.training.errors import DivergedError
from zoo.training.recipe import Recipe
from zoo.training.work import Report

CHECKPOINT_SECONDS = 1.0
_VALIDATION_BATCH = 256


def make_deterministic() -> None:
    """Deterministic kernels, and one thread: the order of additions depends on their number. Before anything else."""
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.keras.utils.set_random_seed(0)  # the kernels refuse to work without one
    tf.config.experimental.enable_op_determinism()


def seed(number: int) -> None:
    """What initial weights and dropout are drawn from."""
    tf.keras.utils.set_random_seed(number)


def train(
    model: Any,
    recipe: Recipe,
    data: Learned,
    folder: Path,
    key: str,
    report: Report,
    *,
    optimiser: Any = None,
    shuffled: bool = True,
) -> list[dict[str, float]]:
    """Train `model` in place and return each epoch's figures, which `report` hears as they come.

    Without an `optimiser` it is the recipe's; without `shuffled` the samples of every epoch come as they stand.

    A checkpoint of the same `key` in `folder` is gone on from: its epochs are reported again, then the rest is trained.
    Raises DivergedError.
    """
    run = _Run(model, recipe, data, optimiser, shuffled=shuffled)
    path = folder / "checkpoint.npz"
    state = checkpoint.load(path, key) or State()
    if state.variables:
        run.restore(state.variables)
    for figures in state.history:
        report(figures)
    written = time.monotonic()
    while state.epoch < recipe.epochs and not _patience_lost(state, recipe):
        figures = run.epoch(state.epoch)
        state.epoch += 1
        state.history.append(figures)
        _keep_best(state, run, recipe)
        report(figures)
        if time.monotonic() - written > CHECKPOINT_SECONDS:
            state.variables = run.values()
            checkpoint.save(path, state, key)
            written = time.monotonic()
    if state.best:
        for variable, value in zip(model.variables, state.best, strict=True):
            variable.assign(value)
    return state.history


class _Run:
    """The model, its optimiser, and the two graphs: one epoch of training, one pass over the validation split."""

    def __init__(self, model: Any, recipe: Recipe, data: Learned, optimiser: Any, *, shuffled: bool) -> None:
        self._model, self._recipe, self._data, self._shuffled = model, recipe, data, shuffled
        self._validation = tf.constant(data.validation_x), tf.constant(data.validation_y)
        self._targets = tf.constant(data.train_y)
        steps = recipe.epochs * math.ceil(len(data.train_x) / recipe.batch)
        self._optimiser = optimiser or network.optimiser(recipe, steps)
        self._optimiser.build(model.trainable_variables)
        self._metric_name, self._metric = network.metric(recipe)
        self._loss = network.loss(recipe)
        self._train = tf.function(self._train_graph)
        self._validate = tf.function(self._validate_graph)
        self.variables = [*model.variables, *self._optimiser.variables]

    def epoch(self, number: int) -> dict[str, float]:
        """Train one epoch and look at the validation split."""
        samples = augmented(self._data.train_x, self._recipe, number)
        sequence = order(self._recipe, number, len(samples)) if self._shuffled else np.arange(len(samples))
        loss, metric = self._train(tf.constant(samples), self._targets, tf.constant(sequence))
        validation_loss, validation_metric = self._validate(*self._validation)
        figures = {
            "epoch": number + 1,
            "loss": float(loss),
            self._metric_name: float(metric),
            "validation_loss": float(validation_loss),
            f"validation_{self._metric_name}": float(validation_metric),
        }
        if not all(math.isfinite(value) for value in figures.values()):
            raise DivergedError(f"In epoch {number + 1} a loss is not a number any more.")
        return figures

    def values(self) -> list[Any]:
        """Every variable: weights, moving averages, the optimiser's moments and steps, the states of dropout."""
        return [np.array(variable) for variable in self.variables]

    def weights(self) -> list[Any]:
        """The model's own."""
        return [np.array(variable) for variable in self._model.variables]

    def restore(self, values: list[Any]) -> None:
        """Put `values` back."""
        for variable, value in zip(self.variables, values, strict=True):
            variable.assign(value)

    def _train_graph(self, samples: Any, targets: Any, sequence: Any) -> tuple[Any, Any]:
        count = tf.shape(sequence)[0]
        total, good = tf.constant(0.0), tf.constant(0.0)
        for start in tf.range(0, count, self._recipe.batch):
            chosen = sequence[start : start + self._recipe.batch]
            given, wanted = tf.gather(samples, chosen), tf.gather(targets, chosen)
            with tf.GradientTape() as tape:
                outputs = self._model(given, training=True)
                losses = self._loss(wanted, outputs)
                objective = tf.add_n([tf.reduce_mean(losses), *self._model.losses])
            variables = self._model.trainable_variables
            self._optimiser.apply_gradients(zip(tape.gradient(objective, variables), variables, strict=True))
            total += tf.reduce_sum(losses)
            good += tf.reduce_sum(tf.cast(self._metric(wanted, outputs), tf.float32))
        share = 1.0 / tf.cast(count, tf.float32)
        return total * share, good * share

    def _validate_graph(self, samples: Any, targets: Any) -> tuple[Any, Any]:
        count = tf.shape(samples)[0]
        total, good = tf.constant(0.0), tf.constant(0.0)
        for start in tf.range(0, count, _VALIDATION_BATCH):
            wanted = targets[start : start + _VALIDATION_BATCH]
            outputs = self._model(samples[start : start + _VALIDATION_BATCH], training=False)
            total += tf.reduce_sum(self._loss(wanted, outputs))
            good += tf.reduce_sum(tf.cast(self._metric(wanted, outputs), tf.float32))
        share = 1.0 / tf.cast(count, tf.float32)
        return total * share, good * share


def _keep_best(state: State, run: _Run, recipe: Recipe) -> None:
    if recipe.patience is None:
        return
    loss = state.history[-1]["validation_loss"]
    if state.best_loss is None or loss < state.best_loss:
        state.best_loss, state.waited, state.best = loss, 0, run.weights()
    else:
        state.waited += 1


def _patience_lost(state: State, recipe: Recipe) -> bool:
    return recipe.patience is not None and state.waited >= recipe.patience
