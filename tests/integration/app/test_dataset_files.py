"""The files of datasets: what no row refers to goes, what one refers to stays, whoever dies in between."""

from __future__ import annotations

import os
import resource
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.contract.models import DatasetRequest
from app.services.dataset_files import DatasetFiles
from app.services.datasets import DatasetService
from app.services.samples import Incoming, SampleService
from app.services.snapshots import MAX_OPEN, SnapshotService
from app.storage import snapshots
from app.storage.blobs import BlobStore
from app.storage.database import Database
from zoo.datasets.rows import Limits, Options
from zoo.datasets.snapshot import load
from zoo.datasets.split import Plan

ROWS = "a,label\n" + "".join(f"{number},{number % 2}\n" for number in range(40))


class Shelf:
    """The services of datasets over one folder, as `app.main` joins them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "datasets"
        self.database = Database(f"sqlite:///{folder / 'rows.sqlite3'}")
        self.database.migrate()
        self.store = BlobStore(self.folder)
        self.files = DatasetFiles(self.database, self.store)
        self.datasets = DatasetService(self.files, bytes(32))
        self.samples = SampleService(self.database, self.files, self.datasets, Limits(), 50)
        self.snapshots = SnapshotService(self.files)
        with self.database.write() as transaction:
            self.datasets.create(transaction, DatasetRequest(name="d"))

    def upload(self, text: str = ROWS, name: str = "d") -> None:
        incoming = Incoming({"x.csv": text.encode()}, None, Options(), None, refuse_duplicates=False)
        with self.samples.read(name, incoming) as read:
            kept = self.samples.keep(read)
        with self.database.write() as transaction:
            self.samples.store(transaction, name, kept)

    def snapshot(self) -> str:
        with self.database.read() as session:
            dataset = self.datasets.dataset(session, "d")
            taken = self.snapshots.take(session, dataset, Plan())
        with self.database.write() as transaction:
            return self.snapshots.store(transaction, dataset, taken)[0].sha256

    def names(self) -> set[str]:
        return {path.name for path in self.folder.rglob("*") if path.is_file()}

    def age(self) -> None:
        past = time.time() - 7200
        for path in self.folder.rglob("*"):
            if path.is_file():
                os.utime(path, (past, past))


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    made = Shelf(tmp_path)
    yield made
    made.database.close()


def test_a_file_whose_row_was_never_committed_is_swept_when_it_is_old(shelf: Shelf) -> None:
    shelf.upload()
    referenced = shelf.names()
    incoming = Incoming({"x.csv": b"a,label\n99,x\nbad,x\n"}, None, Options(), None, refuse_duplicates=False)
    with shelf.samples.read("d", incoming) as read:
        shelf.samples.keep(read)  # and here the process dies
    (shelf.folder / ".new-half").write_bytes(b"half a file")
    shelf.files.sweep()
    assert len(shelf.names()) == len(referenced) + 3  # too young: somebody may be about to commit
    shelf.age()
    shelf.files.sweep()
    assert shelf.names() == referenced


def test_nothing_that_a_row_refers_to_is_swept(shelf: Shelf) -> None:
    shelf.upload(ROWS + "bad,1\n")
    shelf.snapshot()
    before = shelf.names()
    assert len(before) == 3
    shelf.age()
    shelf.files.sweep()
    assert shelf.names() == before


def test_a_transaction_that_fails_removes_nothing(shelf: Shelf) -> None:
    shelf.upload()
    before = shelf.names()

    def fail_before_the_commit() -> None:
        with shelf.database.write() as transaction:
            shelf.datasets.delete(transaction, "d", purge=True)
            raise RuntimeError("the disk is full")

    with pytest.raises(RuntimeError):
        fail_before_the_commit()
    assert shelf.names() == before
    with shelf.database.read() as session:
        assert shelf.datasets.as_dataset(session, shelf.datasets.dataset(session, "d")).samples == 40


def test_a_snapshot_is_kept_for_as_long_as_somebody_uses_it(shelf: Shelf) -> None:
    shelf.upload()
    sha256 = shelf.snapshot()
    with shelf.database.write() as transaction:
        snapshots.use(transaction.session, sha256, "training-job/1")
        snapshots.use(transaction.session, sha256, "training-job/1")
        snapshots.use(transaction.session, sha256, "model/d/1")
        snapshots.release(transaction.session, sha256, "training-job/1")
        assert snapshots.users(transaction.session, sha256) == ["model/d/1"]
    with shelf.database.write() as transaction:
        shelf.datasets.delete(transaction, "d", purge=False)
    assert shelf.names() == {sha256}


def test_whoever_computes_keeps_nobody_waiting_and_reads_on_what_is_deleted_meanwhile(shelf: Shelf) -> None:
    shelf.upload()
    before = shelf.names()

    def upload_and_delete() -> None:
        with shelf.files.held():
            shelf.upload("a,label\n7,x\n")
        with shelf.files.held(), shelf.database.write() as transaction:
            shelf.datasets.delete(transaction, "d", purge=False)

    with ThreadPoolExecutor(1) as other, shelf.files.held(), shelf.database.read() as session:
        assert shelf.datasets.dataset(session, "d").name == "d"
        other.submit(upload_and_delete).result(timeout=20)
        assert before <= shelf.names()  # the dataset is gone, and its files are read here
        assert shelf.datasets.statistics(session, "d").samples == 40
    assert shelf.names() == set()


def test_datasets_of_the_same_samples_that_come_and_go_at_the_same_time_never_lack_their_file(shelf: Shelf) -> None:
    def come_and_go(name: str) -> None:
        for _ in range(8):
            with shelf.database.write() as transaction:
                shelf.datasets.create(transaction, DatasetRequest(name=name))
            with shelf.files.held():
                shelf.upload(name=name)
            with shelf.files.held(), shelf.database.read() as session:
                assert shelf.datasets.statistics(session, name).features[0].count == 40
            with shelf.files.held(), shelf.database.write() as transaction:
                shelf.datasets.delete(transaction, name, purge=False)

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(come_and_go, f"of-{number}") for number in range(4)]:
            done.result(timeout=120)
    assert shelf.names() == set()


def test_a_file_that_was_to_go_stays_when_the_same_is_written_again(shelf: Shelf) -> None:
    shelf.upload()
    before = shelf.names()
    with shelf.files.held():
        with ThreadPoolExecutor(1) as other:
            other.submit(_delete, shelf).result(timeout=20)
        with shelf.database.write() as transaction:
            shelf.datasets.create(transaction, DatasetRequest(name="d"))
        shelf.upload()
    assert shelf.names() == before


def test_a_file_that_somebody_is_about_to_commit_again_stays_though_all_are_done_who_read_it(shelf: Shelf) -> None:
    shelf.upload()
    before = shelf.names()
    with shelf.database.write() as transaction:
        shelf.datasets.create(transaction, DatasetRequest(name="later"))
    written, go_on = threading.Event(), threading.Event()
    incoming = Incoming({"x.csv": ROWS.encode()}, None, Options(), None, refuse_duplicates=False)

    def write_again() -> None:
        with shelf.files.held(), shelf.samples.read("later", incoming) as read:
            kept = shelf.samples.keep(read)
            written.set()
            assert go_on.wait(20)
            with shelf.database.write() as transaction:
                shelf.samples.store(transaction, "later", kept)

    with ThreadPoolExecutor(2) as others:
        with shelf.files.held():
            others.submit(_delete, shelf).result(timeout=20)
            writing = others.submit(write_again)
            assert written.wait(20)
        go_on.set()  # whoever read the deleted rows is done: the files of theirs went, if any did
        writing.result(timeout=20)
    assert shelf.names() == before


def test_a_file_that_was_to_go_goes_when_what_was_written_again_is_not_committed(shelf: Shelf) -> None:
    shelf.upload()
    incoming = Incoming({"x.csv": ROWS.encode()}, None, Options(), None, refuse_duplicates=False)
    with shelf.files.held():
        with shelf.samples.read("d", incoming) as read:
            _delete(shelf)
            shelf.samples.keep(read)
        assert len(shelf.names()) == 1
    assert shelf.names() == set()


def _delete(shelf: Shelf) -> None:
    with shelf.database.write() as transaction:
        shelf.datasets.delete(transaction, "d", purge=False)


def test_a_dataset_takes_no_more_samples_than_it_may(shelf: Shelf) -> None:
    shelf.upload()
    with pytest.raises(Exception, match="40 samples are there and 40 came; 50 are allowed"):
        shelf.upload(ROWS + "\n")


def test_a_snapshot_of_many_recordings_needs_few_open_files(shelf: Shelf) -> None:
    for number in range(MAX_OPEN + 18):
        shelf.upload(f"a,label\n{number},{number % 2}\n")
    open_now = sum(1 for _ in Path("/proc/self/fd").iterdir())
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (open_now + MAX_OPEN + 8, hard))
    try:
        sha256 = shelf.snapshot()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    with shelf.database.read() as session:
        taken = load(shelf.snapshots.file(session, sha256))
    assert sorted(taken.x[:, 0].tolist()) == list(range(MAX_OPEN + 18))
    assert taken.y is not None
    assert [taken.labels[index] for index in taken.y] == [str(int(value) % 2) for value in taken.x[:, 0]]
