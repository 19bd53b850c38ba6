"""Drift: what devices tell over real LwM2M is compared with what a version was made for, and something is done."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest

from tests.support.digits import SMALL_RECIPE, digits, npz
from tests.support.server import ServerProcess
from tests.support.slotted_device import SlottedDevice
from zoo.cards import load

Json = dict[str, Any]

WINDOW = 40
PICTURES, NUMBERS = digits()
MODEL = load("digits-cnn")
# The network retrains for a moment only: what is tested is that it does, and on what.
RETRAINING = {"kind": "centralised", "model": "digits-retrained", "recipe": {**SMALL_RECIPE, "epochs": 2}}


def _input(number: int, *, inverted: bool = False) -> bytes:
    """A digit as the int8 input tensor: scale 1/255, zero point -128."""
    picture = PICTURES[number % len(PICTURES)]
    return bytes((255 - picture if inverted else picture) ^ 0x80)


def _settled(client: httpx.Client, path: str, until: Callable[[Json], bool], seconds: float = 60) -> Json:
    deadline = time.monotonic() + seconds
    while True:
        found: Json = client.get(path).json()
        if until(found):
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


def _problem(response: httpx.Response, status: int, slug: str, field: str | None = None) -> None:
    problem = response.json()
    assert (response.status_code, problem["slug"], problem["field"]) == (status, slug, field), problem
    assert problem["remedy"]


@pytest.fixture(scope="module")
def client(server: ServerProcess) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


@pytest.fixture(scope="module")
def snapshot(client: httpx.Client) -> str:
    """Digits, of which 15 per cent are held out."""
    assert client.post("/v1/datasets", json={"name": "watched-digits"}).status_code == 201
    return _sent(client, "watched-digits", slice(0, 1797))


def _sent(client: httpx.Client, dataset: str, rows: slice) -> str:
    octets = {"Content-Type": "application/octet-stream"}
    assert client.post(f"/v1/datasets/{dataset}/samples", content=npz(rows), headers=octets).status_code == 201
    return str(client.post(f"/v1/datasets/{dataset}/snapshots", json={}).json()["sha256"])


@pytest.fixture(scope="module")
def monitor(client: httpx.Client, snapshot: str) -> Json:
    """Watches digits-cnn, and retrains on what was collected in the field."""
    assert client.post("/v1/datasets", json={"name": "field-digits"}).status_code == 201
    _sent(client, "field-digits", slice(0, 300))
    answer = client.post(
        "/v1/drift-monitors",
        json={
            "model": "digits-cnn",
            "snapshot": snapshot,
            "window_samples": WINDOW,
            "action": {"kind": "training_job", "training_job": RETRAINING, "dataset": "field-digits"},
        },
    )
    assert answer.status_code == 202, answer.text
    assert answer.json()["state"] == "preparing"
    return _settled(client, answer.headers["Location"], lambda found: bool(found["state"] != "preparing"))


@pytest.fixture(scope="module")
def devices(server: ServerProcess, client: httpx.Client) -> Iterator[Callable[[str], SlottedDevice]]:
    """Devices that run digits-cnn, by name; each stays until the end."""
    with ExitStack() as stack:
        made: dict[str, SlottedDevice] = {}

        def device(name: str) -> SlottedDevice:
            if name not in made:
                one = SlottedDevice(server.lwm2m_port, name, "mps2-an386", "a" * 64, MODEL.card.model_sha256)
                made[name] = stack.enter_context(one)
                _settled(client, f"/v1/devices/{name}", lambda found: found.get("model") == "digits-cnn")
            return made[name]

        yield device


def test_a_reference_is_what_the_model_does_on_samples_that_it_never_saw(
    client: httpx.Client, monitor: Json, snapshot: str
) -> None:
    assert monitor["state"] == "watching", monitor
    held_out = client.get(f"/v1/snapshots/{snapshot}").json()["parts"]["test"]["samples"]
    reference = monitor["reference"]
    assert (reference["task"], reference["split"], reference["samples"]) == ("classification", "test", held_out)
    found = {item["statistic"]: item for item in reference["distributions"]}
    assert found.keys() == {"classes", "confidence", "input_mean", "input_deviation"}
    assert all(sum(item["counts"]) == held_out for item in found.values())
    assert found["confidence"]["mean"] > 0.9
    job = client.get(f"/v1/training-jobs/{monitor['job_id']}").json()
    assert (job["kind"], job["state"], job["version"]) == ("reference", "succeeded", 1)


def test_inverted_digits_raise_one_alarm_that_retrains_and_clears_itself_and_a_stable_device_raises_none(
    client: httpx.Client, monitor: Json, devices: Callable[[str], SlottedDevice]
) -> None:
    stable, drifting = devices("stable-1"), devices("drifting-1")
    path = f"/v1/drift-monitors/{monitor['id']}/devices"
    stable.tell(_input(number * 17) for number in range(2 * WINDOW))
    drifting.tell(_input(number * 17, inverted=True) for number in range(3 * WINDOW))
    told = _settled(client, f"{path}/drifting-1", lambda found: found.get("device", {}).get("windows") == 3)
    _settled(client, f"{path}/stable-1", lambda found: found.get("device", {}).get("windows") == 2)
    assert client.get("/v1/alarms", params={"endpoint": "stable-1"}).json()["items"] == []

    [alarm] = client.get("/v1/alarms", params={"endpoint": "drifting-1"}).json()["items"]
    assert (alarm["state"], alarm["model"], alarm["version"], alarm["window"]) == ("open", "digits-cnn", 1, 2)
    assert alarm["value"] > alarm["threshold"]
    assert alarm["since"] == told["windows"][2]["opened_at"]  # the first of the two that raised it
    assert told["device"]["alarm_id"] == alarm["id"]

    alarm = _settled(client, f"/v1/alarms/{alarm['id']}", lambda found: found["action"]["state"] != "pending")
    assert alarm["action"]["state"] == "opened", alarm
    job = _settled(
        client,
        f"/v1/training-jobs/{alarm['action']['job_id']}",
        lambda found: found["finished_at"] is not None,
        seconds=120,
    )
    assert (job["state"], job["model"], job["dataset"]) == ("succeeded", "digits-retrained", "field-digits"), job

    picture = client.get(f"{path}/drifting-1/picture")
    assert picture.headers["Content-Type"].startswith("image/svg+xml")
    assert "drifts" in picture.text
    ElementTree.fromstring(picture.text)  # noqa: S314 - our own server's

    drifting.tell(_input(number * 17) for number in range(2 * WINDOW))
    alarm = _settled(client, f"/v1/alarms/{alarm['id']}", lambda found: found["state"] == "cleared")
    assert alarm["cleared_because"] == "recovered"
    history = client.get("/v1/devices/drifting-1/history", params={"limit": 200}).json()["items"]
    assert [event["type"] for event in reversed(history) if event["type"].startswith("alarm.")] == [
        "alarm.raised",
        "alarm.action",
        "alarm.cleared",
    ]


def test_inferences_through_the_server_are_counted_once_with_what_their_inputs_were_like(
    client: httpx.Client, monitor: Json, devices: Callable[[str], SlottedDevice]
) -> None:
    device = devices("asked-1")
    instances = (PICTURES[:8] / 255).tolist()
    assert client.post("/v1/devices/asked-1/inference", json={"instances": instances}).status_code == 200
    path = f"/v1/drift-monitors/{monitor['id']}/devices/asked-1"
    found = _settled(client, path, lambda found: found.get("device", {}).get("samples") == 8)
    [window] = found["windows"]
    counts = {item["statistic"]: item for item in window["distributions"]}
    assert (window["samples"], window["comparisons"]) == (8, None)
    assert sum(counts["classes"]["counts"]) == sum(counts["input_mean"]["counts"]) == 8
    assert counts["input_mean"]["mean"] == pytest.approx(float((PICTURES[:8] / 255).mean()), abs=1e-3)
    assert counts["classes"]["counts"][0] >= 1
    # The device tells the last one again with its next Send, and then one with the moments of its own.
    device.tell_last()
    device.tell([_input(9)], p26242_0_4=0.25, p26242_0_5=0.3)
    found = _settled(client, path, lambda found: found["device"]["samples"] > 8)
    assert found["device"]["samples"] == 9
    assert found["device"]["skipped"] == {}


def test_what_cannot_come_from_the_model_is_counted_as_that_and_as_nothing_else(
    client: httpx.Client, monitor: Json, devices: Callable[[str], SlottedDevice]
) -> None:
    device = devices("odd-1")
    device.tell([_input(0)], p26242_0_1=b"\x00" * 11)
    device.tell([_input(0)], p26242_0_1=b"")
    device.tell([_input(0)], p26242_0_2=-1)
    device.tell([_input(0)], p26241_0_1="f" * 64)
    device.tell([_input(0)], p26242_0_4=float("inf"), p3303_0_5700=1.0)
    path = f"/v1/drift-monitors/{monitor['id']}/devices/odd-1"
    found = _settled(client, path, lambda found: found.get("device", {}).get("samples") == 1)
    assert found["device"]["skipped"] == {"output_size": 1, "other_model": 1}
    assert {item["statistic"] for item in found["windows"][0]["distributions"]} == {"classes", "confidence"}


def test_a_window_goes_on_after_kill_9(
    server: ServerProcess, client: httpx.Client, monitor: Json, devices: Callable[[str], SlottedDevice]
) -> None:
    device = devices("steady-1")
    path = f"/v1/drift-monitors/{monitor['id']}/devices/steady-1"
    device.tell(_input(number) for number in range(WINDOW - 10))
    _settled(client, path, lambda found: found.get("device", {}).get("samples") == WINDOW - 10)
    server.kill()
    server.start()
    device.tell(_input(number) for number in range(10))
    found = _settled(client, path, lambda found: found["device"]["windows"] == 1)
    assert found["device"]["samples"] == WINDOW


def test_a_monitor_that_could_not_do_its_work_is_refused_with_what_would_help(
    client: httpx.Client, monitor: Json, snapshot: str
) -> None:
    def ask(**more: Any) -> httpx.Response:
        return client.post("/v1/drift-monitors", json={"model": "hello-world-sine", "snapshot": snapshot, **more})

    _problem(client.post("/v1/drift-monitors", json={"model": "digits-cnn"}), 409, "monitor_exists", "body.version")
    without = ask(snapshot=None)
    _problem(without, 422, "snapshot_missing", "body.snapshot")
    assert "`tinymlaas datasets snapshot NAME`, for --snapshot SHA256" in without.json()["remedy"]
    _problem(ask(snapshot="0" * 64), 404, "snapshot_not_found", "body.snapshot")
    _problem(ask(version=9), 404, "version_not_found", "version")
    _problem(ask(action={"kind": "training_job"}), 422, "action_incomplete", "body.action.training_job")
    incremental = {"kind": "incremental", "model": "digits-cnn"}
    action = {"kind": "training_job", "training_job": incremental}
    _problem(ask(action=action), 422, "no_float_source", "body.action.training_job.parent_version")
    federation = {"model": "digits-cnn", "snapshot": snapshot}
    action = {"kind": "federation", "federation": federation, "training_job": RETRAINING}
    _problem(ask(action=action), 422, "no_float_source", "body.action.federation.version")
    action = {"kind": "training_job", "training_job": RETRAINING, "dataset": "nothing"}
    _problem(ask(action=action), 404, "dataset_not_found", "body.action.dataset")
    assert [item["id"] for item in client.get("/v1/drift-monitors").json()["items"]] == [monitor["id"]]
    _problem(
        client.get(f"/v1/drift-monitors/{monitor['id']}/devices/nobody"), 404, "drift_device_not_found", "endpoint"
    )
    _problem(client.get("/v1/alarms/alm_0000000000000000"), 404, "alarm_not_found", "alarm_id")


def test_samples_that_do_not_fit_the_model_make_a_monitor_that_says_so(client: httpx.Client, snapshot: str) -> None:
    path = client.post("/v1/drift-monitors", json={"model": "hello-world-sine", "snapshot": snapshot}).headers[
        "Location"
    ]
    found = _settled(client, path, lambda found: bool(found["state"] != "preparing"))
    assert (found["state"], found["error"]["slug"], found["reference"]) == ("failed", "data_unsuitable", None)
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == 404


def test_an_alarm_is_acknowledged_once_and_outlives_its_monitor(
    client: httpx.Client, monitor: Json, devices: Callable[[str], SlottedDevice]
) -> None:
    devices("late-1").tell(_input(number, inverted=True) for number in range(2 * WINDOW))
    query = {"state": "open", "model": "digits-cnn"}
    open_ = _settled(client, "/v1/alarms?state=open&endpoint=late-1", lambda found: bool(found["items"]))
    [alarm] = open_["items"]
    path = f"/v1/alarms/{alarm['id']}"
    assert (
        client.post(f"{path}/acknowledgement", json={"note": "the lens is dirty"}).json()["note"] == "the lens is dirty"
    )
    _problem(client.post(f"{path}/acknowledgement", json={}), 409, "alarm_acknowledged", "alarm_id")
    # The alarm before this one opened a job; a day has not passed since.
    alarm = _settled(client, path, lambda found: found["action"]["state"] != "pending")
    assert alarm["action"]["state"] == "skipped"
    assert alarm["action"]["job_id"] is not None
    assert client.get(f"/v1/drift-monitors/{monitor['id']}").json()["open_alarms"] == 1
    assert client.delete(f"/v1/drift-monitors/{monitor['id']}").status_code == 204
    alarm = client.get(path).json()
    assert (alarm["state"], alarm["cleared_because"]) == ("cleared", "monitor_removed")
    assert client.get("/v1/alarms", params=query).json()["items"] == []
