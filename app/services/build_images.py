"""The images of a build: checked against the board, signed each in its way, and made into artifacts."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from app.services.models import golden_outputs
from app.storage.blobs import BlobStore
from app.storage.tables import ArtifactRow, BuildRow, ModelVersionRow
from builders.contract import Board, BuiltImage, FirmwareVersion, ImageKind, Success
from builders.errors import BadResultError
from builders.signing import sign_detached, sign_image

MCUBOOT_FORMAT = "bin"
"""Images of this format lie in the device's memory as they are, so they are signed as MCUboot images."""

PRIMARY = (ImageKind.FIRMWARE, ImageKind.MODEL)
"""What a build is for, the best first: a build makes one of these at least."""


@dataclass(frozen=True)
class RawImage:
    """An image as the builder made it, its bytes in the blob store; plain values, because a job's step passes it on."""

    kind: str
    file: str
    format: str
    slot: str
    blob: str

    @classmethod
    def of(cls, document: Mapping[str, str]) -> Self:
        """From what `to_json` gave."""
        return cls(**document)

    def to_json(self) -> dict[str, str]:
        """Plain JSON values."""
        return asdict(self)


def accept_images(
    result: Success, files: Mapping[str, bytes], *, version: str, board: Board, blobs: BlobStore
) -> list[RawImage]:
    """Keep a build's images, unsigned. Raises BadResultError for images that the request or the board forbids."""
    if not any(image.kind in PRIMARY for image in result.images):
        raise BadResultError(
            "The builder made neither firmware nor a model.",
            remedy="List an image of kind firmware or model in result.json.",
            field="/images",
        )
    return [
        RawImage(
            kind=image.kind.value,
            file=image.file,
            format=image.format,
            slot=_slot(index, image, version, board),
            blob=blobs.put(files[image.file]),
        )
        for index, image in enumerate(result.images)
    ]


def _slot(index: int, image: BuiltImage, version: str, board: Board) -> str:
    # A bootloader has versions of its own: it is the same whatever firmware it starts.
    if image.kind in PRIMARY and image.version != FirmwareVersion.parse(version):
        raise BadResultError(
            f"The builder was asked for version {version} and {image.file} has version {image.version}.",
            remedy="The builder must take firmware_version from build.json.",
            field=f"/images/{index}/version",
        )
    slot = board.slot_for(image.kind, image.load_address)
    if slot is None:
        raise BadResultError(
            f"{image.file} is loaded at {image.load_address:#x}, where board {board.name} has no slot for images of "
            f"kind {image.kind.value}.",
            remedy=f"Correct load_address, or add a slot named {image.kind.value} to the board in the manifest.",
            field=f"/images/{index}/load_address",
        )
    return slot


class ImageSigner:
    """Signs the images of builds with the server's key."""

    def __init__(self, blobs: BlobStore, key: EllipticCurvePrivateKey) -> None:
        self._blobs = blobs
        self._key = key

    def artifacts(
        self, row: BuildRow, version: ModelVersionRow, board: Board, images: Sequence[RawImage], abi: str | None
    ) -> list[ArtifactRow]:
        """One artifact for each image, its bytes stored; nothing is written to the database. Raises SigningError."""
        return [self._artifact(row, version, board, image, abi) for image in images]

    def _artifact(
        self, row: BuildRow, version: ModelVersionRow, board: Board, image: RawImage, abi: str | None
    ) -> ArtifactRow:
        content = self._blobs.get(image.blob)
        signature = None
        if image.kind in PRIMARY and image.format == MCUBOOT_FORMAT:
            content = sign_image(
                content,
                key=self._key,
                kind=ImageKind(image.kind),
                version=row.firmware_version,
                security_counter=row.security_counter,
                board=row.board,
                model_sha256=bytes.fromhex(row.model_sha256),
                golden_outputs=list(golden_outputs(version.golden)),
                slot=image.slot,
                slot_size=board.slots[image.slot].size,
                abi=bytes.fromhex(abi) if abi else None,
            )
        elif image.kind in PRIMARY:
            signature = sign_detached(content, key=self._key)
        return ArtifactRow(
            sha256=self._blobs.put(content),
            kind=image.kind,
            format=image.format,
            slot=image.slot,
            abi=abi if image.kind in PRIMARY else None,
            signature=signature,
            size=len(content),
            board=row.board,
            firmware_version=row.firmware_version,
            security_counter=row.security_counter,
            model=row.model,
            version=row.version,
            model_sha256=row.model_sha256,
            builder_digest=row.builder_digest,
            build_id=row.id,
        )


def listed(images: Sequence[RawImage], artifacts: Sequence[ArtifactRow]) -> list[dict[str, Any]]:
    """What a build says of its artifacts, in the builder's order."""
    return [
        {
            "sha256": artifact.sha256,
            "kind": artifact.kind,
            "format": artifact.format,
            "file": image.file,
            "slot": artifact.slot,
            "size": artifact.size,
        }
        for image, artifact in zip(images, artifacts, strict=True)
    ]


def primary(artifacts: Sequence[ArtifactRow]) -> ArtifactRow:
    """What an update of a device delivers: the firmware if there is any, else the first model."""
    return min(
        (artifact for artifact in artifacts if artifact.kind in PRIMARY),
        key=lambda made: PRIMARY.index(ImageKind(made.kind)),
    )
