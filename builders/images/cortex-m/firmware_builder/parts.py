"""The size of each part of a build with the device OS, from the linker's maps."""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from firmware_builder.elf import read_sections

_INPUT = re.compile(r"^ (\.[\w.]+)\s+0x[0-9a-f]+\s+0x([0-9a-f]+)\s+(\S.*)$", re.MULTILINE)
_RAM = (".bss", ".data", "COMMON")
_MODEL_DATA = ".rodata"


@dataclass(frozen=True, slots=True)
class Part:
    """A part of what is on the board, in bytes of flash and of RAM."""

    name: str
    flash_bytes: int
    ram_bytes: int


def read_parts(folder: Path) -> tuple[Part, ...]:
    """From firmware.map and bootloader.elf."""
    boot = read_sections((folder / "bootloader.elf").read_bytes())
    flash: dict[str, int] = defaultdict(int)
    ram: dict[str, int] = defaultdict(int)
    text = (folder / "firmware.map").read_text(encoding="utf-8", errors="replace")
    text = text[text.index("Linker script and memory map") :]
    # A long name stands on a line of its own.
    for section, size, origin in _INPUT.findall(re.sub(r"^( \.[\w.]+)\n\s+0x", r"\1 0x", text, flags=re.MULTILINE)):
        name = _part(section, origin)
        if name is None:
            continue
        if section.startswith(_RAM):
            ram[name] += int(size, 16)
        if not section.startswith((".bss", "COMMON")):
            flash[name] += int(size, 16)
    names = ("OS", "training", "network", "DTLS", "crypto", "C library", "model code", "model data")
    return (
        Part("bootloader", sum(part.size for part in boot if part.name in (".vectors", ".text", ".data")), 0),
        *(Part(name, flash[name], ram[name]) for name in names if name in flash),
    )


def _part(section: str, origin: str) -> str | None:
    if section.startswith((".debug", ".comment", ".ARM", ".note")):
        return None
    for library, name in (("libmbedtls", "DTLS"), ("liblwip", "network"), ("libbearssl", "crypto")):
        if library in origin:
            return name
    if "libc.a" in origin or "libgcc.a" in origin:
        return "C library"
    if origin.startswith(("os/net/dtls", "os/net/random")):
        return "DTLS"
    if origin.startswith(("os/net/", "os/lwm2m/", "os/port/")):
        return "network"
    if origin.startswith(("os/training/", "os/federation/")):
        return "training"
    if origin in ("model.o", "golden.o", "image.o"):
        return "model data" if section.startswith(_MODEL_DATA) or origin != "model.o" else "model code"
    return "model code" if origin.startswith("tml_") else "OS"


def table(parts: Iterable[Part]) -> list[str]:
    """Lines for the build log."""
    rows = list(parts)
    if not rows:
        return []
    total = Part("together", sum(row.flash_bytes for row in rows), sum(row.ram_bytes for row in rows))
    return [
        f"{'part':<12}{'flash':>9}{'RAM':>9}",
        *(f"{row.name:<12}{row.flash_bytes:>9}{row.ram_bytes:>9}" for row in (*rows, total)),
    ]
