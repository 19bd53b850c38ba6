"""The files of datasets: samples, rejected rows and snapshots by their hash, removed once nothing refers to them."""

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
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


@dataclass(eq=False)
class _Hold:
    """Somebody at work; `written` are the files whose rows are not committed yet."""

    written: set[str] = field(default_factory=set)


@dataclass(eq=False)
class _Leaving:
    """Files whose rows are gone, and who may have read those rows before: they have to be done first.

    `rewritten` are those that somebody has written again, or is about to.
    """

    hashes: set[str]
    waiting_for: set[_Hold]
    rewritten: set[str] = field(default_factory=set)


class DatasetFiles:
    """A folder of blobs.

    Whoever reads rows and then the files that they refer to holds the files meanwhile (`held`), and so does whoever
    writes a file and then commits the row that refers to it. Nobody waits for anybody: a file that is to go is removed
    when all who were at work then are done, unless one who came later has written the same again.
    """

    def __init__(self, database: Database, store: BlobStore) -> None:
        self._database = database
        self._store = store
        self._guard = threading.Lock()  # of the three below, and of a removal; for moments alone
        self._holds: set[_Hold] = set()
        self._leaving: list[_Leaving] = []
        self._looked_at: list[_Leaving] = []
        self._mine = threading.local()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Until the files were read, or the row is committed. Of the thread: what it puts meanwhile is kept."""
        hold, outer = _Hold(), getattr(self._mine, "hold", None)
        with self._guard:
            self._holds.add(hold)
        self._mine.hold = hold
        try:
            yield
        finally:
            self._mine.hold = outer
            with self._guard:
                self._holds.remove(hold)
                for leaving in self._leaving:
                    leaving.waiting_for.discard(hold)
            self._remove_those_that_may_go()

    def put(self, chunks: Iterable[bytes]) -> str:
        """Store durably; the SHA-256."""
        return self._store.put_chunks(chunks, self._announce)

    def _announce(self, sha256: str) -> None:
        """Before the file has its name: a removal that is decided from now on sees it."""
        hold: _Hold | None = getattr(self._mine, "hold", None)
        if hold is None:
            return
        with self._guard:
            hold.written.add(sha256)
            for leaving in self._looked_at:
                leaving.rewritten.add(sha256)

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
        """Remove the files that no row refers to any more, at once or when those at work now are done."""
        with self._guard:
            self._leaving.append(_Leaving({sha256 for sha256 in hashes if sha256 is not None}, set(self._holds)))
        self._remove_those_that_may_go()

    def sweep(self) -> None:
        """Remove what processes that died between writing a file and committing its row left behind."""
        self.forget(list(self._store.older_than(ORPHAN_SECONDS)))

    def _remove_those_that_may_go(self) -> None:
        while (leaving := self._next()) is not None:
            try:
                unneeded = {sha256 for sha256 in leaving.hashes if not self._is_needed(sha256)}
            except BaseException:
                with self._guard:
                    self._looked_at.remove(leaving)  # a sweep finds them
                raise
            with self._guard:
                self._looked_at.remove(leaving)
                for sha256 in unneeded - leaving.rewritten:
                    self._store.remove(sha256)
                again = leaving.hashes & leaving.rewritten
                if again:  # looked at once more when it is known whether that was committed
                    self._leaving.append(_Leaving(again, set(self._holds)))

    def _next(self) -> _Leaving | None:
        """One that nobody works with; what is written from now on is noted in it."""
        with self._guard:
            found = next((leaving for leaving in self._leaving if not leaving.waiting_for), None)
            if found is not None:
                self._leaving.remove(found)
                self._looked_at.append(found)
                found.rewritten = {sha256 for hold in self._holds for sha256 in hold.written}
            return found

    def _is_needed(self, sha256: str) -> bool:
        with self._database.read() as session:
            return rows.is_referenced(session, sha256) or snapshots.has_file(session, sha256)
