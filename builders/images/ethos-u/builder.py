"""Compiles a model with Vela for one Ethos-U configuration: the optimised model, and what Vela expects of it."""

import sys
from importlib.metadata import version
from pathlib import Path

from contract import Image, Product, Refusal, Request, log, serve
from tflite_file import read_operators
from vela import ACCELERATORS, compile_model

# The Corstone-300 boards' QSPI flash, and its part for models (manifest.json).
SLOT_ADDRESS, SLOT_BYTES, RAM_BYTES = 0x2800_0000, 4 * 1024 * 1024, 2 * 1024 * 1024
_OPTIMISE = {"speed": "Performance", "size": "Size"}


def build(request: Request) -> Product:
    """The optimised model, at the beginning of the slot."""
    optimise = request.parameters.get("optimise", "speed")
    if not isinstance(optimise, str) or optimise not in _OPTIMISE or set(request.parameters) - {"optimise"}:
        raise Refusal("bad_request", "the parameters are not those of the manifest", "optimise is speed or size.")
    log(f"[1/2] reading {request.model_name}, {len(request.model)} bytes")
    operators = read_operators(request.model)
    for name in operators:
        # Vela leaves what it does not know to the processor, and the processor has no kernel for it either.
        if name.startswith("CUSTOM"):
            raise Refusal("unsupported_operator", f"{name} is not supported", "Replace it with builtin operators.")
    log(f"[2/2] compiling for {request.board}")
    optimised, estimate = compile_model(request.model, request.board, _OPTIMISE[optimise])
    if len(optimised) > SLOT_BYTES or estimate.arena_bytes > RAM_BYTES:
        raise Refusal(
            "model_too_large",
            f"{len(optimised)} bytes of flash do not fit {SLOT_BYTES}, or {estimate.arena_bytes} of RAM {RAM_BYTES}",
            "Use a smaller model, or optimise for size.",
        )
    return Product(
        images=[Image("model", "model.vela.tflite", "tflite", optimised, SLOT_ADDRESS)],
        sections=[("model", SLOT_ADDRESS, len(optimised))],
        flash_bytes=len(optimised),
        ram_bytes=estimate.arena_bytes,
        arena_bytes=estimate.arena_bytes,
        operators=operators,
        toolchain={"ethos-u-vela": version("ethos-u-vela"), "python": sys.version.split()[0]},
        performance=estimate.performance,
    )


if __name__ == "__main__":
    sys.exit(serve(build, boards=list(ACCELERATORS), samples=Path(__file__).parent / "samples"))
