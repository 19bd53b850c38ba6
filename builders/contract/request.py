"""Writes build.json and golden.json: canonical bytes, checked against their schemas before a builder sees them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from builders.contract.documents import CONTRACT, FirmwareVersion, ModelRef, Tensor
from builders.contract.schema import load, validate
from builders.errors import BadRequestError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MODEL_FILE = "model.tflite"
MAX_VECTORS = 16
BUILD_MAX_BYTES = 262_144
GOLDEN_MAX_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True)
class GoldenVector:
    """Raw little-endian bytes, one per input tensor and one per output tensor."""

    inputs: tuple[bytes, ...]
    outputs: tuple[bytes, ...]


def build_request_json(
    *,
    model: ModelRef,
    inputs: Sequence[Tensor],
    outputs: Sequence[Tensor],
    board: str,
    parameters: Mapping[str, object],
    firmware_version: FirmwareVersion,
    source_date_epoch: int,
    estimate: bool = False,
) -> bytes:
    """The bytes of build.json: the same arguments give the same bytes. Raises BadRequestError.

    An estimate is for builders whose manifest offers it: to the others, `mode` is an unknown word.
    """
    return _write(
        {
            "contract": CONTRACT,
            **({"mode": "estimate"} if estimate else {}),
            "model": {**asdict(model), "file": MODEL_FILE},
            "tensors": {"inputs": [asdict(t) for t in inputs], "outputs": [asdict(t) for t in outputs]},
            "board": board,
            "parameters": dict(parameters),
            "firmware_version": str(firmware_version),
            "source_date_epoch": source_date_epoch,
        },
        "build",
        BUILD_MAX_BYTES,
    )


def golden_json(vectors: Sequence[GoldenVector], *, tolerance: float = 0) -> bytes:
    """The bytes of golden.json; `tolerance` is the largest accepted difference per element. Raises BadRequestError."""
    return _write(
        {
            "contract": CONTRACT,
            "tolerance": tolerance,
            "vectors": [
                {"inputs": [part.hex() for part in v.inputs], "outputs": [part.hex() for part in v.outputs]}
                for v in vectors
            ],
        },
        "golden",
        GOLDEN_MAX_BYTES,
    )


def _write(document: dict[str, object], schema: str, max_bytes: int) -> bytes:
    try:
        data = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
    except (TypeError, ValueError, RecursionError) as problem:
        raise BadRequestError(
            f"The request has no JSON form: {problem}", remedy="Give parameters that are plain JSON values.", field=""
        ) from problem
    # Read back: a tuple has become a list, and what a builder will parse is what is validated.
    validate(load(data, max_bytes=max_bytes, error=BadRequestError), schema, error=BadRequestError)
    return data
