"""Blobs that nothing names any more go; those that any row names stay, whichever table it is in."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.services.blob_sweep import UNNAMED_SECONDS, BlobSweep
from app.services.offload_models import OffloadModelService
from app.storage import builds
from app.storage.blobs import BlobStore
from app.storage.database import Database
from app.storage.tables import BuildRow, ModelRow, ModelVersionRow, OffloadSessionRow, TrainingJobRow

OLD = UNNAMED_SECONDS + 60


class Shelf:
    """A database, blobs, and what sweeps them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "blobs"
        self.blobs = BlobStore(self.folder)
        self.database = Database(f"sqlite:///{folder / 'rows.sqlite3'}")
        self.database.migrate()
        self.models = OffloadModelService(self.blobs)

    def register(self, data: bytes) -> int:
        with self.database.write() as transaction:
            return self.models.register(transaction, "key", "a.bin", data, activate=False, description="").version

    def delete(self, version: int) -> None:
        with self.database.write() as transaction:
            self.models.delete(transaction, "key", version, force=False)

    def add(self, *made: object) -> None:
        with self.database.write() as transaction:
            for row in made:
                transaction.session.add(row)
                transaction.session.flush()

    def swept(self) -> set[bytes]:
        """What is there after a sweep, a day later."""
        past = time.time() - OLD
        for path in self.folder.rglob("*"):
            if path.is_file():
                os.utime(path, (past, past))
        return self.swept_now()

    def swept_now(self) -> set[bytes]:
        BlobSweep(self.database, self.blobs).sweep()
        return {path.read_bytes() for path in self.folder.rglob("*") if path.is_file()}


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    made = Shelf(tmp_path)
    yield made
    made.database.close()


def _session(**files: str) -> OffloadSessionRow:
    named = {name: {"sha256": sha256, "size": 1} for name, sha256 in files.items()}
    return OffloadSessionRow(id="off_1", topic="t", model="m", seed=1, receiver_conf="{}", files=named)


def _job(state: str, ini: str) -> TrainingJobRow:
    return TrainingJobRow(
        id=f"trn_{state}", state=state, kind="offload", model="m", snapshot_sha256="0" * 64, offload={"ini_sha256": ini}
    )


def test_a_deleted_offload_version_takes_its_file_along_a_day_later(shelf: Shelf) -> None:
    shelf.register(b"kept")
    shelf.delete(shelf.register(b"deleted"))
    assert shelf.swept_now() == {b"kept", b"deleted"}  # too young: somebody may be about to commit
    assert shelf.swept() == {b"kept"}


def test_a_file_that_is_put_again_is_young_again(shelf: Shelf) -> None:
    shelf.delete(shelf.register(b"model"))
    past = time.time() - OLD
    sha256 = shelf.blobs.put(b"model")
    os.utime(shelf.blobs.path(sha256), (past, past))
    shelf.blobs.put(b"model")  # and here somebody looks what is old, before the row is committed
    assert shelf.swept_now() == {b"model"}


def test_whoever_looks_what_is_old_is_not_stopped_by_what_another_removes_meanwhile(shelf: Shelf) -> None:
    for number in range(3):
        shelf.blobs.put(bytes([number]))
    looking = shelf.blobs.older_than(-60)
    found = next(looking)
    for path in list(shelf.folder.rglob("*")):
        if path.is_file():
            path.unlink()
    assert list(looking) == []
    assert not shelf.blobs.remove_older(found, -60)


def test_what_a_version_names_in_its_forms_stays_when_the_offload_version_of_the_same_bytes_goes(shelf: Shelf) -> None:
    version = shelf.register(b"weights")
    shelf.add(
        ModelRow(name="m", active_version=1),
        ModelVersionRow(
            model="m",
            version=1,
            sha256=shelf.blobs.put(b"int8"),
            size=4,
            report={},
            golden={},
            formats={"nntrainer": {"sha256": shelf.blobs.put(b"weights"), "size": 7}},
        ),
    )
    shelf.delete(version)
    assert shelf.swept() == {b"weights", b"int8"}


def test_a_sessions_files_stay_for_as_long_as_it_or_its_training_needs_them(shelf: Shelf) -> None:
    ini = shelf.blobs.put(b"ini")
    row, running = _session(ini=ini, weights=shelf.blobs.put(b"weights")), _job("running", ini)
    shelf.add(row, running)
    assert shelf.swept() == {b"ini", b"weights"}
    with shelf.database.write() as transaction:
        transaction.session.delete(transaction.session.get_one(OffloadSessionRow, row.seq))
    assert shelf.swept() == {b"ini"}
    with shelf.database.write() as transaction:
        transaction.session.get_one(TrainingJobRow, running.seq).state = "succeeded"
    assert shelf.swept() == set()


def test_nothing_goes_while_a_build_may_hand_images_from_step_to_step(shelf: Shelf) -> None:
    shelf.blobs.put(b"an image that is not signed yet")
    build = BuildRow(
        id="bld_1", key="k", state="running", builder_id="b", builder_digest="d", board="b", model="m",
        version=1, model_sha256="0" * 64, parameters={}, firmware_version="1.0.0", security_counter=1,
    )  # fmt: skip
    shelf.add(build)
    assert len(shelf.swept()) == 1
    with shelf.database.write() as transaction:
        found = builds.by_id(transaction.session, "bld_1")
        assert found is not None
        found.state = "failed"
    assert shelf.swept() == set()
