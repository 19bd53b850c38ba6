"""The event stream: resumable, filtered, and silent about nothing."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx

from tests.support.server import ServerProcess

ROOT = Path(__file__).parents[3]
OCTETS = {"Content-Type": "application/octet-stream"}


def _read(api: httpx.Client, **parameters: Any) -> list[tuple[int, str, dict[str, Any]]]:
    headers = {"Last-Event-ID": str(parameters.pop("after"))} if "after" in parameters else {}
    with api.stream("GET", "/v1/events", params={"until": "now", **parameters}, headers=headers) as response:
        assert response.headers["Content-Type"].startswith("text/event-stream")
        frames = [frame.split("\n") for frame in response.read().decode().split("\n\n")]
    return [
        (
            int(frame[0].removeprefix("id: ")),
            frame[1].removeprefix("event: "),
            json.loads(frame[2].removeprefix("data: ")),
        )
        for frame in frames
        if frame[0].startswith("id: ")
    ]


def test_a_stream_resumes_after_the_last_event_that_was_seen(api: httpx.Client) -> None:
    model = (ROOT / "zoo/catalog/hello-world-sine/hello-world-sine.tflite").read_bytes()
    api.post("/v1/models/streamed/versions", content=model, headers=OCTETS)
    everything = _read(api, after=0)
    ids = [event[0] for event in everything]
    assert ids == sorted(set(ids))
    assert "model.version_created" in {event[1] for event in everything}
    middle = ids[len(ids) // 2]
    assert [event[0] for event in _read(api, after=middle)] == [id_ for id_ in ids if id_ > middle]
    assert {event[2]["subject"] for event in _read(api, after=0, subject="model/streamed")} == {"model/streamed"}
    assert _read(api) == []


def test_an_open_stream_shows_what_happens(api: httpx.Client) -> None:
    model = (ROOT / "zoo/catalog/digits-cnn/digits-cnn.tflite").read_bytes()
    with api.stream("GET", "/v1/events", params={"subject": "model/live"}) as response:
        lines = response.iter_lines()
        assert next(lines) == "retry: 1000"
        api.post("/v1/models/live/versions", content=model, headers=OCTETS)
        assert next(line for line in lines if line.startswith("event: ")) == "event: model.version_created"


def test_a_bad_last_event_id_is_refused_before_the_stream_begins(api: httpx.Client) -> None:
    response = api.get("/v1/events", headers={"Last-Event-ID": "x"})
    assert response.status_code == 422
    assert response.json()["field"] == "header.Last-Event-ID"


def test_a_client_of_another_data_folder_hears_what_happens_from_now_on(api: httpx.Client) -> None:
    with api.stream("GET", "/v1/events", headers={"Last-Event-ID": "999999999999999999"}, timeout=5) as response:
        lines = response.iter_lines()
        assert next(lines) == "retry: 1000"
        api.post("/v1/datasets", json={"name": "heard"}).raise_for_status()
        assert next(line for line in lines if line.startswith("event: ")) == "event: dataset.created"


def test_a_server_that_stops_ends_its_streams_first(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "data")
    server.start()
    with server.client() as api, api.stream("GET", "/v1/events") as response:
        lines = response.iter_lines()
        assert next(lines) == "retry: 1000"
        with ThreadPoolExecutor(1) as pool:
            ended = pool.submit(server.stop)
            assert list(lines) == [""]  # httpx raises when the stream is cut off
            assert ended.result() == 0
