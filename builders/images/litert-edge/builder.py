"""Packs a model, its card and its golden vectors into one deterministic tar for the edge agent of a Raspberry Pi."""

import hashlib
import io
import json
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path

from contract import Image, Product, Refusal, Request, log, serve
from tflite_file import activation_bytes, read_operators

BOARD = "raspberry-pi"
BUNDLE = 1
SLOT_BYTES, RAM_BYTES = 64 * 1024 * 1024, 1024 * 1024 * 1024


def build(request: Request) -> Product:
    """The bundle; its format is in docs/reference/builder-contract.md."""
    if request.parameters:
        raise Refusal("bad_request", "this builder takes no parameters", "Send an empty object.")
    log(f"[1/2] reading {request.model_name} version {request.model_version}, {len(request.model)} bytes")
    operators = read_operators(request.model)
    for name in operators:
        # LiteRT has every builtin operator; custom ones come with the program that was trained with them.
        if name.startswith("CUSTOM") or name == "DELEGATE":
            raise Refusal("unsupported_operator", f"{name} is not supported", "Use builtin operators only.")
    arena_bytes = activation_bytes(request.model)
    log(f"[2/2] packing {sum(operators.values())} operators")
    bundle = pack(request, operators)
    if len(bundle) > SLOT_BYTES or arena_bytes > RAM_BYTES:
        raise Refusal("model_too_large", f"{len(bundle)} bytes do not fit {SLOT_BYTES}", "Use a smaller model.")
    return Product(
        images=[Image("model", "model.tar", "tar", bundle, 0)],
        sections=[],
        flash_bytes=len(bundle),
        ram_bytes=arena_bytes,
        arena_bytes=arena_bytes,
        operators=operators,
        toolchain={"python": sys.version.split()[0]},
    )


def pack(request: Request, operators: Mapping[str, int]) -> bytes:
    """bundle.json first: a reader knows every other file's size and sha256 before it reads the file."""
    files = {"model.tflite": request.model, "golden.json": _json(request.golden)}
    card = {
        "bundle": BUNDLE,
        "model": {"name": request.model_name, "version": request.model_version},
        "board": request.board,
        "version": request.version,
        "tensors": request.tensors,
        "operators": operators,
        "files": {
            name: {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in files.items()
        },
    }
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in {"bundle.json": _json(card), **files}.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.mtime = len(content), 0o444, request.source_date_epoch
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _json(document: Mapping[str, object]) -> bytes:
    return (json.dumps(document, sort_keys=True, separators=(",", ":")) + "\n").encode("ascii")


if __name__ == "__main__":
    sys.exit(serve(build, boards=[BOARD], samples=Path(__file__).parent / "samples"))
