"""Reads the result.json that a builder wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from builders.contract.documents import (
    Basis,
    BuiltImage,
    Cost,
    Estimate,
    Failure,
    FirmwareVersion,
    ImageKind,
    LayerCost,
    Memory,
    ModelSlot,
    Operator,
    Performance,
    Result,
    Section,
    Success,
)
from builders.contract.schema import REMEDY, load, validate
from builders.errors import BadResultError

if TYPE_CHECKING:
    from collections.abc import Mapping

RESULT_FILE = "result.json"
RESULT_MAX_BYTES = 262_144


def parse_result(data: bytes) -> Result:
    """Read untrusted result.json bytes; raise BadResultError with the field at fault."""
    document = load(data, max_bytes=RESULT_MAX_BYTES, error=BadResultError)
    validate(document, "result", error=BadResultError)
    if document["status"] == "failed":
        error = document["error"]
        return Failure(error["code"], error["message"], error.get("hint", ""))
    if document["status"] == "estimated":
        return Estimate(
            memory=Memory(**document["memory"]),
            operators=_operators(document),
            toolchain=document["toolchain"],
            performance=_performance(document["performance"]),
        )
    images: list[BuiltImage] = []
    for index, image in enumerate(document["images"]):
        try:
            version = FirmwareVersion.parse(image["version"])
        except ValueError as problem:
            raise BadResultError(str(problem), remedy=REMEDY, field=f"/images/{index}/version") from problem
        if any(image["file"] == other.file for other in images):
            raise BadResultError(
                f"Two images share the file {image['file']!r}.",
                remedy="Write each image to a file of its own.",
                field=f"/images/{index}/file",
            )
        images.append(
            BuiltImage(
                kind=ImageKind(image["kind"]),
                file=image["file"],
                format=image["format"],
                sha256=image["sha256"],
                load_address=image["load_address"],
                version=version,
            )
        )
    slot, performance = document.get("model_slot"), document.get("performance")
    return Success(
        images=tuple(images),
        sections=tuple(Section(s["name"], s["address"], s["size"]) for s in document["sections"]),
        memory=Memory(**document["memory"]),
        operators=_operators(document),
        toolchain=document["toolchain"],
        model_slot=None if slot is None else ModelSlot(slot["abi"], slot["size"], slot["arena_bytes"]),
        performance=None if performance is None else _performance(performance),
    )


def _operators(document: Mapping[str, Any]) -> tuple[Operator, ...]:
    return tuple(Operator(o["name"], o["count"]) for o in document["operators"])


def _performance(document: Mapping[str, Any]) -> Performance:
    return Performance(
        basis=Basis(document["basis"]),
        total=_cost(document),
        layers=tuple(LayerCost(layer["name"], layer["operator"], _cost(layer)) for layer in document.get("layers", ())),
        details=document.get("details", {}),
        notes=tuple(document.get("notes", ())),
    )


def _cost(document: Mapping[str, Any]) -> Cost:
    return Cost(*(document.get(name) for name in ("seconds", "cycles", "instructions", "macs")))
