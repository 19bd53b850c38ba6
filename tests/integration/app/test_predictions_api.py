"""Predictions over HTTP, as source document 002 has them, and what they cost the server's process."""

from __future__ import annotations

import io
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.support.server import ServerProcess

ROOT = Path(__file__).parents[3]
SAMPLE = json.loads((ROOT / "zoo/catalog/digits-cnn/sample.json").read_text())
MAX_RESIDENT_BYTES = 250_000_000


def png(instance: list[object]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.round(np.array(instance, float)[..., 0] * 255).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def problem(response: httpx.Response, status: int, slug: str) -> dict[str, str]:
    assert response.headers["Content-Type"] == "application/problem+json"
    found: dict[str, str] = response.json()
    assert (response.status_code, found["slug"]) == (status, slug), found
    assert found["remedy"]
    return found


def test_document_002_line_2_a_prediction_is_a_list_of_lists(api: httpx.Client) -> None:
    answer = api.post("/v1/models/digits-cnn/predict", json=SAMPLE)
    assert answer.status_code == 200
    assert list(answer.json()) == ["prediction"]
    assert np.array(answer.json()["prediction"]).shape == (2, 10)
    assert np.argmax(answer.json()["prediction"], axis=1).tolist() == [3, 7]
    assert api.post("/v1/models/digits-cnn/versions/1/predict", json=SAMPLE).json() == answer.json()


def test_document_002_line_2_a_wrong_shape_is_422_and_an_unknown_version_404(api: httpx.Client) -> None:
    wrong = problem(api.post("/v1/models/digits-cnn/predict", json={"instances": [[1, 2]]}), 422, "bad_input")
    assert "[8, 8, 1]" in wrong["detail"]
    problem(api.post("/v1/models/digits-cnn/versions/99/predict", json=SAMPLE), 404, "version_not_found")
    problem(api.post("/v1/models/nothing/predict", json=SAMPLE), 404, "model_not_found")


def test_the_active_version_is_the_one_that_answers(api: httpx.Client) -> None:
    octets = {"Content-Type": "application/octet-stream"}
    for name in ("hello-world-sine", "digits-cnn"):
        data = (ROOT / f"zoo/catalog/{name}/{name}.tflite").read_bytes()
        api.post("/v1/models/switched/versions", content=data, headers=octets)
    assert len(api.post("/v1/models/switched/predict", json={"instances": [[0.5]]}).json()["prediction"][0]) == 1
    problem(api.post("/v1/models/switched/predict", json=SAMPLE), 422, "bad_input")
    api.post("/v1/models/switched/versions/2/activation")
    assert len(api.post("/v1/models/switched/predict", json=SAMPLE).json()["prediction"][0]) == 10
    api.post("/v1/models/switched/versions/1/activation")
    assert len(api.post("/v1/models/switched/predict", json={"instances": [[0.5]]}).json()["prediction"][0]) == 1


def test_pictures_are_predicted_one_by_one_and_together(api: httpx.Client) -> None:
    three, seven = (png(instance) for instance in SAMPLE["instances"])
    one = api.post("/v1/models/digits-cnn/predict", content=three, headers={"Content-Type": "image/png"})
    assert np.argmax(one.json()["prediction"], axis=1).tolist() == [3]
    form = [("picture", ("3.png", three)), ("picture", ("7.png", seven))]
    both = api.post("/v1/models/digits-cnn/versions/1/predict", files=form)
    assert np.argmax(both.json()["prediction"], axis=1).tolist() == [3, 7]


@pytest.mark.parametrize(
    ("content", "type_", "status", "slug"),
    [
        (b"{", "application/json", 400, "bad_json"),
        (b'{"instances": []}', "application/json", 422, "invalid"),
        (b'{"instances": [[1]], "more": 1}', "application/json", 422, "invalid"),
        (b"no picture", "image/png", 422, "bad_input"),
        (b"", "image/jpeg", 422, "bad_input"),
        (b"x", "text/plain", 415, "unsupported_media_type"),
        (b"--x--\r\n", "multipart/form-data; boundary=x", 422, "empty_body"),
        (b"nonsense", "multipart/form-data", 400, "bad_request"),
        (b"x" * 2_000_001, "image/png", 413, "body_too_large"),
    ],
)
def test_what_cannot_be_predicted_with_is_refused(
    api: httpx.Client, content: bytes, type_: str, status: int, slug: str
) -> None:
    answer = api.post("/v1/models/digits-cnn/predict", content=content, headers={"Content-Type": type_})
    problem(answer, status, slug)


def test_a_model_that_takes_no_pictures_says_so(api: httpx.Client) -> None:
    picture = png(SAMPLE["instances"][0])
    answer = api.post("/v1/models/hello-world-sine/predict", content=picture, headers={"Content-Type": "image/png"})
    assert "no picture" in problem(answer, 422, "unsupported_model")["detail"]


def test_the_server_stays_below_250_megabytes_and_never_loads_tensorflow(
    api: httpx.Client, server: ServerProcess
) -> None:
    """After uploads, a snapshot and parallel predictions; the peak is that of every test before as well."""
    rng = np.random.default_rng(1)
    arrays = io.BytesIO()
    np.savez(arrays, x=rng.integers(0, 256, (2400, 28, 28), np.uint8), y=rng.integers(0, 10, 2400))
    api.post("/v1/datasets", json={"name": "large"})
    added = api.post(
        "/v1/datasets/large/samples", content=arrays.getvalue(), headers={"Content-Type": "application/octet-stream"}
    )
    assert added.json()["accepted"] == 2400
    assert api.post("/v1/datasets/large/snapshots", json={}).status_code == 201
    assert api.get("/v1/datasets/large/statistics").status_code == 200
    assert api.get("/v1/datasets/large/picture").status_code == 200
    with ThreadPoolExecutor(4) as pool:
        answers = pool.map(lambda _: api.post("/v1/models/digits-cnn/predict", json=SAMPLE).status_code, range(40))
    assert set(answers) == {200}
    process = Path("/proc") / str(server.pid)
    peak = next(line for line in (process / "status").read_text().splitlines() if line.startswith("VmHWM"))
    assert int(peak.split()[1]) * 1024 < MAX_RESIDENT_BYTES, peak
    assert "tensorflow" not in (process / "maps").read_text().replace("ai_edge_litert", "")
