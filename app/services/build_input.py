"""What a builder finds in /in, made from a model version and a request."""

from typing import Any

from app.storage.blobs import BlobStore
from app.storage.tables import ModelVersionRow
from builders.contract import FirmwareVersion, GoldenVector, ModelRef, Tensor, build_request_json, golden_json
from builders.runner import BuildInput

SOURCE_DATE_EPOCH = 1_767_225_600
"""2026-01-01: one date for every build, so that time does not get into the bytes."""

NO_VERSION = "0.0.0+0"
"""Of an estimate: nothing is built that could have one."""


def build_input(
    blobs: BlobStore,
    version: ModelVersionRow,
    *,
    board: str,
    parameters: dict[str, Any],
    firmware_version: str = NO_VERSION,
    estimate: bool = False,
) -> BuildInput:
    """The three files. Raises BadRequestError."""
    vectors = [
        GoldenVector(
            inputs=tuple(bytes.fromhex(value) for value in vector["inputs"]),
            outputs=tuple(bytes.fromhex(value) for value in vector["outputs"]),
        )
        for vector in version.golden["vectors"]
    ]
    return BuildInput(
        model=blobs.get(version.sha256),
        build_json=build_request_json(
            model=ModelRef(name=version.model, version=version.version, sha256=version.sha256),
            inputs=_tensors(version.report["inputs"]),
            outputs=_tensors(version.report["outputs"]),
            board=board,
            parameters=parameters,
            firmware_version=FirmwareVersion.parse(firmware_version),
            source_date_epoch=SOURCE_DATE_EPOCH,
            estimate=estimate,
        ),
        golden_json=golden_json(vectors),
    )


def _tensors(items: list[dict[str, Any]]) -> list[Tensor]:
    return [
        Tensor(item["name"], tuple(item["shape"]), item["dtype"], item["scale"] or 0.0, item["zero_point"] or 0)
        for item in items
    ]
