"""A build that was asked to stop: nobody else is given it, and it ends as what was promised."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from app.contract import models as api
from app.errors import Conflict
from app.services.build_job import BuildJob
from app.services.builders import BuilderService
from app.services.builds import BuildService
from app.services.models import ModelService
from app.settings import Settings
from app.storage.blobs import BlobStore
from app.storage.database import Database
from app.storage.logs import LogStore
from app.storage.tables import BuilderRow
from zoo.cards import load

ROOT = Path(__file__).parents[3]
REQUEST = api.BuildRequest(model="hello-world-sine", board="mps2-an386")


class NoJobs:
    """An engine whose workers never come."""

    def start(self, kind: str, job_id: str, partition: str | None = None) -> None: ...


class World:
    """The use cases over rows of their own, and the work of a build without a builder."""

    def __init__(self, folder: Path) -> None:
        settings = Settings(data_dir=folder)
        self.database = Database(settings.database_url)
        self.database.migrate()
        blobs, logs = BlobStore(folder / "blobs"), LogStore(folder / "logs")
        models, runner = ModelService(self.database, blobs, settings), cast("Any", SimpleNamespace())
        self.builds = BuildService(self.database, logs, models, BuilderService(runner, "docker"), NoJobs())
        self.job = BuildJob(self.database, blobs, logs, runner, ec.generate_private_key(ec.SECP256R1()), settings)
        manifest = json.loads((ROOT / "builders/images/cortex-m/manifest.json").read_text())
        examined = models.examine(load("hello-world-sine").model)
        with self.database.write() as transaction:
            models.store(transaction, "hello-world-sine", examined)
            transaction.session.add(
                BuilderRow(
                    id="bldr_1", name="b", image="b", digest="sha256:1", engine="docker",
                    manifest=manifest,
                )
            )  # fmt: skip


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    found = World(tmp_path)
    yield found
    found.database.close()


def test_a_build_that_is_being_cancelled_is_given_to_nobody_who_asks_anew(world: World) -> None:
    with world.database.write() as transaction:
        build, _ = world.builds.create(transaction, REQUEST)
    assert world.job.begin(build.id)
    with world.database.write() as transaction:
        world.builds.cancel(transaction, build.id)
    with world.database.write() as transaction, pytest.raises(Conflict) as refused:
        world.builds.create(transaction, REQUEST)
    assert refused.value.slug == "build_being_cancelled"
    world.job.finish(build.id, {"state": "cancelled"})
    with world.database.write() as transaction:
        again, new = world.builds.create(transaction, REQUEST)
    assert new
    assert again.id != build.id


def test_a_build_whose_builder_ended_before_it_was_stopped_is_cancelled_all_the_same(world: World) -> None:
    with world.database.write() as transaction:
        build, _ = world.builds.create(transaction, REQUEST)
    assert world.job.begin(build.id)
    with world.database.write() as transaction:
        world.builds.cancel(transaction, build.id)
    world.job.finish(build.id, {"state": "failed", "error": {"slug": "s", "detail": "d", "remedy": "r"}})
    with world.database.read() as session:
        ended = world.builds.build(session, build.id)
    assert (ended.state, ended.error) == ("cancelled", None)
