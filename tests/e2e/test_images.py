"""Builders that make more than firmware, or none: every image is an artifact, signed as its kind and format ask."""

import base64
import json

import docker
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from builders.image import SHIPPED, build_shipped_image
from builders.signing import HEADER_SIZE
from tests.e2e.conftest import MakeImage, World

pytestmark = [pytest.mark.docker, pytest.mark.qemu]

SEVERAL = {
    "contract": 1,
    "name": "several",
    "version": "1.0.0",
    "maintainer": "Tests",
    "boards": [
        {
            "name": "several-board",
            "cpu": "cortex-m4",
            "flash_bytes": 4194304,
            "ram_bytes": 4194304,
            "slots": {
                "bootloader": {"address": 0, "size": 65536},
                "firmware": {"address": 65536, "size": 65536},
                "model-a": {"address": 131072, "size": 65536},
                "model-b": {"address": 196608, "size": 65536},
            },
        }
    ],
    "model_formats": ["tflite"],
    "parameters": {"type": "object", "additionalProperties": False},
}
SCRIPT = r"""
version=$(sed 's/.*"firmware_version":"\([^"]*\)".*/\1/' /in/build.json); images=
for image in bootloader:0 firmware:66048 model-a:131584 model-b:197120; do
  name=${image%:*}; address=${image#*:}
  echo "this is $name" > /out/$name.bin
  sha=$(sha256sum /out/$name.bin | cut -d ' ' -f 1)
  images="$images,{\"kind\":\"${name%-?}\",\"file\":\"$name.bin\",\"format\":\"bin\",\"sha256\":\"$sha\""
  images="$images,\"load_address\":$address,\"version\":\"$version\"}"
done
slot='"model_slot":{"abi":"ABI","size":65536,"arena_bytes":64}'
rest='"sections":[],"memory":{"flash_bytes":100,"ram_bytes":100,"arena_bytes":64},"operators":[],"toolchain":{}'
echo "{\"contract\":1,\"status\":\"succeeded\",\"images\":[${images#,}],$rest,$slot}" > /out/result.json
"""
ABI = "5a" * 32


def _public_key(world: World) -> ec.EllipticCurvePublicKey:
    key = serialization.load_pem_public_key((world.server.data_dir / "keys/signing-public.pem").read_bytes())
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return key


def test_a_build_of_firmware_models_and_bootloader_gives_an_artifact_for_each(
    world: World,
    make_image: MakeImage,
) -> None:
    script = SCRIPT.replace("ABI", ABI)
    dockerfile = f"FROM debian:bookworm-slim\nENTRYPOINT {json.dumps(['sh', '-e', '-c', script])}\n"
    image = make_image(dockerfile, manifest=json.dumps(SEVERAL))
    world.api.post("/v1/builders", json={"image": image}).raise_for_status()
    build = world.build("digits-cnn", board="several-board")
    assert build["state"] == "succeeded", build
    by_slot = {item["slot"]: item for item in build["artifacts"]}
    assert list(by_slot) == ["bootloader", "firmware", "model-a", "model-b"]
    assert build["artifact_sha256"] == by_slot["firmware"]["sha256"]
    for slot, item in by_slot.items():
        artifact = world.api.get(f"/v1/artifacts/{item['sha256']}").json()
        content = world.api.get(f"/v1/artifacts/{item['sha256']}/content").content
        assert (artifact["kind"], artifact["slot"]) == (item["kind"], slot)
        assert artifact["build_id"] == build["id"]
        assert artifact["signature"] is None
        if slot == "bootloader":
            assert content == b"this is bootloader\n"
            assert artifact["abi"] is None
        else:
            assert content[HEADER_SIZE:].startswith(f"this is {slot}\n".encode())
            assert bytes.fromhex(ABI) in content
            assert artifact["abi"] == ABI

    device = {"endpoint": world.edge.endpoint, "artifact_sha256": by_slot["model-a"]["sha256"]}
    refused = world.api.post("/v1/updates", json=device)
    assert (refused.status_code, refused.json()["slug"]) == (422, "board_mismatch")


def test_a_bundle_for_a_raspberry_pi_is_built_stored_and_signed_beside_it(
    world: World, engine: docker.DockerClient
) -> None:
    image = build_shipped_image(engine, print, source=SHIPPED.with_name("litert-edge"))
    world.api.post("/v1/builders", json={"image": image}).raise_for_status()
    build = world.build("digits-cnn", board="raspberry-pi")
    assert build["state"] == "succeeded", build
    [item] = build["artifacts"]
    assert (item["kind"], item["format"], item["file"], item["slot"]) == ("model", "tar", "model.tar", "model")
    artifact = world.api.get(f"/v1/artifacts/{build['artifact_sha256']}").json()
    answer = world.api.get(f"/v1/artifacts/{artifact['sha256']}/content")
    assert answer.headers["Content-Disposition"].endswith('.tar"')
    _public_key(world).verify(base64.b64decode(artifact["signature"]), answer.content, ec.ECDSA(hashes.SHA256()))
