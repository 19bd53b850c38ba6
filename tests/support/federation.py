"""A federation as its operator and its clients see it over REST: clients train with LiteRT on digits of their own."""

import hashlib
import io
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray

from tests.support.digits import digits
from tests.support.server import ServerProcess
from zoo.federated.documents import Form, Update, decode_model, encode_update
from zoo.federated.parameters import Weights
from zoo.training.on_device.trainer import LiteRtTrainer

CBOR = {"Content-Type": "application/cbor"}
OCTETS = {"Content-Type": "application/octet-stream"}
HELD_OUT = slice(1497, 1797)
"""The operator's digits; all others belong to clients."""
UNTRAINED: dict[str, Any] = {
    "recipe": 1,
    "task": "classification",
    "layers": [
        {"type": "flatten"},
        {"type": "dense", "units": 32, "activation": "relu"},
        {"type": "dense", "activation": "softmax"},
    ],
    "optimiser": {"type": "sgd", "rate": 1e-6},
    "epochs": 1,
    "batch": 16,
    "seed": 4,
}
"""A network that is as good as drawn by lot: what it learns, it learns in the federation."""
PATIENCE_SECONDS = 240

Json = dict[str, Any]


@dataclass
class Operator:
    """Whoever owns the federation: brings held-out data and a network."""

    api: httpx.Client
    name: str = "digits"

    def prepare(self) -> str:
        """Held-out digits as a data set, and an untrained version of `name`; the snapshot's hash."""
        pictures, numbers = digits()
        data = io.BytesIO()
        np.savez(data, x=pictures[HELD_OUT], y=numbers[HELD_OUT])
        self.api.post("/v1/datasets", json={"name": self.name}).raise_for_status()
        query = {"format": "npz"}
        path = f"/v1/datasets/{self.name}"
        self.api.post(f"{path}/samples", params=query, content=data.getvalue(), headers=OCTETS).raise_for_status()
        split = {"train": 0.1, "validation": 0.0, "test": 0.9}
        snapshot: str = self.api.post(f"{path}/snapshots", json=split).raise_for_status().json()["sha256"]
        request = {"kind": "centralised", "model": self.name, "snapshot": snapshot, "recipe": UNTRAINED}
        job = self.api.post("/v1/training-jobs", json=request).raise_for_status().json()
        ended = self.wait(f"/v1/training-jobs/{job['id']}", lambda found: found["finished_at"] is not None)
        assert ended["state"] == "succeeded", ended
        return snapshot

    def create(self, snapshot: str, **settings: Any) -> str:
        """A federation that enrols; its id."""
        body = {"model": self.name, "version": 1, "snapshot": snapshot, **settings}
        answer = self.api.post("/v1/federations", json=body)
        assert answer.status_code == 202, answer.text
        made = answer.json()
        assert answer.headers["Location"] == f"/v1/federations/{made['id']}"
        ready = self.federation(made["id"], lambda found: found["state"] != "preparing")
        assert ready["state"] == "enrolling", ready
        federation_id: str = made["id"]
        return federation_id

    def enrol(self, federation_id: str, name: str) -> str:
        """A client's token."""
        answer = self.api.post(f"/v1/federations/{federation_id}/clients", json={"name": name})
        assert answer.status_code == 201, answer.text
        token: str = answer.json()["token"]
        return token

    def cancel(self, federation_id: str) -> None:
        """End it without a version: making one takes seconds."""
        answer = self.api.post(f"/v1/federations/{federation_id}/cancellation")
        assert (answer.status_code, answer.json()["state"]) == (202, "cancelled"), answer.text

    def start(self, federation_id: str) -> None:
        """Begin the rounds."""
        answer = self.api.post(f"/v1/federations/{federation_id}/start")
        assert answer.status_code == 202, answer.text

    def federation(self, federation_id: str, until: Callable[[Json], bool] = lambda _: True) -> Json:
        """The federation, once something holds."""
        return self.wait(f"/v1/federations/{federation_id}", until)

    def round(self, federation_id: str, number: int, until: Callable[[Json], bool] = lambda _: True) -> Json:
        """A round, once something holds."""
        return self.wait(f"/v1/federations/{federation_id}/rounds/{number}", until)

    def wait(self, path: str, until: Callable[[Json], bool]) -> Json:
        """Poll a resource until something holds."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            answer = self.api.get(path)
            if answer.status_code == 200 and until(answer.json()):
                found: Json = answer.json()
                return found
            assert time.monotonic() < deadline, answer.text
            time.sleep(0.03)


class Client:
    """One that trains: samples never leave it."""

    def __init__(
        self, server: ServerProcess, federation_id: str, token: str, rows: NDArray[np.int64], form: Form = "float32"
    ) -> None:
        self.path = f"/v1/federations/{federation_id}"
        self.http = httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {token}"}, timeout=60)
        self.trainer = LiteRtTrainer(self.http.get(f"{self.path}/trainable").raise_for_status().content)
        self.x, self.y = local(self.trainer, rows)
        self.form = form

    def assignment(self, wait: float = 0) -> Json:
        """What it is to do."""
        answer = self.http.get(f"{self.path}/assignment", params={"wait": wait})
        found: Json = answer.raise_for_status().json()
        return found

    def weights(self, assignment: Json) -> Weights:
        """The round's global weights."""
        body = self.http.get(assignment["model"], params={"form": self.form}).raise_for_status().content
        return decode_model(body, self.trainer.parameters).weights

    def trained(self, assignment: Json) -> Update:
        """An honest update."""
        training = assignment["training"]
        self.trainer.set_weights(self.weights(assignment))
        rng = np.random.default_rng(assignment["round"])
        report = self.trainer.train(self.x, self.y, training["epochs"], training["learning_rate"], rng)
        return Update(
            assignment["round"], bytes.fromhex(assignment["base"]), len(self.x), self.trainer.get_weights(), report.loss
        )

    def send(self, assignment: Json, body: bytes) -> httpx.Response:
        """Send bytes as the update."""
        return self.http.post(assignment["updates"], content=body, headers=CBOR)

    def take_part(self, assignment: Json) -> None:
        """Train, and send an honest update that must be taken."""
        answer = self.send(assignment, encode_update(self.trained(assignment), self.form))
        assert answer.status_code == 201, answer.text
        assert answer.json() == {"accepted": True, "samples": len(self.x)}

    def run(self) -> None:
        """Take part until the federation is done."""
        while (assignment := self.assignment(wait=20))["action"] != "done":
            if assignment["action"] == "train":
                self.take_part(assignment)


def local(trainer: LiteRtTrainer, rows: NDArray[np.int64] | slice) -> tuple[NDArray[Any], NDArray[Any]]:
    """Some digits as the model takes them."""
    pictures, numbers = digits()
    x = trainer.document.samples(pictures[rows])
    return x, trainer.document.targets(numbers[rows], x)


def run_together(clients: Sequence[Client]) -> None:
    """All at the same time, until the federation is done."""
    with ThreadPoolExecutor(len(clients)) as pool:
        for ended in [pool.submit(client.run) for client in clients]:
            ended.result(timeout=PATIENCE_SECONDS)


def sha256(data: bytes) -> str:
    """In hex."""
    return hashlib.sha256(data).hexdigest()
