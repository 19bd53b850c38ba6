"""How good a federation's weights are: on the operator's held-out data, by LiteRT, in this process."""

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from app.storage.federation_tables import FederationRow
from zoo.datasets import snapshot
from zoo.federated.parameters import Weights
from zoo.training.data import MAX_TEST_SAMPLES, Floats, Integers
from zoo.training.errors import DataError, DivergedError
from zoo.training.on_device.document import TrainableDocument
from zoo.training.on_device.trainer import LiteRtTrainer


@dataclass(frozen=True)
class Prepared:
    """What a trainable model says of itself, its weights, and how good they are."""

    document: dict[str, Any]
    weights: Weights
    score: dict[str, Any]


class FederationScorer:
    """Scores global weights; called from threads."""

    def __init__(self, snapshot_path: Callable[[str], Path]) -> None:
        self._snapshot_path = snapshot_path

    def prepared(self, federation: FederationRow, trainable: bytes) -> Prepared:
        """Raises a TrainingError when the held-out data is not what the model takes."""
        trainer = LiteRtTrainer(trainable)
        return Prepared(
            trainer.document.to_json(), trainer.get_weights(), self._scored(federation, trainer, "The model")
        )

    def score(self, federation: FederationRow, trainable: bytes, weights: Weights) -> dict[str, Any]:
        """A metric, its value, and the loss. Raises DivergedError for weights that answer with no numbers."""
        trainer = LiteRtTrainer(trainable)
        trainer.set_weights(weights)
        return self._scored(federation, trainer, "The average")

    def _scored(self, federation: FederationRow, trainer: LiteRtTrainer, what: str) -> dict[str, Any]:
        x, y = self._held_out(federation, trainer.document)
        with np.errstate(all="ignore"):  # a client's weights are any finite numbers; what comes out is looked at
            found = trainer.evaluate(x, y)
        if not (isfinite(found.figure) and isfinite(found.loss)):
            raise DivergedError(
                f"{what} answers the held-out data with values that are no numbers, or infinite ones.",
                remedy="Take a smaller learning_rate; outlier_factor leaves out an update that goes too far.",
            )
        metric = "mean_absolute_error" if found.accuracy is None else "accuracy"
        return {"metric": metric, "value": found.figure, "loss": found.loss}

    def _held_out(self, federation: FederationRow, document: TrainableDocument) -> tuple[Floats, Integers | Floats]:
        """The test split, or without one the validation split: as an evaluation takes it, and no more of the file."""
        sha256 = federation.snapshot_sha256
        data = snapshot.load(self._snapshot_path(sha256), sha256)
        rows = data.split["test"] if len(data.split["test"]) else data.split["validation"]
        if not len(rows):
            raise DataError("The snapshot has neither a test nor a validation split.", remedy="Split it first.")
        rows = rows[:MAX_TEST_SAMPLES]
        x = document.samples(np.asarray(data.x[rows]))
        wanted = None if data.y is None else np.asarray(data.y[rows])
        if wanted is not None and data.labels:
            wanted = np.array([data.labels[place] for place in wanted])
        return x, document.targets(wanted, x)
