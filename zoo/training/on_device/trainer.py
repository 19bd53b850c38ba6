"""Trains a trainable .tflite file where the data is: LiteRT and numpy, nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import NDArray

from zoo.federated.parameters import Parameters, Weights
from zoo.training.data import Floats, Integers, Scaling
from zoo.training.errors import DataError, DivergedError
from zoo.training.on_device.budget import Budget
from zoo.training.on_device.document import NotTrainableError, TrainableDocument
from zoo.training.recipe import CLASSIFICATION

SIGNATURES = ("train", "infer", "get_weights", "set_weights")


@dataclass(frozen=True)
class TrainReport:
    """What a training did: the mean loss of its last epoch, its steps, and how many samples there were.

    `stopped` says why it ended before its last epoch; None when it did not.
    """

    loss: float
    steps: int
    samples: int
    stopped: str | None = None


@dataclass(frozen=True)
class Score:
    """How good a model is on samples: `accuracy` of a classification, otherwise `mae` in the target's own units."""

    samples: int
    loss: float
    accuracy: float | None = None
    mae: float | None = None

    @property
    def figure(self) -> float:
        """The one of the two that the task has."""
        return self.accuracy if self.accuracy is not None else self.mae if self.mae is not None else self.loss


class LiteRtTrainer:
    """One trainable model in memory; not thread-safe. Raises NotTrainableError for another file.

    Samples and targets are as `document.samples` and `document.targets` give them.
    """

    def __init__(self, tflite: bytes) -> None:
        self.document = TrainableDocument.of_file(tflite)
        try:
            # One thread and no delegate: the same numbers on every run.
            self._interpreter: Any = Interpreter(
                model_content=tflite,
                num_threads=1,
                experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            )
            self._run = {name: self._interpreter.get_signature_runner(name) for name in SIGNATURES}
            fresh = self._read()
        except (ValueError, RuntimeError) as error:
            raise NotTrainableError(f"LiteRT cannot train the file: {str(error)[:300]}") from error
        if [array.shape for array in fresh] != [item.shape for item in self.parameters]:
            raise NotTrainableError("The file's weights are not those that its document names.")
        batch, shape = self.document.batch, self.document.input_shape
        given = {name: tuple(item["shape"]) for name, item in self._run["train"].get_input_details().items()}
        if (given.get("x"), given.get("y")) != ((batch, *shape), (batch, self.document.outputs)):
            raise NotTrainableError("The file takes samples of another shape than its document says.")

    @property
    def parameters(self) -> Parameters:
        """What is trained, in order."""
        return self.document.parameters

    def get_weights(self) -> Weights:
        """Copies of all weights."""
        return self._read()

    def set_weights(self, weights: Sequence[NDArray[np.float32]]) -> None:
        """Replace all weights. Raises ParametersError when a shape is another or a value is no number."""
        checked = self.parameters.checked(weights)
        self._run["set_weights"](**dict(zip(self.document.weight_names, checked, strict=True)))

    def train(
        self,
        x: Floats,
        y: Integers | Floats,
        epochs: int,
        learning_rate: float,
        rng: np.random.Generator,
        budget: Budget | None = None,
    ) -> TrainReport:
        """So many epochs of gradient descent, each in an order of its own. Raises DataError and DivergedError."""
        loss, steps = float("nan"), 0
        for _ in range(epochs):
            pass_ = self.epoch(x, y, rng.permutation(len(x)), learning_rate, budget)
            loss, steps = (pass_.loss, steps + pass_.steps) if pass_.steps else (loss, steps)
            if pass_.stopped is not None:
                return TrainReport(loss, steps, len(x), pass_.stopped)
        return TrainReport(loss, steps, len(x))

    def epoch(
        self,
        x: Floats,
        y: Integers | Floats,
        order: Integers,
        learning_rate: float,
        budget: Budget | None = None,
    ) -> TrainReport:
        """One pass over the samples in `order`; a budget that runs out ends it after a whole step."""
        self._check(x, y)
        batch = self.document.batch
        total, seen, steps = 0.0, 0, 0
        stopped: str | None = None
        for start in range(0, len(order), batch):
            stopped = None if budget is None else budget.spend()
            if stopped is not None:
                break
            chosen = order[start : start + batch]
            loss = self._step(x[chosen], self._as_outputs(y[chosen]), learning_rate)
            total, seen, steps = total + loss * len(chosen), seen + len(chosen), steps + 1
        return TrainReport(total / seen if seen else float("nan"), steps, len(order), stopped)

    def infer(self, x: Floats) -> Floats:
        """The outputs for every sample, [n, outputs]."""
        batch, found = self.document.batch, []
        for start in range(0, len(x), batch):
            part = x[start : start + batch]
            found.append(self._run["infer"](x=self._filled(part))["output"][: len(part)])
        return np.concatenate(found).reshape(len(x), -1) if found else np.zeros((0, self.document.outputs), np.float32)

    def evaluate(self, x: Floats, y: Integers | Floats) -> Score:
        """How good the model is on these samples. Raises DataError when there are none."""
        self._check(x, y)
        outputs = self.infer(x).astype(np.float64)
        if self.document.task == CLASSIFICATION:
            logarithms = _log_softmax(outputs) if self.document.from_logits else np.log(np.maximum(outputs, 1e-12))
            classes = y.astype(np.int64)
            loss = -float(logarithms[np.arange(len(x)), classes].mean())
            return Score(len(x), loss, accuracy=float(np.mean(outputs.argmax(1) == classes)))
        wanted = y.astype(np.float64)
        error = outputs - wanted
        loss = float(np.mean(error**2) if self.document.loss == "mean-squared-error" else np.mean(np.abs(error)))
        scaling = Scaling.parse(self.document.scaling)
        return Score(len(x), loss, mae=float(np.mean(np.abs(scaling.unscaled(outputs) - scaling.unscaled(wanted)))))

    def _read(self) -> Weights:
        found = self._run["get_weights"]()
        return tuple(np.array(found[name], np.float32) for name in self.document.weight_names)

    def _step(self, x: Floats, y: Floats, learning_rate: float) -> float:
        weights = np.zeros(self.document.batch, np.float32)
        weights[: len(x)] = 1
        found = self._run["train"](
            x=self._filled(x), y=self._filled(y), sample_weight=weights, learning_rate=np.float32(learning_rate)
        )
        loss = float(found["loss"])
        if not np.isfinite(loss):
            raise DivergedError("The loss is not a number any more.", remedy="Take a smaller learning rate.")
        return loss

    def _filled(self, part: Floats) -> Floats:
        """A whole batch; what is added weighs nothing."""
        missing = self.document.batch - len(part)
        if not missing:
            return np.ascontiguousarray(part, np.float32)
        return np.concatenate([part, np.zeros((missing, *part.shape[1:]), np.float32)]).astype(np.float32)

    def _as_outputs(self, y: Integers | Floats) -> Floats:
        if self.document.task != CLASSIFICATION:
            return y.astype(np.float32)
        return np.eye(self.document.outputs, dtype=np.float32)[y.astype(np.int64)]

    def _check(self, x: Floats, y: Integers | Floats) -> None:
        if not len(x):
            raise DataError("There are no samples.", field="x", remedy="Collect some first.")
        if x.shape[1:] != self.document.input_shape or len(x) != len(y):
            raise DataError(
                f"The model takes samples of {list(self.document.input_shape)} with an answer each; these are "
                f"{list(x.shape)} with {len(y)} answers.",
                field="x",
            )


def _log_softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    shifted = logits - logits.max(axis=1, keepdims=True)
    made: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return made
