"""The builder contract, version 1: its documents as types, and the only ways in and out of their JSON."""

from builders.contract.documents import (
    CONTRACT,
    Board,
    BuiltImage,
    Failure,
    FirmwareVersion,
    ImageKind,
    Manifest,
    Memory,
    ModelRef,
    ModelSlot,
    Operator,
    Result,
    Section,
    Slot,
    Success,
    Tensor,
)
from builders.contract.manifest import LABEL, check_parameters, parse_manifest
from builders.contract.request import MAX_VECTORS, GoldenVector, build_request_json, golden_json
from builders.contract.result import RESULT_FILE, RESULT_MAX_BYTES, parse_result

__all__ = [
    "CONTRACT",
    "LABEL",
    "MAX_VECTORS",
    "RESULT_FILE",
    "RESULT_MAX_BYTES",
    "Board",
    "BuiltImage",
    "Failure",
    "FirmwareVersion",
    "GoldenVector",
    "ImageKind",
    "Manifest",
    "Memory",
    "ModelRef",
    "ModelSlot",
    "Operator",
    "Result",
    "Section",
    "Slot",
    "Success",
    "Tensor",
    "build_request_json",
    "check_parameters",
    "golden_json",
    "parse_manifest",
    "parse_result",
]
