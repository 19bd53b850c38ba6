"""Firmware images as files named by their SHA-256: a name that fits its content is the only way in and out."""

import hashlib
import re
from pathlib import Path

from edge.errors import ImageLostError
from edge.files import move_durably

_SHA256 = re.compile(r"[0-9a-f]{64}")


class ImageStore:
    """A folder of images. Digests come from our own journal, and are checked nevertheless before they touch a path."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def adopt(self, file: Path) -> str:
        """Move a complete, synced file in (same file system) and return its digest."""
        with file.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
        move_durably(file, self._path(digest))
        return digest

    def load(self, digest: str) -> bytes:
        """The image, checked against its name; ImageLostError when it is absent or damaged."""
        try:
            content = self._path(digest).read_bytes()
        except FileNotFoundError as error:
            raise ImageLostError(f"no image {digest}") from error
        if hashlib.sha256(content).hexdigest() != digest:
            raise ImageLostError(f"image {digest} is damaged")
        return content

    def keep_only(self, digests: set[str]) -> None:
        """Delete every other image."""
        for path in self._folder.glob("*.img"):
            if path.stem not in digests:
                path.unlink()

    def _path(self, digest: str) -> Path:
        if _SHA256.fullmatch(digest) is None:
            raise ValueError(f"{digest!r} is not a SHA-256 in hex")
        return self._folder / f"{digest}.img"
