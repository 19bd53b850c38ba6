"""Objects of the sources that no model changes, compiled once while the image is built: a build only links them."""

import contextlib
import io
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from firmware_builder.boards import Board, load_boards
from firmware_builder.image import IMAGE
from firmware_builder.request import Optimise
from firmware_builder.sources import board_header
from firmware_builder.toolchain import Toolchain

OBJECTS = IMAGE / "objects"
_FIXED = ("memory.c", "stack.c", "startup.c", "uart.c")
"""Of the firmware; the others include the model's header or the build's identity. Every kernel file is fixed."""


def fixed_sources() -> list[Path]:
    """The sources whose objects depend on board and aim alone."""
    return [*sorted((IMAGE / "kernels").glob("*.c")), *(IMAGE / "firmware" / name for name in _FIXED)]


def precompiled(board: Board, optimise: Optimise) -> Sequence[Path]:
    """The objects of this image, or nothing where it was not prepared: then a build compiles everything."""
    return sorted((OBJECTS / board.name / optimise.value).glob("*.o"))


def prepare() -> None:
    """Compile them for every board and aim; for the Dockerfile."""
    for board in load_boards(IMAGE / "boards").values():
        for optimise in Optimise:
            target = OBJECTS / board.name / optimise.value
            target.mkdir(parents=True)
            with tempfile.TemporaryDirectory() as temporary, contextlib.redirect_stdout(io.StringIO()):
                folder = Path(temporary)
                for header in (*(IMAGE / "kernels").glob("*.h"), *(IMAGE / "firmware").glob("*.h")):
                    shutil.copyfile(header, folder / header.name)
                (folder / "board.h").write_text(board_header(board), encoding="ascii")
                for source in fixed_sources():
                    shutil.copyfile(source, folder / source.name)
                Toolchain(folder, board, optimise).compile()
                for made in folder.glob("*.o"):
                    shutil.copyfile(made, target / made.name)


if __name__ == "__main__":
    prepare()
    print(f"{sum(1 for _ in OBJECTS.rglob('*.o'))} objects", file=sys.stderr)
