"""Gives devices that pull the artifact of their update: by its token, while the update has not ended."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app.storage import devices as rows
from app.storage.blobs import BlobStore
from app.storage.database import Database


@dataclass(frozen=True)
class BlobPackage:
    """An artifact's bytes on disk; they never change, their ETag is the beginning of their SHA-256."""

    path: Path
    size: int
    etag: bytes
    on_read: Callable[[int], None]

    async def read(self, offset: int, length: int) -> bytes:
        """Exactly `length` bytes from `offset`, fewer only at the end."""
        data = await asyncio.to_thread(self._read, offset, length)
        self.on_read(offset + len(data))
        return data

    def _read(self, offset: int, length: int) -> bytes:
        with self.path.open("rb") as file:
            file.seek(offset)
            return file.read(length)


class UpdatePackages:
    """`lwm2m.packages.PackageSource` over the updates; remembers how far each device has read."""

    def __init__(self, database: Database, blobs: BlobStore) -> None:
        self._database = database
        self._blobs = blobs
        self._served: dict[str, int] = {}

    async def open(self, token: str) -> BlobPackage | None:
        """The package of the update with this token."""
        return await asyncio.to_thread(self._find, token)

    def served(self, token: str) -> int:
        """Bytes that the device behind this token has fetched, as far as this process knows."""
        return self._served.get(token, 0)

    def forget(self, token: str) -> None:
        """The update of this token has ended."""
        self._served.pop(token, None)

    def _find(self, token: str) -> BlobPackage | None:
        with self._database.read() as session:
            row = rows.update_by_token(session, token)
        if row is None or row.artifact_sha256 is None:
            return None

        def note(end: int) -> None:
            self._served[token] = max(end, self._served.get(token, 0))

        etag = bytes.fromhex(row.artifact_sha256[:16])
        return BlobPackage(self._blobs.path(row.artifact_sha256), row.bytes_total, etag, note)
