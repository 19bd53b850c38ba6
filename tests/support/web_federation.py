"""A federation on the wire as its contract has it, for tests of clients: documents and averaging are real."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI, Request, Response

from app.errors import AppError, Conflict
from zoo.federated.aggregate import FedAvg
from zoo.federated.documents import Limits, Update, decode_update, encode_model
from zoo.federated.errors import UpdateRefused
from zoo.federated.parameters import Parameters, Weights, weights_sha256

ID, PATH = "fed_0123456789abcdef", "/v1/federations/fed_0123456789abcdef"


class _Unauthorised(AppError):
    """The token is of no client."""

    status = 401
    title = "Unauthorised"


@dataclass
class FakeFederation:
    """Every client is selected in every round; a round closes when all have answered."""

    document: dict[str, Any]
    weights: Weights
    clients: dict[str, str]  # token -> name
    rounds: int
    training: dict[str, Any]
    round: int = 1
    updates: dict[str, Update] = field(default_factory=dict)
    received: list[tuple[int, str, Update]] = field(default_factory=list)
    away: int = 0
    """So many of the next requests for an assignment are answered with 503."""

    @property
    def parameters(self) -> Parameters:
        """What is trained."""
        return Parameters.of(self.document["parameters"])

    def client(self, request: Request) -> str:
        """Who asks, by the token."""
        name = self.clients.get(request.headers.get("authorization", "").removeprefix("Bearer "))
        if name is None:
            raise _Unauthorised("bad_token", "The token is of no client here.", "Ask whoever enrolled you.")
        return name

    def assignment(self, name: str) -> dict[str, Any]:
        """What a client is to do."""
        if self.round > self.rounds:
            return {"action": "done"}
        if name in self.updates:
            return {"action": "wait"}
        return {
            "action": "train",
            "round": self.round,
            "base": weights_sha256(self.weights).hex(),
            "model": f"{PATH}/rounds/{self.round}/model",
            "updates": f"{PATH}/rounds/{self.round}/updates",
            "training": self.training,
        }

    def take(self, name: str, body: bytes) -> Update:
        """An update; the last one closes the round."""
        limits = Limits(self.training["max_samples"])
        update = decode_update(body, self.parameters, limits)
        if update.base != weights_sha256(self.weights):
            raise Conflict("wrong_base", "The update does not come from this round's model.", "Take the round's model.")
        self.updates[name] = update
        self.received.append((self.round, name, update))
        if len(self.updates) == len(self.clients):
            average = FedAvg(self.parameters, self.weights)
            for each in self.updates.values():
                average.add(each.samples, each.weights)
            self.weights, self.updates, self.round = average.result(), {}, self.round + 1
        return update


def install(app: FastAPI, federation: FakeFederation) -> None:
    """Serve it."""

    @app.get(PATH)
    async def description() -> dict[str, Any]:
        settings = {"rounds": federation.rounds}
        return {"id": ID, "name": "digits", "settings": settings, "trainable": federation.document}

    @app.get(f"{PATH}/assignment")
    async def assignment(request: Request, response: Response) -> dict[str, Any]:
        name = federation.client(request)
        if federation.away:
            federation.away -= 1
            response.status_code = 503
            return {}
        found = federation.assignment(name)
        if found["action"] == "wait":
            await asyncio.sleep(0.05)
        return found

    @app.get(f"{PATH}/rounds/{{number}}/model")
    async def model(request: Request, number: int) -> Response:
        federation.client(request)
        return Response(encode_model(ID, number, federation.weights), media_type="application/cbor")

    @app.post(f"{PATH}/rounds/{{number}}/updates", status_code=201)
    async def updates(request: Request, number: int) -> dict[str, Any]:
        name = federation.client(request)
        if number != federation.round:
            raise Conflict("stale_round", f"Round {number} is over.", "Ask for the assignment.")
        try:
            return {"accepted": True, "samples": federation.take(name, await request.body()).samples}
        except UpdateRefused as error:
            raise Conflict(error.code, str(error), error.remedy) from error
