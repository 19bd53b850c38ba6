"""What a training reads: samples, targets and split; scaled, varied and bounded the same way on every run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.datasets.snapshot import Snapshot
from zoo.training.errors import DataError
from zoo.training.recipe import ANOMALY, CLASSIFICATION, Recipe

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]

MAX_TEST_SAMPLES = 2000
"""What an evaluation looks at: the interpreter takes milliseconds for a sample."""
_LEAST_DEVIATION = 1e-6


@dataclass(frozen=True)
class TrainingData:
    """Samples [n, ...]; `targets` are label numbers [n] or values [n, k]; `labels` name the numbers, in order."""

    samples: Floats
    targets: Integers | Floats | None
    labels: tuple[str, ...]
    train: Integers
    validation: Integers
    test: Integers

    @classmethod
    def of(cls, snapshot: Snapshot) -> TrainingData:
        """A data set's snapshot; the bytes of images become 0 to 1, as a prediction takes them."""
        samples = np.asarray(snapshot.x, np.float32)
        if snapshot.schema.kind == "image" and snapshot.schema.dtype == "uint8":
            samples /= 255
        targets = None if snapshot.y is None else np.asarray(snapshot.y)
        if snapshot.labels and targets is not None:
            targets = targets.astype(np.int64)
        split = {name: np.asarray(rows, np.int64) for name, rows in snapshot.split.items()}
        return cls(samples, targets, snapshot.labels, **split)

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """The shape of one sample."""
        return self.samples.shape[1:]

    @property
    def classes(self) -> Integers:
        """Label numbers [n]. Raises DataError when there are none."""
        if self.targets is None or not self.labels:
            raise DataError("The data set has no labels.", remedy="Take a labelled one, or another task.")
        return self.targets.astype(np.int64)

    @property
    def held_out(self) -> Integers:
        """What an evaluation uses: the test split, or without one the validation split; bounded."""
        chosen = self.test if len(self.test) else self.validation
        if not len(chosen):
            raise DataError("The data set has neither a test nor a validation split.", remedy="Split it first.")
        return chosen[:MAX_TEST_SAMPLES]


@dataclass(frozen=True)
class Scaling:
    """z-scores: (value - mean) / deviation, per feature for the samples and per column for the target."""

    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()
    target_mean: tuple[float, ...] = ()
    target_deviation: tuple[float, ...] = ()

    @classmethod
    def of(cls, recipe: Recipe, data: TrainingData) -> Scaling:
        """As the recipe asks, over the training split alone."""
        nothing: tuple[tuple[float, ...], tuple[float, ...]] = ((), ())
        of_samples = _moments(data.samples[data.train]) if recipe.standardise else nothing
        of_target = nothing
        if recipe.standardise_target and data.targets is not None:
            of_target = _moments(data.targets[data.train].astype(np.float32))
        return cls(*of_samples, *of_target)

    @classmethod
    def parse(cls, document: dict[str, Any] | None) -> Scaling:
        """From `to_json`."""
        return cls(**{name: tuple(values) for name, values in (document or {}).items()})

    def to_json(self) -> dict[str, list[float]] | None:
        """As a version keeps it; None when nothing is scaled."""
        named = {name: list(values) for name, values in vars(self).items() if values}
        return named or None

    def samples(self, values: Floats) -> Floats:
        """As the network sees them."""
        return _scaled(values, self.mean, self.deviation)

    def targets(self, values: Floats) -> Floats:
        """As the network gives them."""
        return _scaled(values, self.target_mean, self.target_deviation)

    def unscaled(self, outputs: NDArray[np.floating]) -> NDArray[np.float64]:
        """The network's outputs in the target's own units."""
        wide = outputs.astype(np.float64)
        if not self.target_mean:
            return wide
        unscaled: NDArray[np.float64] = wide * np.array(self.target_deviation) + np.array(self.target_mean)
        return unscaled


@dataclass(frozen=True)
class Learned:
    """Training and validation arrays as the network sees them."""

    train_x: Floats
    train_y: Integers | Floats
    validation_x: Floats
    validation_y: Integers | Floats


def outputs_wanted(recipe: Recipe, data: TrainingData) -> int:
    """How many outputs the network needs. Raises DataError when the data does not fit the task."""
    if recipe.task == CLASSIFICATION:
        found = np.unique(data.classes[data.train])
        if len(data.labels) < 2 or len(found) < 2:
            raise DataError("A classification needs at least two labels in its training split.")
        return len(data.labels)
    if recipe.task == ANOMALY:
        return int(np.prod(data.sample_shape))
    if data.targets is None or data.labels:
        raise DataError("A regression needs numbers as targets, and the data set has labels or none.")
    return int(np.prod(data.targets.shape[1:]))


def learned(recipe: Recipe, data: TrainingData, scaling: Scaling) -> Learned:
    """What the loop runs on. Raises DataError for an empty split or values that are no numbers."""
    train, validation = data.train, data.validation if len(data.validation) else data.held_out
    if recipe.task == ANOMALY and data.labels:
        normal = recipe.normal or data.labels[0]
        if normal not in data.labels:
            raise DataError(f"The data set has no label {normal!r}; it has {', '.join(data.labels)}.")
        chosen = data.classes == data.labels.index(normal)
        train, validation = train[chosen[train]], validation[chosen[validation]]
    if not len(train) or not len(validation):
        raise DataError("The training or the validation split is empty.", remedy="Add samples, or split anew.")
    x = scaling.samples(data.samples)
    if recipe.task == CLASSIFICATION:
        y: Integers | Floats = data.classes
    elif recipe.task == ANOMALY:
        y = x.reshape(len(x), -1)
    else:
        assert data.targets is not None  # noqa: S101 - `outputs_wanted` refused it before; this is for the type checker
        y = scaling.targets(data.targets.astype(np.float32)).reshape(len(x), -1)
    made = Learned(x[train], y[train], x[validation], y[validation])
    for values in (made.train_x, made.train_y, made.validation_x, made.validation_y):
        if not np.isfinite(values).all():
            raise DataError("The data holds values that are no numbers, or infinite ones.")
    return made


def augmented(samples: Floats, recipe: Recipe, epoch: int) -> Floats:
    """The training samples of one epoch: varied by a generator of (seed, epoch) alone, so that a resumed run agrees."""
    if not recipe.augmentation:
        return samples
    rng = np.random.default_rng((recipe.seed, epoch, 1))
    for step in recipe.augmentation:
        samples = _vary(samples, step, rng)
    return samples


def order(recipe: Recipe, epoch: int, count: int) -> Integers:
    """The order of the training samples in one epoch."""
    return np.random.default_rng((recipe.seed, epoch, 0)).permutation(count).astype(np.int64)


def _vary(samples: Floats, step: dict[str, Any], rng: np.random.Generator) -> Floats:
    match step["type"]:
        case "noise":
            return samples + rng.normal(0, step["deviation"], samples.shape).astype(np.float32)
        case "gain":
            gains = rng.uniform(1 - step["spread"], 1 + step["spread"], len(samples)).astype(np.float32)
            return samples * gains.reshape(-1, *(1,) * (samples.ndim - 1))
    if samples.ndim != 4:
        raise DataError(f"augmentation {step['type']}: it needs samples of height, width and channels.")
    if step["type"] == "flip":
        axis = 1 if step.get("axis", "width") == "height" else 2
        turned = rng.random(len(samples)) < 0.5
        return np.where(turned[:, None, None, None], np.flip(samples, axis), samples)
    return _shifted(samples, step["pixels"], rng)


def _shifted(images: Floats, pixels: int, rng: np.random.Generator) -> Floats:
    height, width = images.shape[1:3]
    margins = min(pixels, height - 1), min(pixels, width - 1)
    padded = np.pad(images, ((0, 0), (margins[0],) * 2, (margins[1],) * 2, (0, 0)))
    down = rng.integers(0, 2 * margins[0] + 1, len(images))
    right = rng.integers(0, 2 * margins[1] + 1, len(images))
    each = np.arange(len(images))[:, None, None]
    rows = (down[:, None] + np.arange(height))[:, :, None]
    columns = (right[:, None] + np.arange(width))[:, None, :]
    return np.ascontiguousarray(padded[each, rows, columns])


def _moments(values: Floats) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation per last axis. A constant feature becomes zero and is not blown up."""
    flat = values.reshape(-1, values.shape[-1]).astype(np.float64)
    deviation = flat.std(axis=0)
    deviation[deviation < _LEAST_DEVIATION] = 1.0
    return tuple(flat.mean(axis=0).tolist()), tuple(deviation.tolist())


def _scaled(values: Floats, mean: tuple[float, ...], deviation: tuple[float, ...]) -> Floats:
    if not mean:
        return values
    if values.shape[-1] != len(mean):
        raise DataError(f"The samples have {values.shape[-1]} features; the model was made for {len(mean)}.")
    scaled: Floats = ((values - np.array(mean)) / np.array(deviation)).astype(np.float32)
    return scaled
