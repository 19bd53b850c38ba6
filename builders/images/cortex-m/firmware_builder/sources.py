"""The files that one build adds to the fixed sources: board, golden inputs, identity, memory layout."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from compiler.compile import CompiledModel
from compiler.graph import Graph
from compiler.operators import FAMILIES

from firmware_builder.boards import Board
from firmware_builder.os_sources import os_abi, os_board_lines
from firmware_builder.request import Request

RUNTIME = "tml-1"  # changes with the way the model's section and the runtime call each other
_PER_LINE = 20


@dataclass(frozen=True, slots=True)
class Identity:
    """What the boot line says about a firmware."""

    version: str
    board: str
    model_sha256: str
    abi: str


def slot_abi(board: Board, kernels: Path, *, trains: bool) -> str:
    """sha256 of all that a model's section relies on: processor, runtime, kernels; with the OS, header and memory."""
    if board.os is not None:
        return os_abi(board, board.os, trains=trains)
    digest = hashlib.sha256()
    for file in sorted(kernels.iterdir()):
        digest.update(f"{file.name} {hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    description = {
        "runtime": RUNTIME,
        "compiler_flags": board.compiler_flags,
        "operators": sorted(FAMILIES),
        "kernels": digest.hexdigest(),
    }
    return hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest()


def identity(request: Request, board: Board, kernels: Path) -> Identity:
    """The identity of the firmware that the request asks for."""
    abi = slot_abi(board, kernels, trains=request.trainable_head)
    return Identity(request.firmware_version, board.name, request.model_sha256, abi)


def generated_sources(
    compiled: CompiledModel, board: Board, who: Identity, golden_inputs: Sequence[bytes]
) -> dict[str, str]:
    """File name and text of everything generated."""
    return {
        **compiled.sources,
        "board.h": board_header(board),
        "build_info.h": _build_info(who),
        "golden.h": _golden_header(len(golden_inputs)),
        "golden.c": _golden(compiled.graph, golden_inputs),
        "memory.ld": memory_script(
            board.name, board.load_address, board.payload_bytes, board.ram_address, board.ram_bytes
        )
        + f"stack_bytes = {board.stack_bytes};\n",
    }


def _guarded(name: str, role: str, lines: Sequence[str]) -> str:
    guard = name.upper().replace(".", "_")
    return "\n".join([f"/* {role} Generated. */", f"#ifndef {guard}", f"#define {guard}", "", *lines, "", "#endif", ""])


def board_header(board: Board) -> str:
    """board.h."""
    return _guarded(
        "board.h",
        f"Where {board.name} has its devices.",
        [
            f"#define BOARD_UART 0x{board.uart_address:08X}u",
            f"#define BOARD_TIMER 0x{board.timer_address:08X}u",
            f"#define BOARD_TIMER_IS_{board.timer.upper()} 1",
            f"#define BOARD_HZ {board.timer_hz}u",
            *([] if board.os is None else os_board_lines(board, board.os)),
        ],
    )


def _build_info(who: Identity) -> str:
    return _guarded(
        "build_info.h",
        "Which firmware this is.",
        [
            f'#define BUILD_VERSION "{who.version}"',
            f'#define BUILD_BOARD "{who.board}"',
            f'#define BUILD_MODEL "{who.model_sha256}"',
            f'#define BUILD_ABI "{who.abi}"',
        ],
    )


def _golden_header(vectors: int) -> str:
    return _guarded(
        "golden.h",
        "The golden inputs.",
        [
            "#include <stdint.h>",
            "",
            f"#define GOLDEN_VECTORS {vectors}u",
            "",
            "/* All inputs of all vectors, one after the other. */",
            "extern const uint8_t golden_inputs[];",
        ],
    )


def _golden(graph: Graph, inputs: Sequence[bytes]) -> str:
    # An array has at least one element in C.
    data = b"".join(inputs) or b"\0"
    rows = [", ".join(map(str, data[start : start + _PER_LINE])) for start in range(0, len(data), _PER_LINE)]
    size = sum(tensor.size for tensor in graph.inputs)
    return "\n".join(
        [
            f"/* {len(inputs)} vectors of {size} bytes. Generated. */",
            '#include "golden.h"',
            "",
            f"const uint8_t golden_inputs[{len(data)}] = {{",
            *(f"    {row}," for row in rows),
            "};",
            "",
        ]
    )


def memory_script(name: str, flash: int, flash_bytes: int, ram: int, ram_bytes: int) -> str:
    """The regions of a linker script."""
    return "\n".join(
        [
            f"/* Memory of {name}. Generated. */",
            "MEMORY",
            "{",
            f"    FLASH (rx) : ORIGIN = 0x{flash:08X}, LENGTH = 0x{flash_bytes:X}",
            f"    RAM (rw) : ORIGIN = 0x{ram:08X}, LENGTH = 0x{ram_bytes:X}",
            "}",
            "",
        ]
    )
