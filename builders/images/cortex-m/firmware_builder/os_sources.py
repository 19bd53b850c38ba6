"""What a build for a board with the device OS generates besides: its addresses, the model's header, the ABI."""

import hashlib
import json

from firmware_builder.boards import Board, OsBoard

MODEL_HEADER = 3  # version of struct model_image (os/core/model_image.h)
_PER_LINE = 16


def os_abi(board: Board, device: OsBoard, *, trains: bool) -> str:
    """sha256 of what a model in a slot relies on: it brings its own kernels, and calls nothing of the OS.

    A firmware that trains heads and one that does not are apart, so that a model with a head never comes alone to an OS
    that would leave it lie.
    """
    description: dict[str, object] = {
        "header": MODEL_HEADER,
        "compiler_flags": board.compiler_flags,
        "slots": [[slot.name, slot.address, slot.size] for slot in device.model_slots],
        "windows": [[slot.window, slot.window_bytes] for slot in device.model_slots],
    }
    if trains:
        description["trains"] = True
    return hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest()


def os_board_lines(board: Board, device: OsBoard) -> list[str]:
    """Lines of board.h."""
    model_a, model_b = device.model_slots
    addresses = {
        "FLASH": device.flash_address,
        "EXEC": board.load_address,
        "EXEC_END": board.slot_address + board.slot_bytes,
        "RAM": board.ram_address,
        "RAM_END": board.ram_address + board.ram_bytes,
        "WINDOW_A": model_a.window,
        "WINDOW_B": model_b.window,
        "WINDOW_BYTES": model_a.window_bytes,
        "HANDOVER": device.handover_address,
        "TIMER_1": device.timer_1_address,
        "WATCHDOG": device.watchdog_address,
        "ETHERNET": device.ethernet_address,
        "STACK_BYTES": board.stack_bytes,
    }
    return [
        f'#define BOARD_NAME "{board.name}"',
        *(f"#define BOARD_{name} 0x{value:08X}u" for name, value in addresses.items()),
    ]


_HEAD = (
    "static const struct model_head_image model_head = {",
    "    .feature_count = MODEL_HEAD_FEATURES,",
    "    .outputs = MODEL_HEAD_OUTPUTS,",
    "    .feature_scale = MODEL_HEAD_FEATURE_SCALE,",
    "    .feature_zero_point = MODEL_HEAD_FEATURE_ZERO_POINT,",
    "    .output_scale = MODEL_HEAD_OUTPUT_SCALE,",
    "    .output_zero_point = MODEL_HEAD_OUTPUT_ZERO_POINT,",
    "    .softmax = MODEL_HEAD_SOFTMAX,",
    "    .features = ADDRESS(&model_features),",
    "    .weights = ADDRESS(model_head_weights),",
    "    .scales = ADDRESS(model_head_scales),",
    "    .bias = ADDRESS(model_head_bias),",
    "};",
    "",
)


def model_header(abi: str, model_sha256: str, version: str, *, head: bool) -> str:
    """image.c: the header of the model, for a slot where MODEL_IN_SLOT is defined, else for the firmware."""
    zeros = ", ".join(f".{name} = 0" for name in ("data_start", "data_end", "data_load", "bss_start", "bss_end"))
    addresses = (
        f".{name} = ADDRESS({name})" for name in ("data_start", "data_end", "data_load", "bss_start", "bss_end")
    )
    return "\n".join(
        [
            "/* The header of the model. Generated. */",
            '#include "core/model_image.h"',
            '#include "golden.h"',
            '#include "model.h"',
            "",
            "#define ADDRESS(of) (uint32_t)(uintptr_t)(of)",
            "",
            "extern uint32_t data_start[], data_end[], data_load[], bss_start[], bss_end[];",
            "extern const struct model_image model_image;",
            "",
            *(_HEAD if head else ()),
            '__attribute__((section(".model_image"), used, aligned(16))) const struct model_image model_image = {',
            "    .magic = MODEL_IMAGE_MAGIC,",
            "    .header_version = MODEL_IMAGE_VERSION,",
            "    .header_bytes = sizeof(struct model_image),",
            *_bytes("abi", abi),
            "#if defined(MODEL_IN_SLOT)",
            *(f"    {line}," for line in addresses),
            "#else",
            f"    {zeros},",
            "#endif",
            "    .arena_bytes = MODEL_ARENA_BYTES,",
            "    .inputs = MODEL_INPUTS,",
            "    .outputs = MODEL_OUTPUTS,",
            "    .input = ADDRESS(model_inputs),",
            "    .input_bytes = ADDRESS(model_input_bytes),",
            "    .output = ADDRESS(model_outputs),",
            "    .output_bytes = ADDRESS(model_output_bytes),",
            "    .invoke = ADDRESS(model_invoke),",
            "    .reset = ADDRESS(model_reset),",
            "    .golden_vectors = GOLDEN_VECTORS,",
            "    .golden_inputs = ADDRESS(golden_inputs),",
            "    .state_bytes = MODEL_STATE_BYTES,",
            f"    .head = {'ADDRESS(&model_head)' if head else 0},",
            *_bytes("model_sha256", model_sha256),
            f'    .version = "{version}",',
            "};",
            "",
        ]
    )


def _bytes(field: str, hexadecimal: str) -> list[str]:
    values = [str(value) for value in bytes.fromhex(hexadecimal)]
    rows = [", ".join(values[start : start + _PER_LINE]) for start in range(0, len(values), _PER_LINE)]
    return [f"    .{field} = {{", *(f"        {row}," for row in rows), "    },"]
