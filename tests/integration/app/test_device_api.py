"""A device's resources and keys over HTTP, with a real agent on the other side."""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.edge import EdgeProcess
from tests.support.server import ServerProcess

ENDPOINT = "agent-1"
RESOURCES = f"/v1/devices/{ENDPOINT}/resources"


@pytest.fixture(scope="module")
def agent(server: ServerProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EdgeProcess]:
    process = EdgeProcess(server, ENDPOINT, tmp_path_factory.mktemp("agent") / "state")
    process.start()
    deadline = time.monotonic() + 30
    with server.client() as api:
        while api.get(f"/v1/devices/{ENDPOINT}").status_code != 200:
            assert time.monotonic() < deadline, process.tail()
            time.sleep(0.1)
    yield process
    process.stop()


def _problem(response: httpx.Response, status: int, slug: str) -> dict[str, Any]:
    problem: dict[str, Any] = response.json()
    assert (response.status_code, problem["slug"]) == (status, slug), problem
    assert problem["remedy"]
    return problem


@pytest.mark.usefixtures("agent")
def test_objects_instances_and_resources_are_read(api: httpx.Client) -> None:
    one = api.get(f"{RESOURCES}/3/0/3").json()
    assert one == {
        "endpoint": ENDPOINT,
        "values": [{"path": "/3/0/3", "name": "Firmware Version", "type": "string", "value": "0.0.0"}],
    }
    instance = api.get(f"{RESOURCES}/3/0").json()["values"]
    assert {value["path"] for value in instance} >= {"/3/0/0", "/3/0/3"}
    assert api.get(f"{RESOURCES}/1/0/1").json()["values"][0]["value"] == 20


@pytest.mark.usefixtures("agent")
def test_a_resource_is_written_and_read_back(api: httpx.Client) -> None:
    assert api.put(f"{RESOURCES}/1/0/1", json={"value": 25}).json() == {"endpoint": ENDPOINT, "path": "/1/0/1"}
    assert api.get(f"{RESOURCES}/1/0/1").json()["values"][0]["value"] == 25
    _problem(api.put(f"{RESOURCES}/1/0/1", json={"value": "soon"}), 422, "bad_value")
    _problem(api.put(f"{RESOURCES}/3/0/3", json={"value": "9"}), 502, "device_refused")
    _problem(api.put(f"{RESOURCES}/30000/0/1", json={"value": 1}), 422, "type_unknown")
    _problem(api.put(f"{RESOURCES}/3/0", json={"value": 1}), 422, "not_a_resource")


@pytest.mark.usefixtures("agent")
def test_what_a_device_does_not_have_or_allow_is_its_answer(api: httpx.Client) -> None:
    assert "4.04" in _problem(api.get(f"{RESOURCES}/77/0"), 502, "device_refused")["detail"]
    _problem(api.post(f"{RESOURCES}/5/0/2", json={}), 502, "device_refused")
    _problem(api.post(f"{RESOURCES}/5/0", json={}), 422, "not_a_resource")
    _problem(api.get("/v1/devices/nobody/resources/3/0"), 404, "device_not_found")
    assert api.get(f"{RESOURCES}/3/0/70000").status_code == 422
    assert api.get(f"{RESOURCES}/x").status_code == 422


@pytest.mark.usefixtures("agent")
def test_an_observed_resource_tells_its_changes_as_events(api: httpx.Client, server: ServerProcess) -> None:
    # A device whose renewal falls into the restart registers anew, and a new registration ends observations.
    assert api.put(f"{RESOURCES}/1/0/1", json={"value": 600}).status_code == 200
    path = f"/v1/devices/{ENDPOINT}/observations/5/0/5"
    assert api.put(path).json()["values"][0]["path"] == "/5/0/5"
    server.kill()  # an observation outlives the server
    server.start()
    bad_uri = f"coap://127.0.0.1:{server.lwm2m_port}/fw/nothing"
    assert api.put(f"{RESOURCES}/5/0/1", json={"value": bad_uri}).status_code == 200
    deadline = time.monotonic() + 30
    while True:
        history = api.get(f"/v1/devices/{ENDPOINT}/history", params={"limit": 200}).json()["items"]
        told = [event["data"] for event in history if event["type"] == "device.notification"]
        if any(data["path"] == "/5/0/5" and data["values"][0]["value"] > 0 for data in told):
            break
        assert time.monotonic() < deadline, (told, server.tail())
        time.sleep(0.2)
    assert api.delete(path).status_code == 204
    _problem(api.delete(path), 409, "not_observed")


def test_a_key_is_shown_once_and_kept_encrypted(api: httpx.Client, server: ServerProcess) -> None:
    path = "/v1/devices/keyed-1/credentials"
    _problem(api.get(path), 404, "credentials_not_found")
    issued = api.put(path, json={}).json()
    assert issued["identity"] == "keyed-1"
    assert len(bytes.fromhex(issued["key"])) == 16
    assert "key" not in api.get(path).json()
    for file in server.data_dir.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert bytes.fromhex(issued["key"]) not in content
            assert issued["key"].encode() not in content, file
    assert issued["key"] not in server.log.read_text()
    taken = api.put("/v1/devices/keyed-2/credentials", json={"identity": "keyed-1"})
    _problem(taken, 409, "identity_taken")
    assert api.delete(path).status_code == 204
    _problem(api.delete(path), 404, "credentials_not_found")


def test_a_device_that_has_a_key_cannot_register_without_it(
    api: httpx.Client, server: ServerProcess, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert (
        api.put("/v1/devices/locked-1/credentials", json={"key": "00112233445566778899aabbccddeeff"}).status_code == 200
    )
    intruder = EdgeProcess(server, "locked-1", tmp_path_factory.mktemp("intruder") / "state")
    intruder.start()
    try:
        time.sleep(2)
        assert api.get("/v1/devices/locked-1").status_code == 404
        assert "4.03" in intruder.tail()
    finally:
        intruder.stop()
