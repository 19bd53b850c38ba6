"""Writes the image and result.json into the output folder, whole or not at all."""

import errno
import hashlib
import json
import os
from pathlib import Path

from compiler.errors import Code, CompileError

from firmware_builder.boards import Board
from firmware_builder.build import FIRMWARE_FILE, Firmware
from firmware_builder.counting import performance
from firmware_builder.os_build import BOOTLOADER_FILE, BOOTLOADER_VERSION, model_file
from firmware_builder.request import CONTRACT, Request

RESULT_FILE = "result.json"
IMAGE_FILES = (FIRMWARE_FILE, BOOTLOADER_FILE, model_file("model-a"), model_file("model-b"))
_MAX_TEXT = 3000
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def write_success(out: Path, firmware: Firmware, request: Request, board: Board) -> None:
    """The images, then the result that names them."""
    result = {
        **_figures(firmware, board),
        "status": "succeeded",
        "images": [
            {
                "kind": image.kind,
                "file": image.file,
                "format": "bin",
                "sha256": hashlib.sha256(image.content).hexdigest(),
                "load_address": image.load_address,
                "version": BOOTLOADER_VERSION if image.kind == "bootloader" else request.firmware_version,
            }
            for image in firmware.images
        ],
        "sections": [
            {"name": section.name, "address": section.address, "size": section.size} for section in firmware.sections
        ],
        "model_slot": {
            "abi": firmware.abi,
            "size": firmware.model_bytes,
            "arena_bytes": firmware.compiled.plan.arena_bytes,
        },
    }
    for image in firmware.images:
        _write(out / image.file, image.content)
    _write(out / RESULT_FILE, _text(result))


def write_estimate(out: Path, firmware: Firmware, board: Board) -> None:
    """The result of a request of mode `estimate`: what was built is not kept."""
    _write(out / RESULT_FILE, _text({**_figures(firmware, board), "status": "estimated"}))


def _figures(firmware: Firmware, board: Board) -> dict[str, object]:
    return {
        "contract": CONTRACT,
        "memory": {
            "flash_bytes": max(len(image.content) for image in firmware.images),
            "ram_bytes": firmware.bytes_in(board.ram_address, board.ram_bytes),
            "arena_bytes": firmware.compiled.plan.arena_bytes,
        },
        "operators": [{"name": name, "count": count} for name, count in firmware.compiled.operators.items()],
        "toolchain": firmware.toolchain,
        "performance": performance(firmware.count),
    }


def write_failure(out: Path, error: CompileError) -> None:
    """The result of a refusal; an image of this folder would belong to nothing."""
    for name in IMAGE_FILES:
        (out / name).unlink(missing_ok=True)
    described = {"code": error.code.value, "message": error.message[:_MAX_TEXT], "hint": error.hint[:_MAX_TEXT]}
    _write(out / RESULT_FILE, _text({"contract": CONTRACT, "status": "failed", "error": described}))


def _text(result: dict[str, object]) -> bytes:
    return (json.dumps(result, indent=1, sort_keys=True) + "\n").encode("ascii")


def _write(path: Path, data: bytes) -> None:
    partial = path.with_name(path.name + ".part")
    try:
        with partial.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        if error.errno in _FULL:
            raise CompileError(
                Code.OUTPUT_FULL, f"no room for {path.name} ({len(data)} bytes)", "Give the output folder more space."
            ) from error
        raise
