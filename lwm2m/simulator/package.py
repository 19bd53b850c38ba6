"""What a simulated device keeps of a package: its size, its hash, and the version that its first bytes name."""

import hashlib
import struct
from collections.abc import Callable

MCUBOOT_MAGIC = 0x96F3B83D
HEAD = 64
TEXT_PREFIX = b"version:"
LIMIT = 32 << 20  # bytes


class HashStore:
    """Implements `PackageStore` in constant memory. `watch` is told the size after each block and may raise."""

    limit = LIMIT

    def __init__(self, watch: Callable[[int], None]) -> None:
        self._watch = watch
        self._hash = hashlib.sha256()
        self.size = 0
        self.head = b""
        self.complete = False

    @property
    def sha256(self) -> str:
        """Of what has arrived, hex."""
        return self._hash.hexdigest()

    @property
    def version(self) -> str:
        """The version of the package."""
        return package_version(self.head, self.sha256)

    def open(self) -> None:
        """Start with an empty package."""
        self._hash = hashlib.sha256()
        self.size, self.head, self.complete = 0, b"", False

    def write(self, data: bytes) -> None:
        """Hash."""
        self._hash.update(data)
        self.head = (self.head + data)[:HEAD]
        self.size += len(data)
        self._watch(self.size)

    async def close(self) -> None:
        """All is there."""
        self.complete = True

    def discard(self) -> None:
        """Forget it."""
        self.open()


def package_version(head: bytes, sha256: str) -> str:
    """From an MCUboot header, or from a first line `version:2.0.0`; else eight digits of the hash."""
    if len(head) >= 28 and struct.unpack_from("<I", head)[0] == MCUBOOT_MAGIC:
        major, minor, revision, build = struct.unpack_from("<BBHI", head, 20)
        return f"{major}.{minor}.{revision}+{build}"
    if head.startswith(TEXT_PREFIX) and b"\n" in head:
        return head[len(TEXT_PREFIX) : head.index(b"\n")].decode("ascii", "replace").strip()
    return sha256[:8]
