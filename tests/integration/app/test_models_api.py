"""Models over HTTP: what may come in, what comes back, and what bad input leaves behind: nothing."""

import json
import random
import socket
import time
from pathlib import Path

import httpx
import pytest

from tests.support.server import ServerProcess

ROOT = Path(__file__).parents[3]
SINE = (ROOT / "zoo/catalog/hello-world-sine/hello-world-sine.tflite").read_bytes()
DIGITS = (ROOT / "zoo/catalog/digits-cnn/digits-cnn.tflite").read_bytes()
OCTETS = {"Content-Type": "application/octet-stream"}


def _upload(api: httpx.Client, name: str, data: bytes, **headers: str) -> httpx.Response:
    return api.post(f"/v1/models/{name}/versions", content=data, headers={**OCTETS, **headers})


def _problem(response: httpx.Response, status: int) -> dict[str, str]:
    assert response.headers["Content-Type"] == "application/problem+json"
    problem: dict[str, str] = response.json()
    assert response.status_code == problem["status"] == status, problem
    assert problem["detail"]
    assert problem["remedy"]
    return problem


def test_the_shipped_zoo_is_there_with_cards_and_golden_vectors(api: httpx.Client) -> None:
    names = {item["name"] for item in api.get("/v1/models").json()["items"]}
    assert {"digits-cnn", "hello-world-sine", "vibration-autoencoder"} <= names
    version = api.get("/v1/models/digits-cnn/versions/1").json()
    assert version["card"]["licence"]
    assert version["golden_vectors"] >= 4
    assert version["report"]["macs"] > 1000


def test_a_second_upload_of_the_same_bytes_is_the_same_version(api: httpx.Client) -> None:
    first = _upload(api, "twice", SINE)
    assert first.status_code == 201
    assert first.headers["Location"] == "/v1/models/twice/versions/1"
    again = _upload(api, "twice", SINE)
    assert again.status_code == 200
    assert again.json() == first.json()
    second = _upload(api, "twice", DIGITS)
    assert (second.status_code, second.json()["version"], second.json()["active"]) == (201, 2, False)
    assert api.post("/v1/models/twice/versions/2/activation").json()["active_version"] == 2
    assert [item["version"] for item in api.get("/v1/models/twice/versions").json()["items"]] == [2, 1]


def test_the_content_comes_back_by_range_and_etag(api: httpx.Client) -> None:
    path = "/v1/models/digits-cnn/versions/1/content"
    whole = api.get(path)
    assert whole.content == DIGITS
    etag = whole.headers["ETag"]
    part = api.get(path, headers={"Range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, DIGITS[100:200])
    assert part.headers["Content-Range"] == f"bytes 100-199/{len(DIGITS)}"
    assert api.get(path, headers={"Range": "bytes=-10"}).content == DIGITS[-10:]
    assert api.get(path, headers={"If-None-Match": etag}).status_code == 304
    _problem(api.get(path, headers={"If-Match": '"other"'}), 412)
    _problem(api.get(path, headers={"Range": f"bytes={len(DIGITS)}-"}), 416)
    changed = api.get(path, headers={"Range": "bytes=5-", "If-Range": '"other"'})
    assert (changed.status_code, changed.content) == (200, DIGITS)


@pytest.mark.parametrize(
    "range_", ["bytes=abc", "bytes=5-2", "items=0-1", "bytes=0-1,3-4", "bytes=99999999-,99999999-"]
)
def test_a_range_that_is_not_served_brings_the_whole_content(api: httpx.Client, range_: str) -> None:
    answer = api.get("/v1/models/digits-cnn/versions/1/content", headers={"Range": range_})
    assert (answer.status_code, answer.content) == (200, DIGITS)
    assert answer.headers["ETag"]


def test_prediction_takes_real_units_and_refuses_the_wrong_shape(api: httpx.Client) -> None:
    sample = json.loads((ROOT / "zoo/catalog/digits-cnn/sample.json").read_text())
    answer = api.post("/v1/models/digits-cnn/predict", json=sample).json()["prediction"]
    assert len(answer) == len(sample["instances"])
    assert all(len(row) == 10 and abs(sum(row) - 1) < 0.05 for row in answer)
    problem = _problem(api.post("/v1/models/digits-cnn/predict", json={"instances": [[1, 2, 3]]}), 422)
    assert problem["slug"] == "bad_input"
    assert "8" in problem["detail"]
    assert problem["field"] == "body"
    _problem(api.post("/v1/models/digits-cnn/versions/99/predict", json=sample), 404)
    _problem(api.post("/v1/models/nothing/predict", json=sample), 404)


@pytest.mark.parametrize(
    ("data", "status", "slug"),
    [
        pytest.param(DIGITS[: len(DIGITS) // 2], 422, "model_truncated", id="truncated"),
        pytest.param(random.Random(1).randbytes(5000), 422, "not_tflite", id="random"),
        pytest.param((ROOT / "tests/unit/zoo/data/float.tflite").read_bytes(), 422, "float_model", id="float-only"),
        pytest.param(DIGITS + bytes(500_000), 413, "model_too_large", id="larger than a model may be"),
        pytest.param(bytes(2_000_001), 413, "body_too_large", id="larger than a body may be"),
        pytest.param(b"", 422, "empty_body", id="empty"),
    ],
)
def test_a_bad_model_is_refused_with_a_reason_and_nothing_is_stored(
    api: httpx.Client, server: ServerProcess, data: bytes, status: int, slug: str
) -> None:
    blobs = _blobs(server)
    problem = _problem(_upload(api, "bad-model", data), status)
    assert problem["slug"] == slug
    assert api.get("/v1/models/bad-model").status_code == 404
    assert _blobs(server) == blobs


def test_a_body_without_a_declared_length_is_bounded_too(api: httpx.Client) -> None:
    response = api.post("/v1/models/bad-model/versions", content=iter([bytes(1_000_000)] * 3), headers=OCTETS)
    assert _problem(response, 413)["slug"] == "body_too_large"


def test_a_parser_that_is_cut_short_by_the_bound_does_not_answer_for_it(api: httpx.Client) -> None:
    parts = iter([b"[" * 1_000_000] * 3)
    response = api.post("/v1/builds", content=parts, headers={"Content-Type": "application/json"})
    assert _problem(response, 413)["slug"] == "body_too_large"


@pytest.mark.parametrize("body", ["[" * 100_000, '{"model":' + "9" * 5_000 + "}"], ids=["deep", "digits"])
def test_json_that_python_does_not_read_is_a_problem_of_the_body(api: httpx.Client, body: str) -> None:
    problem = _problem(api.post("/v1/builds", content=body, headers={"Content-Type": "application/json"}), 400)
    assert (problem["slug"], problem["field"]) == ("bad_json", "body")


def test_a_form_that_cannot_be_read_says_how_to_send_one(api: httpx.Client) -> None:
    problem = _problem(api.post("/v1/datasets/x/samples", files={"note": (None, "no file")}), 400)
    assert (problem["slug"], problem["field"]) == ("bad_request", "body")
    assert "curl -F" in problem["remedy"]


@pytest.mark.parametrize("key", ["", "Idempotency-Key: cut-off\r\n"], ids=["plain", "with a key"])
def test_an_upload_that_breaks_off_is_no_failure_of_the_server(server: ServerProcess, key: str) -> None:
    begin = len(server.log.read_text())
    head = f"POST /v1/models/cut-off/versions HTTP/1.1\r\nHost: x\r\n{key}Content-Type: application/octet-stream\r\n"
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(f"{head}Content-Length: 1000\r\n\r\nTFL3".encode())
        time.sleep(0.2)
    deadline = time.monotonic() + 10
    while "/cut-off/" not in (logged := server.log.read_text()[begin:]) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert "status=400" in logged
    assert "Traceback" not in logged


def test_an_upload_of_another_type_says_which_type_it_takes(api: httpx.Client) -> None:
    response = api.post("/v1/models/x/versions", content=b"x", headers={"Content-Type": "text/plain"})
    assert "octet-stream" in _problem(response, 415)["remedy"]


def test_an_idempotency_key_gives_the_first_answer_again_and_refuses_another_body(api: httpx.Client) -> None:
    first = _upload(api, "keyed", SINE, **{"Idempotency-Key": "k-1"})
    again = _upload(api, "keyed", SINE, **{"Idempotency-Key": "k-1"})
    assert (again.status_code, again.json(), again.headers["Location"]) == (
        201,
        first.json(),
        first.headers["Location"],
    )
    assert again.headers["Idempotent-Replayed"] == "true"
    other = _problem(_upload(api, "keyed", DIGITS, **{"Idempotency-Key": "k-1"}), 422)
    assert other["slug"] == "idempotency_key_reused"


def test_pages_follow_their_cursor_without_loss_or_repeat(api: httpx.Client) -> None:
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = api.get("/v1/models", params={"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        seen += [item["name"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == sorted(set(seen))
    assert len(seen) >= 3
    assert _problem(api.get("/v1/models", params={"cursor": "no cursor"}), 422)["slug"] == "bad_cursor"


def _blobs(server: ServerProcess) -> set[str]:
    folder: Path = server.data_dir / "blobs"
    return {path.name for path in folder.rglob("*") if path.is_file()}


def test_a_body_of_another_media_type_is_refused_as_that(server: ServerProcess) -> None:
    with server.client() as client:
        answer = client.post(
            "/v1/builds",
            content='{"model": "digits-cnn", "board": "mps2-an386"}',
            headers={"Content-Type": "application/x-www-form-urlencoded"},  # what curl -d says
        )
    problem = answer.json()
    assert (answer.status_code, problem["slug"], problem["field"]) == (422, "invalid", "body")
    assert problem["detail"] == "The body came as application/x-www-form-urlencoded."
    assert "Content-Type: application/json" in problem["remedy"]
