"""A client of a federation: asks what to do, trains where the samples are, hands over weights; survives any kill."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

import numpy as np

from zoo.federated.device_state import ClientState
from zoo.federated.documents import Form, Update, decode_model, encode_update
from zoo.federated.errors import UnencodableError
from zoo.federated.parameters import Weights, weights_sha256
from zoo.federated.site import Site, SiteRefused, SiteUnreachable, Task
from zoo.training.errors import DivergedError
from zoo.training.on_device.budget import Budget
from zoo.training.on_device.course import CHECKPOINT_SECONDS, Course, Plan, key_of
from zoo.training.on_device.samples import Samples
from zoo.training.on_device.trainer import LiteRtTrainer, Score

WAIT_SECONDS = 30.0
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds between two attempts at something that fails: doubled each time, and spread."""
OF_THE_ROUND = frozenset(
    {"stale_round", "round_not_open", "wrong_base", "duplicate_update", "not_selected", "outlier", "not_finite"}
)
"""Refusals that end this client's part in a round, and no more."""
OF_THE_CLIENT = frozenset({"token_invalid", "federation_not_found"})
"""Refusals of whoever sends, whatever was sent: the update may still be taken when the token is right."""

Found = TypeVar("Found")
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Settings:
    """How a client takes part. `rounds`: after so many updates it is done; `poll_seconds`: between two questions."""

    form: Form = "float32"
    seed: int = 1
    rounds: int | None = None
    poll_seconds: float = 5.0
    checkpoint_seconds: float = CHECKPOINT_SECONDS


@dataclass(frozen=True)
class Patience:
    """Asks again and again while nobody answers; for `seconds`, or for ever."""

    tell: Tell
    seconds: float | None = None
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic

    def __call__(self, ask: Callable[[], Found]) -> Found:
        """The answer. Raises SiteUnreachable when patience is at its end."""
        begun, pause = self.clock(), FIRST_PAUSE
        while True:
            try:
                return ask()
            except SiteUnreachable as error:
                if self.seconds is not None and self.clock() - begun >= self.seconds:
                    raise
                spread = pause * random.uniform(0.5, 1.0)  # noqa: S311 - so that clients do not come back all at once
                self.tell(f"{error.detail} Trying again in {spread:.1f} s.")
                self.sleep(spread)
                pause = min(2 * pause, LONGEST_PAUSE)


@dataclass(frozen=True)
class Part:
    """What a client gave to one round, and what the global model and its own weights get right on its samples."""

    round: int
    samples: int
    steps: int
    loss: float
    before: Score
    after: Score
    bytes: int


@dataclass(frozen=True)
class Ended:
    """Why a client ended, and the updates that it handed over."""

    reason: Literal["done", "rounds", "opted-out"]
    handed_over: int


class FederatedClient:
    """One client. Samples stay here: only `encode_update` makes what is sent, of weights."""

    def __init__(
        self,
        site: Site,
        trainer: LiteRtTrainer,
        samples: Samples,
        state: ClientState,
        settings: Settings,
        budget: Budget,
        patience: Patience,
        handed_over: Callable[[Part], None],
    ) -> None:
        self._site, self._trainer, self._samples, self._state = site, trainer, samples, state
        self._settings, self._budget = settings, budget
        self._patience, self._handed_over = patience, handed_over
        self._over: tuple[int, bytes] | None = None
        """The round in which this client has nothing to do any more, whatever the server says."""
        self._count = 0

    def run(self) -> Ended:
        """Take part until the federation is over, or enough rounds are. Raises SiteError and DataError."""
        while True:
            if self._state.opted_out:
                return Ended("opted-out", self._count)
            if self._settings.rounds is not None and self._count >= self._settings.rounds:
                return Ended("rounds", self._count)
            begun = self._patience.clock()
            task = self._patience(lambda: self._site.task(WAIT_SECONDS))
            if task.action == "done":
                return Ended("done", self._count)
            if task.action == "wait" or (task.round, task.base) == self._over:
                # A server that holds answers back has made us wait already.
                waited = self._patience.clock() - begun
                self._patience.sleep(max(0.0, self._settings.poll_seconds - waited))
            else:
                self._take_part(task)

    def _take_part(self, task: Task) -> None:
        body = self._state.update(task)
        part: Part | None = None
        if body is None:
            if (reason := self._budget.forbidden()) is not None:
                self._pause(f"Not training now: {reason}.")
                return
            try:
                trained = self._train(task)
            except (DivergedError, UnencodableError) as error:  # of this round's weights, whatever the next one's are
                self._skip(task, f"{error} {error.remedy}")
                return
            except SiteRefused as refusal:
                self._refused(task, refusal)
                return
            if trained is None:
                return
            body, part = trained
        self._hand_over(task, body, part)

    def _train(self, task: Task) -> tuple[bytes, Part] | None:
        """The update, safe on the disk; None when the budget forbids to go on for now."""
        training, samples = task.training, self._chosen(task)
        key = key_of(task.round, task.base, vars(training), samples.x, samples.y, self._settings.seed)
        plan = Plan(key, training.epochs, training.learning_rate, (self._settings.seed, task.round))
        every = self._settings.checkpoint_seconds
        course = Course(self._trainer, samples.x, samples.y, plan, self._state.checkpoint, every=every)
        base = self._base(task)
        self._trainer.set_weights(base)
        before = self._trainer.evaluate(samples.x, samples.y)
        if course.restore():
            self._patience.tell(f"Round {task.round}: going on after {course.steps} steps.")
        budget = replace(self._budget, steps=course.steps)
        report = course.run(budget)
        if report.stopped is not None and (not budget.exhausted or not report.steps):
            self._pause(f"Round {task.round}: stopped after {report.steps} steps: {report.stopped}.")
            return None
        weights = self._trainer.get_weights()
        update = Update(task.round, task.base, len(samples), weights, report.loss)
        body = encode_update(update, self._settings.form)
        self._state.keep_update(task, body)
        course.forget()
        after = self._trainer.evaluate(samples.x, samples.y)
        return body, Part(task.round, len(samples), report.steps, report.loss, before, after, len(body))

    def _base(self, task: Task) -> Weights:
        """The global model; as float32 it is checked to be the one that the assignment names."""
        form = self._settings.form
        kept = self._state.global_weights(self._trainer.parameters, task.base)
        if kept is not None:
            return kept
        data = self._patience(lambda: self._site.model(task, form))
        found = decode_model(data, self._trainer.parameters)
        if found.round != task.round or (form == "float32" and weights_sha256(found.weights) != task.base):
            raise SiteRefused("wrong_base", f"The model that came is not the one that round {task.round} is about.")
        self._state.keep_global(found.weights, found.round, task.base)
        return found.weights

    def _chosen(self, task: Task) -> Samples:
        """No more than the federation believes; others each round."""
        most = task.training.max_samples
        if len(self._samples) <= most:
            return self._samples
        order = np.random.default_rng((self._settings.seed, task.round, 1 << 20)).permutation(len(self._samples))
        return self._samples.part(order[:most])

    def _hand_over(self, task: Task, body: bytes, part: Part | None) -> None:
        try:
            sent = self._patience(lambda: self._submitted(task, body))
        except SiteRefused as refusal:
            if refusal.code not in OF_THE_CLIENT:
                self._state.handed_over(task)  # the same bytes would be refused again
            self._refused(task, refusal)
            return
        self._state.handed_over(task)
        if not sent:
            return
        self._over = task.round, task.base
        self._count += 1
        if part is None:
            self._patience.tell(f"Round {task.round}: the update that was trained before a restart is handed over.")
        else:
            self._handed_over(part)

    def _submitted(self, task: Task, body: bytes) -> bool:
        """One attempt, unless the owner has said no: perhaps while the server was away."""
        if self._state.opted_out:
            return False
        self._site.submit(task, body)
        return True

    def _refused(self, task: Task, refusal: SiteRefused) -> None:
        """Go on with the next round, or give up on what no round will change."""
        if refusal.code not in OF_THE_ROUND:
            raise refusal
        self._skip(task, f"{refusal.detail} {refusal.remedy}")

    def _skip(self, task: Task, why: str) -> None:
        self._over = task.round, task.base
        self._patience.tell(f"Round {task.round}: sitting out. {why}")

    def _pause(self, why: str) -> None:
        self._patience.tell(why)
        self._patience.sleep(self._settings.poll_seconds)
