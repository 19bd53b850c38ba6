"""Workers that die are counted; workers that went down with their server are not their job's fault."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlmodel import Session

from app.services.models import ModelService
from app.services.training_job import TrainingJob
from app.settings import Settings
from app.storage import training as rows
from app.storage.blobs import BlobStore
from app.storage.database import Database
from app.storage.federation_files import FederationFiles
from app.storage.tables import TrainingJobRow
from tests.support.workers import workers_in

JOB = "trn_0123456789abcdef"


class PowerCut(BaseException):
    """The server dies at this instruction."""


class Fused(Database):
    """A database in whose process something happens at the first look after a worker was started."""

    def __init__(self, url: str, folder: Path) -> None:
        super().__init__(url)
        self.folder = folder
        self.worker_killed, self.power_cut = False, False

    @contextmanager
    def read(self) -> Iterator[Session]:
        """As before, but for what was asked."""
        workers = workers_in(self.folder) if self.folder.exists() else []
        if workers and self.worker_killed:
            for worker in workers:
                os.kill(worker, signal.SIGKILL)
        if workers and self.power_cut:
            raise PowerCut
        with super().read() as session:
            yield session


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Fused]:
    made = Fused(f"sqlite:///{tmp_path / 'rows.sqlite3'}", tmp_path / "training" / JOB)
    made.migrate()
    with made.write() as transaction:
        transaction.session.add(
            TrainingJobRow(id=JOB, state="running", kind="centralised", model="m", snapshot_sha256="0" * 64, recipe={})
        )
    yield made
    made.close()


@pytest.fixture
def snapshot(tmp_path: Path) -> Path:
    """Who opens it waits for ever, so that no worker ends by itself before it is looked at."""
    path = tmp_path / "snapshot"
    os.mkfifo(path)
    return path


@pytest.fixture
def job(database: Fused, tmp_path: Path, snapshot: Path) -> TrainingJob:
    settings = Settings(data_dir=tmp_path)
    blobs = BlobStore(tmp_path / "blobs")
    models = ModelService(database, blobs, settings)
    return TrainingJob(database, blobs, models, settings, lambda _: snapshot, FederationFiles(tmp_path), ())


def _row(database: Fused) -> TrainingJobRow:
    with Database.read(database) as session:
        found = rows.by_id(session, JOB)
    assert found is not None
    return found


def test_a_server_that_is_killed_before_the_first_epoch_again_and_again_does_not_end_the_job(
    job: TrainingJob, database: Fused, snapshot: Path
) -> None:
    database.power_cut = True
    for _ in range(4):
        with pytest.raises(PowerCut):
            job.run(JOB)
    assert _row(database).attempts == 4
    database.power_cut = False
    snapshot.unlink()
    ended = job.run(JOB)  # the worker runs at last, and says what is wrong with this job
    assert ended["error"]["slug"] != "worker_died", ended


def test_a_worker_that_is_killed_again_and_again_ends_the_job(job: TrainingJob, database: Fused) -> None:
    database.worker_killed = True
    ended = job.run(JOB)
    assert (ended["state"], ended["error"]["slug"]) == ("failed", "worker_died"), ended
    assert _row(database).attempts == 3


def test_a_training_whose_worker_ended_before_it_was_stopped_is_cancelled_all_the_same(
    job: TrainingJob, database: Fused
) -> None:
    assert job.begin(JOB)
    with Database.write(database) as transaction:
        row = rows.by_id(transaction.session, JOB)
        assert row is not None
        row.cancel_requested = True
        transaction.session.add(row)
    job.finish(JOB, {"state": "failed", "error": {"slug": "s", "detail": "d", "remedy": "r", "field": None}})
    assert (_row(database).state, _row(database).error) == ("cancelled", None)
