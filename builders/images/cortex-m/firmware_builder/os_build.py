"""The build for a board with the device OS: firmware, the model alone for each of its slots, and the bootloader."""

import shutil
from pathlib import Path

from compiler.errors import Code, CompileError

from firmware_builder.boards import Board, ModelSlot, OsBoard
from firmware_builder.image import IMAGE, Image
from firmware_builder.os_sources import model_header
from firmware_builder.parts import Part, read_parts
from firmware_builder.sources import Identity, memory_script
from firmware_builder.toolchain import Toolchain

BOOTLOADER_FILE = "bootloader.bin"
BOOTLOADER_VERSION = "1.0.0+0"
LIBRARIES = IMAGE / "libraries"
_LIBRARIES = ("bearssl", "lwip", "mbedtls", "c")
_FOLDERS = ("core", "mps2", "net", "lwm2m", "port")
_PLAIN, _TRAINING = ("plain",), ("training", "federation")  # one or the other is linked
_NOT_FOR_BOARDS = "_host.c"  # the ports to Linux
_OPTIONS = (
    *("-I.", "-Ios", "-Ios/port", "-Werror"),
    *("-isystem", str(LIBRARIES / "include"), "-isystem", str(LIBRARIES / "include" / "libc")),
    "-DMBEDTLS_CONFIG_FILE=<mbedtls_config.h>",
)
# What a model of a slot brings along, since it calls nothing of the OS.
_MODEL_ALONE = ("golden.c", "memory.c", "model.c")
_BOOT = ("boot_choose", "boot_decide", "main")
_BOOT_CORE = ("boot_record", "crc32", "flash", "handover", "image", "provisioning", "record", "text")
_BOOT_BOARD = ("flash_mapped", "ports", "startup", "watchdog")
_BOOT_FIRMWARE = ("console.o", "memory.o", "report_fault.o", "stack.o", "uart.o")
_BOOT_RAM_BYTES = 0x10000


def model_file(slot: str) -> str:
    """The file of the model that is linked for a slot."""
    return f"{slot}.bin"


def build_with_os(
    toolchain: Toolchain, board: Board, device: OsBoard, who: Identity, *, trains: bool
) -> tuple[tuple[Image, ...], tuple[Part, ...]]:
    """Compiles what is in the toolchain's folder together with the OS; the firmware is the first image.

    Only an OS that trains has the code and the memory for it.
    """
    folder, libraries = toolchain.folder, _libraries(board)
    for bare in ("main.c", "profile.c", "startup.c", "startup.o"):
        (folder / bare).unlink(missing_ok=True)
    place_system(folder)
    header = model_header(who.abi, who.model_sha256, who.version, head=trains)
    (folder / "image.c").write_text(header, encoding="ascii")
    flat = toolchain.compile(*_OPTIONS)
    unused = tuple(f"os/{name}/" for name in (_PLAIN if trains else _TRAINING))
    system = [made for made in compile_system(toolchain) if not made.startswith(unused)]
    firmware = toolchain.link("firmware", [*flat, *system], scripts=("memory.ld", "sections.ld"), libraries=libraries)
    images = [Image("firmware", "firmware.bin", firmware, board.load_address)]
    kernels = sorted(f"{file.stem}.o" for file in (IMAGE / "kernels").glob("*.c"))
    image = toolchain.compile_one("image.c", *_OPTIONS, "-DMODEL_IN_SLOT", target="slot_image.o")
    alone = [image, *(name.replace(".c", ".o") for name in _MODEL_ALONE), *kernels]
    try:
        images += [_model(toolchain, slot, alone) for slot in device.model_slots]
    except CompileError as error:
        if error.code is not Code.MODEL_TOO_LARGE:
            raise
        # It came with the firmware all the same: such a model is delivered as firmware alone.
        print(f"      no image for the model slots: {error.message}", flush=True)
    images.append(_bootloader(toolchain, board, device, libraries))
    return tuple(images), read_parts(folder)


def place_system(folder: Path) -> None:
    """Copies the OS's sources beside the objects that may be there."""
    shutil.copytree(IMAGE / "os", folder / "os", dirs_exist_ok=True)


def compile_boot(toolchain: Toolchain) -> list[str]:
    """Compiles the bootloader's own sources, of which no model changes anything."""
    return toolchain.compile_all([f"os/boot/{name}.c" for name in _BOOT], *_OPTIONS)


def compile_system(toolchain: Toolchain) -> list[str]:
    """Compiles the OS, of which no model changes anything either, with all that it may be linked with."""
    sources = [
        file.relative_to(toolchain.folder).as_posix()
        for name in (*_FOLDERS, *_PLAIN, *_TRAINING)
        for file in sorted((toolchain.folder / "os" / name).glob("*.c"))
        if not file.name.endswith(_NOT_FOR_BOARDS)
    ]
    return toolchain.compile_all(sources, *_OPTIONS)


def _libraries(board: Board) -> tuple[str, ...]:
    folder = LIBRARIES / board.cpu
    found = tuple(str(path) for name in _LIBRARIES if (path := folder / f"lib{name}.a").is_file())
    if len(found) != len(_LIBRARIES):
        raise CompileError(
            Code.COMPILER_FAILED,
            f"the libraries of the device OS for {board.cpu} are not there",
            "They are part of the builder's image. Outside of it, make them: builders/images/cortex-m/make-libraries "
            "builders/images/cortex-m/libraries",
        )
    return found


def _model(toolchain: Toolchain, slot: ModelSlot, objects: list[str]) -> Image:
    script = f"{slot.name}.ld"
    text = memory_script(slot.name, slot.load_address, slot.payload_bytes, slot.window, slot.window_bytes)
    (toolchain.folder / script).write_text(text, encoding="ascii")
    content = toolchain.link(slot.name, objects, scripts=(script, "os/model_image.ld"))
    return Image("model", model_file(slot.name), content, slot.load_address)


def _bootloader(toolchain: Toolchain, board: Board, device: OsBoard, libraries: tuple[str, ...]) -> Image:
    text = memory_script("the bootloader", device.boot_address, device.boot_bytes, board.ram_address, _BOOT_RAM_BYTES)
    stack = f"stack_bytes = {board.stack_bytes};\n"
    (toolchain.folder / "boot.ld").write_text(text + stack, encoding="ascii")
    objects = [
        *compile_boot(toolchain),
        *(f"os/core/{name}.o" for name in _BOOT_CORE),
        *(f"os/mps2/{name}.o" for name in _BOOT_BOARD),
        *_BOOT_FIRMWARE,
    ]
    content = toolchain.link("bootloader", objects, scripts=("boot.ld", "sections.ld"), libraries=libraries)
    return Image("bootloader", BOOTLOADER_FILE, content, device.boot_address)
