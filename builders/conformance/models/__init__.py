"""The models that the kit builds with: two that every builder takes, and one that no builder can."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from importlib import resources

from builders.contract import (
    FirmwareVersion,
    GoldenVector,
    ModelRef,
    Tensor,
    build_request_json,
    golden_json,
)

SOURCE_DATE_EPOCH = 1_000_000_000
"""September 2001: no build that keeps to it can hold the day on which the kit ran."""


@dataclass(frozen=True)
class ConformanceModel:
    """A model, its tensors, and golden vectors that an oracle computed."""

    name: str
    content: bytes
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    vectors: tuple[GoldenVector, ...]


@dataclass(frozen=True)
class ConformanceModels:
    """What a builder is tried with.

    It must build `valid` and `other`, and refuse `unsupported` with a message that says `unsupported_operator`.
    """

    valid: ConformanceModel
    other: ConformanceModel
    unsupported: ConformanceModel
    unsupported_operator: str


def shipped_models() -> ConformanceModels:
    """The models of this folder; `make.py` wrote them."""
    folder = resources.files("builders.conformance.models")
    described = json.loads((folder / "models.json").read_text("utf-8"))
    valid, other = (
        ConformanceModel(
            name=name,
            content=(folder / f"{name}.tflite").read_bytes(),
            inputs=tuple(_tensor(item) for item in described[name]["inputs"]),
            outputs=tuple(_tensor(item) for item in described[name]["outputs"]),
            vectors=tuple(
                GoldenVector(
                    inputs=tuple(map(bytes.fromhex, vector["inputs"])),
                    outputs=tuple(map(bytes.fromhex, vector["outputs"])),
                )
                for vector in described[name]["vectors"]
            ),
        )
        for name in ("dense", "conv")
    )
    unknown = Tensor("x", (1, 8), "int8", 1 / 64, 0)
    custom = ConformanceModel("custom", (folder / "custom.tflite").read_bytes(), (unknown,), (unknown,), ())
    return ConformanceModels(valid, other, custom, "TINYMLAAS_NO_SUCH_OPERATOR")


def input_files(
    model: ConformanceModel, *, board: str, version: FirmwareVersion, estimate: bool = False
) -> dict[str, bytes]:
    """The three files of /in for a build of this model, or for an estimate."""
    return {
        "model.tflite": model.content,
        "build.json": build_request_json(
            model=ModelRef(model.name, 1, hashlib.sha256(model.content).hexdigest()),
            inputs=model.inputs,
            outputs=model.outputs,
            board=board,
            parameters={},
            firmware_version=version,
            source_date_epoch=SOURCE_DATE_EPOCH,
            estimate=estimate,
        ),
        "golden.json": golden_json(model.vectors),
    }


def _tensor(item: dict[str, object]) -> Tensor:
    shape = item["shape"]
    if not isinstance(shape, list):
        raise TypeError("models.json names a tensor without a shape")
    return Tensor(
        str(item["name"]), tuple(shape), str(item["dtype"]), float(str(item["scale"])), int(str(item["zero_point"]))
    )
