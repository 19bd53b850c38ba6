"""Write a file so that after a power cut it is there whole or not at all."""

import os
import tempfile
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

TEMPORARY = ".new-"


def write_atomically(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Temporary file in the same folder, fsync, rename, fsync of the folder."""
    write_named(path.parent, [data], lambda: path, mode=mode)


def write_named(
    folder: Path,
    chunks: Iterable[bytes],
    name: Callable[[], Path],
    *,
    mode: int = 0o644,
    naming: AbstractContextManager[object] | None = None,
) -> Path:
    """The same for bytes that come piece by piece, in a file whose name is known only after the last one.

    The temporary file is in `folder`, which has to be on the same file system as what `name` answers. It gets its name
    within `naming`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    handle, temporary_name = tempfile.mkstemp(dir=folder, prefix=TEMPORARY)
    temporary = Path(temporary_name)
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), mode)
            for chunk in chunks:
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        path = name()
        path.parent.mkdir(parents=True, exist_ok=True)
        with naming or nullcontext():
            temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    opened = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
    return path
