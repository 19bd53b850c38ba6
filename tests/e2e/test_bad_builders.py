"""Builders and firmware that misbehave: a clear error, nothing stored, and the board on its last good image."""

import json

import numpy as np
import pytest

from tests.e2e.conftest import MakeImage, World
from tests.unit.compiler.tflite_writer import WrittenOperator, WrittenTensor, write_model

pytestmark = [pytest.mark.docker, pytest.mark.qemu]

OCTETS = {"Content-Type": "application/octet-stream"}


def _register(world: World, image: str) -> str:
    response = world.api.post("/v1/builders", json={"image": image})
    assert response.status_code == 201, response.text
    return str(response.json()["id"])


def _stored(world: World) -> tuple[int, set[str]]:
    artifacts = world.api.get("/v1/artifacts", params={"limit": 200}).json()["items"]
    blobs = {path.name for path in (world.server.data_dir / "blobs").rglob("*") if path.is_file()}
    return len(artifacts), blobs


def _script(text: str) -> str:
    return f"FROM debian:bookworm-slim\nENTRYPOINT {json.dumps(['sh', '-c', text])}\n"


@pytest.mark.parametrize(
    ("script", "slugs"),
    [
        pytest.param("echo broken; exit 1", {"builder_crashed"}, id="exits 1"),
        pytest.param("exit 0", {"no_result"}, id="writes nothing"),
        pytest.param(
            "ln -s /etc/passwd /out/firmware.bin; ln -s /etc/passwd /out/result.json",
            {"output_not_regular"},
            id="writes a symbolic link",
        ),
        pytest.param("head -c 2147483648 /dev/zero > /out/firmware.bin", {"output_too_large"}, id="writes 2 GB"),
        pytest.param("while :; do sleep 1; done", {"timed_out"}, id="never ends"),
        pytest.param(
            "while :; do sleep 100 & done", {"builder_crashed", "timed_out", "no_result"}, id="forks without end"
        ),
    ],
)
def test_a_builder_that_misbehaves_is_a_clear_error_and_nothing_is_stored(
    world: World, make_image: MakeImage, script: str, slugs: set[str]
) -> None:
    builder = _register(world, make_image(_script(script)))
    before = _stored(world)
    asked = world.command("builds", "create", "digits-cnn", "--board", "mps2-an386", "--builder", builder)
    build = world.api.get("/v1/builds", params={"limit": 1}).json()["items"][0]
    assert (build["builder_id"], build["state"]) == (builder, "failed")
    assert build["error"]["slug"] in slugs, build["error"]
    assert build["error"]["detail"]
    assert build["error"]["remedy"]
    assert asked.returncode == 1, asked.stderr
    assert build["error"]["detail"] in asked.stderr
    assert build["error"]["remedy"] in asked.stderr
    assert build["artifact_sha256"] is None
    assert _stored(world) == before
    assert world.leftovers() == []


def test_images_that_are_no_builders_cannot_be_registered(world: World, make_image: MakeImage) -> None:
    for image, slugs in (
        ("no-such/image:1", {"image_not_found", "image_pull_failed"}),
        (make_image(_script("exit 0"), manifest=None), {"not_a_builder"}),
        (make_image(_script("exit 0") + "VOLUME /data\n"), {"volume_refused"}),
        ("0" * 250, {"image_not_found", "image_pull_failed"}),
    ):
        response = world.api.post("/v1/builders", json={"image": image})
        assert response.status_code == 422, response.text
        assert response.json()["slug"] in slugs
        assert response.json()["remedy"]


def test_parameters_and_boards_that_a_builder_does_not_know_are_refused_at_once(world: World) -> None:
    asked = {"model": "digits-cnn", "board": "mps2-an386"}
    bad = world.api.post("/v1/builds", json={**asked, "parameters": {"optimise": "never"}})
    assert (bad.status_code, bad.json()["slug"]) == (422, "bad_parameters")
    builder = world.api.get("/v1/builders").json()["items"][-1]["id"]
    other = world.api.post("/v1/builds", json={**asked, "board": "esp32", "builder_id": builder})
    assert (other.status_code, other.json()["slug"]) == (422, "board_not_supported")
    assert "mps2-an386" in other.json()["detail"]


def test_a_model_with_an_operator_that_the_builder_does_not_know_names_it(world: World) -> None:
    tensor, logarithms = WrittenTensor([1, 4], "int8", [0.1], [0]), WrittenTensor([1, 4], "int8", [16 / 256], [127])
    model = write_model([tensor, logarithms], [WrittenOperator("LOG_SOFTMAX", [0], [1])], [0], [1])
    assert world.api.post("/v1/models/absolute/versions", content=model, headers=OCTETS).status_code == 201
    before = _stored(world)
    builder = world.api.get("/v1/builders").json()["items"][-1]["id"]
    build = world.build("absolute", builder_id=builder)
    assert (build["state"], build["error"]["slug"]) == ("failed", "unsupported_operator")
    assert "LOG_SOFTMAX" in build["error"]["detail"]
    assert _stored(world) == before


def test_a_model_that_does_not_fit_the_board_is_refused_with_numbers(world: World) -> None:
    rows, columns = 2200, 2100  # 4.6 million weights for 4 MiB of flash
    model = write_model(
        [
            WrittenTensor([1, columns], "int8", [0.1], [0]),
            WrittenTensor([rows, columns], "int8", [0.1], [0], data=np.ones([rows, columns], np.int8)),
            WrittenTensor([1, rows], "int8", [0.1], [0]),
        ],
        [WrittenOperator("FULLY_CONNECTED", [0, 1], [2], {})],
        [0],
        [2],
    )
    uploaded = world.api.post("/v1/models/giant/versions", content=model, headers=OCTETS)
    assert uploaded.status_code == 201, uploaded.text
    refused = world.api.post("/v1/builds", json={"model": "giant", "board": "mps2-an386"})
    assert (refused.status_code, refused.json()["slug"]) == (422, "model_does_not_fit")
    assert "4194304" in refused.json()["detail"]


FIRMWARE_BUGS = {
    "hangs": ("s/report_boot(vectors);/& for (;;) { }/", "main.c"),
    "crashes": ('s/report_boot(vectors);/& __asm__("udf #0");/', "main.c"),
    "computes one byte wrong": (
        r"s/^\( *\)report_golden_output(model_outputs/\1if (index == 1) ((uint8_t *)model_outputs[0])[0] ^= 1;\n&/",
        "main.c",
    ),
}


@pytest.mark.parametrize("bug", FIRMWARE_BUGS)
def test_firmware_that_fails_its_proof_is_put_back_and_the_update_says_why(
    world: World, make_image: MakeImage, bug: str
) -> None:
    good_builder = world.api.get("/v1/builders", params={"limit": 200}).json()["items"][-1]["id"]
    good = world.build("hello-world-sine", builder_id=good_builder)
    if world.device()["artifact_sha256"] != good["artifact_sha256"]:
        assert world.update(good["artifact_sha256"])["state"] == "succeeded"

    expression, file = FIRMWARE_BUGS[bug]
    path = f"/opt/builder/firmware/{file}"
    image = make_image(
        f"FROM SHIPPED\nUSER root\nRUN cp {path} /tmp/before && sed -i {_quoted(expression)} {path} "
        f"&& ! cmp -s /tmp/before {path}\nUSER 65532:65532\n"
    )
    bad = world.build("digits-cnn", builder_id=_register(world, image))
    assert bad["state"] == "succeeded", bad

    update = world.update(bad["artifact_sha256"], "push")
    assert update["state"] == "rolled-back", update
    told = {"hangs": "did not report", "crashes": "fault", "computes one byte wrong": "vector 1"}[bug]
    assert told in update["reason"], update["reason"]
    assert update["reported_version"] == good["firmware_version"]
    device = world.device()
    assert device["artifact_sha256"] == good["artifact_sha256"]
    assert device["firmware_version"] == good["firmware_version"]
    explained = world.api.get(f"/v1/updates/{update['id']}/explain").json()
    assert explained["state"] == "rolled-back"
    assert told in explained["summary"]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
