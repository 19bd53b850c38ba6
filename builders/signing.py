"""Signs what builders make (docs/reference/image-format.md): MCUboot images, or a signature beside other formats."""

from __future__ import annotations

import base64
import functools
import hashlib
import os
import struct
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from imgtool.image import Image
from imgtool.keys.ecdsa import ECDSA256P1Public
from imgtool.version import SemiSemVersion

from builders.contract import MAX_VECTORS, FirmwareVersion, ImageKind
from builders.errors import BadFirmwareError, BadKeyError, FirmwareTooLargeError

if TYPE_CHECKING:
    from collections.abc import Sequence

HEADER_SIZE = 0x200
TLV_BOARD = 0x00A0
TLV_MODEL = 0x00A1
TLV_GOLDEN = 0x00A2
TLV_ABI = 0x00A3
TLV_KIND = 0x00A4
TLV_SLOT = 0x00A5

_KINDS = {ImageKind.FIRMWARE: b"\x00", ImageKind.MODEL: b"\x01"}
_SLOTS = {"model-a": b"\x00", "model-b": b"\x01"}

# Stack pointer and reset handler: the least that can start.
_MIN_PAYLOAD_BYTES = 8
# A TLV's length is a u16, and so is that of all protected TLVs together.
_MAX_GOLDEN_BYTES = 60_000


def generate_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """Make an ECDSA P-256 key and store it as PEM that only this user may read.

    The file appears whole or not at all, and never replaces another: raises BadKeyError when there is one.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".key-")  # mode 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(handle)
        os.link(name, path)
    except FileExistsError as problem:
        raise BadKeyError(
            f"{path} is there already.",
            remedy="Load it with load_key. Devices trust that key: replacing it strands them.",
        ) from problem
    finally:
        Path(name).unlink()
    return key


def load_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """Read a key that `generate_key` or `imgtool keygen -t ecdsa-p256` wrote; raises BadKeyError."""
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except OSError as problem:
        raise BadKeyError(
            f"The signing key cannot be read: {problem}", remedy="Check its path and owner, or generate one."
        ) from problem
    except (ValueError, TypeError, UnsupportedAlgorithm) as problem:
        raise BadKeyError(
            f"{path} holds no unencrypted PEM private key.", remedy="Make one: imgtool keygen -t ecdsa-p256 -k FILE."
        ) from problem
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise BadKeyError(f"{path} is no ECDSA P-256 key.", remedy="Make one: imgtool keygen -t ecdsa-p256 -k FILE.")
    return key


def public_pem(private: ec.EllipticCurvePrivateKey) -> bytes:
    """The public half as PEM: what a bootloader is built with and `imgtool verify -k` takes."""
    return private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def key_id(private: ec.EllipticCurvePrivateKey) -> str:
    """The sha256 of the public key in DER: the key hash that stands in every image it signs."""
    der = private.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()


def sign_image(
    payload: bytes,
    *,
    key: ec.EllipticCurvePrivateKey,
    kind: ImageKind,
    version: str,
    security_counter: int,
    board: str,
    model_sha256: bytes,
    golden_outputs: Sequence[bytes],
    slot: str,
    slot_size: int,
    abi: bytes | None = None,
) -> bytes:
    """The signed firmware or model: 0x200 bytes of header, payload, protected TLVs, hash, key hash and signature.

    `version` is `major.minor.revision+build`, `golden_outputs` one byte string per vector (its output tensors
    concatenated), `slot` and `slot_size` the name and size in bytes of the board's slot that it is linked for, `abi`
    what firmware and model must agree in (32 bytes) when the build has one. The same arguments give the same bytes:
    the signature's nonce is derived (RFC 6979). Raises BadFirmwareError and FirmwareTooLargeError.
    """
    tlvs = {
        TLV_BOARD: board.encode("utf-8"),
        TLV_MODEL: model_sha256,
        TLV_GOLDEN: _golden_tlv(golden_outputs),
        **({} if abi is None else {TLV_ABI: abi}),
        TLV_KIND: _KINDS[kind],
        **({TLV_SLOT: _SLOTS[slot]} if kind is ImageKind.MODEL and slot in _SLOTS else {}),
    }
    number = _check(payload, version, security_counter, tlvs)
    public = ECDSA256P1Public(key.public_key())
    assemble = functools.partial(
        _assemble, payload, number, security_counter=security_counter, slot_size=slot_size, tlvs=tlvs, public=public
    )
    unsigned = assemble(signature=b"")
    # The key stays out of imgtool: it hashes, the key (here or in a vault) signs the hash, and it assembles again.
    algorithm = ec.ECDSA(Prehashed(hashes.SHA256()), deterministic_signing=True)
    signature = key.sign(unsigned.image_hash, algorithm)
    return bytes(assemble(signature=signature).payload)


def sign_detached(content: bytes, *, key: ec.EllipticCurvePrivateKey) -> str:
    """The signature of a file that keeps its own format: ECDSA P-256 over its SHA-256, DER in base64; repeatable."""
    signature = key.sign(content, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
    return base64.b64encode(signature).decode("ascii")


def _assemble(
    payload: bytes,
    version: FirmwareVersion,
    *,
    security_counter: int,
    slot_size: int,
    tlvs: dict[int, bytes],
    public: ECDSA256P1Public,
    signature: bytes,
) -> Image:
    image = Image(
        version=SemiSemVersion(version.major, version.minor, version.revision, version.build),
        header_size=HEADER_SIZE,
        pad_header=True,
        slot_size=slot_size,
        security_counter=security_counter,
    )
    # What Image.load does with a file.
    image.payload = b"\xff" * HEADER_SIZE + payload
    image.image_size = len(payload)
    try:
        image.create(None, "hash", None, custom_tlvs=tlvs, fixed_sig={"value": signature}, pub_key=public)
    except click.UsageError as problem:
        raise FirmwareTooLargeError(
            f"The signed image does not fit its slot of {slot_size} bytes: {problem.message}.",
            remedy="Build a smaller model, or for a board with a larger slot.",
        ) from problem
    return image


def _check(payload: bytes, version: str, security_counter: int, tlvs: dict[int, bytes]) -> FirmwareVersion:
    try:
        number = FirmwareVersion.parse(version)
    except ValueError as problem:
        raise BadFirmwareError(str(problem), remedy="Give a version like 1.0.0+305419896.", field="/version") from None
    for field, wrong, message in (
        ("/payload", len(payload) < _MIN_PAYLOAD_BYTES, "The payload is too short for a vector table or a header."),
        ("/security_counter", not 0 <= security_counter <= 0xFFFFFFFF, "The security counter is no u32."),
        ("/board", not 1 <= len(tlvs[TLV_BOARD]) <= 64, "The board's name has not 1 to 64 bytes."),
        ("/model_sha256", len(tlvs[TLV_MODEL]) != hashlib.sha256().digest_size, "The model's sha256 has not 32 bytes."),
        ("/abi", len(tlvs.get(TLV_ABI, bytes(32))) != hashlib.sha256().digest_size, "The ABI hash has not 32 bytes."),
    ):
        if wrong:
            raise BadFirmwareError(message, remedy="The format is docs/reference/image-format.md.", field=field)
    return number


def _golden_tlv(outputs: Sequence[bytes]) -> bytes:
    """Encode as u16 number of vectors, u32 bytes in each, then the outputs; little-endian."""
    sizes = {len(output) for output in outputs}
    if len(outputs) > MAX_VECTORS or len(sizes) > 1 or sum(map(len, outputs)) > _MAX_GOLDEN_BYTES:
        raise BadFirmwareError(
            f"{len(outputs)} golden outputs of {sorted(sizes)} bytes are not at most {MAX_VECTORS} of one size, "
            f"{_MAX_GOLDEN_BYTES} bytes together.",
            remedy="Take fewer golden vectors, all of the same model.",
            field="/golden_outputs",
        )
    return struct.pack("<HI", len(outputs), max(sizes, default=0)) + b"".join(outputs)
