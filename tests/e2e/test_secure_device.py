"""A device that has a key: registered, updated by push and by pull, all of it inside DTLS."""

from pathlib import Path

import pytest

from tests.e2e.conftest import World, update_ended
from tests.support.edge import EdgeProcess

pytestmark = [pytest.mark.docker, pytest.mark.qemu]


def test_a_device_with_a_key_is_updated_inside_dtls_by_push_and_by_pull(world: World, tmp_path: Path) -> None:
    issued = world.api.put("/v1/devices/secure-1/credentials", json={}).raise_for_status().json()
    address = world.api.get("/readyz").json()["lwm2m_secure"]
    edge = EdgeProcess(world.server, "secure-1", tmp_path / "secure", address=address, key=issued["key"])
    edge.start()
    try:
        world.wait("/v1/devices", lambda page: any(item["endpoint"] == "secure-1" for item in page["items"]))
        assert world.api.get("/v1/devices/secure-1").json()["address"].startswith("coaps://secure-1@")
        for model, delivery in (("digits-cnn", "push"), ("hello-world-sine", "pull")):
            build = world.build(model)
            body = {"endpoint": "secure-1", "artifact_sha256": build["artifact_sha256"], "delivery": delivery}
            created = world.api.post("/v1/updates", json=body)
            assert created.status_code == 202, created.text
            update = world.wait(f"/v1/updates/{created.json()['id']}", update_ended)
            assert update["state"] == "succeeded", (update, edge.tail())
        assert "coaps://" in edge.tail()
    finally:
        edge.stop()


def test_a_device_with_the_wrong_key_does_not_come_in(world: World, tmp_path: Path) -> None:
    world.api.put("/v1/devices/secure-2/credentials", json={}).raise_for_status()
    address = world.api.get("/readyz").json()["lwm2m_secure"]
    edge = EdgeProcess(world.server, "secure-2", tmp_path / "wrong", address=address, key="00" * 16)
    edge.start()
    try:
        with pytest.raises(AssertionError, match="is still"):
            world.wait(
                "/v1/devices",
                lambda page: any(item["endpoint"] == "secure-2" for item in page["items"]),
                seconds=4,
            )
    finally:
        edge.stop()
