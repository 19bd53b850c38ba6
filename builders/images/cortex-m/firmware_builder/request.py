"""Reads and checks build.json and golden.json; nothing in them becomes a path or a command."""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from compiler.errors import Code, CompileError
from compiler.graph import Graph, Tensor

CONTRACT = 1
MODEL_FILE = "model.tflite"
MAX_DOCUMENT_BYTES = 256 * 1024 * 1024
MAX_VECTORS = 16
ALONE_VECTORS = 4
PARAMETERS = {"optimise", "profile", "trainable_head"}
_VERSION = re.compile(r"(\d{1,3})\.(\d{1,3})\.(\d{1,5})\+(\d{1,10})")
_VERSION_LIMITS = (255, 255, 65535, 4294967295)
_HINT = "See docs/reference/builder-contract.md."


class Optimise(StrEnum):
    """The parameter `optimise`."""

    BALANCED = "balanced"
    SPEED = "speed"
    SIZE = "size"


@dataclass(frozen=True, slots=True)
class Request:
    """What to build, apart from the model's bytes."""

    board: str
    optimise: Optimise
    profile: bool
    trainable_head: bool
    estimate: bool
    firmware_version: str
    model_sha256: str
    tensors: tuple[tuple[tuple[int, ...], str], ...] | None
    """Shape and type of the inputs, then of the outputs, as the server knows them."""


def bad_request(message: str) -> CompileError:
    """A document that does not follow the contract."""
    return CompileError(Code.BAD_REQUEST, message, _HINT)


def read_file(path: Path, limit: int) -> bytes:
    """A regular file's bytes, or a refusal."""
    try:
        with path.open("rb") as stream:
            data = stream.read(limit + 1)
    except OSError as error:
        raise bad_request(f"{path.name} cannot be read: {error.strerror}") from error
    if len(data) > limit:
        raise CompileError(Code.MODEL_TOO_LARGE, f"{path.name} has more than {limit} bytes", "Use a smaller model.")
    return data


def _document(path: Path) -> dict[str, object]:
    try:
        document = json.loads(read_file(path, MAX_DOCUMENT_BYTES))
    except (ValueError, RecursionError) as error:
        raise bad_request(f"{path.name} is not JSON") from error
    if not isinstance(document, dict):
        raise bad_request(f"{path.name} is not a JSON object")
    if document.get("contract") != CONTRACT or isinstance(document["contract"], bool):
        raise bad_request(f"{path.name} does not follow contract {CONTRACT}")
    return document


def _object(document: dict[str, object], name: str) -> dict[str, object]:
    value = document.get(name)
    if not isinstance(value, dict):
        raise bad_request(f"{name} is missing or not an object")
    return value


def _text(document: dict[str, object], name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str):
        raise bad_request(f"{name} is missing or not a string")
    return value


def _list(document: dict[str, object], name: str) -> list[object]:
    value = document.get(name)
    if not isinstance(value, list):
        raise bad_request(f"{name} is missing or not a list")
    return value


def read_request(folder: Path, model: bytes) -> Request:
    """build.json, checked also against the model that came with it."""
    document = _document(folder / "build.json")
    described = _object(document, "model")
    if _text(described, "file") != MODEL_FILE:
        raise bad_request(f"model.file is not {MODEL_FILE}")
    sha256 = hashlib.sha256(model).hexdigest()
    if _text(described, "sha256") != sha256:
        raise bad_request(f"model.sha256 is not that of {MODEL_FILE}, which is {sha256}")
    tensors = _object(document, "tensors")
    parameters = _object(document, "parameters")
    _check_parameters(parameters)
    return Request(
        board=_text(document, "board"),
        optimise=_optimise(parameters),
        profile=_switch(parameters, "profile"),
        trainable_head=_switch(parameters, "trainable_head"),
        estimate=_estimate(document),
        firmware_version=_version(_text(document, "firmware_version")),
        model_sha256=sha256,
        tensors=tuple(_tensor(item) for name in ("inputs", "outputs") for item in _list(tensors, name)),
    )


def default_request(board: str, model: bytes, *, trainable_head: bool = False) -> Request:
    """What stands in for build.json on a partner's desk."""
    return Request(
        board=board,
        optimise=Optimise.BALANCED,
        profile=False,
        trainable_head=trainable_head,
        estimate=False,
        firmware_version="0.0.0+0",
        model_sha256=hashlib.sha256(model).hexdigest(),
        tensors=None,
    )


def _optimise(parameters: dict[str, object]) -> Optimise:
    value = parameters.get("optimise", Optimise.BALANCED.value)
    if value not in [item.value for item in Optimise]:
        raise bad_request(f"the parameter optimise cannot be {value!r:.80}")
    return Optimise(str(value))


def _switch(parameters: dict[str, object], name: str) -> bool:
    value = parameters.get(name, False)
    if not isinstance(value, bool):
        raise bad_request(f"the parameter {name} cannot be {value!r:.80}")
    return value


def _estimate(document: dict[str, object]) -> bool:
    mode = document.get("mode", "build")
    if mode not in {"build", "estimate"}:
        raise bad_request(f"the mode cannot be {mode!r:.80}")
    return mode == "estimate"


def _check_parameters(parameters: dict[str, object]) -> None:
    unknown = sorted(set(parameters) - PARAMETERS)
    if unknown:
        raise bad_request(f"the parameter {unknown[0]!r:.80} is unknown")


def _version(text: str) -> str:
    match = _VERSION.fullmatch(text)
    parts = [int(part) for part in match.groups()] if match else []
    if not parts or any(part > limit for part, limit in zip(parts, _VERSION_LIMITS, strict=True)):
        raise bad_request(f"firmware_version {text!r:.80} is not major.minor.revision+build (u8.u8.u16+u32)")
    return "{}.{}.{}+{}".format(*parts)


def _tensor(item: object) -> tuple[tuple[int, ...], str]:
    if not isinstance(item, dict):
        raise bad_request("a tensor is not an object")
    shape = _list(item, "shape")
    sizes = tuple(size for size in shape if isinstance(size, int))
    if len(sizes) != len(shape):
        raise bad_request("a tensor's shape is not made of integers")
    return sizes, _text(item, "dtype")


def check_tensors(request: Request, graph: Graph) -> None:
    """The tensors of build.json are those of the model."""
    found = tuple((tensor.shape, tensor.dtype.label) for tensor in (*graph.inputs, *graph.outputs))
    if request.tensors is not None and request.tensors != found:
        raise bad_request(f"tensors are {request.tensors!r:.300}; the model has {found!r:.300}")


def read_golden_inputs(folder: Path, graph: Graph) -> list[bytes]:
    """For each golden vector the bytes of all inputs; expected outputs are checked in size only, and not built in."""
    vectors = _list(_document(folder / "golden.json"), "vectors")
    if len(vectors) > MAX_VECTORS:
        raise bad_request(f"golden.json has {len(vectors)} vectors; the limit is {MAX_VECTORS}")
    inputs: list[bytes] = []
    for number, vector in enumerate(vectors):
        if not isinstance(vector, dict):
            raise bad_request(f"golden vector {number} is not an object")
        inputs.append(_bytes(vector, "inputs", graph.inputs, number))
        _bytes(vector, "outputs", graph.outputs, number)
    return inputs


def _bytes(vector: dict[str, object], name: str, tensors: Sequence[Tensor], number: int) -> bytes:
    items = _list(vector, name)
    if len(items) != len(tensors):
        raise bad_request(f"golden vector {number} has {len(items)} {name}; the model has {len(tensors)}")
    parts: list[bytes] = []
    for position, (item, tensor) in enumerate(zip(items, tensors, strict=True)):
        what = f"golden vector {number}, {name}[{position}]"
        if not isinstance(item, str) or len(item) != 2 * tensor.size:
            raise bad_request(f"{what} is not {tensor.size} bytes in hex")
        try:
            parts.append(bytes.fromhex(item))
        except ValueError as error:
            raise bad_request(f"{what} is not hex") from error
    return b"".join(parts)
