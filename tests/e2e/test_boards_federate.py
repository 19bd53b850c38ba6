"""Four boards with the device OS, over DTLS, each with one person's digits: together they beat each of them alone."""

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import docker
import numpy as np
import pytest
from numpy.typing import NDArray

from app.storage.federation_files import FederationFiles
from edge.fleet import Fleet
from tests.e2e.test_os_board import OsWorld, running
from tests.support.digits import digits
from zoo.federated.documents import Limits, decode_update, encode_model
from zoo.federated.parameters import Weights
from zoo.federated.splits import DIGITS_WRITERS
from zoo.training.on_device.trainer import LiteRtTrainer

pytestmark = [pytest.mark.docker, pytest.mark.qemu]

WRITER = 1797 // DIGITS_WRITERS
HELD_OUT = slice(9 * WRITER, 1797)
TAUGHT = 60
BOARDS = {f"board-{number}": slice(at * WRITER, at * WRITER + TAUGHT) for number, at in enumerate((4, 5, 6, 7), 1)}
"""The rows of each board: the digits of one writer, who is nobody else's and none of the held-out ones."""
LOST = "board-4"
ROUNDS, EPOCHS, RATE = 5, 4, 0.05
DEADLINE = 8
"""Seconds: as long as a round waits for the board that lost power."""
RECIPE: dict[str, Any] = {
    "recipe": 1,
    "task": "classification",
    "layers": [
        {"type": "flatten"},
        {"type": "dense", "units": 48, "activation": "relu"},
        {"type": "dense", "activation": "softmax"},
    ],
    "optimiser": {"type": "adam", "rate": 0.01},
    "epochs": 12,
    "batch": 16,
    "seed": 4,
}
TRAINS = ("--trainable-head", "--period", "1000")
OCTETS = {"Content-Type": "application/octet-stream"}


class Federation(OsWorld):
    """The operator of a federation of boards."""

    def snapshot(self, dataset: str, rows: NDArray[np.bool_] | slice, split: dict[str, float]) -> str:
        """Some digits, uploaded and split."""
        pictures, numbers = digits()
        data = io.BytesIO()
        np.savez(data, x=pictures[rows], y=numbers[rows])
        self.api.post("/v1/datasets", json={"name": dataset}).raise_for_status()
        path = f"/v1/datasets/{dataset}"
        uploaded = self.api.post(f"{path}/samples", params={"format": "npz"}, content=data.getvalue(), headers=OCTETS)
        uploaded.raise_for_status()
        taken: str = self.api.post(f"{path}/snapshots", json=split).raise_for_status().json()["sha256"]
        return taken

    def train(self, model: str) -> None:
        """A model of two writers' 0 to 4, which has hardly seen another digit."""
        numbers = digits()[1]
        known = np.zeros(len(numbers), bool)
        known[: 2 * WRITER] = numbers[: 2 * WRITER] < 5
        known[[np.flatnonzero(numbers == number)[0] for number in range(5, 10)]] = True
        split = {"train": 0.8, "validation": 0.1, "test": 0.1}
        request = {
            "kind": "centralised",
            "model": model,
            "snapshot": self.snapshot("few-digits", known, split),
            "recipe": RECIPE,
        }
        job = self.api.post("/v1/training-jobs", json=request).raise_for_status().json()
        ended = self.wait(f"/v1/training-jobs/{job['id']}", lambda found: found["finished_at"] is not None)
        assert ended["state"] == "succeeded", ended

    def teach(self, endpoint: str) -> None:
        """Give a board its writer's digits."""
        pictures, numbers = digits()
        rows = BOARDS[endpoint]
        x, y = (pictures[rows] / 255).tolist(), numbers[rows].tolist()
        for at in range(0, TAUGHT, 16):
            body = {"instances": x[at : at + 16], "labels": y[at : at + 16]}
            answer = self.api.post(f"/v1/devices/{endpoint}/training/samples", json=body)
            assert answer.status_code == 200, answer.text

    def training(self, endpoint: str) -> dict[str, Any]:
        """What a board says of its training."""
        shown: dict[str, Any] = self.api.get(f"/v1/devices/{endpoint}/training").raise_for_status().json()
        return shown

    def federation(self, federation_id: str, state: str) -> dict[str, Any]:
        """The federation, once it is in a state."""
        ended = {"finished", "failed", state}
        found = self.wait(f"/v1/federations/{federation_id}", lambda told: told["state"] in ended)
        assert found["state"] == state, (found, self.server.tail())
        return found

    def trainable(self, federation_id: str) -> bytes:
        """The model that clients train; who fetches it is a client for as long."""
        path = f"/v1/federations/{federation_id}"
        observer = self.api.post(f"{path}/clients", json={"name": "observer"}).raise_for_status().json()
        bearer = {"Authorization": f"Bearer {observer['token']}"}
        found = self.api.get(f"{path}/trainable", headers=bearer).raise_for_status().content
        self.api.delete(f"{path}/clients/{observer['id']}").raise_for_status()
        return found

    def average(self, federation_id: str, trainer: LiteRtTrainer) -> Weights:
        """The last round's, from the server's files."""
        last = self.api.get(f"/v1/federations/{federation_id}/rounds/{ROUNDS}").raise_for_status().json()
        files = FederationFiles(self.server.data_dir / "federations")
        return files.weights(federation_id, last["result_sha256"], trainer.parameters)

    def answered_right(self, endpoint: str, count: int) -> int:
        """How many of the first held-out digits a board itself gets right."""
        pictures, numbers = digits()
        right = 0
        for at in range(HELD_OUT.start, HELD_OUT.start + count, 16):
            body = {"instances": (pictures[at : at + 16] / 255).tolist()}
            answer = self.api.post(f"/v1/devices/{endpoint}/inference", json=body).raise_for_status().json()
            found = [int(np.argmax(result["prediction"])) for result in answer["results"]]
            right += int((np.array(found) == numbers[at : at + 16]).sum())
        return right

    def alone(self, endpoint: str, trainer: LiteRtTrainer, start: Weights) -> Weights:
        """The head that a board makes without the others, from the same start, in as many epochs."""
        self.put(endpoint, "19/0/0/0", encode_model("alone", 1, start).hex())
        arguments = f"0='1',1='{ROUNDS * EPOCHS}',2='{round(RATE * 1e6)}'"
        path = f"/v1/devices/{endpoint}/resources/26243/0/4"
        self.api.post(path, json={"arguments": arguments}).raise_for_status()
        self.wait(f"/v1/devices/{endpoint}/training", lambda told: told["state"] == "trained")
        read = self.api.get(f"/v1/devices/{endpoint}/resources/19/1/0/0").raise_for_status().json()
        body = bytes.fromhex(read["values"][0]["value"])
        return decode_update(body, trainer.parameters, Limits()).weights

    def put(self, endpoint: str, path: str, value: object) -> None:
        """Write a resource."""
        answer = self.api.put(f"/v1/devices/{endpoint}/resources/{path}", json={"value": value})
        assert answer.status_code == 200, answer.text


@pytest.fixture(scope="module")
def world(
    engine: docker.DockerClient, shipped_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Federation]:
    folder = tmp_path_factory.mktemp("boards-federate")
    with running(Federation, engine, shipped_image, folder, measure_builds="false") as found:
        yield found


def answered(told: dict[str, Any], client: str) -> bool:
    """Whether a client's update is in a round."""
    return any(each["client"] == client for each in told["updates"])


def test_four_boards_learn_together_what_none_learns_alone_and_one_that_loses_power_holds_nobody(
    world: Federation,
) -> None:
    world.train("few-digits")
    held_out = world.snapshot("held-out", HELD_OUT, {"train": 0.1, "validation": 0.0, "test": 0.9})
    request = {
        "model": "few-digits",
        "scope": "head",
        "snapshot": held_out,
        "rounds": ROUNDS,
        "deadline_seconds": DEADLINE,
        "training": {"epochs": EPOCHS, "batch_size": 1, "learning_rate": RATE},
    }
    federation_id = world.api.post("/v1/federations", json=request).raise_for_status().json()["id"]
    world.start("board", "few-digits", *TRAINS, count=len(BOARDS))
    nothing = world.api.post("/v1/devices/board-1/training/samples", json={"instances": [[0]], "labels": [10]})
    assert (nothing.status_code, nothing.json()["slug"]) == (422, "label_unknown"), nothing.text
    with ThreadPoolExecutor(len(BOARDS)) as pool:
        list(pool.map(world.teach, BOARDS))
    assert [world.training(endpoint)["samples"] for endpoint in BOARDS] == [TAUGHT] * len(BOARDS)
    world.federation(federation_id, "enrolling")
    trainer = LiteRtTrainer(world.trainable(federation_id))
    for endpoint in BOARDS:
        world.api.post(f"/v1/federations/{federation_id}/clients", json={"endpoint": endpoint}).raise_for_status()
    world.api.post(f"/v1/federations/{federation_id}/start").raise_for_status()

    # One of them loses power once it had a part, until a round ended without it; it forgets its samples, and is taught
    # again.
    rounds = f"/v1/federations/{federation_id}/rounds"
    world.wait(rounds, lambda told: len(told["items"]) > 1)
    Fleet(world.boards).board(LOST).stop()
    world.wait(rounds, lambda told: any(each["closed_at"] and not answered(each, LOST) for each in told["items"]))
    seen = world.api.get(f"/v1/devices/{LOST}").json()["last_seen_at"]
    world.start("board", "few-digits", *TRAINS, count=len(BOARDS))
    world.wait_for_device(LOST, lambda told: told["last_seen_at"] > seen, seconds=60)
    world.teach(LOST)
    ended = world.federation(federation_id, "finished")
    told = world.api.get(rounds).json()["items"]
    assert [each["round"] for each in told] == list(range(ROUNDS, 0, -1))
    assert all(answered(each, endpoint) for each in told for endpoint in BOARDS if endpoint != LOST), told

    # On the digits of people whom no board knows, the average is better than what any board makes of its own.
    history = [item["score"]["value"] for item in ended["history"]]
    start = trainer.get_weights()
    x = trainer.document.samples(digits()[0][HELD_OUT])
    y = trainer.document.targets(digits()[1][HELD_OUT], x)
    for endpoint in BOARDS:
        world.wait(f"/v1/devices/{endpoint}/training", lambda told: told["uses"] and told["state"] == "idle")
    right = world.answered_right("board-1", 48)
    if world.training(LOST)["samples"] == 0:
        world.teach(LOST)
    alone: dict[str, float] = {}
    for endpoint in BOARDS:
        trainer.set_weights(world.alone(endpoint, trainer, start))
        alone[endpoint] = trainer.evaluate(x, y).figure
    trainer.set_weights(world.average(federation_id, trainer))
    together = trainer.evaluate(x, y).figure
    assert together > max(alone.values()) + 0.01, (together, alone)
    assert history[-1] > history[0] + 0.1, history
    assert right / 48 > history[0] + 0.1, (right, history)
