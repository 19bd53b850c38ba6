"""The contract's side of a builder, ready to use: reads /in, writes /out, and tells failure from success.

Leave this file as it is; what is yours is in builder.py. Standard library only.
"""

import argparse
import errno
import hashlib
import json
import os
import re
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

CONTRACT = 1
MODEL_FILE = "model.tflite"
RESULT_FILE = "result.json"
MAX_MODEL_BYTES = 64 * 1024 * 1024
MAX_DOCUMENT_BYTES = 32 * 1024 * 1024
_MAX_TEXT = 2000
_TERMINATED = 128 + signal.SIGTERM
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_VERSION = re.compile(r"(\d{1,3})\.(\d{1,3})\.(\d{1,5})\+(\d{1,10})", re.ASCII)
_VERSION_LIMITS = (255, 255, 65_535, 4_294_967_295)
_HINT = "The contract is docs/reference/builder-contract.md."


class Refusal(Exception):
    """A build that cannot be: `code` is one of the contract's, `hint` says what the user can do."""

    def __init__(self, code: str, message: str, hint: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint


@dataclass(frozen=True)
class Request:
    """What to build. In the simple form, defaults stand in for build.json and golden.json."""

    model: bytes
    model_name: str
    model_version: int
    board: str
    parameters: Mapping[str, object]
    version: str
    source_date_epoch: int
    tensors: Mapping[str, object]
    golden: Mapping[str, object]


@dataclass(frozen=True)
class Image:
    """A file to write: `kind` is firmware or model, `load_address` where its first byte goes."""

    kind: str
    file: str
    format: str
    content: bytes
    load_address: int


@dataclass(frozen=True)
class Product:
    """What was built; `sections` are (name, address, size), `performance` is result.json's, if there is one."""

    images: Sequence[Image]
    sections: Sequence[tuple[str, int, int]]
    flash_bytes: int
    ram_bytes: int
    arena_bytes: int
    operators: Mapping[str, int]
    toolchain: Mapping[str, str]
    performance: Mapping[str, object] | None = None


def log(line: str) -> None:
    """One line of the build log, shown to the user while the build runs."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def serve(build: Callable[[Request], Product], *, boards: Sequence[str], samples: Path) -> int:
    """Run the builder; return its exit code: 0 when result.json says succeeded, 1 when it says failed."""
    signal.signal(signal.SIGTERM, _terminate)
    parser = argparse.ArgumentParser(description="Without MODEL: builds what /in describes.")
    parser.add_argument("model", nargs="?", metavar="MODEL", help="a .tflite file: a path, or a file in /in")
    parser.add_argument("-o", "--out", type=Path, help="where to write (default /out)")
    parser.add_argument("--in", dest="folder", type=Path, default=Path("/in"), help="where to read (default /in)")
    options = parser.parse_args()
    out: Path = _output_folder(options.out, alone=options.model is not None)
    try:
        _build(options, out, build, boards, samples)
    except Refusal as refusal:
        return _fail(out, refusal)
    except Exception as error:  # noqa: BLE001 - the last resort: whatever happens is reported as a result
        traceback.print_exc(file=sys.stdout)
        return _fail(out, Refusal("internal", f"{type(error).__name__}: {error}", "Report it with the build log."))
    return 0


def _build(
    options: argparse.Namespace,
    out: Path,
    build: Callable[[Request], Product],
    boards: Sequence[str],
    samples: Path,
) -> None:
    if options.model is None:
        request = _read_request(options.folder)
    else:
        request = _default_request(options.model, options.folder, samples, boards[0])
    if request.board not in boards:
        raise Refusal("unsupported_board", f"the board {request.board!r:.80} is not supported", ", ".join(boards))
    product = build(request)
    _write_success(out, request, product)
    log(f"succeeded: {', '.join(image.file for image in product.images)} in {out}")


def _terminate(_number: int, _frame: FrameType | None) -> None:
    # SystemExit also ends a compiler that subprocess.run waits for.
    sys.exit(_TERMINATED)


def _bad_request(message: str) -> Refusal:
    return Refusal("bad_request", message, _HINT)


def _read(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise _bad_request(f"{path.name} cannot be read: {error.strerror}") from error
    if len(data) > limit:
        raise Refusal("model_too_large", f"{path.name} has more than {limit} bytes", "Use a smaller model.")
    return data


def _document(path: Path) -> dict[str, object]:
    try:
        document = json.loads(_read(path, MAX_DOCUMENT_BYTES))
    except (ValueError, RecursionError) as error:
        raise _bad_request(f"{path.name} is not JSON") from error
    if not isinstance(document, dict) or document.get("contract") != CONTRACT:
        raise _bad_request(f"{path.name} does not follow contract {CONTRACT}")
    return document


def _read_request(folder: Path) -> Request:
    document = _document(folder / "build.json")
    model = _read(folder / MODEL_FILE, MAX_MODEL_BYTES)
    described, tensors, parameters = (document.get(name) for name in ("model", "tensors", "parameters"))
    board, version, epoch = (document.get(name) for name in ("board", "firmware_version", "source_date_epoch"))
    if not isinstance(described, dict) or not isinstance(tensors, dict) or not isinstance(parameters, dict):
        raise _bad_request("model, tensors or parameters is missing or not an object")
    if not isinstance(board, str) or not isinstance(version, str) or not isinstance(epoch, int):
        raise _bad_request("board, firmware_version or source_date_epoch is missing or of the wrong type")
    name, number = described.get("name"), described.get("version")
    if not isinstance(name, str) or not isinstance(number, int):
        raise _bad_request("model.name or model.version is missing or of the wrong type")
    if described.get("sha256") != hashlib.sha256(model).hexdigest():
        raise _bad_request(f"model.sha256 is not that of {MODEL_FILE}")
    match = _VERSION.fullmatch(version)
    if match is None or any(int(part) > limit for part, limit in zip(match.groups(), _VERSION_LIMITS, strict=True)):
        raise _bad_request(f"firmware_version {version!r:.80} is not major.minor.revision+build")
    golden = _document(folder / "golden.json")
    return Request(model, name, number, board, parameters, version, epoch, tensors, golden)


def _default_request(argument: str, folder: Path, samples: Path, board: str) -> Request:
    candidates = [Path(argument), *(place / argument for place in (folder, samples) if Path(argument).name == argument)]
    path = next((candidate for candidate in candidates if candidate.is_file()), None)
    if path is None:
        raise _bad_request(f"there is no model {argument!r:.200}")
    golden: dict[str, object] = {"contract": CONTRACT, "tolerance": 0, "vectors": []}
    return Request(_read(path, MAX_MODEL_BYTES), path.stem, 1, board, {}, "0.0.0+0", 0, {}, golden)


def _output_folder(chosen: Path | None, *, alone: bool) -> Path:
    if chosen is not None:
        chosen.mkdir(parents=True, exist_ok=True)
        return chosen
    usual = Path("/out")
    return usual if os.access(usual, os.W_OK) or not alone else Path(tempfile.mkdtemp(prefix="out-"))


def _write_success(out: Path, request: Request, product: Product) -> None:
    result: dict[str, object] = {
        "contract": CONTRACT,
        "status": "succeeded",
        "images": [
            {
                "kind": image.kind,
                "file": image.file,
                "format": image.format,
                "sha256": hashlib.sha256(image.content).hexdigest(),
                "load_address": image.load_address,
                "version": request.version,
            }
            for image in product.images
        ],
        "sections": [{"name": name, "address": at, "size": size} for name, at, size in product.sections],
        "memory": {
            "flash_bytes": product.flash_bytes,
            "ram_bytes": product.ram_bytes,
            "arena_bytes": product.arena_bytes,
        },
        "operators": [{"name": name, "count": count} for name, count in product.operators.items()],
        "toolchain": dict(product.toolchain),
    }
    if product.performance is not None:
        result["performance"] = dict(product.performance)
    try:
        for image in product.images:
            _write(out / image.file, image.content)
        _write(out / RESULT_FILE, _text(result))
    except Refusal:
        # An image without a result that names it belongs to nothing, and a failed result needs its room.
        for image in product.images:
            (out / image.file).unlink(missing_ok=True)
        raise


def _fail(out: Path, refusal: Refusal) -> int:
    log(f"failed: {refusal.code}: {refusal.message}")
    error = {"code": refusal.code, "message": refusal.message[:_MAX_TEXT], "hint": refusal.hint[:_MAX_TEXT]}
    try:
        _write(out / RESULT_FILE, _text({"contract": CONTRACT, "status": "failed", "error": error}))
    except (Refusal, OSError) as unwritten:
        log(f"{RESULT_FILE} could not be written: {unwritten}")
    return 1


def _text(document: Mapping[str, object]) -> bytes:
    return (json.dumps(document, indent=1, sort_keys=True) + "\n").encode("ascii")


def _write(path: Path, content: bytes) -> None:
    """Write whole or not at all: a rename is atomic."""
    partial = path.with_name(path.name + ".part")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        if error.errno in _FULL:
            raise Refusal("output_full", f"no room for {path.name}", "Give /out more space.") from error
        raise
