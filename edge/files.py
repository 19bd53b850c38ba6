"""Durable files: what is written survives a power cut whole, or is not there."""

import os
from pathlib import Path


def write_durably(path: Path, data: bytes) -> None:
    """Replace a file by temporary file, fsync, rename and fsync of the folder."""
    temporary = path.with_name(path.name + ".new")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_folder(path.parent)


def move_durably(source: Path, target: Path) -> None:
    """Rename a file whose content is already on the disk."""
    source.replace(target)
    sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
