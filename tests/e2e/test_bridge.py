"""The main job with the devices at another LwM2M server: `LWM2M_BRIDGE` is the address of Leshan's REST API."""

from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from tests.e2e.conftest import World, update_ended
from tests.support.edge import EdgeProcess
from tests.support.lwm2m_server import Lwm2mServerProcess
from tests.support.server import ServerProcess

pytestmark = [pytest.mark.docker, pytest.mark.qemu]


@pytest.fixture(scope="module")
def leshan(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lwm2mServerProcess]:
    """Stands for a Leshan demo server: the device knows this one alone, and the application only its REST API."""
    process = Lwm2mServerProcess(tmp_path_factory.mktemp("leshan") / "leshan.log")
    process.start()
    yield process
    process.kill()


@pytest.fixture(scope="module")
def bridged(
    leshan: Lwm2mServerProcess,
    engine: docker.DockerClient,
    shipped_image: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[World]:
    folder: Path = tmp_path_factory.mktemp("bridged")
    server = ServerProcess(folder / "data", build_seconds="20", update_seconds="60", lwm2m_bridge=leshan.url)
    server.start()
    edge = EdgeProcess(server, "bridged-1", folder / "edge", address=leshan.coap)
    with server.client() as api:
        found = World(server, edge, api, engine)
        try:
            edge.start()
            api.post("/v1/builders", json={"image": shipped_image}).raise_for_status()
            yield found
        finally:
            edge.stop()
        assert server.stop() == 0, server.tail()


@pytest.mark.parametrize("delivery", ["push", "pull"])
def test_a_device_of_another_server_is_updated_and_proven(bridged: World, delivery: str) -> None:
    build = bridged.build("hello-world-sine" if delivery == "push" else "digits-cnn")
    update = bridged.update(build["artifact_sha256"], delivery)
    assert update["state"] == "succeeded", (update, bridged.server.tail())
    assert update["bytes_sent"] == update["bytes_total"]
    assert update["report"]["received_sha256"]
    device = bridged.device()
    assert (device["artifact_sha256"], device["firmware_version"]) == (
        build["artifact_sha256"],
        build["firmware_version"],
    )
    version = bridged.api.get(f"/v1/devices/{bridged.edge.endpoint}/resources/3/0/3").json()["values"][0]["value"]
    assert version == build["firmware_version"]


@pytest.mark.parametrize("delivery", ["push", "pull"])
def test_an_application_killed_in_the_middle_of_a_delivery_through_the_bridge_finishes_it(
    bridged: World, delivery: str
) -> None:
    build = bridged.build("hello-world-sine" if delivery == "push" else "digits-cnn", security_counter=2)
    with bridged.edge.crawling():  # so slow that the delivery cannot be over before the kill
        update = bridged.request_update(build["artifact_sha256"], delivery)
        bridged.wait(f"/v1/updates/{update['id']}", lambda found: found["state"] == "downloading")
        bridged.server.kill()
    bridged.server.start()
    ended = bridged.wait(f"/v1/updates/{update['id']}", update_ended)
    assert ended["state"] == "succeeded", (ended, bridged.server.tail())
    assert bridged.device()["artifact_sha256"] == build["artifact_sha256"]


def test_an_update_goes_on_when_the_other_server_is_restarted(bridged: World, leshan: Lwm2mServerProcess) -> None:
    build = bridged.build("hello-world-sine", security_counter=3)
    with bridged.edge.crawling():
        update = bridged.request_update(build["artifact_sha256"], "pull")
        bridged.wait(f"/v1/updates/{update['id']}", lambda found: found["state"] == "downloading")
        leshan.kill()
    leshan.start()
    ended = bridged.wait(f"/v1/updates/{update['id']}", update_ended)
    assert ended["state"] == "succeeded", (ended, bridged.server.tail())


def test_an_update_asked_for_while_the_other_server_is_away_begins_when_it_is_back(
    bridged: World, leshan: Lwm2mServerProcess
) -> None:
    build = bridged.build("digits-cnn", security_counter=3)
    leshan.kill()
    body = {
        "endpoint": bridged.edge.endpoint,
        "artifact_sha256": build["artifact_sha256"],
        "severity": "optional",
        "max_defer_seconds": 3600,
    }
    response = bridged.api.post("/v1/updates", json=body)
    assert response.status_code == 202, response.text
    leshan.start()
    ended = bridged.wait(f"/v1/updates/{response.json()['id']}", update_ended)
    assert ended["state"] == "succeeded", (ended, bridged.server.tail())
    assert (ended["severity"], ended["max_defer_seconds"]) == ("optional", 3600)
    resources = f"/v1/devices/{bridged.edge.endpoint}/resources/5/0"
    told = {each["path"]: each["value"] for each in bridged.api.get(resources).json()["values"]}
    assert (told["/5/0/11"], told["/5/0/13"]) == (2, 3600)
