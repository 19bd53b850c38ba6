"""Reads the sections of the ELF file that the linker wrote (System V ABI, 32-bit little-endian)."""

import struct
from dataclasses import dataclass

_ALLOCATED = 2  # SHF_ALLOC


@dataclass(frozen=True, slots=True)
class Section:
    """A section that occupies memory on the board."""

    name: str
    address: int
    size: int


def read_sections(elf: bytes) -> tuple[Section, ...]:
    """Allocated sections that are not empty, by address."""
    (table,) = struct.unpack_from("<I", elf, 32)
    entry, count, names_index = struct.unpack_from("<3H", elf, 46)
    headers = [struct.unpack_from("<10I", elf, table + entry * index) for index in range(count)]
    names = headers[names_index][4]
    found: list[Section] = []
    for name, _kind, flags, address, _offset, size, *_rest in headers:
        if flags & _ALLOCATED and size:
            start = names + name
            found.append(Section(elf[start : elf.index(0, start)].decode("ascii"), address, size))
    return tuple(sorted(found, key=lambda section: section.address))
