"""Document 000 over HTTP: a sender's confs and files in, a trained model out, registered under its service key."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest

from tests.support.offloading import INI, RECEIVER, SENDER, sender, text
from tests.support.server import ServerProcess
from zoo.generators.lenet import datarepo, digits
from zoo.predict import LoadedModel
from zoo.training.offload.description import parse_description
from zoo.training.offload.weights import parse_weights

OCTETS = {"Content-Type": "application/octet-stream"}
PATIENCE_SECONDS = 120
# Ten times the rate of the document: digits are fewer than MNIST's pictures.
FAST_INI = INI.replace("1e-4", "2e-3").encode()
EPOCHS = 3
TRAINING, VALIDATION = 500, 60

Session = dict[str, Any]


@pytest.fixture(scope="module")
def client(server: ServerProcess) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


@pytest.fixture(scope="module")
def done(client: httpx.Client) -> Session:
    """The document's scenario on digits, from new weights."""
    conf = sender(
        weights=False, stop=TRAINING + VALIDATION - 1, training=TRAINING, validation=VALIDATION, epochs=EPOCHS
    )
    data, layout = datarepo(0, TRAINING + VALIDATION)
    made = _joined(client, conf, model="offloaded")
    assert made["state"] == "waiting-for-data"
    for name, content in {"mnist.ini": FAST_INI, "mnist.json": layout}.items():
        assert _send(client, made, name, content).json()["state"] == "waiting-for-data"
    last = _send(client, made, "mnist.data", data)
    assert last.json()["state"] == "training", last.text
    return _ended(client, made)


def test_document_000_line_1_a_session_shows_both_confs_as_they_were_read(done: Session) -> None:
    sending, receiving = done["sender"], done["receiver"]
    assert (sending["node_type"], sending["dest_host"], sending["dest_port"]) == ("sender", "192.168.0.7", "3003")
    assert (receiving["port"], receiving["time_limit"], receiving["connect_type"]) == ("3003", 10, "TCP")
    assert [item["service_type"] for item in sending["services"]] == ["model_raw", "pipeline_raw"]
    assert [item["file"] for item in sending["transfer_data"]] == ["mnist.ini", None]
    assert receiving["services"][0]["service_key"] == "trained_model_registration_key"


def test_document_000_line_1_a_comment_is_refused_with_line_and_column(client: httpx.Client) -> None:
    conf = text(RECEIVER).replace('"offloading": {', '"offloading": # Keyword\n    {')
    problem = client.post("/v1/offload/sessions", json={"receiver_conf": conf})
    assert (problem.status_code, problem.json()["slug"]) == (422, "conf_invalid")
    assert "line 2 column 19" in problem.json()["detail"]


def test_document_000_line_2_what_is_missing_is_named(client: httpx.Client) -> None:
    conf = {**RECEIVER, "services": {}}
    problem = client.post("/v1/offload/sessions", json={"receiver_conf": text(conf)}).json()
    assert (problem["slug"], problem["field"]) == ("conf_invalid", "offloading.training.transfer-data.service_1")


@pytest.mark.parametrize("name", ["..%2fmnist.ini", "%2fetc%2fpasswd", "..", ".mnist.ini", "other.ini"])
def test_document_000_line_3_a_file_that_the_confs_do_not_name_is_refused(client: httpx.Client, name: str) -> None:
    made = _joined(client, SENDER)
    answer = client.put(f"/v1/offload/sessions/{made['id']}/files/{name}", content=b"x", headers=OCTETS)
    assert answer.status_code in {404, 405, 422}
    assert all(item["size"] is None for item in _get(client, made)["files"])


def test_document_000_line_5_a_json_that_promises_a_terabyte_and_a_short_data_are_refused(client: httpx.Client) -> None:
    data, layout = datarepo(0, 10)
    made = _joined(client, sender(weights=False))
    promise = json.dumps({**json.loads(layout), "total_samples": 10**12 // 3176}).encode()
    assert _send(client, made, "mnist.json", promise).status_code == 200
    begun = time.monotonic()
    refused = _send(client, made, "mnist.data", data)
    assert (refused.status_code, refused.json()["slug"]) == (422, "offload_unsuitable")
    assert time.monotonic() - begun < 5
    assert _send(client, made, "mnist.data", data[:-1]).status_code == 422
    wrong = json.dumps({**json.loads(layout), "sample_size": 3000}).encode()
    assert _send(client, made, "mnist.json", wrong).json()["field"] == "json.sample_size"
    # What is wrong is not kept: the right files still make a training.
    assert _send(client, made, "mnist.json", layout).status_code == 200
    assert _send(client, made, "mnist.data", data).status_code == 200
    assert client.post(f"/v1/offload/sessions/{made['id']}/cancellation").status_code == 202


def test_document_000_line_6_a_layer_that_is_unknown_is_refused_with_its_section(client: httpx.Client) -> None:
    made = _joined(client, sender(weights=False))
    problem = _send(client, made, "mnist.ini", INI.replace("Type=flatten", "Type=lstm").encode()).json()
    assert (problem["slug"], problem["field"]) == ("network_invalid", "ini.flatten.type")


def test_document_000_line_7_a_bin_of_a_wrong_size_is_refused(client: httpx.Client) -> None:
    made = _joined(client, SENDER)
    assert _send(client, made, "mnist.ini", INI.encode()).status_code == 200
    problem = _send(client, made, "pretrained-mnist.bin", bytes(15_605))
    assert (problem.status_code, problem.json()["slug"]) == (422, "weights_invalid")


def test_a_sender_that_left_can_come_again_with_another_conf(client: httpx.Client) -> None:
    figures = {"stop": TRAINING + VALIDATION - 1, "validation": VALIDATION, "epochs": EPOCHS}
    made = _joined(client, sender(weights=False, training=TRAINING + 1, **figures))
    assert _send(client, made, "mnist.ini", FAST_INI).status_code == 200
    place = f"/v1/offload/sessions/{made['id']}/sender"
    mended = {"conf": text(sender(weights=False, training=TRAINING, **figures))}
    problem = client.put(place, json=mended)
    assert (problem.status_code, problem.json()["slug"]) == (409, "offload_sender_there")
    assert place in problem.json()["remedy"]
    for _ in range(2):
        assert client.delete(place).status_code == 204
        assert (_get(client, made)["sender"], _get(client, made)["files"]) == (None, [])
    joined = client.put(place, json=mended).json()
    assert [item["size"] for item in joined["files"]] == [None] * 3
    assert client.post(f"/v1/offload/sessions/{made['id']}/cancellation").status_code == 202
    late = client.delete(place)
    assert (late.status_code, late.json()["slug"]) == (409, "offload_session_not_waiting")


def test_document_000_line_8_a_session_goes_from_waiting_to_succeeded_with_four_metrics_an_epoch(
    client: httpx.Client, done: Session
) -> None:
    assert done["state"] == "succeeded", done
    metrics = client.get(f"/v1/offload/sessions/{done['id']}/metrics").json()
    assert [len(epoch) for epoch in metrics["training_result"]] == [4] * EPOCHS
    first, last = metrics["training_result"][0], metrics["training_result"][-1]
    assert last[0] < first[0]  # the training loss
    assert last[2] < first[2]  # the validation loss
    assert last[1] > 0.6  # the training accuracy
    assert last[3] > 0.6  # the validation accuracy
    job = client.get(f"/v1/training-jobs/{done['training_job_id']}").json()
    assert (job["kind"], job["state"], job["epochs_done"]) == ("offload", "succeeded", EPOCHS)
    query = {"subject": f"offload-session/{done['id']}", "until": "now"}
    with client.stream("GET", "/v1/events", params=query, headers={"Last-Event-ID": "0"}) as stream:
        types = [line.removeprefix("event: ") for line in stream.iter_lines() if line.startswith("event: ")]
    assert types == ["offload-session.waiting-for-data", "offload-session.training"]


def test_document_000_line_8_a_receiver_that_gets_no_data_in_its_time_limit_times_out(client: httpx.Client) -> None:
    conf = {**RECEIVER, "offloading": {**RECEIVER["offloading"]}}
    conf["offloading"]["training"] = {**conf["offloading"]["training"], "time-limit": 1}
    made = client.post("/v1/offload/sessions", json={"receiver_conf": text(conf)}).json()
    assert made["state"] == "waiting-for-data"
    time.sleep(1.1)
    assert _get(client, made)["state"] == "timed-out"
    late = client.put(f"/v1/offload/sessions/{made['id']}/sender", json={"conf": text(SENDER)})
    assert (late.status_code, late.json()["slug"]) == (409, "offload_session_not_waiting")


def test_document_000_line_9_the_trained_model_is_registered_under_its_service_key(
    client: httpx.Client, done: Session
) -> None:
    result = done["result"]
    assert (result["key"], result["name"]) == ("trained_model_registration_key", "registered-trained-model.bin")
    assert result["active"]
    assert result["description"] == "registered trained model file"
    answer = client.get(f"/v1/offload/sessions/{done['id']}/result")
    assert 'filename="registered-trained-model.bin"' in answer.headers["Content-Disposition"]
    assert (len(answer.content), hashlib.sha256(answer.content).hexdigest()) == (15_604, result["sha256"])
    activated = client.get("/v1/offload/models/trained_model_registration_key/activated").json()
    assert activated["sha256"] == result["sha256"]
    stored = parse_weights(parse_description(FAST_INI), answer.content)
    assert (stored.epoch, stored.iteration) == (EPOCHS, EPOCHS * TRAINING // 10)
    # What the sender transferred is registered too.
    config = client.get("/v1/offload/models/model_config_registration_key/activated").json()
    assert (config["name"], config["sha256"]) == ("registered-mnist.ini", hashlib.sha256(FAST_INI).hexdigest())


def test_document_000_line_9_the_next_session_goes_on_from_the_bin_and_registers_the_next_version(
    client: httpx.Client, done: Session
) -> None:
    before = client.get(f"/v1/offload/sessions/{done['id']}/result").content
    data, layout = datarepo(900, 10)
    made = _joined(client, SENDER, model="offloaded")
    # The document's own confs and network, unchanged.
    files = {"pretrained-mnist.bin": before, "mnist.ini": INI.encode(), "mnist.data": data, "mnist.json": layout}
    for name, content in files.items():
        answer = _send(client, made, name, content)
        assert answer.status_code == 200, answer.text
    ended = _ended(client, made)
    assert (ended["state"], ended["version"]) == ("succeeded", 2), ended
    assert ended["result"]["version"] == done["result"]["version"] + 1
    after = client.get(f"/v1/offload/sessions/{made['id']}/result").content
    network = parse_description(INI.encode())
    old, new = parse_weights(network, before), parse_weights(network, after)
    assert (new.epoch, new.iteration) == (old.epoch + 1, old.iteration + 1)
    # One step of ten samples from the weights that were sent, and not from new ones.
    assert max(float(np.abs(a - b).max()) for a, b in zip(old.arrays, new.arrays, strict=True)) < 0.01
    figures = client.get(f"/v1/offload/sessions/{made['id']}/metrics").json()["training_result"]
    assert len(figures) == 1
    assert client.get("/v1/models/offloaded").json()["active_version"] == 2


def test_document_000_line_10_the_repository_has_the_operations_of_the_ml_service(client: httpx.Client) -> None:
    path = "/v1/offload/models/some_Key.1"
    assert client.get(f"{path}/versions").status_code == 404
    numbers = []
    for content in (b"one", b"two", b"three"):
        params = {"name": "model.bin", "activate": content == b"one", "description": content.decode()}
        made = client.post(f"{path}/versions", params=params, content=content, headers=OCTETS)
        assert made.status_code == 201, made.text
        assert made.headers["Location"] == f"{path}/versions/{made.json()['version']}"
        numbers.append(made.json()["version"])
    assert numbers == [1, 2, 3]
    assert client.get(f"{path}/versions/2").json()["description"] == "two"
    assert client.get(f"{path}/activated").json()["version"] == 1
    assert client.post(f"{path}/versions/2/activation").json()["active"]
    assert [item["active"] for item in client.get(f"{path}/versions").json()["items"]] == [False, True, False]
    changed = client.put(f"{path}/versions/2/description", json={"description": "second"})
    assert changed.json()["description"] == "second"
    assert client.get(f"{path}/versions/2/content").content == b"two"
    refused = client.delete(f"{path}/versions/2")
    assert (refused.status_code, refused.json()["slug"]) == (409, "offload_model_active")
    assert client.delete(f"{path}/versions/2", params={"force": True}).status_code == 204
    assert client.get(f"{path}/activated").status_code == 404
    assert client.delete(f"{path}/versions/3").status_code == 204
    assert client.get(f"{path}/versions/3").status_code == 404
    again = client.post(f"{path}/versions", params={"name": "model.bin"}, content=b"four", headers=OCTETS)
    assert again.json()["version"] == 4  # a number is never given twice


def test_document_000_line_11_the_trained_model_is_a_version_of_the_zoo(client: httpx.Client, done: Session) -> None:
    version = client.get(f"/v1/models/offloaded/versions/{done['version']}").json()
    assert version["report"]["is_int8"]
    assert version["golden_vectors"] >= 4
    forms = {item["format"]: item["sha256"] for item in version["formats"]}
    assert forms.keys() == {"keras", "float32", "nntrainer"}
    assert forms["nntrainer"] == done["result"]["sha256"]
    assert (version["lineage"]["kind"], version["lineage"]["recipe"]["epochs"]) == ("offload", EPOCHS)
    pictures, numbers = (array[600:660] for array in digits())
    instances = pictures[..., np.newaxis].tolist()
    answer = client.post(f"/v1/models/offloaded/versions/{done['version']}/predict", json={"instances": instances})
    found = np.argmax(answer.json()["prediction"], axis=1)
    assert float(np.mean(found == numbers)) > 0.6
    # The .bin computes what the zoo's float form does: its layout is right.
    given = pictures[..., np.newaxis]
    model = client.get(f"/v1/models/offloaded/versions/{done['version']}/formats/float32").content
    weights = client.get(f"/v1/offload/sessions/{done['id']}/result").content
    assert np.allclose(_by_planes(weights, pictures[:3]), LoadedModel(model).run(given[:3]), atol=1e-4)


def test_a_session_whose_samples_another_training_reads_is_not_deleted(client: httpx.Client, done: Session) -> None:
    snapshot = client.get(f"/v1/training-jobs/{done['training_job_id']}").json()["snapshot_sha256"]
    request = {"kind": "evaluate", "model": "offloaded", "parent_version": done["version"], "snapshot": snapshot}
    job = client.post("/v1/training-jobs", json=request)
    assert job.status_code == 202, job.text
    refused = client.delete(f"/v1/offload/sessions/{done['id']}")
    assert (refused.status_code, refused.json()["slug"]) == (409, "offload_samples_in_use")
    assert job.json()["id"] in refused.json()["detail"]
    _job_ended(client, job.json()["id"])
    assert client.get(f"/v1/snapshots/{snapshot}").json()["removed_at"] is None


def test_a_session_is_deleted_with_its_samples(client: httpx.Client, done: Session) -> None:
    job = client.get(f"/v1/training-jobs/{done['training_job_id']}").json()
    path = f"/v1/snapshots/{job['snapshot_sha256']}"
    assert client.get(path).json()["removed_at"] is None
    assert client.delete(f"/v1/offload/sessions/{done['id']}").status_code == 204
    assert client.get(path).json()["removed_at"] is not None
    assert client.get(f"/v1/offload/sessions/{done['id']}").status_code == 404
    assert client.get(f"/v1/models/offloaded/versions/{done['version']}").status_code == 200


def _by_planes(stored: bytes, pictures: np.ndarray[Any, np.dtype[np.float32]]) -> np.ndarray[Any, Any]:
    """document 000's network computed as nntrainer lays it out: planes, OIHW kernels, flattened channel by channel."""
    values = np.frombuffer(stored[: 3898 * 4], "<f4")
    first, one, second, two, dense, three = np.split(values, np.cumsum([150, 6, 1800, 12, 1920]))

    def convolved(planes: Any, kernel: Any, bias: Any) -> Any:
        windows = np.lib.stride_tricks.sliding_window_view(planes, (5, 5), axis=(2, 3))
        sums = np.einsum("nchwij,ocij->nohw", windows, kernel) + bias[:, None, None]
        return (1 + np.tanh(sums / 2)) / 2  # the sigmoid, without overflow

    def pooled(planes: Any) -> Any:
        count, channels, height, width = planes.shape
        return planes.reshape(count, channels, height // 2, 2, width // 2, 2).mean(axis=(3, 5))

    planes = pooled(convolved(pictures[:, None], first.reshape(6, 1, 5, 5), one))
    planes = pooled(convolved(planes, second.reshape(12, 6, 5, 5), two))
    outputs = np.exp(planes.reshape(len(pictures), -1) @ dense.reshape(192, 10) + three)
    return outputs / outputs.sum(axis=1, keepdims=True)


def _job_ended(client: httpx.Client, job_id: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while client.get(f"/v1/training-jobs/{job_id}").json()["finished_at"] is None:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _joined(client: httpx.Client, conf: dict[str, Any], **more: Any) -> Session:
    body = {"receiver_conf": text(RECEIVER), "sender_conf": text(conf), **more}
    response = client.post("/v1/offload/sessions", json=body)
    assert response.status_code == 201, response.text
    made: Session = response.json()
    assert response.headers["Location"] == f"/v1/offload/sessions/{made['id']}"
    return made


def _send(client: httpx.Client, session: Session, name: str, content: bytes) -> httpx.Response:
    return client.put(f"/v1/offload/sessions/{session['id']}/files/{name}", content=content, headers=OCTETS)


def _get(client: httpx.Client, session: Session) -> Session:
    found: Session = client.get(f"/v1/offload/sessions/{session['id']}").json()
    return found


def _ended(client: httpx.Client, session: Session) -> Session:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (found := _get(client, session))["state"] in {"waiting-for-data", "training"}:
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    return found
