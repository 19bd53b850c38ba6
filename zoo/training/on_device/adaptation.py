"""A model that learns on its device alone: the base stays in its file, each adaptation is a version beside it."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from zoo import durable
from zoo.federated.parameters import Weights
from zoo.training.errors import DataError
from zoo.training.on_device import weights_file
from zoo.training.on_device.budget import Budget
from zoo.training.on_device.course import CHECKPOINT, CHECKPOINT_SECONDS, Course, Plan, key_of
from zoo.training.on_device.samples import Samples
from zoo.training.on_device.trainer import LiteRtTrainer, Score, TrainReport

BASE = 0
"""The number of the version that is in the model's file."""

JsonObject = dict[str, Any]


@dataclass(frozen=True)
class Wish:
    """How to learn. `share` of the samples is held out, to tell what was learned from what was memorised."""

    epochs: int
    learning_rate: float
    seed: int = 1
    share: float = 0.2


@dataclass(frozen=True)
class Adapted:
    """What came of it: scores are on the samples held out. `version` is None when there is none yet."""

    version: int | None
    parent: int
    report: TrainReport
    held_out: int
    before: Score
    after: Score


class Adaptations:
    """The versions of one model on one device, in a folder. Number 0 is the base, which nothing here ever changes."""

    def __init__(self, model: bytes, folder: Path) -> None:
        self.trainer = LiteRtTrainer(model)
        self._base = self.trainer.get_weights()
        self._sha256 = hashlib.sha256(model).hexdigest()
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def numbers(self) -> list[int]:
        """Of all versions, oldest first."""
        return [BASE, *sorted(int(path.stem.removeprefix("adapted-")) for path in self._folder.glob("adapted-*.npz"))]

    @property
    def active(self) -> int:
        """Which version answers on this device."""
        path = self._folder / "active"
        return int(path.read_text(encoding="ascii")) if path.exists() else BASE

    def activate(self, number: int) -> None:
        """Let another version answer. Raises DataError when there is none."""
        self.weights(number)
        durable.write(self._folder / "active", str(number).encode())

    def weights(self, number: int) -> Weights:
        """Of a version. Raises DataError when there is none, or it is of another model."""
        return self._base if number == BASE else self._read(number)[0]

    def note(self, number: int) -> JsonObject:
        """What is known of a version: its parent, steps, samples and scores; nothing of the base."""
        return {} if number == BASE else self._read(number)[1]

    def adapt(
        self,
        samples: Samples,
        wish: Wish,
        budget: Budget,
        *,
        parent: int | None = None,
        checkpoint_seconds: float = CHECKPOINT_SECONDS,
    ) -> Adapted:
        """Learn from samples of this device, from the active version on, and keep what came out as the newest version.

        A call that was killed, or that memory or battery stopped, has made no version; the same call goes on with it.
        Steps that run out make a version of what was learned. Raises DataError and DivergedError.
        """
        taken = DataError(
            f"Another adaptation works in {self._folder}.", remedy="Wait until it has ended, or give another folder."
        )
        with durable.alone(self._folder, taken):
            return self._adapted(samples, wish, budget, parent, checkpoint_seconds)

    def scores(self, numbers: list[int], data: dict[str, Samples]) -> dict[int, dict[str, Score]]:
        """Each version on each set of samples: what was gained, and what was forgotten."""
        found: dict[int, dict[str, Score]] = {}
        for number in numbers:
            self.trainer.set_weights(self.weights(number))
            found[number] = {name: self.trainer.evaluate(part.x, part.y) for name, part in data.items()}
        return found

    def _adapted(
        self, samples: Samples, wish: Wish, budget: Budget, parent: int | None, checkpoint_seconds: float
    ) -> Adapted:
        origin = self.active if parent is None else parent
        learned, held_out = samples.split(wish.share, wish.seed)
        self.trainer.set_weights(self.weights(origin))
        before = self.trainer.evaluate(held_out.x, held_out.y)
        key = key_of(self._sha256, origin, asdict(wish), budget.max_steps, samples.x, samples.y)
        known = next((number for number in self.numbers if self.note(number).get("key") == key), None)
        if known is not None:  # the same call again, or one that was killed just before it could say so
            self.activate(known)
            return _noted(self.note(known))
        plan = Plan(key, wish.epochs, wish.learning_rate, (wish.seed,))
        course = Course(self.trainer, learned.x, learned.y, plan, self._folder / CHECKPOINT, every=checkpoint_seconds)
        course.restore()
        budget.steps += course.steps
        report = course.run(budget)
        after = self.trainer.evaluate(held_out.x, held_out.y)
        if not report.steps or (report.stopped is not None and not budget.exhausted):
            return Adapted(None, origin, report, len(held_out), before, after)
        number = self.numbers[-1] + 1
        made = Adapted(number, origin, report, len(held_out), before, after)
        told = {**asdict(made), "model": self._sha256, "key": key}
        weights_file.save(self._path(number), self.trainer.get_weights(), told)
        self.activate(number)
        course.forget()
        return made

    def _path(self, number: int) -> Path:
        return self._folder / f"adapted-{number}.npz"

    def _read(self, number: int) -> tuple[Weights, JsonObject]:
        try:
            weights, told = weights_file.load(self._path(number), self.trainer.parameters)
        except FileNotFoundError as error:
            raise DataError(
                f"There is no version {number} on this device; there are {', '.join(map(str, self.numbers))}.",
                field="version",
                remedy="0 is the base.",
            ) from error
        if told.get("model") != self._sha256:
            raise DataError(
                f"Version {number} in {self._folder} was learned by another model.",
                remedy="Give each model a folder of its own.",
            )
        return weights, told


def _noted(told: JsonObject) -> Adapted:
    return Adapted(
        told["version"],
        told["parent"],
        TrainReport(**told["report"]),
        told["held_out"],
        Score(**told["before"]),
        Score(**told["after"]),
    )
