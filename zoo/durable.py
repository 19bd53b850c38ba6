"""Files that are whole or absent after a power cut: temporary file, fsync, rename, fsync; and folders held alone."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


def write_by(path: Path, fill: Callable[[IO[bytes]], object]) -> None:
    """Replace a file by what `fill` writes."""
    new = path.with_name(path.name + ".new")
    with new.open("wb") as file:
        fill(file)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    sync_folder(path.parent)


def write(path: Path, data: bytes) -> None:
    """Replace a file by these bytes."""
    write_by(path, lambda file: file.write(data))


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def alone(folder: Path, taken: Exception) -> Iterator[None]:
    """Be the one process that works in a folder, or raise `taken`; a process that dies lets go."""
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise taken from error
        yield
