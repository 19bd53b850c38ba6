"""Federations over REST, with a real server: clients train digits of their own, some lie, the server is killed."""

import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from app.contract.binding import load_contract
from tests.support.digits import digits
from tests.support.federation import HELD_OUT, Client, Operator, local, run_together
from tests.support.server import ServerProcess
from zoo.federated.documents import Update, encode_update, most_bytes
from zoo.federated.parameters import weights_sha256
from zoo.federated.splits import by_label
from zoo.training.on_device.trainer import LiteRtTrainer

ROUNDS, CLIENTS = 30, 10
TRAINING = {"epochs": 3, "batch_size": 16, "learning_rate": 0.1}
PARTS = by_label(digits()[1][: HELD_OUT.start].astype(np.int64), CLIENTS, 0.3, seed=1)
"""The rows of each client: few labels have more than a handful of samples at one of them."""


@dataclass
class World:
    """A server, and who owns the federations there."""

    server: ServerProcess
    operator: Operator
    snapshot: str
    open: ExitStack

    def enrolled(self, *, clients: int = CLIENTS, **settings: Any) -> tuple[str, list[Client]]:
        """A federation with clients, not started."""
        federation_id = self.operator.create(self.snapshot, **{"training": TRAINING, **settings})
        tokens = [self.operator.enrol(federation_id, f"client-{number}") for number in range(clients)]
        return federation_id, [self.client(federation_id, *each) for each in zip(tokens, PARTS, strict=False)]

    def client(self, federation_id: str, token: str, rows: NDArray[np.int64]) -> Client:
        """One that trains some digits."""
        made = Client(self.server, federation_id, token, rows)
        self.open.callback(made.http.close)
        return made


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    server = ServerProcess(tmp_path_factory.mktemp("federations") / "data", measure_builds="false")
    server.start()
    with ExitStack() as stack:
        operator = Operator(stack.enter_context(server.client()))
        yield World(server, operator, operator.prepare(), stack)
    assert server.stop() == 0, server.tail()


@pytest.fixture(scope="module")
def federated(world: World) -> dict[str, Any]:
    """Ten clients, thirty rounds, to the end."""
    federation_id, clients = world.enrolled(name="ten-clients", rounds=ROUNDS, minimum_clients=CLIENTS)
    world.operator.start(federation_id)
    run_together(clients)
    ended = world.operator.federation(federation_id, lambda found: found["finished_at"] is not None)
    assert ended["state"] == "finished", ended
    return ended


def test_002_6_ten_clients_of_few_labels_each_come_close_to_training_with_all_data_in_one_place(
    world: World, federated: dict[str, Any]
) -> None:
    history = {item["round"]: item["score"]["value"] for item in federated["history"]}
    assert list(history) == list(range(ROUNDS + 1))
    centralised, alone = _compared(world, federated)
    assert history[0] < 0.2
    assert history[ROUNDS] > centralised - 0.03, (history, centralised)
    assert history[ROUNDS] > max(alone) + 0.05, (history[ROUNDS], alone)
    picture = world.operator.api.get(f"/v1/federations/{federated['id']}/picture")
    assert picture.headers["Content-Type"].startswith("image/svg+xml")
    assert f"round {ROUNDS}: {history[ROUNDS]:.4g}" in picture.text


def test_002_4_the_average_is_the_sum_of_weights_times_samples_by_the_sum_of_samples(world: World) -> None:
    federation_id, (one, two) = world.enrolled(clients=2, rounds=2)
    world.operator.start(federation_id)
    first = one.assignment(wait=20)
    assert (first["action"], first["round"]) == ("train", 1)
    start = one.weights(first)
    assert weights_sha256(start).hex() == first["base"]
    # 3 samples say start + 1, 1 sample says start - 3: (3 * 1 + 1 * -3) / 4 = 0.
    for client, samples, change in ((one, 3, 1.0), (two, 1, -3.0)):
        moved = tuple(array + np.float32(change) for array in start)
        answer = client.send(first, encode_update(Update(1, bytes.fromhex(first["base"]), samples, moved)))
        assert answer.json() == {"accepted": True, "samples": samples}
    second = one.assignment(wait=20)
    assert second["round"] == 2
    averaged = one.weights(second)
    for before, after in zip(start, averaged, strict=True):
        np.testing.assert_allclose(after, before, atol=1e-6)
    told = world.operator.round(federation_id, 1)
    assert (told["state"], told["samples"], told["result_sha256"]) == ("closed", 4, second["base"])
    count = sum(array.size for array in start)
    norms = {item["client"]: item["norm"] for item in told["updates"]}
    assert norms == pytest.approx({"client-0": count**0.5, "client-1": 3 * count**0.5}, rel=1e-5)
    world.operator.cancel(federation_id)


def test_002_8_a_refused_update_says_why_and_what_to_do_and_changes_nothing(world: World) -> None:
    federation_id, (one, two, out) = world.enrolled(clients=3, rounds=3, fraction=0.6, max_samples=1000)
    world.operator.start(federation_id)
    world.operator.round(federation_id, 1)
    first = [client for client in (one, two, out) if client.assignment()["action"] == "train"]
    honest, other = first
    name = f"client-{(one, two, out).index(honest)}"
    idle = next(client for client in (one, two, out) if client not in first)
    asked = honest.assignment()
    good = honest.trained(asked)
    bad: list[tuple[bytes, int, str]] = [
        (b"\xa0", 422, "malformed_update"),
        (encode_update(good) + b"\0", 422, "malformed_update"),
        (encode_update(_but(good, samples=0)), 422, "no_samples"),
        (encode_update(_but(good, samples=1001)), 422, "too_many_samples"),
        (_with_nan(good), 422, "not_finite"),
        (encode_update(_but(good, weights=good.weights[::-1])), 422, "wrong_shape"),
        (encode_update(_but(good, round=2)), 409, "round_not_open"),
        (encode_update(_but(good, base=bytes(32))), 409, "wrong_base"),
        (bytes(most_bytes(honest.trainer.parameters) + 1), 413, "update_too_large"),
    ]
    for body, status, slug in bad:
        answer = honest.send(asked, body)
        problem = answer.json()
        assert (answer.status_code, problem["slug"]) == (status, slug), problem
        assert problem["remedy"]
        [kept] = world.operator.round(federation_id, 1)["updates"]
        assert (kept["client"], kept["state"], kept["reason"]["slug"]) == (name, "refused", slug)
    assert idle.assignment()["action"] == "wait"
    refused = idle.send(asked, encode_update(good))
    assert (refused.status_code, refused.json()["slug"]) == (403, "not_selected")
    early = honest.send({**asked, "updates": asked["updates"].replace("/1/", "/2/")}, encode_update(good))
    assert (early.status_code, early.json()["slug"]) == (409, "round_not_open")

    # After all of that the honest update is taken; a lost answer is asked for again; another one is too many.
    body = encode_update(good)
    assert honest.send(asked, body).status_code == 201
    assert honest.send(asked, body).status_code == 201
    again = honest.send(asked, encode_update(_but(good, samples=good.samples + 1)))
    assert (again.status_code, again.json()["slug"]) == (409, "duplicate_update")
    other.take_part(other.assignment())
    world.operator.round(federation_id, 2)
    assert honest.send(asked, body).status_code == 201  # the round is over; the lost answer still is what it was
    replayed = next(client for client in first if client.assignment()["action"] == "train")
    late = replayed.send(replayed.assignment(), body)
    assert (late.status_code, late.json()["slug"]) == (409, "stale_round")
    gone = honest.http.get(asked["model"])
    assert (gone.status_code, gone.json()["slug"]) == (409, "stale_round")
    world.operator.cancel(federation_id)


def test_poisoned_and_replayed_updates_are_refused_and_the_accuracy_holds(
    world: World, federated: dict[str, Any]
) -> None:
    rounds = 12
    federation_id, clients = world.enrolled(
        clients=CLIENTS, name="attacked", rounds=rounds, minimum_clients=6, outlier_factor=12, deadline_seconds=60
    )
    liars = [
        world.client(federation_id, world.operator.enrol(federation_id, name), PARTS[0])
        for name in ("scaled", "replayed")
    ]
    world.operator.start(federation_id)
    with ThreadPoolExecutor(2) as pool:
        lies = [pool.submit(_scaled, liars[0]), pool.submit(_replayed, liars[1])]
        run_together(clients)
        refusals = lies[1].result(timeout=60)
        lies[0].result(timeout=60)
    assert refusals == [(409, "stale_round"), (409, "wrong_base")] * (rounds - 1)
    ended = world.operator.federation(federation_id, lambda found: found["state"] != "running")
    assert ended["state"] in {"finishing", "finished"}, ended
    undisturbed = next(item["score"]["value"] for item in federated["history"] if item["round"] == rounds)
    assert ended["history"][-1]["score"]["value"] > undisturbed - 0.03, (ended["history"], undisturbed)
    for number in range(2, rounds + 1):
        found = {item["client"]: item for item in world.operator.round(federation_id, number)["updates"]}
        scaled = found["scaled"]
        assert (scaled["state"], scaled["reason"]["slug"]) == ("refused", "outlier"), scaled
        assert "median" in scaled["reason"]["detail"]
    world.operator.cancel(federation_id)
    job = world.operator.wait(f"/v1/training-jobs/{ended['training_job_id']}", lambda found: found["finished_at"])
    assert job["state"] == "cancelled", "no version is made of a federation that was cancelled at its end"


def test_an_average_that_answers_with_no_numbers_is_not_taken_and_the_federation_goes_on(world: World) -> None:
    federation_id, (one, two) = world.enrolled(clients=2, name="boundless", rounds=2)
    world.operator.start(federation_id)
    asked = one.assignment(wait=20)
    two.take_part(two.assignment())
    signs = np.random.default_rng(1)  # each is a finite float32, and what is added up of them is not
    huge = tuple(signs.choice(np.float32([-3e38, 3e38]), array.shape) for array in one.weights(asked))
    assert one.send(asked, encode_update(_but(one.trained(asked), weights=huge))).status_code == 201
    told = world.operator.round(federation_id, 1, lambda found: found["closed_at"] is not None)
    assert (told["state"], told["score"], told["result_sha256"]) == ("abandoned", None, None)
    assert [item["state"] for item in told["updates"]] == ["unused"] * 2
    second = one.assignment(wait=20)
    assert (second["round"], second["base"]) == (2, asked["base"]), "the weights are what they were"
    subject = {"subject": f"federation/{federation_id}", "until": "now"}
    with world.operator.api.stream("GET", "/v1/events", params=subject, headers={"Last-Event-ID": "0"}) as stream:
        events = [json.loads(line[6:])["data"] for line in stream.iter_lines() if line.startswith("data: ")]
    [detail] = [item["detail"] for item in events if "detail" in item]
    assert detail.startswith("The average answers the held-out data with values that are no numbers")
    world.operator.cancel(federation_id)


def test_a_server_killed_in_the_middle_of_a_round_goes_on_with_what_it_had(world: World) -> None:
    federation_id, clients = world.enrolled(clients=4, name="killed", rounds=2, minimum_clients=4)
    world.operator.start(federation_id)
    asked = clients[0].assignment(wait=20)
    bodies = [encode_update(client.trained(asked)) for client in clients]
    for client, body in zip(clients[:2], bodies, strict=False):
        assert client.send(asked, body).status_code == 201
    world.server.kill()
    world.server.start()
    assert clients[0].assignment()["action"] == "wait"
    # Its answer may have been lost with the server.
    assert clients[1].send(asked, bodies[1]).status_code == 201
    for client, body in zip(clients[2:], bodies[2:], strict=True):
        assert client.assignment() == asked
        assert client.send(asked, body).status_code == 201
    world.server.kill()  # between the last update and the average, or in it
    world.server.start()
    told = world.operator.round(federation_id, 1, lambda found: found["state"] == "closed")
    assert [item["state"] for item in told["updates"]] == ["averaged"] * 4
    assert told["samples"] == sum(len(client.x) for client in clients)
    second = clients[0].assignment(wait=20)
    assert (second["round"], second["base"]) == (2, told["result_sha256"])
    folder = world.server.data_dir / "federations" / federation_id
    assert not (folder / "round-1").exists(), "the updates of a closed round are removed"
    world.operator.cancel(federation_id)


def test_a_round_whose_deadline_passes_while_the_server_is_down_ends_when_it_is_back(world: World) -> None:
    federation_id, clients = world.enrolled(clients=3, name="late", rounds=1, minimum_clients=2, deadline_seconds=5)
    world.operator.start(federation_id)
    for client in clients[:2]:
        client.take_part(asked := client.assignment(wait=20))
    world.server.kill()
    time.sleep(max(0.0, (datetime.fromisoformat(asked["deadline_at"]) - datetime.now(UTC)).total_seconds()))
    world.server.start()
    told = world.operator.round(federation_id, 1, lambda found: found["closed_at"] is not None)
    assert (told["state"], len(told["selected"]), len(told["updates"])) == ("closed", 3, 2)
    late = clients[2].http.get(f"{clients[2].path}/rounds/1/model")
    assert (late.status_code, late.json()["slug"]) == (409, "stale_round")
    world.operator.cancel(federation_id)


def test_a_federation_whose_clients_never_answer_fails_and_says_so(world: World) -> None:
    federation_id, (one, _) = world.enrolled(clients=2, name="silent", rounds=2, deadline_seconds=1)
    world.operator.start(federation_id)
    one.take_part(one.assignment(wait=20))  # one update is fewer than minimum_clients
    ended = world.operator.federation(federation_id, lambda found: found["finished_at"] is not None)
    assert (ended["state"], ended["error"]["slug"]) == ("failed", "no_round_closed")
    assert ended["error"]["remedy"]
    first = world.operator.round(federation_id, 1)
    assert (first["state"], [item["state"] for item in first["updates"]]) == ("abandoned", ["unused"])
    assert one.assignment()["action"] == "done"
    used_by = world.operator.api.get(f"/v1/snapshots/{world.snapshot}").json()["used_by"]
    assert f"federation/{federation_id}" not in used_by
    subject = {"subject": f"federation/{federation_id}", "until": "now"}
    with world.operator.api.stream("GET", "/v1/events", params=subject, headers={"Last-Event-ID": "0"}) as stream:
        told = [json.loads(line[6:]) for line in stream.iter_lines() if line.startswith("data: ")]
    states = [item["data"]["state"] for item in told if item["type"] == "federation.state"]
    assert states == ["preparing", "enrolling", "running", "failed"]
    rounds = [(item["data"]["round"], item["data"]["state"]) for item in told if item["type"] == "federation.round"]
    assert rounds == [(1, "open"), (1, "abandoned"), (2, "open"), (2, "abandoned")]
    assert [item["data"]["client"] for item in told if item["type"] == "federation.update"] == ["client-0"]


def test_a_token_is_told_once_and_lets_in_nobody_else(world: World) -> None:
    federation_id, (one, two) = world.enrolled(clients=2, name="tokens")
    token = one.http.headers["Authorization"].removeprefix("Bearer ")
    other_id, _ = world.enrolled(clients=0, name="others")
    for path in ("assignment", "trainable", "rounds/1/model"):
        for headers in ({}, {"Authorization": "Bearer no-such"}, {"Authorization": f"Basic {token}"}):
            answer = httpx.get(f"{world.server.url}/v1/federations/{federation_id}/{path}", headers=headers)
            assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer"), answer.text
            assert answer.json()["slug"] in {"token_missing", "token_invalid"}
    elsewhere = one.http.get(f"/v1/federations/{other_id}/assignment")
    assert (elsewhere.status_code, elsewhere.json()["slug"]) == (401, "token_invalid")
    clients = world.operator.api.get(f"/v1/federations/{federation_id}/clients").json()["items"]
    assert [item["name"] for item in clients] == ["client-0", "client-1"]
    assert token not in json.dumps(clients)
    assert one.assignment()["action"] == "wait"
    path = f"/v1/federations/{federation_id}/clients"
    twice = world.operator.api.post(path, json={"name": "client-0"})
    assert (twice.status_code, twice.json()["slug"]) == (409, "client_enrolled")
    assert world.operator.api.delete(f"{path}/{clients[0]['id']}").status_code == 204
    assert one.http.get(f"/v1/federations/{federation_id}/assignment").status_code == 401
    assert world.operator.api.post(path, json={"name": "client-0"}).status_code == 201
    assert two.assignment()["action"] == "wait"
    # It is nowhere on the server: not in its log, not in a table, not in a file.
    assert token not in world.server.log.read_text(errors="replace")
    for file in world.server.data_dir.rglob("*"):
        if file.is_file():
            assert token.encode() not in file.read_bytes(), file
    with closing(sqlite3.connect(world.server.data_dir / "tinymlaas.sqlite3")) as database:
        stored = {value for row in database.execute("SELECT * FROM federation_client") for value in row}
    assert token not in stored


def test_a_client_that_waits_hears_of_the_start_at_once(world: World) -> None:
    federation_id, (one, two) = world.enrolled(clients=2, name="waiting")
    begun = time.monotonic()
    assert one.assignment(wait=0.3)["action"] == "wait"
    assert time.monotonic() - begun >= 0.3
    heard: list[Any] = []
    thread = threading.Thread(target=lambda: heard.append(one.assignment(wait=30)))
    thread.start()
    time.sleep(0.3)
    assert not heard
    world.operator.start(federation_id)
    thread.join(timeout=10)
    assert [item["action"] for item in heard] == ["train"]
    # Who leaves is not waited for: of two one is left, which is fewer than needed.
    clients = world.operator.api.get(f"/v1/federations/{federation_id}/clients").json()["items"]
    world.operator.api.delete(f"/v1/federations/{federation_id}/clients/{clients[0]['id']}").raise_for_status()
    world.operator.round(federation_id, 1, lambda found: found["state"] == "abandoned")
    assert two.assignment()["action"] == "wait"
    world.operator.enrol(federation_id, "newcomer")
    assert two.assignment(wait=20)["round"] == 2
    world.operator.cancel(federation_id)
    assert two.assignment()["action"] == "done"
    assert world.operator.round(federation_id, 2)["state"] == "abandoned"
    again = world.operator.api.post(f"/v1/federations/{federation_id}/cancellation")
    assert (again.status_code, again.json()["slug"]) == (409, "federation_ended")


def test_the_head_alone_is_a_federation_of_its_own_with_shorter_updates_and_forms(world: World) -> None:
    federation_id, clients = world.enrolled(clients=2, name="heads", scope="head", rounds=1)
    told = world.operator.federation(federation_id)
    assert [(item["name"], item["shape"]) for item in told["parameters"]] == [
        ("head/kernel", [32, 10]),
        ("head/bias", [10]),
    ]
    assert told["trainable"]["layers"][0]["type"] == "dense"
    board = world.operator.api.post(f"/v1/federations/{federation_id}/clients", json={"endpoint": "no-such-board"})
    assert (board.status_code, board.json()["slug"]) == (404, "device_not_found")
    world.operator.start(federation_id)
    clients[0].form, clients[1].form = "int8", "float16"
    sizes = []
    for client in clients:
        client.take_part(client.assignment(wait=20))
        sizes.append(len(client.http.get(client.assignment()["model"] or "/healthz").content))
    told = world.operator.round(federation_id, 1, lambda found: found["state"] == "closed")
    by_name = {item["client"]: item["size"] for item in told["updates"]}
    assert by_name["client-0"] < by_name["client-1"] < 4 * 330
    ended = world.operator.federation(federation_id, lambda found: found["finished_at"] is not None)
    assert ended["state"] == "finished", ended


@pytest.mark.parametrize(
    ("changes", "status", "slug", "field"),
    [
        ({"model": "no-such"}, 404, "model_not_found", "model"),
        ({"model": "digits-cnn", "version": None}, 422, "no_float_source", "body.version"),
        ({"snapshot": "0" * 64}, 404, "snapshot_not_found", "body.snapshot"),
        ({"noise_multiplier": 1}, 422, "clip_norm_missing", "body.clip_norm"),
        ({"fraction": 0}, 422, "invalid", "body.fraction"),
        ({"training": {"learning_rate": -1}}, 422, "invalid", "body.training.learning_rate"),
        ({"samples": [[1, 2]]}, 422, "invalid", "body.samples"),
    ],
)
def test_a_federation_that_cannot_be_is_refused_with_field_and_remedy(
    world: World, changes: dict[str, Any], status: int, slug: str, field: str
) -> None:
    body = {"model": "digits", "version": 1, "snapshot": world.snapshot, **changes}
    answer = world.operator.api.post("/v1/federations", json=body)
    problem = answer.json()
    assert (answer.status_code, problem["slug"], problem["field"]) == (status, slug, field), problem
    assert problem["remedy"]


def test_a_federation_is_not_started_without_clients_and_boards_train_heads(world: World) -> None:
    federation_id, _ = world.enrolled(clients=1, name="lonely")
    start = world.operator.api.post(f"/v1/federations/{federation_id}/start")
    assert (start.status_code, start.json()["slug"]) == (409, "clients_missing")
    both = world.operator.api.post(
        f"/v1/federations/{federation_id}/clients", json={"name": "a", "endpoint": "board-1"}
    )
    assert (both.status_code, both.json()["slug"]) == (422, "client_ambiguous")


@pytest.mark.docker
def test_002_9_the_average_is_a_version_that_says_where_it_comes_from_and_is_built_for_a_board(
    world: World, federated: dict[str, Any], shipped_image: str
) -> None:
    api, result = world.operator.api, federated["result"]
    version = api.get(f"/v1/models/{result['model']}/versions/{result['version']}").json()
    lineage = version["lineage"]
    assert lineage["kind"] == "federation-result"
    assert (lineage["parent"]["model"], lineage["parent"]["version"]) == ("digits", 1)
    assert lineage["federation"]["federation_id"] == federated["id"]
    rounds = lineage["federation"]["rounds"]
    assert [item["round"] for item in rounds] == list(range(1, ROUNDS + 1))
    assert all(len(item["clients"]) == item["updates"] == CLIENTS for item in rounds)
    assert all(item["samples"] == HELD_OUT.start for item in rounds)
    # int8 is as good as the average was, and the version can be trained on as any other.
    assert version["metric"]["int8"] > federated["history"][-1]["score"]["value"] - 0.03
    assert {"keras", "float32"} <= {item["format"] for item in version["formats"]}
    api.post("/v1/builders", json={"image": shipped_image}).raise_for_status()
    build = api.post("/v1/builds", json={"model": "digits", "version": result["version"], "board": "mps2-an386"})
    built = world.operator.wait(
        f"/v1/builds/{build.json()['id']}", lambda found: found["state"] in {"succeeded", "failed"}
    )
    assert built["state"] == "succeeded", built


def test_002_7_no_operation_of_a_federation_takes_samples(world: World) -> None:
    contract = load_contract()
    bodies = {
        (path, method): set(operation["requestBody"]["content"])
        for path, item in contract["paths"].items()
        if path.startswith("/v1/federations")
        for method, operation in item.items()
        if "requestBody" in operation
    }
    federation = "/v1/federations/{federation_id}"
    assert bodies == {
        ("/v1/federations", "post"): {"application/json"},
        (f"{federation}/clients", "post"): {"application/json"},
        (f"{federation}/rounds/{{round}}/updates", "post"): {"application/cbor"},
    }
    # Settings are numbers and names: there is no list and no free object that samples could be put into.
    for name in ("FederationRequest", "FederationTraining", "FederationClientRequest"):
        schema = contract["components"]["schemas"][name]
        assert schema["additionalProperties"] is False
        kinds = {kind for item in schema["properties"].values() for kind in _kinds(item)}
        assert kinds <= {"string", "number", "integer", "null", "FederationScope", "FederationTraining"}, kinds
    # An update holds weights of the federation's shapes and nothing else.
    federation_id, (one, _) = world.enrolled(clients=2, name="private")
    world.operator.start(federation_id)
    asked = one.assignment(wait=20)
    body = bytearray(encode_update(one.trained(asked)))
    body[0] += 1  # one entry more in the map
    body += b"\x67samples" + b"\x58\x40" + bytes(64)
    for smuggled in (body, body.replace(b"\x67samples\x58", b"\x61x\x58")):
        refused = one.send(asked, bytes(smuggled))
        assert (refused.status_code, refused.json()["slug"]) == (422, "malformed_update"), refused.text


def test_the_process_of_the_api_stays_small(world: World, federated: dict[str, Any]) -> None:
    assert federated["state"] == "finished"
    status = Path(f"/proc/{world.server.pid}/status").read_text()
    resident = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    assert resident < 250 * 1024, f"{resident} KiB"


def _compared(world: World, federated: dict[str, Any]) -> tuple[float, list[float]]:
    """The accuracy of the same training with all data in one place, and of every client alone."""
    token = world.operator.api.get(f"/v1/federations/{federated['id']}").json()
    federation_id = world.operator.create(world.snapshot, training=TRAINING, name="compared")
    observer = world.client(federation_id, world.operator.enrol(federation_id, "observer"), PARTS[0])
    assert token["parameters"] == observer.trainer.parameters.to_json()
    start = observer.trainer.get_weights()
    pictures = slice(HELD_OUT.start + 30, HELD_OUT.stop)
    test_x, test_y = local(observer.trainer, pictures)

    def accuracy(rows: Any) -> float:
        trainer: LiteRtTrainer = observer.trainer
        trainer.set_weights(start)
        x, y = local(trainer, rows)
        epochs, rate = ROUNDS * TRAINING["epochs"], TRAINING["learning_rate"]
        trainer.train(x, y, int(epochs), float(rate), np.random.default_rng(1))
        found = trainer.evaluate(test_x, test_y).accuracy
        assert found is not None
        return found

    return accuracy(slice(0, HELD_OUT.start)), [accuracy(rows) for rows in PARTS]


def _but(update: Update, **changes: Any) -> Update:
    fields = {name: getattr(update, name) for name in ("round", "base", "samples", "weights", "loss")}
    return Update(**{**fields, **changes})


def _with_nan(update: Update) -> bytes:
    """A body with a NaN, which our own encoder refuses to write."""
    marked = np.float32(123.456)
    first = update.weights[0].copy()
    first.reshape(-1)[0] = marked
    body = encode_update(_but(update, weights=(first, *update.weights[1:])))
    assert body.count(marked.tobytes()) == 1
    return body.replace(marked.tobytes(), np.float32(np.nan).tobytes())


def _scaled(client: Client) -> None:
    """Sends what it trained, drawn out a hundred times, and the other way."""
    while (asked := client.assignment(wait=20))["action"] != "done":
        if asked["action"] == "train":
            update, start = client.trained(asked), client.weights(asked)
            far = tuple(before - 100 * (after - before) for before, after in zip(start, update.weights, strict=True))
            assert client.send(asked, encode_update(_but(update, weights=far))).status_code == 201


def _replayed(client: Client) -> list[tuple[int, str]]:
    """Sends its first update again in every round, as it is and with the new number, and then an honest one.

    Without that the round would wait for it up to the deadline.
    """
    answers: list[tuple[int, str]] = []
    old: Update | None = None
    while (asked := client.assignment(wait=20))["action"] != "done":
        if asked["action"] != "train":
            continue
        update = client.trained(asked)
        for lie in () if old is None else (old, _but(old, round=asked["round"])):
            refused = client.send(asked, encode_update(lie))
            answers.append((refused.status_code, refused.json()["slug"]))
        assert client.send(asked, encode_update(update)).status_code == 201
        old = old or update
    return answers


def _kinds(schema: dict[str, Any]) -> set[str]:
    if "$ref" in schema:
        return {schema["$ref"].rpartition("/")[2]}
    if "anyOf" in schema:
        return {kind for item in schema["anyOf"] for kind in _kinds(item)}
    return {schema["type"]} if isinstance(schema["type"], str) else set(schema["type"])
