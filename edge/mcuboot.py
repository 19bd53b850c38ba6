"""Bounded parser and verifier of signed firmware images in MCUboot format.

The layout is docs/reference/image-format.md: a 0x200-byte header, the payload, protected TLVs and the unprotected
TLVs with hash, key hash and signature. Everything is little-endian. The signature is checked before any TLV of our
own is read.
"""

import hashlib
import re
import struct
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import NamedTuple, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

from edge.errors import EdgeError
from lwm2m.firmware import UpdateResult

HEADER = struct.Struct("<IIHHIIBBHII")
HEADER_MAGIC = 0x96F3B83D
HEADER_SIZE = 0x200
PROTECTED_TLV_MAGIC = 0x6908
TLV_MAGIC = 0x6907
TLV_INFO = struct.Struct("<HH")
GOLDEN_HEADER = struct.Struct("<HI")
MAX_GOLDEN_VECTORS = 16
VECTOR_TABLE_START = 8  # initial stack pointer and reset handler

_VERSION = re.compile(r"(\d{1,3})\.(\d{1,3})\.(\d{1,5})(?:\+(\d{1,10}))?", re.ASCII)


class Tag(IntEnum):
    """TLV types that this project reads: MCUboot's own and the vendor range of image-format.md."""

    KEY_HASH = 0x01
    SHA256 = 0x10
    ECDSA_SIGNATURE = 0x22
    SECURITY_COUNTER = 0x50
    BOARD = 0xA0
    MODEL_SHA256 = 0xA1
    GOLDEN_OUTPUTS = 0xA2
    KIND = 0xA4


FIRMWARE_KIND = b"\x00"


class Refusal(StrEnum):
    """Why an image is refused; the value is the word used in logs and in the board's report."""

    TOO_LARGE = "too-large"
    WRONG_MAGIC = "wrong-magic"
    UNSUPPORTED_HEADER = "unsupported-header"
    TRUNCATED = "truncated"
    MALFORMED = "malformed"
    UNSIGNED = "unsigned"
    WRONG_HASH = "wrong-hash"
    WRONG_KEY = "wrong-key"
    WRONG_SIGNATURE = "wrong-signature"
    MISSING_FIELD = "missing-field"
    WRONG_BOARD = "wrong-board"
    WRONG_KIND = "wrong-kind"
    OLDER_COUNTER = "older-security-counter"


_RESULTS = {
    Refusal.TOO_LARGE: UpdateResult.NOT_ENOUGH_FLASH,
    Refusal.WRONG_MAGIC: UpdateResult.UNSUPPORTED_PACKAGE,
    Refusal.UNSUPPORTED_HEADER: UpdateResult.UNSUPPORTED_PACKAGE,
    Refusal.TRUNCATED: UpdateResult.INTEGRITY_FAILURE,
    Refusal.MALFORMED: UpdateResult.INTEGRITY_FAILURE,
    Refusal.UNSIGNED: UpdateResult.INTEGRITY_FAILURE,
    Refusal.WRONG_HASH: UpdateResult.INTEGRITY_FAILURE,
    Refusal.WRONG_KEY: UpdateResult.INTEGRITY_FAILURE,
    Refusal.WRONG_SIGNATURE: UpdateResult.INTEGRITY_FAILURE,
    Refusal.MISSING_FIELD: UpdateResult.UNSUPPORTED_PACKAGE,
    Refusal.WRONG_BOARD: UpdateResult.UNSUPPORTED_PACKAGE,
    Refusal.WRONG_KIND: UpdateResult.UNSUPPORTED_PACKAGE,
    Refusal.OLDER_COUNTER: UpdateResult.UPDATE_FAILED,
}


class ImageRefused(EdgeError):
    """An image that must not be flashed: why, in a word and a sentence, and the Object 5 result that says so."""

    def __init__(self, reason: Refusal, detail: str) -> None:
        super().__init__(f"{reason.value}: {detail}")
        self.reason = reason
        self.detail = detail
        self.result = _RESULTS[reason]


class Version(NamedTuple):
    """`major.minor.revision+build` as the MCUboot header holds it (u8, u8, u16, u32)."""

    major: int
    minor: int
    revision: int
    build: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.revision}+{self.build}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `1.2.3` or `1.2.3+4`; ValueError when it is neither or a field does not fit its width."""
        match = _VERSION.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is not major.minor.revision+build")
        version = cls(*(int(group or 0) for group in match.groups()))
        if any(field >= limit for field, limit in zip(version, (1 << 8, 1 << 8, 1 << 16, 1 << 32), strict=True)):
            raise ValueError(f"{text!r} has a field that does not fit the image header")
        return version


@dataclass(frozen=True, slots=True)
class FirmwareImage:
    """A signed image taken apart: what it is, for which board, and which outputs prove that it works."""

    version: Version
    security_counter: int
    board: str
    model_sha256: str
    golden_outputs: tuple[bytes, ...]
    payload: bytes
    header_size: int
    raw: bytes

    @property
    def sha256(self) -> str:
        """Hex digest of the whole signed file: its name in the image store."""
        return hashlib.sha256(self.raw).hexdigest()


@dataclass(frozen=True, slots=True)
class _Parts:
    """Where the parts of an image lie: bounds are checked, contents are not."""

    version: Version
    signed: bytes
    payload: bytes
    protected: dict[int, bytes]
    unprotected: dict[int, bytes]


def verify(
    image: bytes,
    public_key_pem: bytes,
    *,
    board: str | None = None,
    minimum_counter: int = 0,
    slot_size: int | None = None,
) -> FirmwareImage:
    """Accept an image signed with the key, for the board, not older than the counter; ImageRefused otherwise."""
    if slot_size is not None and len(image) > slot_size:
        raise ImageRefused(Refusal.TOO_LARGE, f"{len(image)} bytes do not fit the slot of {slot_size}")
    parts = _split(image)
    _authenticate(parts, public_key_pem)
    firmware = _describe(parts, image)
    if board is not None and firmware.board != board:
        raise ImageRefused(Refusal.WRONG_BOARD, f"the image is for {firmware.board!r}, this board is {board!r}")
    if firmware.security_counter < minimum_counter:
        raise ImageRefused(
            Refusal.OLDER_COUNTER,
            f"security counter {firmware.security_counter} is below {minimum_counter}, which was accepted before",
        )
    return firmware


def parse(image: bytes) -> FirmwareImage:
    """Take apart an image that was verified when it was accepted (its key may have been replaced since)."""
    return _describe(_split(image), image)


def _split(image: bytes) -> _Parts:
    if len(image) < 4 or int.from_bytes(image[:4], "little") != HEADER_MAGIC:
        raise ImageRefused(Refusal.WRONG_MAGIC, "the file does not begin as an MCUboot image")
    if len(image) < HEADER.size:
        raise ImageRefused(Refusal.TRUNCATED, "the header is cut off")
    _, _, header_size, protected_size, payload_size, flags, *version, _ = HEADER.unpack_from(image)
    if header_size != HEADER_SIZE:
        raise ImageRefused(Refusal.UNSUPPORTED_HEADER, f"header of {header_size:#x} bytes, expected {HEADER_SIZE:#x}")
    if flags != 0:
        raise ImageRefused(Refusal.UNSUPPORTED_HEADER, f"flags {flags:#x} (encrypted, compressed or not bootable)")
    if payload_size < VECTOR_TABLE_START:
        raise ImageRefused(Refusal.UNSUPPORTED_HEADER, "the payload has no room for a vector table")
    payload_end = header_size + payload_size
    signed_end = payload_end + protected_size
    if signed_end + TLV_INFO.size > len(image):
        raise ImageRefused(Refusal.TRUNCATED, f"{len(image)} bytes, the header announces more than {signed_end}")
    protected = _entries(image[payload_end:signed_end], PROTECTED_TLV_MAGIC) if protected_size else {}
    return _Parts(
        version=Version(*version),
        signed=image[:signed_end],
        payload=image[header_size:payload_end],
        protected=protected,
        unprotected=_entries(image[signed_end:], TLV_MAGIC),
    )


def _entries(area: bytes, magic: int) -> dict[int, bytes]:
    """The TLVs of one area, which must fill it exactly and hold no type twice."""
    if len(area) < TLV_INFO.size:
        raise ImageRefused(Refusal.MALFORMED, "a TLV area is smaller than its own header")
    found_magic, total = TLV_INFO.unpack_from(area)
    if found_magic != magic:
        raise ImageRefused(Refusal.MALFORMED, f"TLV area magic {found_magic:#06x}, expected {magic:#06x}")
    if total > len(area):
        raise ImageRefused(Refusal.TRUNCATED, f"a TLV area announces {total} bytes and has {len(area)}")
    if total < len(area):
        raise ImageRefused(Refusal.MALFORMED, f"{len(area) - total} bytes follow the last TLV")
    entries: dict[int, bytes] = {}
    offset = TLV_INFO.size
    while offset < total:
        if offset + TLV_INFO.size > total:
            raise ImageRefused(Refusal.MALFORMED, "a TLV header is cut off")
        tag, length = TLV_INFO.unpack_from(area, offset)
        offset += TLV_INFO.size
        if offset + length > total:
            raise ImageRefused(Refusal.MALFORMED, f"TLV {tag:#06x} is longer than its area")
        if tag in entries:
            raise ImageRefused(Refusal.MALFORMED, f"TLV {tag:#06x} appears twice")
        entries[tag] = area[offset : offset + length]
        offset += length
    return entries


def load_public_key(pem: bytes) -> ec.EllipticCurvePublicKey:
    """The key that images are checked with; ValueError when the PEM holds no ECDSA P-256 public key."""
    key = serialization.load_pem_public_key(pem)
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError("the PEM holds another kind of key than ECDSA P-256")  # noqa: TRY004 - the content is wrong
    return key


def _authenticate(parts: _Parts, public_key_pem: bytes) -> None:
    key = load_public_key(public_key_pem)
    encoded = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    if _required(parts.unprotected, Tag.KEY_HASH, Refusal.UNSIGNED) != hashlib.sha256(encoded).digest():
        raise ImageRefused(Refusal.WRONG_KEY, "the image is signed with a key that this board does not trust")
    signature = _required(parts.unprotected, Tag.ECDSA_SIGNATURE, Refusal.UNSIGNED)
    digest = hashlib.sha256(parts.signed).digest()
    if _required(parts.unprotected, Tag.SHA256, Refusal.UNSIGNED) != digest:
        raise ImageRefused(Refusal.WRONG_HASH, "the SHA-256 in the image is not that of its content")
    try:
        key.verify(signature, digest, ec.ECDSA(utils.Prehashed(hashes.SHA256())))
    except InvalidSignature as error:
        raise ImageRefused(Refusal.WRONG_SIGNATURE, "the ECDSA signature does not fit the image") from error


def _describe(parts: _Parts, image: bytes) -> FirmwareImage:
    counter = _required(parts.protected, Tag.SECURITY_COUNTER)
    model = _required(parts.protected, Tag.MODEL_SHA256)
    if len(counter) != 4 or len(model) != 32:
        raise ImageRefused(Refusal.MALFORMED, "the security counter or the model digest has the wrong length")
    if parts.protected.get(Tag.KIND, FIRMWARE_KIND) != FIRMWARE_KIND:  # images from before the field have none
        raise ImageRefused(Refusal.WRONG_KIND, "the image is a model, or something newer, and not firmware")
    try:
        board = _required(parts.protected, Tag.BOARD).decode()
    except UnicodeDecodeError as error:
        raise ImageRefused(Refusal.MALFORMED, "the board name is not UTF-8") from error
    return FirmwareImage(
        version=parts.version,
        security_counter=int.from_bytes(counter, "little"),
        board=board,
        model_sha256=model.hex(),
        golden_outputs=_golden_outputs(_required(parts.protected, Tag.GOLDEN_OUTPUTS)),
        payload=parts.payload,
        header_size=HEADER_SIZE,
        raw=image,
    )


def _golden_outputs(field: bytes) -> tuple[bytes, ...]:
    if len(field) < GOLDEN_HEADER.size:
        raise ImageRefused(Refusal.MALFORMED, "the golden outputs are cut off")
    vectors, size = GOLDEN_HEADER.unpack_from(field)
    if not 1 <= vectors <= MAX_GOLDEN_VECTORS or size == 0:
        raise ImageRefused(Refusal.MALFORMED, f"{vectors} golden vectors of {size} bytes prove nothing")
    outputs = field[GOLDEN_HEADER.size :]
    if len(outputs) != vectors * size:
        raise ImageRefused(Refusal.MALFORMED, f"{len(outputs)} golden bytes, expected {vectors} x {size}")
    return tuple(outputs[index * size : (index + 1) * size] for index in range(vectors))


def _required(entries: dict[int, bytes], tag: Tag, missing: Refusal = Refusal.MISSING_FIELD) -> bytes:
    try:
        return entries[tag]
    except KeyError:
        raise ImageRefused(missing, f"the image has no {tag.name} field") from None
