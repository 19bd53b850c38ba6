"""Figures: estimated before a build, near what is built, and measured after it; and what is refused with numbers."""

import json

import numpy as np
import pytest

from builders.signing import HEADER_SIZE
from tests.e2e.conftest import BOARD, MANIFEST, MakeImage, World
from tests.e2e.test_bad_builders import OCTETS
from tests.unit.compiler.tflite_writer import WrittenOperator, WrittenTensor, write_model

pytestmark = [pytest.mark.docker, pytest.mark.qemu]


def _estimate(world: World, model: str, **more: object) -> dict[str, object]:
    response = world.api.post("/v1/builds/estimate", json={"model": model, "board": BOARD, **more})
    assert response.status_code == 200, response.text
    found: dict[str, object] = response.json()
    return found


@pytest.mark.parametrize("model", ["digits-cnn", "hello-world-sine"])
def test_an_estimate_is_what_is_built_and_within_a_tenth_of_what_is_measured(world: World, model: str) -> None:
    estimate = _estimate(world, model)
    build = world.build(model)
    build = world.wait(f"/v1/builds/{build['id']}", lambda found: found["performance"]["basis"] == "measured")
    version = 16  # bytes that the version's text may have more than an estimate's, which is 0.0.0+0
    assert estimate["memory"] == {
        **build["memory"],
        "flash_bytes": pytest.approx(build["memory"]["flash_bytes"], abs=version),
    }
    expected, found = estimate["performance"], build["performance"]
    assert (expected["basis"], found["basis"], found["layers_basis"]) == ("estimated", "measured", "estimated")
    assert expected["instructions"] == pytest.approx(found["instructions"], rel=0.1)
    assert expected["macs"] == found["macs"]
    assert [layer["operator"] for layer in expected["layers"]] == [layer["operator"] for layer in found["layers"]]
    assert sum(layer["instructions"] for layer in found["layers"]) == pytest.approx(found["instructions"], rel=0.01)
    assert "measured:" in world.api.get(f"/v1/builds/{build['id']}/log").text


def test_a_profile_has_every_layer_measured(world: World) -> None:
    build = world.build("digits-cnn", parameters={"profile": True})
    build = world.wait(f"/v1/builds/{build['id']}", lambda found: found["performance"]["basis"] == "measured")
    found = build["performance"]
    assert (found["layers_basis"], found["notes"]) == ("measured", [])
    assert sum(layer["instructions"] for layer in found["layers"]) == pytest.approx(found["instructions"], rel=0.01)
    assert sum(layer["macs"] or 0 for layer in found["layers"]) == found["macs"]


def test_what_cannot_fit_is_refused_with_numbers(world: World) -> None:
    units, depth = 2050, 2050  # more weights than the board has flash
    tensors = [
        WrittenTensor([1, depth], "int8", [0.1], [0]),
        WrittenTensor([units, depth], "int8", [0.01], [0], data=np.ones([units, depth], np.int8)),
        WrittenTensor([1, units], "int8", [0.1], [0]),
    ]
    data = write_model(tensors, [WrittenOperator("FULLY_CONNECTED", [0, 1], [2])], [0], [2])
    uploaded = world.api.post("/v1/models/too-large/versions", content=data, headers=OCTETS)
    assert uploaded.status_code == 201, uploaded.text
    response = world.api.post("/v1/builds/estimate", json={"model": "too-large", "board": BOARD})
    problem = response.json()
    assert (response.status_code, problem["slug"]) == (422, "model_too_large")
    assert str(4 * 1024 * 1024 - HEADER_SIZE) in problem["detail"]
    assert problem["remedy"]


def test_a_builder_without_estimates_says_so(
    world: World,
    make_image: MakeImage,
) -> None:
    manifest = {**json.loads(MANIFEST.read_text()), "estimates": False}
    image = make_image('FROM debian:bookworm-slim\nENTRYPOINT ["true"]\n', manifest=json.dumps(manifest))
    builder = world.api.post("/v1/builders", json={"image": image}).raise_for_status().json()
    assert builder["estimates"] is False
    body = {"model": "digits-cnn", "board": BOARD, "builder_id": builder["id"]}
    response = world.api.post("/v1/builds/estimate", json=body)
    problem = response.json()
    assert (response.status_code, problem["slug"], problem["field"]) == (
        *(422, "estimates_not_offered"),
        "body.builder_id",
    )


def test_a_check_on_the_server_is_shown_on_the_builder_and_survives_kill_9(
    world: World,
    make_image: MakeImage,
) -> None:
    image = make_image('FROM debian:bookworm-slim\nENTRYPOINT ["sh", "-c", "echo begun; sleep 2; exit 3"]\n')
    builder = world.api.post("/v1/builders", json={"image": image}).raise_for_status().json()
    assert builder["check"] is None
    path = f"/v1/builders/{builder['id']}"
    started = world.api.post(f"{path}/checks")
    assert started.status_code == 202, started.text
    check = f"{path}/checks/{started.json()['id']}"
    assert started.headers["Location"] == check
    assert world.api.post(f"{path}/checks").json()["id"] == started.json()["id"]
    world.wait(check, lambda found: len(found["rules"]) >= 3)  # those of the image; now its container runs
    world.server.kill()
    world.server.start()
    ended = world.wait(check, lambda found: found["finished_at"] is not None)
    assert (ended["state"], ended["attempts"], ended["error"]) == ("failed", 2, None)
    broken = {rule["id"]: rule for rule in ended["rules"] if rule["outcome"] == "failed"}
    assert "exit code 3" in broken["build.succeeds"]["detail"]
    assert all(rule["remedy"] for rule in broken.values())
    assert len({rule["id"] for rule in ended["rules"]}) == len(ended["rules"])
    assert world.api.get(path).json()["check"] == ended
    assert world.leftovers() == []
