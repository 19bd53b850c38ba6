"""Content-addressed bytes in a folder: the name is the SHA-256, so a blob never changes and is stored once."""

import hashlib
import re
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from app.storage.files import TEMPORARY, write_atomically, write_named

_SHA256 = re.compile(r"[0-9a-f]{64}")


class BlobStore:
    """Blobs under `root/ab/abcdef...`."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def path(self, sha256: str) -> Path:
        """Where a blob is or would be; ValueError for anything but a SHA-256 in lower-case hex."""
        if not _SHA256.fullmatch(sha256):
            raise ValueError("not a SHA-256")
        return self._root / sha256[:2] / sha256

    def put(self, data: bytes) -> str:
        """Store bytes durably and answer their SHA-256; bytes that are there already are left alone."""
        sha256 = hashlib.sha256(data).hexdigest()
        path = self.path(sha256)
        if not path.exists():
            write_atomically(path, data)
        return sha256

    def put_chunks(self, chunks: Iterable[bytes]) -> str:
        """The same for bytes that are too many for the memory."""
        digest = hashlib.sha256()

        def hashed() -> Iterator[bytes]:
            for chunk in chunks:
                digest.update(chunk)
                yield chunk

        return write_named(self._root, hashed(), lambda: self.path(digest.hexdigest())).name

    def remove(self, sha256: str) -> None:
        """Take a blob away; one that is not there is fine."""
        self.path(sha256).unlink(missing_ok=True)

    def older_than(self, seconds: float) -> Iterator[str]:
        """Blobs that were written longer ago; what a write that was cut off left behind is removed on the way."""
        before = time.time() - seconds
        for path in sorted(self._root.rglob("*")):
            if path.is_file() and path.stat().st_mtime < before:
                if path.name.startswith(TEMPORARY):
                    path.unlink(missing_ok=True)
                elif _SHA256.fullmatch(path.name):
                    yield path.name

    def get(self, sha256: str) -> bytes:
        """The bytes; FileNotFoundError when there are none."""
        return self.path(sha256).read_bytes()
