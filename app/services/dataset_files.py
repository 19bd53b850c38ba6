"""The files of datasets: samples, rejected rows and snapshots by their hash, removed once nothing refers to them."""

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.storage import datasets as rows
from app.storage import snapshots
from app.storage.blobs import BlobStore
from app.storage.database import Database
from zoo.datasets import arrays
from zoo.datasets.arrays import Column
from zoo.datasets.schema import Schema

ORPHAN_SECONDS = 3600.0
"""A file that no row refers to for so long was left behind by a process that died."""


class DatasetFiles:
    """A folder of blobs.

    Whoever writes a file and then commits the row that refers to it holds the files meanwhile (`held`), and so does
    whoever removes one after looking that no row refers to it: the one could take away what the other counts on.
    """

    def __init__(self, database: Database, store: BlobStore) -> None:
        self._database = database
        self._store = store
        self._lock = threading.RLock()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Until the row is committed."""
        with self._lock:
            yield

    def put(self, chunks: Iterable[bytes]) -> str:
        """Store durably; the SHA-256."""
        return self._store.put_chunks(chunks)

    def path(self, sha256: str) -> Path:
        """Where a file is."""
        return self._store.path(sha256)

    def read(self, sha256: str) -> bytes:
        """A small file."""
        return self._store.get(sha256)

    def samples(self, sha256: str) -> tuple[NDArray[Any], NDArray[Any] | None]:
        """Values and targets of an upload's samples, mapped."""
        _, found = arrays.read(self._store.path(sha256))
        return found["x"], found.get("targets")

    def overwritten(self, sha256: str, schema: Schema, positions: Sequence[int]) -> str:
        """A copy of an upload's file with nothing but zeros at the rows that are not `positions`; its SHA-256."""
        x, targets = self.samples(sha256)
        kept = set(positions)
        blank = bytes(x.dtype.itemsize * schema.values)
        values = (row.tobytes() if place in kept else blank for place, row in enumerate(x))
        columns = [Column("x", str(x.dtype), x.shape, values)]
        if targets is not None:
            cleared = np.array(targets)
            cleared[[place for place in range(len(cleared)) if place not in kept]] = 0
            columns.append(Column.of("targets", cleared))
        return self.put(arrays.chunks({}, columns))

    def forget(self, hashes: Iterable[str | None]) -> None:
        """Remove the files that no row refers to any more."""
        with self._lock:
            for sha256 in set(hashes) - {None}:
                with self._database.read() as session:
                    needed = rows.is_referenced(session, sha256 or "") or snapshots.has_file(session, sha256 or "")
                if not needed:
                    self._store.remove(sha256 or "")

    def sweep(self) -> None:
        """Remove what processes that died between writing a file and committing its row left behind."""
        self.forget(list(self._store.older_than(ORPHAN_SECONDS)))
