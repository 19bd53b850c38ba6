"""A builder to start from, which wraps a model into a flat binary: put your compiler into `build`."""

import struct
import sys
from pathlib import Path

from contract import Image, Product, Refusal, Request, log, serve
from tflite_file import activation_bytes, read_operators

HERE = Path(__file__).parent

# What manifest.json says about the board: its firmware slot. The server puts the header in front when it signs.
BOARD = "example-board"
SLOT_ADDRESS, SLOT_BYTES, HEADER_BYTES = 0x0800_0000, 512 * 1024, 0x200
STACK_TOP = 0x2001_0000

# What your compiler can do. Anything else must be refused here, by name: users find out before they flash a board.
SUPPORTED = frozenset({"CONV_2D", "FULLY_CONNECTED", "MAX_POOL_2D", "RESHAPE", "SOFTMAX"})


def build(request: Request) -> Product:
    """One build. Raise Refusal for what cannot be built; everything printed with `log` is the build log."""
    log(f"[1/2] reading {request.model_name} version {request.model_version}, {len(request.model)} bytes")
    operators = read_operators(request.model)
    for name in operators:
        if name not in SUPPORTED:
            raise Refusal(
                "unsupported_operator", f"{name} is not supported", f"Supported: {', '.join(sorted(SUPPORTED))}."
            )

    log(f"[2/2] wrapping {', '.join(operators)} for {request.board}")
    # Here goes your compiler. It can run programs: subprocess.run([...], check=True, cwd="/work"); /work is executable.
    load_address = SLOT_ADDRESS + HEADER_BYTES
    firmware = _firmware(request, load_address)
    if HEADER_BYTES + len(firmware) > SLOT_BYTES:
        raise Refusal("model_too_large", f"{len(firmware)} bytes do not fit the slot", "Use a smaller model.")

    arena_bytes = activation_bytes(request.model)  # a real compiler shares this memory between layers, and needs less
    return Product(
        images=[Image("firmware", "firmware.bin", "bin", firmware, load_address)],
        sections=[(".text", load_address, len(firmware))],
        flash_bytes=len(firmware),
        ram_bytes=arena_bytes,
        arena_bytes=arena_bytes,
        operators=operators,
        toolchain={"python": sys.version.split()[0]},
    )


def _firmware(request: Request, load_address: int) -> bytes:
    """A vector table (stack pointer, reset handler), an endless loop, the version, and the model."""
    code = struct.pack("<H", 0xE7FE)  # Thumb: branch to itself
    version = request.version.encode("ascii").ljust(30, b"\0")
    table = struct.pack("<II", STACK_TOP, (load_address + 8) | 1)
    return table + code + version + struct.pack("<I", len(request.model)) + request.model


if __name__ == "__main__":
    sys.exit(serve(build, boards=[BOARD], samples=HERE / "samples"))
