"""Objects of the sources that no model changes, compiled once while the image is built: a build only links them."""

import contextlib
import hashlib
import io
import shutil
import sys
import tempfile
from pathlib import Path

from firmware_builder.boards import Board, load_boards
from firmware_builder.image import IMAGE
from firmware_builder.os_build import compile_boot, compile_system, place_system
from firmware_builder.request import Optimise
from firmware_builder.sources import board_header
from firmware_builder.toolchain import Toolchain, runtime_level

OBJECTS = IMAGE / "objects"
_FIXED = ("console.c", "memory.c", "report_fault.c", "stack.c", "startup.c", "uart.c")
"""Of the firmware; the others include the model's header or the build's identity. Kernels and the OS are fixed."""


def fixed_sources() -> list[Path]:
    """The sources whose objects depend on board and aim alone."""
    return [*sorted((IMAGE / "kernels").glob("*.c")), *(IMAGE / "firmware" / name for name in _FIXED)]


def place_objects(board: Board, optimise: Optimise, folder: Path, objects: Path = OBJECTS) -> None:
    """Copies the objects that were made of these sources, or none where there are none: a build compiles the rest."""
    made = objects / object_key(board, optimise)
    if made.is_dir():
        shutil.copytree(made, folder, dirs_exist_ok=True)


def object_key(board: Board, optimise: Optimise) -> str:
    """The hash of all that the objects depend on: an image that was made from this one may have changed any of it."""
    digest = hashlib.sha256(f"{board_header(board)}{board.compiler_flags}{runtime_level(optimise)}".encode())
    sources = (file for folder in ("kernels", "firmware", "os") for file in (IMAGE / folder).rglob("*.[ch]"))
    for file in sorted(sources):
        digest.update(f"{file.relative_to(IMAGE).as_posix()} {file.stat().st_size}\n".encode() + file.read_bytes())
    return digest.hexdigest()


def prepare() -> None:
    """Compile them for every board and aim; for the Dockerfile."""
    for board in load_boards(IMAGE / "boards").values():
        for optimise in Optimise:
            target = OBJECTS / object_key(board, optimise)
            if target.exists():  # of another aim
                continue
            with tempfile.TemporaryDirectory() as temporary, contextlib.redirect_stdout(io.StringIO()):
                folder = Path(temporary)
                _compile(folder, board, optimise)
                for made in folder.rglob("*.o"):
                    place = target / made.relative_to(folder)
                    place.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(made, place)


def _compile(folder: Path, board: Board, optimise: Optimise) -> None:
    for header in (*(IMAGE / "kernels").glob("*.h"), *(IMAGE / "firmware").glob("*.h")):
        shutil.copyfile(header, folder / header.name)
    (folder / "board.h").write_text(board_header(board), encoding="ascii")
    for source in fixed_sources():
        shutil.copyfile(source, folder / source.name)
    toolchain = Toolchain(folder, board, optimise)
    toolchain.compile()
    if board.os is not None:
        place_system(folder)
        compile_boot(toolchain)
        compile_system(toolchain)


if __name__ == "__main__":
    prepare()
    print(f"{sum(1 for _ in OBJECTS.rglob('*.o'))} objects", file=sys.stderr)
