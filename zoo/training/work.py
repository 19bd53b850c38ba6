"""A job with its data loaded: what every kind of training works with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo.training.data import Floats, Scaling, TrainingData
from zoo.training.errors import DataError, RecipeError
from zoo.training.evaluation import evaluate
from zoo.training.job import Federated, JsonObject, Offload, Parent, Trainable
from zoo.training.recipe import Recipe, parse_recipe

Report = Callable[[dict[str, float]], None]


@dataclass(frozen=True)
class Work:
    """A job with its data loaded."""

    data: TrainingData
    recipe: Recipe | None
    parent: Parent | None
    folder: Path
    key: str
    report: Report
    offload: Offload | None = None
    trainable: Trainable | None = None
    federated: Federated | None = None

    @property
    def asked(self) -> Recipe:
        """The recipe of the job, or without one the parent's."""
        if self.recipe is not None:
            return self.recipe
        if self.parent is None or not self.parent.recipe:
            raise RecipeError("There is no recipe, and no parent that has one.", field="recipe")
        return parse_recipe(self.parent.recipe)

    @property
    def origin(self) -> Parent:
        """The parent. Raises DataError without one."""
        if self.parent is None:
            raise DataError("This kind of job starts from a version of a model, and none is given.")
        return self.parent

    @property
    def averaged(self) -> Federated:
        """The average of a federation. Raises DataError without one."""
        if self.federated is None:
            raise DataError("This kind of job is begun by a federation, and there is none.")
        return self.federated

    def require_labels_of_parent(self) -> None:
        """Raise DataError when the data has other labels than those that the parent's outputs stand for."""
        known, found = self.origin.labels, list(self.data.labels)
        if known and found != known:
            raise DataError(
                f"The parent knows the labels {', '.join(known)}; the data set has {', '.join(found) or 'none'}.",
                remedy="Take data with the same labels; for others use kind transfer: it gives the network a new head.",
            )

    def evaluated(self, recipe: Recipe, scaling: Scaling, int8: bytes, float32: bytes | None) -> JsonObject:
        """Both forms on the held-out samples."""
        return evaluate(
            recipe.task,
            self.data,
            scaling,
            int8=int8,
            float32=float32,
            from_logits=recipe.from_logits,
            normal=recipe.normal,
        )

    def representative(self, recipe: Recipe, scaling: Scaling) -> Floats:
        """Training samples evenly over the split, or without any the held-out ones: int8 must see every kind."""
        # The data of a federation may be for evaluation alone.
        rows = self.data.train if len(self.data.train) else self.data.held_out
        count = min(recipe.representative_samples, len(rows))
        chosen = rows[np.linspace(0, len(rows) - 1, count).astype(int)]
        return scaling.samples(self.data.samples[chosen])

    def write(self, name: str, data: bytes) -> str:
        """A file of the outcome; result.json names it later, so a crash in between leaves nothing that counts."""
        (self.folder / name).write_bytes(data)
        return name
