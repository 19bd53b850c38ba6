"""Content-addressed bytes in a folder: the name is the SHA-256, so a blob never changes and is stored once."""

import hashlib
import re
from pathlib import Path

from app.storage.files import write_atomically

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

    def get(self, sha256: str) -> bytes:
        """The bytes; FileNotFoundError when there are none."""
        return self.path(sha256).read_bytes()
