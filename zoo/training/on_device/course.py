"""A training that may be killed at any instruction: it goes on from its checkpoint, by the same steps."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from zoo.training.data import Floats, Integers
from zoo.training.errors import DataError
from zoo.training.on_device import weights_file
from zoo.training.on_device.budget import Budget
from zoo.training.on_device.trainer import LiteRtTrainer, TrainReport

CHECKPOINT = "checkpoint.npz"
CHECKPOINT_SECONDS = 10.0
"""Between two checkpoints: memory cards wear out by being written."""


@dataclass(frozen=True)
class Plan:
    """What determines the steps. `key` names everything else that does: the model, its first weights, the samples."""

    key: str
    epochs: int
    learning_rate: float
    seed: tuple[int, ...]


@dataclass
class _Place:
    """Where a training is: the epoch, samples of it that were seen, steps in all, and the epoch's loss so far."""

    key: str
    epoch: int = 0
    seen: int = 0
    steps: int = 0
    loss: float = 0.0
    last: float = float("nan")


class Course:
    """One training of a trainer. `path` is its checkpoint; without one a killed training begins anew."""

    def __init__(
        self,
        trainer: LiteRtTrainer,
        x: Floats,
        y: Integers | Floats,
        plan: Plan,
        path: Path | None = None,
        *,
        every: float = CHECKPOINT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._trainer, self._x, self._y, self._plan = trainer, x, y, plan
        self._path, self._every, self._clock = path, every, clock
        self._place = _Place(plan.key)

    def restore(self) -> bool:
        """Take the checkpoint up; False when there is none of this training, and the weights are as they were."""
        if self._path is None:
            return False
        try:
            weights, told = weights_file.load(self._path, self._trainer.parameters)
            place = _Place(**told)
        except (FileNotFoundError, DataError, TypeError):
            return False  # of another model, or a version of this program that noted other things
        if place.key != self._plan.key:
            return False
        self._trainer.set_weights(weights)
        self._place = place
        return True

    @property
    def steps(self) -> int:
        """Steps up to now, those before a kill too."""
        return self._place.steps

    def run(self, budget: Budget) -> TrainReport:
        """Train to the end, or to where the budget ends it. Raises DivergedError and DataError.

        What a budget ended can be gone on with by another call.
        """
        place, plan, batch = self._place, self._plan, self._trainer.document.batch
        written = self._clock()
        while place.epoch < plan.epochs:
            order = np.random.default_rng((*plan.seed, place.epoch)).permutation(len(self._x))
            while place.seen < len(order):
                chosen = order[place.seen : place.seen + batch]
                step = self._trainer.epoch(self._x, self._y, chosen, plan.learning_rate, budget)
                if step.stopped is not None:
                    self._save()
                    return self._report(step.stopped)
                place.loss += step.loss * len(chosen)
                place.seen += len(chosen)
                place.steps += 1
                if self._clock() - written >= self._every:
                    self._save()
                    written = self._clock()
            place.last = place.loss / max(1, place.seen)
            place.epoch, place.seen, place.loss = place.epoch + 1, 0, 0.0
        return self._report(None)

    def forget(self) -> None:
        """Remove the checkpoint: what came out is safe elsewhere."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def _report(self, stopped: str | None) -> TrainReport:
        place = self._place
        loss = place.loss / place.seen if place.seen else place.last
        return TrainReport(loss, place.steps, len(self._x), stopped)

    def _save(self) -> None:
        if self._path is not None:
            weights_file.save(self._path, self._trainer.get_weights(), asdict(self._place))


def key_of(*determining: object) -> str:
    """The key of a plan: bytes and arrays by their content, everything else as JSON."""
    digest = hashlib.sha256()
    for item in determining:
        data = item if isinstance(item, bytes) else item.tobytes() if isinstance(item, np.ndarray) else None
        digest.update(hashlib.sha256(json.dumps(item).encode() if data is None else data).digest())
    return digest.hexdigest()
