"""Signed images, read back with imgtool and by hand."""

from __future__ import annotations

import base64
import stat
import struct
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from builders.contract import ImageKind
from builders.errors import BadFirmwareError, BadKeyError, FirmwareTooLargeError
from builders.signing import HEADER_SIZE, generate_key, key_id, load_key, public_pem, sign_detached, sign_image

if TYPE_CHECKING:
    from pathlib import Path

PAYLOAD = bytes(range(256)) * 16


def sign(key: ec.EllipticCurvePrivateKey, **changes: Any) -> bytes:
    arguments: dict[str, Any] = {
        "payload": PAYLOAD,
        "key": key,
        "kind": ImageKind.FIRMWARE,
        "version": "1.2.3+305419896",
        "security_counter": 7,
        "board": "mps2-an386",
        "model_sha256": b"\xab" * 32,
        "golden_outputs": [b"\x01\x02", b"\x03\x04"],
        "slot": "firmware",
        "slot_size": 65536,
    } | changes
    return sign_image(arguments.pop("payload"), **arguments)


@pytest.fixture(scope="module")
def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def imgtool_verify(image: bytes, key: ec.EllipticCurvePrivateKey, folder: Path) -> int:
    (folder / "image.bin").write_bytes(image)
    (folder / "public.pem").write_bytes(public_pem(key))
    command = [sys.executable, "-m", "imgtool.main", "verify", "-k", "public.pem", "image.bin"]
    return subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode


def test_imgtool_accepts_the_image_under_the_right_key_only(key: ec.EllipticCurvePrivateKey, tmp_path: Path) -> None:
    image = sign(key)
    assert imgtool_verify(image, key, tmp_path) == 0
    assert imgtool_verify(image, ec.generate_private_key(ec.SECP256R1()), tmp_path) != 0


@pytest.mark.parametrize("offset", [20, HEADER_SIZE, HEADER_SIZE + len(PAYLOAD) + 20])
def test_imgtool_refuses_a_flipped_byte(key: ec.EllipticCurvePrivateKey, tmp_path: Path, offset: int) -> None:
    image = bytearray(sign(key))
    image[offset] ^= 1
    assert imgtool_verify(bytes(image), key, tmp_path) != 0


def tlvs(image: bytes, offset: int) -> tuple[dict[int, bytes], int]:
    total = struct.unpack_from("<H", image, offset + 2)[0]
    end, found = offset + total, {}
    offset += 4
    while offset < end:
        tag, length = struct.unpack_from("<HH", image, offset)
        found[tag] = image[offset + 4 : offset + 4 + length]
        offset += 4 + length
    return found, end


def test_the_image_is_laid_out_as_documented(key: ec.EllipticCurvePrivateKey) -> None:
    image = sign(key)
    magic, load, header, protected_size, size, flags = struct.unpack_from("<IIHHII", image)
    assert (magic, load, header, size, flags) == (0x96F3B83D, 0, HEADER_SIZE, len(PAYLOAD), 0)
    assert struct.unpack_from("<BBHI", image, 20) == (1, 2, 3, 305419896)
    assert image[HEADER_SIZE : HEADER_SIZE + size] == PAYLOAD
    protected, end = tlvs(image, HEADER_SIZE + size)
    assert end - HEADER_SIZE - size == protected_size
    assert protected == {
        0x0050: struct.pack("<I", 7),
        0x00A0: b"mps2-an386",
        0x00A1: b"\xab" * 32,
        0x00A2: struct.pack("<HI", 2, 2) + b"\x01\x02\x03\x04",
        0x00A4: b"\x00",
    }
    unprotected, end = tlvs(image, end)
    assert end == len(image)
    assert set(unprotected) == {0x10, 0x01, 0x22}  # SHA-256, key hash, ECDSA signature
    assert unprotected[0x01].hex() == key_id(key)


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        (
            {"kind": ImageKind.MODEL, "slot": "model-a", "abi": b"\xcd" * 32},
            {0xA3: b"\xcd" * 32, 0xA4: b"\1", 0xA5: b"\0"},
        ),
        (
            {"kind": ImageKind.MODEL, "slot": "model-b", "abi": b"\xcd" * 32},
            {0xA3: b"\xcd" * 32, 0xA4: b"\1", 0xA5: b"\1"},
        ),
        ({"kind": ImageKind.MODEL, "slot": "model"}, {0xA4: b"\1"}),
        ({"kind": ImageKind.FIRMWARE, "slot": "firmware", "abi": b"\xef" * 32}, {0xA3: b"\xef" * 32, 0xA4: b"\0"}),
    ],
)
def test_an_image_says_its_kind_its_slot_and_its_abi_under_the_signature(
    key: ec.EllipticCurvePrivateKey, tmp_path: Path, changes: dict[str, Any], fields: dict[int, bytes]
) -> None:
    image = sign(key, **changes)
    protected, _ = tlvs(image, HEADER_SIZE + len(PAYLOAD))
    assert {tag: value for tag, value in protected.items() if tag >= 0xA3} == fields
    assert imgtool_verify(image, key, tmp_path) == 0


def test_a_file_of_another_format_is_signed_beside_it(key: ec.EllipticCurvePrivateKey) -> None:
    signature = sign_detached(b"a bundle", key=key)
    assert signature == sign_detached(b"a bundle", key=key)
    public = key.public_key()
    public.verify(base64.b64decode(signature), b"a bundle", ec.ECDSA(hashes.SHA256()))
    with pytest.raises(InvalidSignature):
        public.verify(base64.b64decode(signature), b"a bundlf", ec.ECDSA(hashes.SHA256()))


def test_the_same_build_signed_twice_gives_the_same_bytes(key: ec.EllipticCurvePrivateKey) -> None:
    assert sign(key) == sign(key)


def test_signing_says_nothing_on_standard_output(
    key: ec.EllipticCurvePrivateKey, capfd: pytest.CaptureFixture[str]
) -> None:
    sign(key)
    assert capfd.readouterr() == ("", "")


def test_an_image_too_large_for_its_slot_is_refused(key: ec.EllipticCurvePrivateKey) -> None:
    image = sign(key)
    with pytest.raises(FirmwareTooLargeError, match=f"slot of {len(image)} bytes"):
        sign(key, slot_size=len(image))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"payload": b"short"}, "/payload"),
        ({"version": "1.2"}, "/version"),
        ({"security_counter": -1}, "/security_counter"),
        ({"security_counter": 1 << 32}, "/security_counter"),
        ({"board": ""}, "/board"),
        ({"model_sha256": b""}, "/model_sha256"),
        ({"abi": b"short"}, "/abi"),
        ({"golden_outputs": [b"\x01", b"\x02\x03"]}, "/golden_outputs"),
        ({"golden_outputs": [b"\x01"] * 17}, "/golden_outputs"),
        ({"golden_outputs": [bytes(60_001)]}, "/golden_outputs"),
    ],
)
def test_a_wrong_description_names_the_field(
    key: ec.EllipticCurvePrivateKey, changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(BadFirmwareError) as caught:
        sign(key, **changes)
    assert caught.value.field == field


def test_a_build_without_golden_vectors_can_be_signed(key: ec.EllipticCurvePrivateKey, tmp_path: Path) -> None:
    assert imgtool_verify(sign(key, golden_outputs=[]), key, tmp_path) == 0


def test_a_generated_key_is_private_whole_and_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "signing.pem"
    key = generate_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert public_pem(load_key(path)) == public_pem(key)
    with pytest.raises(BadKeyError, match="is there already"):
        generate_key(path)
    assert public_pem(load_key(path)) == public_pem(key)
    assert list(path.parent.iterdir()) == [path]


def test_a_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    with pytest.raises(BadKeyError, match="cannot be read"):
        load_key(path)
    path.write_bytes(b"no key")
    with pytest.raises(BadKeyError, match="no unencrypted PEM"):
        load_key(path)
    path.write_bytes(
        ec.generate_private_key(ec.SECP384R1()).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    with pytest.raises(BadKeyError, match="no ECDSA P-256 key"):
        load_key(path)
