"""SOTA and FOTA of a device with two model slots: what goes, why, and back again; kill -9 of the server included."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.e2e.conftest import MakeImage, World, update_ended
from tests.e2e.test_images import ABI, SCRIPT, SEVERAL
from tests.support.slotted_device import SlottedDevice
from zoo.cards import load

pytestmark = [pytest.mark.docker, pytest.mark.qemu]

BOARD = "slotted-board"
ENDPOINT = "slotted-1"
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def device(world: World, make_image: MakeImage) -> Iterator[SlottedDevice]:
    manifest = {**SEVERAL, "name": "slotted", "boards": [{**SEVERAL["boards"][0], "name": BOARD}]}  # type: ignore[index] # a list of boards
    script = SCRIPT.replace("ABI", ABI)
    dockerfile = f"FROM debian:bookworm-slim\nENTRYPOINT {json.dumps(['sh', '-e', '-c', script])}\n"
    image = make_image(dockerfile, manifest=json.dumps(manifest))
    world.api.post("/v1/builders", json={"image": image}).raise_for_status()
    built_in = load("hello-world-sine").card.model_sha256
    with SlottedDevice(world.server.lwm2m_port, ENDPOINT, BOARD, ABI, built_in) as found:
        world.wait_for_device(ENDPOINT, lambda told: told["abi"] is not None)
        yield found


def _ask(world: World, **wanted: Any) -> dict[str, Any]:
    response = world.api.post("/v1/updates", json={"endpoint": ENDPOINT, **wanted})
    assert response.status_code == 202, response.text
    update: dict[str, Any] = response.json()
    return update


def _update(world: World, **wanted: Any) -> dict[str, Any]:
    return world.wait(f"/v1/updates/{_ask(world, **wanted)['id']}", update_ended)


def _shown(world: World) -> dict[str, Any]:
    device: dict[str, Any] = world.api.get(f"/v1/devices/{ENDPOINT}").json()
    return device


def test_models_come_and_go_alone_and_firmware_comes_where_they_cannot(world: World, device: SlottedDevice) -> None:
    digits, vibration = (world.build(name, board=BOARD) for name in ("digits-cnn", "vibration-autoencoder"))
    factory = _shown(world)
    assert (factory["model"], factory["model_source"], factory["abi"]) == ("hello-world-sine", "built-in", ABI)
    assert [slot["installed"] for slot in factory["model_slots"]] == [False, False]

    first = _update(world, build_id=digits["id"], delivery="push")
    assert (first["state"], first["kind"], first["slot"]) == ("succeeded", "sota", "model-a"), first
    assert first["choice_reason"].startswith("SOTA: the model alone, ")
    assert first["bytes_sent"] == first["bytes_total"] > 0
    assert first["inference"] == {"longest_gap_ticks": 1900, "inference_ticks": 1000, "inferences": 77}
    assert (_shown(world)["model"], _shown(world)["model_source"]) == ("digits-cnn", "a")

    second = _update(world, build_id=vibration["id"], delivery="pull", method="sota")
    assert (second["state"], second["slot"]) == ("succeeded", "model-b"), second
    assert second["previous_sha256"] == first["artifact_sha256"]
    assert _shown(world)["model_artifact_sha256"] == second["artifact_sha256"]
    listed = world.api.get(f"/v1/artifacts/{second['artifact_sha256']}").json()
    assert listed["devices"] == [ENDPOINT]

    deliveries = device.deliveries
    back = _update(world, build_id=digits["id"])
    assert (back["state"], back["slot"], back["bytes_sent"]) == ("succeeded", "model-a", 0), back
    home = _update(world, model_source="built-in")
    assert (home["state"], home["slot"], home["bytes_total"]) == ("succeeded", "built-in", 0), home
    assert device.deliveries == deliveries
    assert (_shown(world)["model"], _shown(world)["model_artifact_sha256"]) == ("hello-world-sine", None)
    explained = world.api.get(f"/v1/updates/{home['id']}/explain").json()
    assert [step["state"] for step in explained["steps"]] == ["pending", "verifying", "succeeded"]

    device.next_abi = "77" * 32
    whole = _update(world, build_id=vibration["id"], method="fota")
    assert (whole["state"], whole["kind"], whole["slot"]) == ("succeeded", "fota", "firmware"), whole
    world.wait_for_device(ENDPOINT, lambda told: told["abi"] == device.next_abi)
    other = _update(world, build_id=digits["id"])
    assert (other["kind"], other["state"]) == ("fota", "succeeded"), other
    assert f"No SOTA: the model's ABI is {ABI[:12]}, the firmware's {'77' * 6}." in other["choice_reason"]
    device.next_abi = ABI
    assert _update(world, build_id=vibration["id"])["kind"] == "fota"
    world.wait_for_device(ENDPOINT, lambda told: told["abi"] == ABI)


def test_what_cannot_be_is_refused_with_what_would_help(world: World, device: SlottedDevice) -> None:
    build = world.build("digits-cnn", board=BOARD)
    deliveries = device.deliveries
    bootloader = next(item["sha256"] for item in build["artifacts"] if item["kind"] == "bootloader")
    for wanted, status, slug in (
        ({}, 422, "one_target"),
        ({"build_id": build["id"], "model_source": "built-in"}, 422, "one_target"),
        ({"build_id": "bld_0000000000000000"}, 404, "build_not_found"),
        ({"artifact_sha256": bootloader}, 422, "not_for_update"),
        ({"build_id": world.build("digits-cnn")["id"]}, 422, "board_mismatch"),
        ({"model_source": "built-in"}, 409, "already_running"),
        ({"model_source": "built-in", "method": "fota"}, 422, "no_delivery"),
    ):
        answer = world.api.post("/v1/updates", json={"endpoint": ENDPOINT, **wanted})
        assert (answer.status_code, answer.json()["slug"]) == (status, slug), answer.text
        assert answer.json()["remedy"]
    assert device.deliveries == deliveries


def test_an_input_is_answered_by_the_model_that_runs_as_the_server_would_answer_it(
    world: World, device: SlottedDevice, tmp_path: Path
) -> None:
    build = world.build("digits-cnn", board=BOARD)
    assert _update(world, build_id=build["id"], method="sota")["state"] == "succeeded"
    sample = Path("zoo/catalog/digits-cnn/sample.json").read_text()
    answer = world.api.post(f"/v1/devices/{ENDPOINT}/inference", content=sample, headers=JSON).raise_for_status().json()
    expected = world.api.post("/v1/models/digits-cnn/predict", content=sample, headers=JSON).json()["prediction"]
    assert (answer["model"], answer["model_sha256"]) == ("digits-cnn", device.model_sha256)
    assert [result["prediction"] for result in answer["results"]] == expected
    assert [result["label"] for result in answer["results"]] == ["3", "7"]
    assert [result["sequence"] for result in answer["results"]] == [1, 2]

    picture = tmp_path / "three.png"
    ink = np.array(json.loads(sample)["instances"][0])[:, :, 0]
    Image.fromarray((255 * ink).astype(np.uint8)).save(picture)
    shown = world.command("devices", "infer", ENDPOINT, "--input", str(picture), "--json")
    assert shown.returncode == 0, shown.stderr
    [result] = json.loads(shown.stdout)["results"]
    assert (result["label"], result["sequence"], result["instructions"]) == ("3", 3, 12345)
    table = world.command("devices", "infer", ENDPOINT, "--input", "zoo/catalog/digits-cnn/sample.json").stdout
    assert "digits-cnn@1" in table


def test_an_input_that_cannot_be_answered_is_refused_and_says_what_would_help(
    world: World, device: SlottedDevice
) -> None:
    path = f"/v1/devices/{ENDPOINT}/inference"
    world.wait_for_device(world.edge.endpoint, lambda told: told["reachability"] == "online")
    many = {"instances": [[[[0.0]] * 8] * 8] * 17}
    device.lies_about_model = True
    unknown = world.api.post(path, json={"instances": [[0.0]]})
    device.lies_about_model = False
    for answer, status, slug in (
        (unknown, 409, "model_unknown"),
        (world.api.post(path, json=many), 422, "too_many_instances"),
        (world.api.post(path, json={"instances": [[1.0, 2.0, 3.0]]}), 422, "bad_input"),
        (world.api.post(path, content=b"x", headers={"Content-Type": "image/png"}), 422, "bad_input"),
        (world.api.post(path, content=b"x"), 415, "unsupported_media_type"),
        (world.api.post("/v1/devices/nobody/inference", json={"instances": [[0]]}), 404, "device_not_found"),
        (
            world.api.post(f"/v1/devices/{world.edge.endpoint}/inference", json={"instances": [[0]]}),
            409,
            "no_inference",
        ),
    ):
        assert (answer.status_code, answer.json()["slug"]) == (status, slug), answer.text


def test_a_model_with_one_wrong_byte_never_runs_and_a_device_that_hides_it_is_not_believed(
    world: World, device: SlottedDevice
) -> None:
    build = world.build("digits-cnn", board=BOARD, security_counter=2)
    before = _shown(world)["model"]
    device.wrong_byte = 1
    refused = _update(world, build_id=build["id"], method="sota")
    assert refused["state"] == "failed", refused
    assert "golden vector 0 differs at byte 0" in refused["reason"]
    assert _shown(world)["model"] == before
    device.honest = False
    hidden = _update(world, build_id=build["id"], method="sota")
    assert hidden["state"] == "failed"
    assert "not the model's" in hidden["reason"]
    device.wrong_byte, device.honest = 0, True
    assert _update(world, model_source="built-in")["state"] == "succeeded"


def test_a_server_killed_while_a_model_is_installed_finishes_after_the_restart(
    world: World, device: SlottedDevice
) -> None:
    build = world.build("vibration-autoencoder", board=BOARD, security_counter=3)
    for slot in device.slots:
        slot.install_seconds = 3.0
    update = _ask(world, build_id=build["id"], method="sota")
    world.wait(f"/v1/updates/{update['id']}", lambda found: found["state"] == "updating")
    world.server.kill()
    world.server.start()
    ended = world.wait(f"/v1/updates/{update['id']}", update_ended)
    assert ended["state"] == "succeeded", ended["reason"]
    assert _shown(world)["model"] == "vibration-autoencoder"
    for slot in device.slots:
        slot.install_seconds = 0.05
