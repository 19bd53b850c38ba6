"""Datasets over HTTP: every format comes in, what is wrong is said, and what is deleted is gone from the disk."""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import os
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree

import cbor2
import httpx
import numpy as np
import pytest
from PIL import Image
from sqlalchemy import create_engine, text

from tests.support.server import ServerProcess
from zoo.datasets.snapshot import load

IRIS = "length,width,label\n" + "".join(
    f"{5 + number % 7 / 10},{3 + number % 5 / 10},{('setosa', 'virginica')[number % 2]}\n" for number in range(40)
)
CSV = {"Content-Type": "text/csv"}


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A dataset's name of the test's own."""
    return "d-" + hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:16]


@pytest.fixture
def dataset(api: httpx.Client, name: str) -> Iterator[str]:
    """An empty dataset; the path of its resource."""
    response = api.post("/v1/datasets", json={"name": name})
    assert response.status_code == 201
    assert response.headers["Location"] == f"/v1/datasets/{name}"
    yield response.headers["Location"]
    api.delete(f"/v1/datasets/{name}", params={"purge": "true"})


def upload(api: httpx.Client, dataset: str, body: bytes | str, type_: str = "text/csv", **query: str) -> httpx.Response:
    headers = {key.replace("_", "-"): value for key, value in query.items() if key.startswith("x_")}
    params = {key: value for key, value in query.items() if not key.startswith("x_")}
    return api.post(f"{dataset}/samples", content=body, params=params, headers={"Content-Type": type_, **headers})


def problem(response: httpx.Response, status: int, slug: str) -> dict[str, str]:
    assert response.headers["Content-Type"] == "application/problem+json"
    found: dict[str, str] = response.json()
    assert (response.status_code, found["slug"]) == (status, slug), found
    assert found["detail"]
    assert found["remedy"]
    return found


def files_of(server: ServerProcess) -> set[str]:
    return {path.name for path in (server.data_dir / "datasets").rglob("*") if path.is_file()}


def test_a_csv_becomes_samples_labels_and_statistics(api: httpx.Client, dataset: str) -> None:
    response = upload(api, dataset, IRIS + "x,1,setosa\n")
    assert response.status_code == 201, response.text
    assert (response.json()["accepted"], response.json()["rejected"]) == (40, 1)
    assert response.json()["reasons"] == [{"place": "line 42", "reason": "Column length: 'x' is no finite number."}]
    body = api.get(dataset).json()
    assert body["data_schema"]["features"] == ["length", "width"]
    assert body["labels"] == [{"label": "setosa", "samples": 20}, {"label": "virginica", "samples": 20}]
    assert (body["samples"], body["uploads"], body["rejected"]) == (40, 1, 1)
    statistics = api.get(f"{dataset}/statistics").json()
    lengths = [5 + number % 7 / 10 for number in range(40)]
    assert statistics["features"][0]["mean"] == pytest.approx(np.mean(lengths))
    assert statistics["features"][0]["std"] == pytest.approx(np.std(lengths), rel=1e-5)
    rejected = api.get(f"{dataset}/uploads/{response.json()['id']}/rejected")
    assert json.loads(rejected.text) == {
        "place": "line 42",
        "reason": "Column length: 'x' is no finite number.",
        "content": "x,1,setosa",
    }


def test_the_same_bytes_again_make_no_doubles(api: httpx.Client, dataset: str) -> None:
    first = upload(api, dataset, IRIS)
    again = upload(api, dataset, IRIS)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    assert api.get(dataset).json()["samples"] == 40


def test_the_same_recording_under_the_name_of_another_label_is_another_upload(api: httpx.Client, dataset: str) -> None:
    recording = json.dumps(
        {
            "protected": {"ver": "v1", "alg": "none"},
            "signature": "",
            "payload": {"interval_ms": 10, "sensors": [{"name": "x", "units": "m/s2"}], "values": [[1.0], [2.0]]},
        }
    )
    for name, status in (("idle.1.json", 201), ("wave.1.json", 201), ("wave.2.json", 200)):
        assert upload(api, dataset, recording, "application/json", x_file_name=name).status_code == status
    assert [item["label"] for item in api.get(dataset).json()["labels"]] == ["idle", "wave"]


def test_the_same_bytes_at_the_same_time_make_no_doubles_either(api: httpx.Client, dataset: str) -> None:
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: upload(api, dataset, IRIS), range(6)))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 200, 200, 201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert api.get(dataset).json()["samples"] == 40


def test_of_two_first_uploads_of_different_schemas_one_is_refused(api: httpx.Client, dataset: str) -> None:
    bodies = ["a,label\n" + "1,x\n" * 3000, "a,b,label\n" + "1,2,x\n" * 3000]
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda body: upload(api, dataset, body), bodies))
    assert sorted(answer.status_code for answer in answers) in ([201, 409], [201, 422])
    assert api.get(dataset).json()["samples"] == 3000


def test_duplicates_are_rejected_when_they_are_not_allowed(api: httpx.Client, dataset: str) -> None:
    upload(api, dataset, "a,label\n1,x\n2,y\n")
    response = upload(api, dataset, "a,label\n1,x\n3,z\n3,z\n", x_disallow_duplicates="1")
    assert {key: response.json()[key] for key in ("accepted", "rejected", "duplicates")} == {
        "accepted": 1,
        "rejected": 2,
        "duplicates": 2,
    }
    allowed = upload(api, dataset, "a,label\n1,x\n")
    assert allowed.json()["accepted"] == 1


def test_every_format_comes_in(api: httpx.Client, name: str) -> None:
    arrays = io.BytesIO()
    np.savez(arrays, x=np.zeros((4, 2), np.float32), y=[0, 1, 0, 1])
    pictures, drawn = io.BytesIO(), io.BytesIO()
    Image.new("L", (8, 8)).save(drawn, "PNG")
    with zipfile.ZipFile(pictures, "w") as archive:
        archive.writestr("cat/1.png", drawn.getvalue())
    message = {
        "protected": {"ver": "v1", "alg": "none"},
        "signature": "",
        "payload": {"interval_ms": 10, "sensors": [{"name": "accX"}], "values": [[1], [2], [3]]},
    }
    caps = "other/tensors,format=static,num_tensors=2,dimensions=2:1:1:1.2:1:1:1,types=float32.float32"
    described = json.dumps({"gst_caps": caps, "total_samples": 2, "sample_size": 16}).encode()
    records = np.array([[1, 2, 1, 0], [3, 4, 0, 1]], "<f4").tobytes()
    octets = "application/octet-stream"
    for number, (format_, body, type_, samples) in enumerate(
        (
            ("csv", b"a,label\n1,x\n", "text/csv", 1),
            ("npz", arrays.getvalue(), octets, 4),
            ("images", pictures.getvalue(), "application/zip", 1),
            ("acquisition-json", json.dumps(message).encode(), "application/json", 1),
            ("acquisition-cbor", cbor2.dumps(message), "application/cbor", 1),
            ("datarepo", {"x.data": records, "x.json": described}, "", 2),
        )
    ):
        api.post("/v1/datasets", json={"name": f"{name}-{number}"})
        path = f"/v1/datasets/{name}-{number}"
        if isinstance(body, dict):
            form = [("file", (key, value)) for key, value in body.items()]
            response = api.post(f"{path}/samples", files=form)
        else:
            response = upload(api, path, body, type_, x_label="wave", x_file_name="upload")
            assert api.post(f"{path}/samples", files={"file": ("f.csv" if format_ == "csv" else "f", body)}).is_success
        assert response.status_code == 201, response.text
        assert (response.json()["format"], response.json()["accepted"]) == (format_, samples)
        picture = api.get(f"{path}/picture")
        assert picture.headers["Content-Type"].startswith("image/svg+xml")
        assert "default-src 'none'" in picture.headers["Content-Security-Policy"]
        ElementTree.fromstring(picture.content)  # noqa: S314 - our own server's
        assert api.delete(path).status_code == 204


def test_acquisitions_must_be_signed_when_the_dataset_has_a_key(
    api: httpx.Client, server: ServerProcess, name: str
) -> None:
    key = "0123456789abcdef"
    response = api.post("/v1/datasets", json={"name": name, "signing_key": key})
    assert response.json()["signed"] is True
    assert key not in response.text
    message = {
        "protected": {"ver": "v1", "alg": "HS256"},
        "signature": "0" * 64,
        "payload": {"interval_ms": 10, "sensors": [{"name": "accX"}], "values": [[1], [2], [3]]},
    }
    unsigned = json.dumps(message).encode()
    signature = hmac.new(key.encode(), unsigned, hashlib.sha256).hexdigest()
    path = f"/v1/datasets/{name}"
    refused = problem(upload(api, path, unsigned, "application/json"), 422, "bad_signature")
    assert refused["field"] == "body.signature"
    signed = unsigned.replace(b"0" * 64, signature.encode())
    assert upload(api, path, signed, "application/json").status_code == 201
    assert key.encode() not in b"".join(file.read_bytes() for file in server.data_dir.glob("tinymlaas.sqlite3*"))


def test_a_sample_comes_back_with_its_values_and_can_be_predicted_with(api: httpx.Client, dataset: str) -> None:
    upload(api, dataset, "angle,label\n0.5,up\n-0.5,down\n")
    newest, oldest = api.get(f"{dataset}/samples").json()["items"]
    assert (newest["label"], oldest["label"]) == ("down", "up")
    sample = api.get(f"{dataset}/samples/{oldest['id']}").json()
    assert sample["values"] == [0.5]
    prediction = api.post("/v1/models/hello-world-sine/predict", json={"instances": [sample["values"]]}).json()
    assert prediction["prediction"][0][0] == pytest.approx(np.sin(0.5), abs=0.1)
    assert [item["label"] for item in api.get(f"{dataset}/samples", params={"label": "up"}).json()["items"]] == ["up"]


def test_a_deleted_sample_is_overwritten_on_the_disk(api: httpx.Client, server: ServerProcess, dataset: str) -> None:
    secret = np.float32(1234.5678).tobytes()
    upload(api, dataset, "a,label\n1,x\n1234.5678,x\n3,y\n")
    folder = server.data_dir / "datasets"
    assert any(secret in path.read_bytes() for path in folder.rglob("*") if path.is_file())
    sample = next(item for item in api.get(f"{dataset}/samples").json()["items"] if item["label"] == "x")
    assert api.delete(f"{dataset}/samples/{sample['id']}").status_code == 204
    problem(api.get(f"{dataset}/samples/{sample['id']}"), 404, "sample_not_found")
    assert not any(secret in path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert api.get(f"{dataset}/statistics").json()["features"][0]["maximum"] == 3.0
    snapshot = api.post(f"{dataset}/snapshots", json={"train": 1, "validation": 0, "test": 0}).json()
    assert snapshot["samples"] == 2


def test_a_snapshot_is_named_by_its_content_and_can_be_loaded(
    api: httpx.Client, dataset: str, name: str, tmp_path: Path
) -> None:
    head, *lines = IRIS.splitlines()
    upload(api, dataset, IRIS)
    other = f"/v1/datasets/{name}-other"
    api.post("/v1/datasets", json={"name": f"{name}-other"})
    for begin in (20, 0):  # the same samples in another order, in two parts
        assert upload(api, other, "\n".join([head, *lines[begin : begin + 20]]) + "\n").status_code == 201
    split = {"train": 0.6, "validation": 0.2, "test": 0.2, "seed": 7}
    made = api.post(f"{dataset}/snapshots", json=split)
    assert made.status_code == 201, made.text
    snapshot = made.json()
    assert made.headers["Location"] == f"/v1/snapshots/{snapshot['sha256']}"
    assert api.post(f"{dataset}/snapshots", json=split).status_code == 200
    assert api.post(f"{other}/snapshots", json=split).json()["sha256"] == snapshot["sha256"]
    assert api.post(f"{dataset}/snapshots", json={**split, "seed": 8}).json()["sha256"] != snapshot["sha256"]
    assert {part: body["samples"] for part, body in snapshot["parts"].items()} == {
        "train": 24,
        "validation": 8,
        "test": 8,
    }
    content = api.get(f"/v1/snapshots/{snapshot['sha256']}/content")
    assert hashlib.sha256(content.content).hexdigest() == snapshot["sha256"]
    file = tmp_path / "snapshot"
    file.write_bytes(content.content)
    loaded = load(file, snapshot["sha256"])
    assert loaded.labels == ("setosa", "virginica")
    assert [len(loaded.split[part]) for part in ("train", "validation", "test")] == [24, 8, 8]
    assert sorted(loaded.x[:, 0].tolist()) == pytest.approx(sorted(5 + number % 7 / 10 for number in range(40)))
    api.delete(other)
    assert api.get(f"/v1/snapshots/{snapshot['sha256']}/content").status_code == 200


def test_a_writer_is_never_on_both_sides_of_a_split(api: httpx.Client, dataset: str) -> None:
    rows = "".join(f"{number},w{number % 10},{number % 2}\n" for number in range(100))
    upload(api, dataset, f"a,writer,label\n{rows}")
    assert api.get(f"{dataset}/statistics").json()["groups"] == 10
    snapshot = api.post(f"{dataset}/snapshots", json={}).json()
    assert sum(part["samples"] for part in snapshot["parts"].values()) == 100
    assert all(part["samples"] % 10 == 0 for part in snapshot["parts"].values())


def _depend(server: ServerProcess, sha256: str, subject: str) -> None:
    """What a training job does when it begins."""
    engine = create_engine(f"sqlite:///{server.data_dir / 'tinymlaas.sqlite3'}", connect_args={"timeout": 30})
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO dataset_snapshot_use VALUES (:a, :b)"), {"a": sha256, "b": subject})
    engine.dispose()


def test_deleting_a_dataset_removes_its_files_but_not_what_a_model_depends_on(
    api: httpx.Client, server: ServerProcess, dataset: str
) -> None:
    before = files_of(server)
    upload(api, dataset, IRIS + "x,1,setosa\n")
    free = api.post(f"{dataset}/snapshots", json={}).json()["sha256"]
    used = api.post(f"{dataset}/snapshots", json={"seed": 1}).json()["sha256"]
    _depend(server, used, "model/iris/1")
    assert api.get(f"/v1/snapshots/{used}").json()["used_by"] == ["model/iris/1"]
    assert len(files_of(server) - before) == 4
    assert api.delete(dataset).status_code == 204
    problem(api.get(dataset), 404, "dataset_not_found")
    problem(api.get(f"/v1/snapshots/{free}"), 404, "snapshot_not_found")
    assert files_of(server) - before == {used}
    assert api.get(f"/v1/snapshots/{used}/content").status_code == 200


def test_a_purge_removes_every_file_and_keeps_the_lineage(
    api: httpx.Client, server: ServerProcess, dataset: str
) -> None:
    before = files_of(server)
    upload(api, dataset, IRIS)
    used = api.post(f"{dataset}/snapshots", json={"seed": 2}).json()["sha256"]
    _depend(server, used, "model/iris/2")
    assert api.delete(dataset, params={"purge": "true"}).status_code == 204
    assert files_of(server) == before
    row = api.get(f"/v1/snapshots/{used}").json()
    assert row["removed_at"]
    assert (row["samples"], row["used_by"]) == (40, ["model/iris/2"])
    problem(api.get(f"/v1/snapshots/{used}/content"), 404, "snapshot_removed")


def test_two_datasets_may_hold_the_same_file(api: httpx.Client, dataset: str, name: str) -> None:
    upload(api, dataset, IRIS)
    api.post("/v1/datasets", json={"name": f"{name}-twin"})
    upload(api, f"/v1/datasets/{name}-twin", IRIS)
    api.delete(f"/v1/datasets/{name}-twin")
    assert api.get(f"{dataset}/statistics").json()["samples"] == 40
    assert api.get(f"{dataset}/picture").status_code == 200


def test_a_second_dataset_of_a_name_and_unknown_ones_are_refused(api: httpx.Client, dataset: str, name: str) -> None:
    problem(api.post("/v1/datasets", json={"name": name}), 409, "dataset_exists")
    problem(upload(api, "/v1/datasets/nothing", IRIS), 404, "dataset_not_found")
    problem(api.post(f"{dataset}/snapshots", json={}), 409, "dataset_empty")
    problem(api.get(f"{dataset}/picture"), 409, "dataset_empty")
    problem(api.get(f"{dataset}/uploads/upl_0123456789abcdef/rejected"), 404, "upload_not_found")


@pytest.mark.parametrize(
    ("body", "type_", "status", "slug"),
    [
        (b"", "text/csv", 422, "empty_body"),
        (b"a\nb\n", "text/csv", 422, "nothing_accepted"),
        (b"a" * 2_000_001, "text/csv", 413, "body_too_large"),
        (b"," * 1_500_000, "text/csv", 413, "upload_too_large"),
        (b"x", "text/html", 415, "unsupported_media_type"),
        (b"[1]", "application/json", 422, "upload_unreadable"),
        (b"PK\x03\x04" + bytes(100), "application/zip", 422, "upload_unreadable"),
        (b"\x00" * 100, "application/octet-stream", 422, "upload_unreadable"),
        (b"--x\r\nContent-Disposition: form-data\r\n\r\n", "multipart/form-data; boundary=x", 400, "bad_request"),
        (b"not a form", "multipart/form-data", 400, "bad_request"),
    ],
)
def test_a_bad_body_is_refused_and_leaves_nothing(
    api: httpx.Client, server: ServerProcess, dataset: str, body: bytes, type_: str, status: int, slug: str
) -> None:
    before = files_of(server)
    problem(upload(api, dataset, body, type_), status, slug)
    assert api.get(dataset).json()["samples"] == 0
    assert files_of(server) == before


def test_a_form_with_two_files_of_one_name_is_refused_and_none_of_them_is_lost(api: httpx.Client, dataset: str) -> None:
    form = [("file", ("samples.csv", body)) for body in (b"a,label\n1,x\n", b"a,label\n2,y\n")]
    refused = problem(api.post(f"{dataset}/samples", files=form), 400, "file_twice")
    assert refused["field"] == "body.file"
    assert api.get(dataset).json()["samples"] == 0


def test_an_upload_of_another_schema_says_what_the_dataset_has(api: httpx.Client, dataset: str) -> None:
    upload(api, dataset, IRIS)
    refused = problem(upload(api, dataset, "length,label\n1,setosa\n"), 422, "upload_misfit")
    assert refused["detail"] == "Its samples have the shape [1]; the dataset's have [2]."
    refused = problem(upload(api, dataset, IRIS, label_column="x"), 422, "upload_misfit")
    assert refused["field"] == "query.label_column"
    refused = problem(api.post(f"{dataset}/snapshots", json={"train": 0.5}), 422, "bad_split")
    assert "do not add up to 1" in refused["detail"]


def test_what_happens_to_a_dataset_is_in_the_events(api: httpx.Client, dataset: str, name: str) -> None:
    upload(api, dataset, IRIS)
    stream = api.get(
        "/v1/events", params={"subject": f"dataset/{name}", "until": "now"}, headers={"Last-Event-ID": "0"}
    )
    assert "dataset.created" in stream.text
    assert "dataset.samples_added" in stream.text


def test_old_samples_and_what_a_crash_left_behind_go(
    api: httpx.Client, server: ServerProcess, dataset: str, name: str
) -> None:
    """Retention, looked for once a second here: rows are made old in the database, as time would make them."""
    folder = server.data_dir / "datasets"
    before = files_of(server)
    upload(api, dataset, IRIS)
    free = api.post(f"{dataset}/snapshots", json={}).json()["sha256"]
    used = api.post(f"{dataset}/snapshots", json={"seed": 3}).json()["sha256"]
    _depend(server, used, "training-job/1")
    engine = create_engine(f"sqlite:///{server.data_dir / 'tinymlaas.sqlite3'}", connect_args={"timeout": 30})
    with engine.begin() as connection:
        for table in ("dataset_upload", "dataset_snapshot"):
            statement = f"UPDATE {table} SET created_at = '2020-01-01T00:00:00.000000+00:00' WHERE dataset = :name"  # noqa: S608 - two names of ours
            connection.execute(text(statement), {"name": name})
    engine.dispose()
    upload(api, dataset, "length,width,label\n1,2,new\n")
    assert api.get(dataset).json()["samples"] == 41
    (folder / "00").mkdir(exist_ok=True)
    orphans = [folder / "00" / ("00" + "1" * 62), folder / ".new-crashed"]
    for orphan in orphans:
        orphan.write_bytes(b"x")
        _age(orphan)
    assert api.put(f"{dataset}/retention", json={"retain_days": 30}).json()["retain_days"] == 30
    _until(lambda: api.get(dataset).json()["samples"] == 1)
    _until(lambda: not any(orphan.exists() for orphan in orphans))
    problem(api.get(f"/v1/snapshots/{free}"), 404, "snapshot_not_found")
    assert api.get(f"/v1/snapshots/{used}/content").status_code == 200
    assert len(files_of(server) - before) == 2


def _age(path: Path) -> None:
    two_hours_ago = time.time() - 7200
    os.utime(path, (two_hours_ago, two_hours_ago))


def _until(happened: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.1)
