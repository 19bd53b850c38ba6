"""Files that commands read and write: whole or not at all."""

import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from app.cli.client import ApiClient
from app.cli.errors import EndedBadly, Misused
from app.cli.output import Output


@contextlib.contextmanager
def opened(path: Path) -> Iterator[tuple[IO[bytes], int]]:
    """A file to read, and its size. Raises Misused."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise Misused(f"{path} cannot be read: {error.strerror}.") from error
    with file:
        yield file, os.fstat(file.fileno()).st_size


@contextlib.contextmanager
def all_opened(paths: Sequence[Path]) -> Iterator[list[tuple[str, IO[bytes]]]]:
    """Files to read, each with its name. Raises Misused."""
    with contextlib.ExitStack() as stack:
        yield [(path.name, stack.enter_context(opened(path))[0]) for path in paths]


@contextlib.contextmanager
def replacing(path: Path, *, mode: int = 0o644) -> Iterator[IO[bytes]]:
    """A file that appears under its name only when everything went well; a device or a pipe is written to."""
    path = path.resolve()  # what a link stands for is replaced, and not the link: /dev/stdout is one
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            with path.open("wb") as file:
                yield file
            return
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            part = Path(file.name)
            try:
                yield file
                file.flush()
                part.chmod(mode)
                part.replace(path)
            except BaseException:
                part.unlink(missing_ok=True)
                raise
    except OSError as error:
        raise EndedBadly(f"{path} cannot be written: {error.strerror}.", "Name another file with -o.") from error


def fetch(client: ApiClient, output: Output, content: str, sha256: str, to: Path) -> None:
    """Download a content-addressed body into a file; it is checked before the file appears."""
    with replacing(to) as file, output.bytes_bar(to.name, None) as advance:
        size = client.download(content, sha256, file, advance)
    if output.json:
        output.raw({"file": str(to), "size": size, "sha256": sha256})
    else:
        output.line(f"{to}: {size:,} bytes, sha256 {sha256}")
