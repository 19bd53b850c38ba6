"""The simple form on a partner's desk: finds the model, and makes inputs where no golden vectors came along."""

import hashlib
import struct
import tempfile
from pathlib import Path

from compiler.graph import DType, Graph, Tensor

from firmware_builder.request import ALONE_VECTORS, bad_request


def find_model(argument: str, folders: tuple[Path, ...]) -> Path:
    """A path that exists, or a bare file name in one of the folders."""
    path = Path(argument)
    candidates = [path, *(folder / path.name for folder in folders if path.name == argument)]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise bad_request(f"no model {argument!r:.200}: neither a path nor a file in {', '.join(map(str, folders))}")


def choose_output(chosen: Path | None, usual: Path) -> Path:
    """The chosen folder, or the usual one when it is writable, or a temporary one."""
    if chosen is not None:
        chosen.mkdir(parents=True, exist_ok=True)
        return chosen
    try:
        with tempfile.TemporaryFile(dir=usual):
            return usual
    except OSError:
        return Path(tempfile.mkdtemp(prefix="firmware-"))


def pseudo_random_inputs(graph: Graph, model_sha256: str) -> list[bytes]:
    """Deterministic inputs: int8 over the whole range, float32 in [-1, 1)."""
    return [
        b"".join(_fill(tensor, f"{model_sha256}/{vector}/{position}") for position, tensor in enumerate(graph.inputs))
        for vector in range(ALONE_VECTORS)
    ]


def _fill(tensor: Tensor, seed: str) -> bytes:
    stream = hashlib.shake_256(seed.encode()).digest(tensor.elements)
    if tensor.dtype is DType.FLOAT32:
        return struct.pack(f"<{len(stream)}f", *(byte / 128 - 1 for byte in stream))
    return stream
