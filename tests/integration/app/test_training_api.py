"""Training over HTTP: data in, a version out; live, cancellable, and the same after any kill."""

import hashlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.support.digits import SMALL_RECIPE, digits, npz
from tests.support.server import ServerProcess
from tests.support.workers import worker_in, workers_in
from zoo.cards import load
from zoo.predict import LoadedModel
from zoo.training.on_device.trainer import LiteRtTrainer

# Some seconds of training: long enough to be killed in. The best weights of early stopping must survive that too.
RECIPE = {**SMALL_RECIPE, "epochs": 120, "early_stopping": {"patience": 110}}
OCTETS = {"Content-Type": "application/octet-stream"}
PATIENCE_SECONDS = 240

Job = dict[str, Any]


@pytest.fixture(scope="module")
def client(server: ServerProcess) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


@pytest.fixture(scope="module")
def snapshot(client: httpx.Client) -> str:
    """The first 1200 digits, sent by a client."""
    assert client.post("/v1/datasets", json={"name": "digits"}).status_code == 201
    return _send(client, "digits", npz(slice(0, 1200)))


@pytest.fixture(scope="module")
def made(client: httpx.Client, snapshot: str) -> Job:
    """The model `my-digits`, trained undisturbed."""
    return _ended(client, _start(client, kind="centralised", model="my-digits", snapshot=snapshot, recipe=RECIPE))


def test_a_training_makes_a_version_that_says_what_it_was_made_from(
    client: httpx.Client, made: Job, snapshot: str
) -> None:
    assert (made["state"], made["version"], made["epochs_done"]) == ("succeeded", 1, 120), made
    assert made["metric"]["int8"] > 0.9
    version = client.get("/v1/models/my-digits/versions/1").json()
    lineage = version["lineage"]
    assert (lineage["job_id"], lineage["snapshot_sha256"], lineage["dataset"]) == (made["id"], snapshot, "digits")
    assert (lineage["recipe"], lineage["seed"], lineage["parent"]) == (RECIPE, 3, None)
    assert lineage["code"]["tensorflow"]
    assert version["metric"] == made["metric"]
    assert version["golden_vectors"] >= 4
    assert version["card"]["labels"] == [str(number) for number in range(10)]
    users = client.get(f"/v1/snapshots/{snapshot}").json()["used_by"]
    assert "model/my-digits/1" in users
    assert f"training-job/{made['id']}" not in users


def test_the_other_forms_of_a_version_can_be_downloaded(client: httpx.Client, made: Job) -> None:
    forms = {
        item["format"]: item
        for item in client.get(f"/v1/models/my-digits/versions/{made['version']}").json()["formats"]
    }
    assert forms.keys() == {"keras", "float32"}
    for name, item in forms.items():
        data = client.get(f"/v1/models/my-digits/versions/1/formats/{name}").content
        assert (len(data), hashlib.sha256(data).hexdigest()) == (item["size"], item["sha256"])
    missing = client.get("/v1/models/my-digits/versions/1/formats/float16")
    assert (missing.status_code, missing.json()["slug"]) == (404, "format_not_found")


def test_an_evaluation_is_there_as_data_and_as_pictures(client: httpx.Client, made: Job) -> None:
    path = f"/v1/models/my-digits/versions/{made['version']}/evaluation"
    evaluation = client.get(path).json()
    assert evaluation["pictures"] == ["confusion", "calibration", "drift"]
    assert sum(map(sum, evaluation["int8"]["confusion"])) == evaluation["samples"] > 100
    assert evaluation["drift"]["decisions_changed"] < 0.1
    for picture in evaluation["pictures"]:
        answer = client.get(f"{path}/{picture}")
        assert answer.headers["Content-Type"].startswith("image/svg+xml")
        assert answer.text.startswith("<svg")
    assert client.get(f"{path}/errors").json()["slug"] == "picture_not_found"


def test_every_epoch_is_there_once_as_a_figure_and_as_an_event(client: httpx.Client, made: Job) -> None:
    metrics = client.get(f"/v1/training-jobs/{made['id']}/metrics").json()
    assert (metrics["state"], [item["epoch"] for item in metrics["epochs"]]) == ("succeeded", list(range(1, 121)))
    assert metrics["epochs"][0].keys() == {"epoch", "loss", "accuracy", "validation_loss", "validation_accuracy"}
    rest = client.get(f"/v1/training-jobs/{made['id']}/metrics", params={"after": 118}).json()["epochs"]
    assert rest == metrics["epochs"][118:]
    query = {"subject": f"training-job/{made['id']}", "until": "now"}
    with client.stream("GET", "/v1/events", params=query, headers={"Last-Event-ID": "0"}) as stream:
        types = [line.removeprefix("event: ") for line in stream.iter_lines() if line.startswith("event: ")]
    epochs = ["training-job.epoch"] * 120
    assert types == ["training-job.queued", "training-job.running", *epochs, "training-job.succeeded"]


@pytest.mark.usefixtures("made")
def test_document_002_line_2_a_prediction_is_json_in_and_json_out(client: httpx.Client) -> None:
    pictures, numbers = digits()
    instances = (pictures[:20] / 255).tolist()
    answer = client.post("/v1/models/my-digits/predict", json={"instances": instances})
    assert answer.json().keys() == {"prediction"}
    found = [max(range(10), key=row.__getitem__) for row in answer.json()["prediction"]]
    assert sum(a == b for a, b in zip(found, numbers[:20].tolist(), strict=True)) >= 16
    wrong = client.post("/v1/models/my-digits/predict", json={"instances": [[1, 2]]})
    assert (wrong.status_code, wrong.json()["slug"]) == (422, "bad_input")
    unknown = client.post("/v1/models/my-digits/versions/90/predict", json={"instances": instances})
    assert (unknown.status_code, unknown.json()["slug"]) == (404, "version_not_found")


def test_document_002_line_3_a_client_sends_data_and_downloads_the_retrained_model(
    client: httpx.Client, made: Job
) -> None:
    more = _send(client, "digits", npz(slice(1200, 1797)))
    request = {"kind": "incremental", "model": "my-digits", "snapshot": more, "epochs": 3, "activate": True}
    job = _ended(client, _start(client, **request))
    assert job["state"] == "succeeded", job
    assert job["version"] == 2
    version = client.get("/v1/models/my-digits/versions/2").json()
    assert version["active"]
    parent = version["lineage"]["parent"]
    assert (parent["model"], parent["version"]) == ("my-digits", made["version"])
    model = client.get("/v1/models/my-digits/versions/2/content").content
    assert hashlib.sha256(model).hexdigest() == version["sha256"] != parent["sha256"]
    # The frozen model works at the client's as it does here.
    pictures, _ = digits()
    given = (pictures[:3] / 255).astype("float32")
    answer = client.post("/v1/models/my-digits/predict", json={"instances": given.tolist()}).json()["prediction"]
    assert LoadedModel(model).run(given).tolist() == answer


def test_a_killed_worker_and_a_killed_server_change_nothing_in_the_result(
    client: httpx.Client, server: ServerProcess, made: Job, snapshot: str
) -> None:
    before = client.get("/v1/models/my-digits/versions/1").json()["formats"]
    job = _start(client, kind="centralised", model="my-digits", snapshot=snapshot, recipe=RECIPE)
    folder = server.data_dir / "training" / job["id"]
    assert _wait_for((folder / "checkpoint.npz").exists)
    os.kill(worker_in(folder), signal.SIGKILL)
    again = _wait(client, job, lambda found: found["attempts"] == 2)
    assert again["epochs_done"] < 120, "it was over before the kill"
    server.kill()
    assert _wait_for(lambda: not workers_in(folder)), "the worker outlived its server"
    server.start()
    ended = _ended(client, job)
    assert (ended["state"], ended["attempts"]) == ("succeeded", 3), ended
    # The same bytes: it is the version that the undisturbed training made.
    assert ended["version"] == made["version"]
    # Also of the float weights: a version of the same bytes takes the newer forms.
    assert client.get("/v1/models/my-digits/versions/1").json()["formats"] == before
    figures = client.get(f"/v1/training-jobs/{job['id']}/metrics").json()["epochs"]
    assert figures == client.get(f"/v1/training-jobs/{made['id']}/metrics").json()["epochs"]
    assert not folder.exists()


def test_a_federation_hears_of_its_job_that_is_cancelled_before_it_runs(
    client: httpx.Client, made: Job, snapshot: str
) -> None:
    before = _start(client, kind="centralised", model="before", snapshot=snapshot, recipe={**RECIPE, "epochs": 1000})
    _wait(client, before, lambda found: found["state"] == "running")
    federation = client.post("/v1/federations", json={"model": made["model"], "snapshot": snapshot}).json()
    (job,) = (item for item in client.get("/v1/training-jobs").json()["items"] if item["state"] == "queued")
    assert client.post(f"/v1/training-jobs/{job['id']}/cancellation").json()["state"] == "cancelled"
    ended = client.get(f"/v1/federations/{federation['id']}").json()
    assert (ended["state"], ended["error"]["slug"]) == ("failed", "training_cancelled")
    client.post(f"/v1/training-jobs/{before['id']}/cancellation").raise_for_status()
    _ended(client, before)


def test_a_running_training_shows_its_epochs_live_and_is_cancelled_within_a_second(
    client: httpx.Client, server: ServerProcess, snapshot: str
) -> None:
    job = _start(client, kind="centralised", model="cancelled", snapshot=snapshot, recipe={**RECIPE, "epochs": 1000})
    with client.stream("GET", "/v1/events", params={"subject": f"training-job/{job['id']}"}) as stream:
        told = (line for line in stream.iter_lines() if line.startswith("data: "))
        live = next(line for line in told if '"loss"' in line or '"error"' in line)
    assert json.loads(live.removeprefix("data: "))["data"]["epochs_total"] == 1000
    begun = time.monotonic()
    assert client.post(f"/v1/training-jobs/{job['id']}/cancellation").status_code == 202
    ended = _ended(client, job)
    assert ended["state"] == "cancelled"
    assert time.monotonic() - begun < 1.5  # a second, and two polls of a busy machine
    assert 0 < ended["epochs_done"] < 1000
    assert client.get("/v1/models/cancelled").status_code == 404
    assert not (server.data_dir / "training" / job["id"]).exists()
    again = client.post(f"/v1/training-jobs/{job['id']}/cancellation")
    assert (again.status_code, again.json()["slug"]) == (409, "training_job_ended")


def test_a_training_whose_workers_die_again_and_again_is_given_up(
    client: httpx.Client, server: ServerProcess, snapshot: str
) -> None:
    job = _start(client, kind="centralised", model="deadly", snapshot=snapshot, recipe=RECIPE)
    folder = server.data_dir / "training" / job["id"]
    killed: set[int] = set()

    def over() -> bool:
        for worker in set(workers_in(folder)) - killed:
            os.kill(worker, signal.SIGKILL)
            killed.add(worker)
        return bool(client.get(f"/v1/training-jobs/{job['id']}").json()["finished_at"])

    assert _wait_for(over)
    ended = client.get(f"/v1/training-jobs/{job['id']}").json()
    assert (ended["state"], ended["error"]["slug"], ended["attempts"]) == ("failed", "worker_died", 3)
    assert len(killed) == 3


def test_a_training_that_breaks_off_unforeseen_has_failed_and_does_not_run_forever(
    client: httpx.Client, server: ServerProcess, snapshot: str
) -> None:
    folder, aside = server.data_dir / "training", server.data_dir / "training-aside"
    folder.mkdir(exist_ok=True)
    folder.rename(aside)
    folder.write_text("no folder")  # as a broken disk: no job can have its folder
    try:
        broken = _ended(client, _start(client, kind="centralised", model="broken", snapshot=snapshot, recipe=RECIPE))
    finally:
        folder.unlink()
        aside.rename(folder)
    assert (broken["state"], broken["error"]["slug"]) == ("failed", "internal")
    assert f"training-job/{broken['id']}" not in client.get(f"/v1/snapshots/{snapshot}").json()["used_by"]


def test_an_uploaded_version_is_evaluated_on_a_data_set(client: httpx.Client, snapshot: str) -> None:
    client.post("/v1/models/foreign/versions", content=load("digits-cnn").model, headers=OCTETS)
    assert client.get("/v1/models/foreign/versions/1/evaluation").json()["slug"] == "evaluation_not_found"
    job = _ended(client, _start(client, kind="evaluate", model="foreign", snapshot=snapshot))
    assert (job["state"], job["version"]) == ("succeeded", 1), job
    evaluation = client.get("/v1/models/foreign/versions/1/evaluation").json()
    assert (evaluation["snapshot_sha256"], evaluation["float32"]) == (snapshot, None)
    assert evaluation["metric"]["int8"] > 0.9
    assert evaluation["pictures"] == ["confusion", "calibration"]


def test_003_1_a_version_gets_the_form_that_devices_train(client: httpx.Client, made: Job) -> None:
    job = _ended(client, _start(client, kind="trainable", model="my-digits", parent_version=1, scope="head", batch=8))
    assert (job["state"], job["version"], job["epochs_total"]) == ("succeeded", 1, 0), job
    version = client.get("/v1/models/my-digits/versions/1").json()
    assert version["metric"] == made["metric"], "the evaluation is still that of the training"
    forms = {item["format"]: item["sha256"] for item in version["formats"]}
    data = client.get("/v1/models/my-digits/versions/1/formats/trainable").content
    assert hashlib.sha256(data).hexdigest() == forms["trainable"]
    trainer = LiteRtTrainer(data)
    document = trainer.document
    assert (document.scope, document.batch, document.labels) == ("head", 8, tuple("0123456789"))
    assert [item.name for item in trainer.parameters] == ["head/kernel", "head/bias"]
    pictures, numbers = digits()
    score = trainer.evaluate(document.samples(pictures[1200:]), numbers[1200:])
    assert score.accuracy is not None
    assert score.accuracy > 0.85


def test_data_that_does_not_fit_the_model_ends_the_job_with_the_reason(client: httpx.Client, snapshot: str) -> None:
    job = _ended(client, _start(client, kind="evaluate", model="hello-world-sine", snapshot=snapshot))
    assert (job["state"], job["error"]["slug"]) == ("failed", "data_unsuitable")
    assert "[8, 8, 1]" in job["error"]["detail"]


@pytest.mark.parametrize(
    ("changes", "status", "slug", "field"),
    [
        ({"snapshot": "0" * 64}, 404, "snapshot_not_found", "body.snapshot"),
        ({"snapshot": None}, 422, "snapshot_missing", "body.snapshot"),
        ({"recipe": None}, 422, "recipe_missing", "body.recipe"),
        ({"recipe": "no-such"}, 404, "recipe_not_found", "body.recipe"),
        ({"recipe": {**RECIPE, "epochs": 0}}, 422, "recipe_invalid", "body.recipe.epochs"),
        ({"recipe": {**RECIPE, "layers": [{"type": "lambda"}]}}, 422, "recipe_invalid", "body.recipe.layers[0]"),
        ({"parent_version": 1}, 422, "parent_not_taken", "body.parent_version"),
        ({"kind": "transfer"}, 404, "model_not_found", "model"),
        ({"kind": "transfer", "parent_model": "digits-cnn"}, 422, "no_float_source", "body.parent_version"),
        ({"kind": "evaluate", "parent_model": "digits-cnn", "epochs": 2}, 422, "recipe_not_taken", "body.epochs"),
        ({"kind": "trainable", "parent_model": "digits-cnn"}, 422, "no_float_source", "body.parent_version"),
        ({"scope": "head"}, 422, "option_not_taken", "body.scope"),
        ({"kind": "trainable", "batch": 0}, 422, "invalid", "body.batch"),
        ({"kind": "magic"}, 422, "invalid", "body.kind"),
        ({"epochs": 100_000}, 422, "invalid", "body.epochs"),
    ],
)
def test_a_request_that_cannot_work_is_refused_at_once(
    client: httpx.Client, snapshot: str, changes: dict[str, Any], status: int, slug: str, field: str
) -> None:
    request = {"kind": "centralised", "model": "refused", "snapshot": snapshot, "recipe": RECIPE, **changes}
    response = client.post("/v1/training-jobs", json=request)
    problem = response.json()
    assert (response.status_code, problem["slug"], problem["field"]) == (status, slug, field), problem
    assert problem["remedy"]
    assert client.get("/v1/models/refused").status_code == 404


def test_the_recipes_that_ship_are_listed_page_by_page(client: httpx.Client) -> None:
    first = client.get("/v1/recipes", params={"limit": 4}).json()
    rest = client.get("/v1/recipes", params={"cursor": first["next_cursor"]}).json()
    names = [item["name"] for item in first["items"] + rest["items"]]
    assert names == sorted(names)
    assert {"digits-cnn", "wine-mlp"} <= set(names)
    assert rest["next_cursor"] is None
    assert client.get("/v1/recipes/wine-mlp").json()["recipe"]["standardise"] is True


def _send(client: httpx.Client, dataset: str, data: bytes) -> str:
    """Upload samples, and take a snapshot of the data set: its SHA-256."""
    uploaded = client.post(f"/v1/datasets/{dataset}/samples", params={"format": "npz"}, content=data, headers=OCTETS)
    assert uploaded.status_code == 201, uploaded.text
    taken = client.post(f"/v1/datasets/{dataset}/snapshots", json={})
    assert taken.status_code == 201, taken.text
    sha256: str = taken.json()["sha256"]
    return sha256


def _start(client: httpx.Client, **request: Any) -> Job:
    response = client.post("/v1/training-jobs", json=request)
    assert response.status_code == 202, response.text
    job: Job = response.json()
    assert response.headers["Location"] == f"/v1/training-jobs/{job['id']}"
    return job


def _ended(client: httpx.Client, job: Job) -> Job:
    return _wait(client, job, lambda found: found["finished_at"] is not None)


def _wait(client: httpx.Client, job: Job, until: Callable[[Job], bool]) -> Job:
    found: Job = {}

    def holds() -> bool:
        found.update(client.get(f"/v1/training-jobs/{job['id']}").json())
        return until(found)

    assert _wait_for(holds), found
    return found


def _wait_for(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.05)
    return False
