"""One build: model to firmware.bin and the facts for result.json."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from compiler.compile import CompiledModel
from compiler.errors import Code, CompileError

from firmware_builder.boards import Board, bare, load_boards
from firmware_builder.counting import Count, count
from firmware_builder.elf import Section, read_sections
from firmware_builder.image import IMAGE, Image
from firmware_builder.objects import place_objects
from firmware_builder.os_build import build_with_os
from firmware_builder.parts import Part
from firmware_builder.request import Optimise, Request
from firmware_builder.sources import Identity, generated_sources, identity
from firmware_builder.toolchain import PREFIX, Toolchain

FIRMWARE_FILE = "firmware.bin"
MAX_LINE = 65536  # of the UART report
GOLDEN_LINE_OVERHEAD = 64
MODEL_OBJECT, MAIN_OBJECT = "model.o", "main.o"


@dataclass(frozen=True, slots=True)
class Firmware:
    """What a build made; with the device OS also models, a bootloader, and the size of each part."""

    images: tuple[Image, ...]
    parts: tuple[Part, ...]
    sections: tuple[Section, ...]
    compiled: CompiledModel
    abi: str
    toolchain: dict[str, str]
    count: Count

    @property
    def image(self) -> bytes:
        """The firmware itself."""
        return self.images[0].content

    @property
    def model_bytes(self) -> int:
        """What a slot for the model must hold: the model's own image, or the section where there is none."""
        alone = [len(image.content) for image in self.images if image.kind == "model"]
        return max(alone, default=self.section_bytes(".model"))

    def bytes_in(self, address: int, size: int) -> int:
        """Bytes of the sections in a memory."""
        return sum(part.size for part in self.sections if address <= part.address < address + size)

    def section_bytes(self, name: str) -> int:
        """Bytes of one section."""
        return sum(part.size for part in self.sections if part.name == name)


def check_size(compiled: CompiledModel, board: Board, golden_inputs: Sequence[bytes]) -> None:
    """Refuses early, with numbers, what cannot fit."""
    hint = "Use a smaller model, or a board with more memory."
    flash = compiled.constants_bytes + sum(map(len, golden_inputs))
    if flash > board.payload_bytes:
        raise CompileError(
            Code.MODEL_TOO_LARGE,
            f"constants and golden inputs need {flash} bytes; {board.name}'s slot has {board.payload_bytes}",
            hint,
        )
    ram = compiled.plan.arena_bytes + board.stack_bytes
    if ram > board.ram_bytes:
        raise CompileError(
            Code.MODEL_TOO_LARGE, f"arena and stack need {ram} bytes; {board.name} has {board.ram_bytes} of RAM", hint
        )
    outputs = sum(tensor.size for tensor in compiled.graph.outputs)
    if 2 * outputs + GOLDEN_LINE_OVERHEAD > MAX_LINE:
        raise CompileError(
            Code.MODEL_TOO_LARGE, f"its outputs have {outputs} bytes, more than one line of the report holds", hint
        )


def build(
    compiled: CompiledModel, request: Request, board: Board, golden_inputs: Sequence[bytes], folder: Path
) -> Firmware:
    """Compiles, links and counts in `folder`, which must be empty."""
    who = identity(request, board, IMAGE / "kernels")
    toolchain = _prepared(compiled, board, request.optimise, who, golden_inputs, folder)
    if board.os is None:
        firmware = toolchain.build("firmware", *(["-DPROFILE"] if request.profile else []))
        images = (Image("firmware", FIRMWARE_FILE, firmware, board.load_address),)
        parts: tuple[Part, ...] = ()
    else:
        images, parts = build_with_os(toolchain, board, board.os, who, trains=request.trainable_head)
    return Firmware(
        images=images,
        parts=parts,
        sections=read_sections((folder / "firmware.elf").read_bytes()),
        compiled=compiled,
        abi=who.abi,
        toolchain={f"{PREFIX}gcc": toolchain.version()},
        count=_counted(compiled, request, board, golden_inputs, folder),
    )


def _prepared(
    compiled: CompiledModel,
    board: Board,
    optimise: Optimise,
    who: Identity,
    golden_inputs: Sequence[bytes],
    folder: Path,
) -> Toolchain:
    """The folder with every source of the bare firmware, and with the objects that are there already."""
    for source in ("kernels", "firmware"):
        for file in sorted((IMAGE / source).iterdir()):
            shutil.copyfile(file, folder / file.name)
    for name, text in generated_sources(compiled, board, who, golden_inputs).items():
        (folder / name).write_text(text, encoding="ascii")
    place_objects(board, optimise, folder)
    return Toolchain(folder, board, optimise)


def _counted(
    compiled: CompiledModel, request: Request, board: Board, golden_inputs: Sequence[bytes], built: Path
) -> Count:
    """The count of the model's object that was built."""
    on = bare(load_boards(IMAGE / "boards"), board)
    folder = built / "count"
    folder.mkdir()
    who = identity(request, on, IMAGE / "kernels")
    toolchain = _prepared(compiled, on, request.optimise, who, golden_inputs[:1], folder)
    # Of the same board everything that the options do not change.
    for name in [MODEL_OBJECT] if board.os else [made.name for made in built.glob("*.o") if made.name != MAIN_OBJECT]:
        shutil.copyfile(built / name, folder / name)
    return count(compiled, on, toolchain)
