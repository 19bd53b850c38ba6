"""A server's part of a federation, in memory: opens rounds, hands out the model, takes updates, averages them."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from zoo.federated.aggregate import FedAvg, outliers, update_norm
from zoo.federated.documents import Form, Limits, decode_update, encode_model
from zoo.federated.parameters import Parameters, Weights, weights_sha256
from zoo.federated.rounds import Answered, Averaged, Opened, Passed, Round, RoundState, Verdict, judge, select, step

_START = datetime(2026, 1, 1, tzinfo=UTC)
_DEADLINE = timedelta(seconds=60)


@dataclass(frozen=True)
class Rules:
    """A federation's settings, with the names that they have in the API."""

    rounds: int = 30
    fraction: float = 1.0
    minimum_clients: int = 2
    clip_norm: float | None = None
    noise_multiplier: float = 0.0
    outlier_factor: float | None = 10.0
    max_samples: int = 10_000
    seed: int = 1


@dataclass(frozen=True)
class Ended:
    """How a round ended; `outliers` are clients whose updates were left out of the average."""

    state: RoundState
    averaged: int
    outliers: tuple[str, ...]


@dataclass(frozen=True)
class _Kept:
    body: bytes
    norm: float


class Coordinator:
    """What a server does with a database and a network, without them. `weights` is the global model of now."""

    def __init__(self, federation: str, parameters: Parameters, weights: Weights, rules: Rules) -> None:
        self.weights = weights
        self._federation = federation
        self._parameters = parameters
        self._rules = rules
        self._round: Round | None = None
        self._updates: dict[str, _Kept] = {}
        self._now = _START

    @property
    def current(self) -> Round:
        """The round that was opened last."""
        if self._round is None:
            raise RuntimeError("no round was opened yet")
        return self._round

    def open(self, clients: Collection[str]) -> Round:
        """Begin the next round. Raises ParticipantsError when too few are enrolled."""
        rules, number = self._rules, 1 if self._round is None else self._round.number + 1
        chosen = select(clients, rules.seed, number, fraction=rules.fraction, minimum=rules.minimum_clients)
        begun = Round(number, weights_sha256(self.weights), chosen, rules.minimum_clients)
        self._round = step(begun, Opened(self._now + _DEADLINE))
        self._updates = {}
        return self._round

    def model(self, form: Form) -> bytes:
        """The global model as the clients of this round fetch it."""
        return encode_model(self._federation, self.current.number, self.weights, form)

    def submit(self, client: str, body: bytes) -> Verdict:
        """Take an update. Raises UpdateRefused."""
        update = decode_update(body, self._parameters, Limits(self._rules.max_samples))
        sha256 = hashlib.sha256(body).digest()
        verdict = judge(self.current, client, update, sha256, self._now)
        if verdict is Verdict.TAKE:
            self._updates[client] = _Kept(body, update_norm(update.weights, self.weights))
            self._round = step(self.current, Answered(client, sha256))
        return verdict

    def close(self) -> Ended:
        """Let the deadline pass and average what is there, one update at a time."""
        self._now += _DEADLINE
        self._round = step(self.current, Passed(self._now))
        if self._round.state is not RoundState.AGGREGATING:
            return Ended(self._round.state, 0, ())
        far = self._far()
        kept = [client for client in sorted(self._updates) if client not in far]
        self._round = step(self._round, Averaged(len(kept)))
        if self._round.state is RoundState.CLOSED:
            self.weights = self._average(kept)
        return Ended(self._round.state, len(kept), far)

    def _far(self) -> tuple[str, ...]:
        if self._rules.outlier_factor is None:
            return ()
        clients = sorted(self._updates)
        found = outliers([self._updates[client].norm for client in clients], self._rules.outlier_factor)
        return tuple(clients[index] for index in found)

    def _average(self, clients: Collection[str]) -> Weights:
        average = FedAvg(
            self._parameters,
            self.weights,
            clip_norm=self._rules.clip_norm,
            noise_multiplier=self._rules.noise_multiplier,
            seed=(self._rules.seed, self.current.number),
        )
        for client in clients:
            update = decode_update(self._updates[client].body, self._parameters, Limits(self._rules.max_samples))
            average.add(update.samples, update.weights)
        return average.result()
