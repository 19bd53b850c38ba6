"""Simulates a federation on one machine, beside one training on all samples and each client's on its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from zoo.federated.clients import Attack, Attacker, Client, Integers, Trainer, Training
from zoo.federated.coordinator import Coordinator, Rules
from zoo.federated.errors import ParticipantsError, Refusal, UpdateRefused
from zoo.federated.parameters import Floats, Weights
from zoo.federated.rounds import RoundState
from zoo.training.errors import DivergedError

_FEDERATION = "simulation"
_MOST_POINTS = 10
"""How often the clients that train alone are looked at: each of them is evaluated, and there may be hundreds."""
FEDERATED, CENTRALISED, ALONE = "federated", "centralised", "each alone"
"""What a report is about."""
_ROUND, _CENTRALISED, _ALONE = range(3)  # what the random numbers are for
SILENT = "diverged"
"""What is counted for a client that trained, found its loss to be no number, and sent nothing."""


@dataclass(frozen=True)
class Figures:
    """One round: the global model on the held-out samples, and what became of the updates."""

    round: int
    accuracy: float
    loss: float
    state: RoundState
    selected: int
    averaged: int
    refused: Mapping[str, int] = field(default_factory=dict)
    """By refusal; an outlier is refused when the round ends."""
    bytes_down: int = 0
    bytes_up: int = 0


@dataclass(frozen=True)
class Alone:
    """The accuracies of clients that train by themselves, after as much training as `round` rounds would ask for."""

    round: int
    mean: float
    best: float
    worst: float


@dataclass(frozen=True)
class Comparison:
    """Everything that a simulation found. `rounds` begins with round 0, before any training."""

    rounds: tuple[Figures, ...]
    centralised: tuple[tuple[int, float], ...]
    alone: tuple[Alone, ...]
    attackers: Mapping[str, Attack]

    @property
    def federated_accuracy(self) -> float:
        """After the last round."""
        return self.rounds[-1].accuracy

    @property
    def centralised_accuracy(self) -> float:
        """After as many epochs over all data."""
        return self.centralised[-1][1]

    @property
    def refused(self) -> dict[str, int]:
        """By refusal, in all rounds."""
        found: Counter[str] = Counter()
        for figures in self.rounds:
            found.update(figures.refused)
        return dict(sorted(found.items()))

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "federated_accuracy": self.federated_accuracy,
            "centralised_accuracy": self.centralised_accuracy,
            "alone": asdict(self.alone[-1]),
            "rounds": [asdict(figures) for figures in self.rounds],
            "centralised": [{"round": number, "accuracy": accuracy} for number, accuracy in self.centralised],
            "alone_by_round": [asdict(alone) for alone in self.alone],
            "attackers": dict(self.attackers),
            "refused": self.refused,
        }


Report = Callable[[str, int, int, str], None]
"""Hears what is being done, how many rounds or clients of it are done, of how many, and a few words."""


@dataclass(frozen=True)
class Simulation:
    """A federation of `clients` that begins with the trainer's weights; `held_out` are samples that nobody trains on.

    The last `attackers` clients attack, each in one of the ways in turn. What is compared with the federation trains on
    everybody's samples, those of the attackers too.
    """

    trainer: Trainer
    clients: Sequence[Client]
    held_out: tuple[Floats, Integers]
    rules: Rules
    training: Training
    attackers: int = 0

    def run(self, report: Report) -> Comparison:
        """All of it. Raises ParticipantsError for too few clients, DivergedError when training on everything does."""
        initial = self.trainer.get_weights()
        return Comparison(
            rounds=self.federated(report),
            centralised=tuple(self._centralised(initial, report)),
            alone=tuple(self._alone(initial, report)),
            attackers={client.name: client.attack for client in self._everyone() if isinstance(client, Attacker)},
        )

    def federated(self, report: Report) -> tuple[Figures, ...]:
        """The federation alone, which begins with the trainer's weights of now. Raises ParticipantsError."""
        return tuple(self._rounds(self.trainer.get_weights(), self._everyone(), report))

    def _everyone(self) -> list[Client | Attacker]:
        honest = len(self.clients) - self.attackers
        if not 0 <= self.attackers < len(self.clients):
            raise ParticipantsError(
                f"{self.attackers} of {len(self.clients)} clients are to attack.", "Leave at least one that does not."
            )
        ways = tuple(Attack)
        bad = [Attacker(client, ways[number % len(ways)]) for number, client in enumerate(self.clients[honest:])]
        return [*self.clients[:honest], *bad]

    def _rounds(self, initial: Weights, clients: Sequence[Client | Attacker], report: Report) -> Iterator[Figures]:
        coordinator = Coordinator(_FEDERATION, self.trainer.parameters, initial, self.rules)
        yield Figures(0, *self._judged(initial), RoundState.CLOSED, 0, 0)
        for _ in range(self.rules.rounds):
            figures = self._round(coordinator, clients)
            told = f"accuracy {figures.accuracy:.3f}, {figures.averaged} of {figures.selected} updates averaged"
            report(FEDERATED, figures.round, self.rules.rounds, told)
            yield figures

    def _round(self, coordinator: Coordinator, clients: Sequence[Client | Attacker]) -> Figures:
        current = coordinator.open([client.name for client in clients])
        model = coordinator.model(self.training.form)
        refused: Counter[str] = Counter()
        sent = 0
        for number, client in enumerate(clients):
            if client.name not in current.selected:
                continue
            seed = (self.rules.seed, _ROUND, current.number, number)
            try:
                body = client.answer(model, current.base, self.trainer, self.training, seed)
            except DivergedError:
                refused[SILENT] += 1
                continue
            sent += len(body)
            try:
                coordinator.submit(client.name, body)
            except UpdateRefused as refusal:
                refused[refusal.code] += 1
        ended = coordinator.close()
        refused.update([Refusal.OUTLIER.value] * len(ended.outliers))
        return Figures(
            current.number,
            *self._judged(coordinator.weights),
            ended.state,
            len(current.selected),
            ended.averaged,
            dict(sorted(refused.items())),
            len(model) * len(current.selected),
            sent,
        )

    def _centralised(self, initial: Weights, report: Report) -> Iterator[tuple[int, float]]:
        """All samples in one place, and as many passes over them."""
        x = np.concatenate([client.x for client in self.clients])
        y = np.concatenate([client.y for client in self.clients])
        rng = np.random.default_rng((self.rules.seed, _CENTRALISED))
        yield 0, self._judged(initial)[0]
        for number in range(1, self.rules.rounds + 1):
            self.trainer.train(x, y, self.training.epochs, self.training.learning_rate, rng)
            accuracy = self._accuracy()
            report(CENTRALISED, number, self.rules.rounds, f"accuracy {accuracy:.3f}")
            yield number, accuracy

    def _alone(self, initial: Weights, report: Report) -> Iterator[Alone]:
        """Each client by itself, with as many passes over its samples as all rounds would ask of it."""
        rounds, points = self.rules.rounds, min(_MOST_POINTS, self.rules.rounds)
        at = [round(rounds * point / points) for point in range(points + 1)]
        found = np.zeros((len(self.clients), len(at)))
        for number, client in enumerate(self.clients):
            found[number] = self._course(initial, client, at, number)
            report(ALONE, number + 1, len(self.clients), f"accuracy {found[number, -1]:.3f}")
        for point, of_all in zip(at, found.T, strict=True):
            yield Alone(point, float(of_all.mean()), float(of_all.max()), float(of_all.min()))

    def _course(self, initial: Weights, client: Client, at: Sequence[int], number: int) -> list[float]:
        """One client's accuracy at these rounds; where its training diverges, what it had before stays."""
        rng = np.random.default_rng((self.rules.seed, _ALONE, number))
        found = [self._judged(initial)[0]]
        for before, point in pairwise(at):
            passes = (point - before) * self.training.epochs
            try:
                self.trainer.train(client.x, client.y, passes, self.training.learning_rate, rng)
            except DivergedError:
                return found + [found[-1]] * (len(at) - len(found))
            found.append(self._accuracy())
        return found

    def _judged(self, weights: Weights) -> tuple[float, float]:
        """Accuracy and loss of these weights on the held-out samples."""
        self.trainer.set_weights(weights)
        score = self.trainer.evaluate(*self.held_out)
        return score.accuracy or 0.0, score.loss

    def _accuracy(self) -> float:
        return self.trainer.evaluate(*self.held_out).accuracy or 0.0
