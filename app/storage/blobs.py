"""Content-addressed bytes in a folder: the name is the SHA-256, so a blob never changes and is stored once."""

import hashlib
import os
import re
import stat
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from app.storage.files import TEMPORARY, write_named

_SHA256 = re.compile(r"[0-9a-f]{64}")


class BlobStore:
    """Blobs under `root/ab/abcdef...`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._guard = threading.Lock()  # a blob becomes young again, or goes for being old: one of the two

    def path(self, sha256: str) -> Path:
        """Where a blob is or would be; ValueError for anything but a SHA-256 in lower-case hex."""
        if not _SHA256.fullmatch(sha256):
            raise ValueError("not a SHA-256")
        return self._root / sha256[:2] / sha256

    def put(self, data: bytes) -> str:
        """Store bytes durably and answer their SHA-256; bytes that are there already are young again."""
        sha256 = hashlib.sha256(data).hexdigest()
        path = self.path(sha256)
        try:
            with self._guard:
                os.utime(path)
        except FileNotFoundError:
            write_named(path.parent, [data], lambda: path, naming=self._guard)
        return sha256

    def put_chunks(self, chunks: Iterable[bytes], announce: Callable[[str], None] = lambda _: None) -> str:
        """The same for bytes that are too many for the memory; `announce` hears the SHA-256 before it is there."""
        digest = hashlib.sha256()

        def hashed() -> Iterator[bytes]:
            for chunk in chunks:
                digest.update(chunk)
                yield chunk

        def name() -> Path:
            announce(digest.hexdigest())
            return self.path(digest.hexdigest())

        return write_named(self._root, hashed(), name, naming=self._guard).name

    def remove(self, sha256: str) -> None:
        """Take a blob away; one that is not there is fine."""
        self.path(sha256).unlink(missing_ok=True)

    def remove_older(self, sha256: str, seconds: float) -> bool:
        """Take a blob away unless it was put, or put again, since then."""
        path = self.path(sha256)
        with self._guard:
            old = _is_older(path, time.time() - seconds)
            if old:
                path.unlink()
        return old

    def older_than(self, seconds: float) -> Iterator[str]:
        """Blobs that were put longer ago; what a write that was cut off left behind is removed on the way."""
        before = time.time() - seconds
        for path in sorted(self._root.rglob("*")):
            if _is_older(path, before):
                if path.name.startswith(TEMPORARY):
                    path.unlink(missing_ok=True)
                elif _SHA256.fullmatch(path.name):
                    yield path.name

    def get(self, sha256: str) -> bytes:
        """The bytes; FileNotFoundError when there are none."""
        return self.path(sha256).read_bytes()


def _is_older(path: Path, before: float) -> bool:
    try:
        found = path.stat()
    except FileNotFoundError:  # somebody else removed it meanwhile
        return False
    return stat.S_ISREG(found.st_mode) and found.st_mtime < before
