"""A build's images: accepted for their slots, signed each in its way, and the right one is the primary."""

import base64
import hashlib
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from app.services.build_images import ImageSigner, accept_images, listed, primary
from app.storage.blobs import BlobStore
from app.storage.tables import ArtifactRow, BuildRow, ModelVersionRow
from builders.contract import Board, BuiltImage, FirmwareVersion, ImageKind, Memory, Slot, Success
from builders.errors import BadResultError

VERSION = "1.0.0+7"
BOARD = Board(
    name="board-os",
    cpu="cortex-m4",
    flash_bytes=1 << 20,
    ram_bytes=1 << 20,
    slots={
        "bootloader": Slot(0, 0x1000),
        "firmware": Slot(0x10000, 0x10000),
        "model-a": Slot(0x20000, 0x8000),
        "model-b": Slot(0x28000, 0x8000),
    },
)
FILES = {
    "boot.bin": b"bootloader",
    "model-b.bin": b"model for slot b",
    "model-a.bin": b"model for slot a",
    "firmware.bin": b"the firmware",
    "model.tflite": b"a flatbuffer",
}


def image(file: str, kind: ImageKind, address: int, *, version: str = VERSION, format_: str = "bin") -> BuiltImage:
    digest = hashlib.sha256(FILES[file]).hexdigest()
    return BuiltImage(kind, file, format_, digest, address, FirmwareVersion.parse(version))


BOOT = image("boot.bin", ImageKind.BOOTLOADER, 0, version="0.9.0+0")
MODEL_A = image("model-a.bin", ImageKind.MODEL, 0x20200)
MODEL_B = image("model-b.bin", ImageKind.MODEL, 0x28200)
FIRMWARE = image("firmware.bin", ImageKind.FIRMWARE, 0x10200)
NEWER = image("firmware.bin", ImageKind.FIRMWARE, 0x10200, version="1.0.0+8")
TFLITE = image("model.tflite", ImageKind.MODEL, 0x20000, format_="tflite")


def result(*images: BuiltImage) -> Success:
    return Success(images, (), Memory(1, 1, 1), (), {}, None)


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path)


@pytest.fixture(scope="module")
def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def sign(
    blobs: BlobStore, key: ec.EllipticCurvePrivateKey, *images: BuiltImage, abi: str | None = None
) -> tuple[list[dict[str, object]], list[ArtifactRow]]:
    row = BuildRow(
        id="bld_1",
        key="k",
        model="m",
        version=1,
        model_sha256="ab" * 32,
        board=BOARD.name,
        builder_id="b",
        builder_digest="d",
        firmware_version=VERSION,
        security_counter=3,
    )
    version = ModelVersionRow(
        model="m", version=1, sha256="ab" * 32, size=1, golden={"vectors": [{"inputs": ["00"], "outputs": ["01"]}]}
    )
    raw = accept_images(result(*images), FILES, version=VERSION, board=BOARD, blobs=blobs)
    artifacts = ImageSigner(blobs, key).artifacts(row, version, BOARD, raw, abi)
    return listed(raw, artifacts), artifacts


def test_every_image_becomes_an_artifact_and_the_firmware_is_the_primary(
    blobs: BlobStore, key: ec.EllipticCurvePrivateKey
) -> None:
    shown, artifacts = sign(blobs, key, BOOT, MODEL_A, MODEL_B, FIRMWARE, abi="cd" * 32)
    assert [(item["kind"], item["file"], item["slot"]) for item in shown] == [
        ("bootloader", "boot.bin", "bootloader"),
        ("model", "model-a.bin", "model-a"),
        ("model", "model-b.bin", "model-b"),
        ("firmware", "firmware.bin", "firmware"),
    ]
    assert primary(artifacts).kind == "firmware"
    assert [artifact.abi for artifact in artifacts] == [None, *["cd" * 32] * 3]
    for artifact, item in zip(artifacts, shown, strict=True):
        content = blobs.get(artifact.sha256)
        assert hashlib.sha256(content).hexdigest() == item["sha256"]
        assert len(content) == item["size"]


def test_a_bootloader_is_stored_as_it_came_and_never_signed(blobs: BlobStore, key: ec.EllipticCurvePrivateKey) -> None:
    _, [boot, _] = sign(blobs, key, BOOT, FIRMWARE)
    assert boot.signature is None
    assert blobs.get(boot.sha256) == FILES["boot.bin"]


def test_without_firmware_the_first_model_is_the_primary(blobs: BlobStore, key: ec.EllipticCurvePrivateKey) -> None:
    shown, artifacts = sign(blobs, key, BOOT, MODEL_B, MODEL_A)
    assert primary(artifacts).sha256 == shown[1]["sha256"]


def test_a_file_of_another_format_keeps_its_bytes_and_gets_a_signature(
    blobs: BlobStore, key: ec.EllipticCurvePrivateKey
) -> None:
    _, [artifact] = sign(blobs, key, TFLITE)
    content = blobs.get(artifact.sha256)
    assert content == FILES["model.tflite"]
    assert artifact.signature is not None
    key.public_key().verify(base64.b64decode(artifact.signature), content, ec.ECDSA(hashes.SHA256()))


@pytest.mark.parametrize(
    ("images", "field", "words"),
    [
        ((BOOT,), "/images", "neither firmware nor a model"),
        (
            (image("firmware.bin", ImageKind.FIRMWARE, 0x10200, version="1.0.0+8"),),
            "/images/0/version",
            r"version 1\.0\.0\+8",
        ),
        ((FIRMWARE, image("model-a.bin", ImageKind.MODEL, 0x10200)), "/images/1/load_address", "no slot for images"),
        ((image("firmware.bin", ImageKind.FIRMWARE, 0x30000),), "/images/0/load_address", "0x30000"),
    ],
)
def test_images_that_the_request_or_the_board_forbids_name_the_field_and_what_to_do(
    blobs: BlobStore, images: tuple[BuiltImage, ...], field: str, words: str
) -> None:
    with pytest.raises(BadResultError, match=words) as caught:
        accept_images(result(*images), FILES, version=VERSION, board=BOARD, blobs=blobs)
    assert caught.value.field == field
    assert caught.value.remedy
