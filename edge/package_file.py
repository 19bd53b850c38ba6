"""A package on the Pi's disk: appended block by block, synced when it is complete."""

import asyncio
import os
from pathlib import Path
from typing import BinaryIO

from lwm2m.errors import Refused
from lwm2m.messages import Code


class PackageFile:
    """Implements the device library's `PackageStore` on one file of at most `limit` bytes."""

    def __init__(self, path: Path, limit: int) -> None:
        self.path = path
        self._limit = limit
        self._file: BinaryIO | None = None

    @property
    def limit(self) -> int:
        """The slot's size."""
        return self._limit

    def open(self) -> None:
        """Start with an empty file."""
        self.release()
        self._file = self.path.open("wb")

    def write(self, data: bytes) -> None:
        """Append."""
        if self._file is None:
            raise Refused(Code.REQUEST_ENTITY_INCOMPLETE, "no package is being received")
        self._file.write(data)

    async def close(self) -> None:
        """Make the file durable."""
        file, self._file = self._file, None
        if file is not None:
            await asyncio.to_thread(_close_durably, file)

    def discard(self) -> None:
        """Delete the file."""
        self.release()
        self.path.unlink(missing_ok=True)

    def release(self) -> None:
        """Close the file as it is."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _close_durably(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
    file.close()
