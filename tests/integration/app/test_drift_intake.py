"""What devices tell becomes windows and alarms, whatever they send and whatever becomes of them meanwhile."""

import asyncio
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch
from xml.etree import ElementTree

import numpy as np
import pytest
from sqlalchemy.exc import OperationalError
from sqlmodel import select

from app.contract import models as api
from app.drift import BURST, DriftKeeper
from app.services.alarms import AlarmService
from app.services.devices import DeviceService
from app.services.drift import DriftService
from app.services.drift_actions import DriftActions
from app.services.drift_intake import KEPT_WINDOWS, DriftIntake
from app.services.drift_reading import Reading
from app.services.federation_bell import FederationBell
from app.services.federations import FederationService
from app.services.models import ModelService
from app.services.training import TrainingService
from app.settings import Settings
from app.storage import alarms, drift
from app.storage.blobs import BlobStore
from app.storage.database import Database
from app.storage.dataset_tables import DatasetSnapshotRow
from app.storage.drift_tables import DriftAlarmRow
from app.storage.federation_files import FederationFiles
from app.storage.federation_tables import FederationRow
from app.storage.tables import DeviceRow, ModelRow, ModelVersionRow
from zoo.drift import Distribution, Reference
from zoo.drift_picture import picture

SHA, OTHER, SNAPSHOT = "a" * 64, "b" * 64, "c" * 64
WINDOW = 30
ENDPOINT = "board-1"


class Jobs:
    """Queues nothing."""

    def start(self, kind: str, job_id: str, partition: str | None = None) -> None:
        pass

    def healthy(self) -> str:
        return "ok"


class World:
    """A database with a regression of one float output, a device that runs it, and its monitor."""

    def __init__(self, folder: Path, schema: Path) -> None:
        shutil.copyfile(schema, folder / "drift.sqlite3")
        self.database = Database(f"sqlite:///{folder / 'drift.sqlite3'}")
        models = ModelService(self.database, BlobStore(folder / "blobs"), Settings(data_dir=folder))
        self.training = TrainingService(self.database, models, Jobs())
        self.alarms = AlarmService()
        devices, files = DeviceService(self.database), FederationFiles(folder / "federations")
        federations = FederationService(models, self.training, devices, files, FederationBell())
        self.actions = DriftActions(self.database, self.training, federations, None, None)  # type: ignore[arg-type]  # of datasets only
        self.service = DriftService(models, self.training, self.actions, self.alarms)
        self.intake = DriftIntake(self.database, self.alarms)
        tensor = {"name": "t", "shape": [1, 1], "dtype": "float32", "scale": None, "zero_point": None}
        report = {"inputs": [tensor], "outputs": [tensor]}
        with self.database.write() as transaction:
            session = transaction.session
            session.add(ModelRow(name="level", active_version=1))
            session.flush()
            for number, sha256 in ((1, SHA), (2, OTHER)):
                row = ModelVersionRow(model="level", version=number, sha256=sha256, size=1, report=report)
                row.formats = {"keras": {"sha256": "e" * 64, "size": 1}}
                session.add(row)
            split = {"asked": {}, "parts": {}}
            session.add(DatasetSnapshotRow(dataset="d", sha256=SNAPSHOT, size=1, samples=1, split=split))
            session.add(DeviceRow(endpoint=ENDPOINT, model_sha256=SHA))
            values = Distribution.of_quantiles(np.random.default_rng(1).normal(size=300))
            reference = Reference("regression", False, (), "test", 300, {"output": values})
            for number in (1, 2):
                drift.put_reference(session, "level", number, SNAPSHOT, reference.to_json())
        self.monitor = self.watch(1)
        self._sequence = 0

    def watch(self, version: int, **more: Any) -> str:
        """A monitor of a version."""
        asked = {"model": "level", "version": version, "snapshot": SNAPSHOT, "window_samples": WINDOW, **more}
        with self.database.write() as transaction:
            return self.service.create(transaction, api.DriftMonitorRequest.model_validate(asked)).id

    def readings(self, count: int, shift: float = 0.0, seed: int = 2) -> list[Reading]:
        """Outputs around `shift`."""
        values = np.random.default_rng(seed).normal(shift, size=count).astype("<f4")
        return [self.reading(value.tobytes()) for value in values]

    def reading(self, output: bytes) -> Reading:
        self._sequence += 1
        return Reading(ENDPOINT, output, self._sequence)

    def tell(self, readings: list[Reading], dropped: int = 0) -> int:
        return self.intake.take(readings, {ENDPOINT: dropped})

    def standing(self) -> api.DriftWindows:
        with self.database.read() as session:
            return self.service.as_windows(session, self.service.device(session, self.monitor, ENDPOINT))

    def opened(self) -> list[DriftAlarmRow]:
        with self.database.read() as session:
            return list(alarms.open_of_devices(session, [ENDPOINT]))


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database: the migrations take longer than any of these tests."""
    path = tmp_path_factory.mktemp("schema") / "empty.sqlite3"
    database = Database(f"sqlite:///{path}")
    database.migrate()
    database.close()
    return path


@pytest.fixture
def world(tmp_path: Path, schema: Path) -> Iterator[World]:
    made = World(tmp_path, schema)
    yield made
    made.database.close()


def test_a_reference_that_is_there_is_taken_and_no_job_is_queued(world: World) -> None:
    with world.database.read() as session:
        monitor = world.service.as_monitor(session, world.service.monitor(session, world.monitor))
    assert (monitor.state, monitor.job_id) == ("watching", None)


def test_two_windows_of_a_regression_that_drifts_raise_one_alarm_with_all_in_one_batch(world: World) -> None:
    assert world.tell(world.readings(4 * WINDOW, shift=2)) == 1
    [alarm] = world.opened()
    assert (alarm.statistic, alarm.method, alarm.window) == ("output", "ks", {"number": 2, "samples": WINDOW})
    shown = world.standing()
    assert (shown.device.samples, shown.device.windows, shown.device.above) == (120, 4, {"output": 4})
    assert shown.windows[0].distributions[0].mean == pytest.approx(2, abs=0.6)


def test_a_device_that_takes_another_model_drifts_no_more_and_begins_anew_with_it(world: World) -> None:
    world.tell(world.readings(2 * WINDOW, shift=2))
    [alarm] = world.opened()
    with world.database.write() as transaction:
        device = transaction.session.get(DeviceRow, ENDPOINT)
        assert device is not None
        device.model_sha256 = OTHER
        transaction.session.add(device)
    world.tell(world.readings(1))
    with world.database.read() as session:
        cleared = alarms.by_id(session, alarm.id)
    assert cleared is not None
    assert cleared.cleared_because == "model_changed"
    assert world.standing().device.samples == 2 * WINDOW  # nothing of the new model is counted under the old one
    second = world.watch(2)
    world.tell(world.readings(WINDOW, shift=2))
    with world.database.read() as session:
        assert world.service.device(session, second, ENDPOINT).windows == 1
    assert world.opened() == []


def test_what_is_told_twice_counts_once_and_a_device_that_starts_anew_counts_on(world: World) -> None:
    first, second = world.readings(2)
    world.tell([first, first, second, second])
    world.tell([second])
    world.tell([first], dropped=3)  # the device began to count from 1 again
    device = world.standing().device
    assert (device.samples, device.skipped) == (3, {"too_many": 3})


def test_outputs_that_are_no_numbers_are_skipped(world: World) -> None:
    bad = (np.float32("nan").tobytes(), np.float32("inf").tobytes(), b"\x00" * 3)
    world.tell([world.reading(output) for output in bad] + world.readings(1))
    device = world.standing().device
    assert (device.samples, device.skipped) == (1, {"not_finite": 2, "output_size": 1})


def test_old_windows_are_forgotten(world: World) -> None:
    for seed in range(KEPT_WINDOWS + 3):
        world.tell(world.readings(WINDOW, seed=seed + 10))
    world.tell(world.readings(1))
    shown = world.standing()
    assert (shown.device.windows, len(shown.windows)) == (KEPT_WINDOWS + 3, KEPT_WINDOWS)
    assert (shown.windows[0].samples, shown.windows[0].comparisons) == (1, None)


def test_devices_that_nobody_knows_or_watches_leave_nothing(world: World) -> None:
    stranger = [Reading("stranger", b"\x00" * 4, 1)]
    assert world.intake.take(stranger, {}) == 0
    with world.database.read() as session:
        assert drift.device(session, world.monitor, "stranger") is None


class Bridge:
    """Nobody speaks."""

    def listen(self, _: object) -> Callable[[], None]:
        return lambda: None


async def _started(world: World) -> None:
    """A keeper from its start until what was left pending is done."""
    async with DriftKeeper(Bridge(), world.intake, world.actions):  # type: ignore[arg-type]  # it listens and no more
        async with asyncio.timeout(10):
            while any(alarm.action_state == "pending" for alarm in world.opened()):  # noqa: ASYNC110 - a row, no event
                await asyncio.sleep(0.01)


def test_an_alarm_opens_a_federation_after_a_restart_and_another_one_within_the_cooldown_names_it(world: World) -> None:
    with world.database.write() as transaction:
        world.service.remove(transaction, world.monitor)
        transaction.session.add(DeviceRow(endpoint="board-2", model_sha256=SHA))
    federation = {"model": "level", "version": 1, "snapshot": SNAPSHOT, "rounds": 3, "name": "ward-7"}
    world.monitor = world.watch(1, action={"kind": "federation", "federation": federation, "cooldown_seconds": 3600})
    assert world.tell(world.readings(2 * WINDOW, shift=2)) == 1
    # The server dies before anything is done about it; the next one does it when it starts.
    asyncio.run(_started(world))
    [first] = world.opened()
    with world.database.read() as session:
        [made] = session.exec(select(FederationRow)).all()
    assert (first.action_state, first.action["federation_id"]) == ("opened", made.id)
    assert (made.state, made.name, made.settings["rounds"]) == ("preparing", "ward-7", 3)

    other = [replace(reading, endpoint="board-2") for reading in world.readings(2 * WINDOW, shift=2)]
    assert world.intake.take(other, {}) == 1
    world.actions.carry_out()
    with world.database.read() as session:
        [second] = alarms.open_of_devices(session, ["board-2"])
        assert len(session.exec(select(FederationRow)).all()) == 1
    assert (second.action_state, second.action["federation_id"]) == ("skipped", made.id)


def test_an_action_that_cannot_be_carried_out_says_why_and_is_not_tried_again(world: World) -> None:
    with world.database.write() as transaction:
        row = drift.monitor(transaction.session, world.monitor)
        assert row is not None
        job = {"kind": "centralised", "model": "level", "recipe": "digits-cnn", "snapshot": "d" * 64}
        row.action = {"kind": "training_job", "training_job": job, "cooldown_seconds": 0}
        transaction.session.add(row)
    world.tell(world.readings(2 * WINDOW, shift=2))
    world.actions.carry_out()
    [alarm] = world.opened()
    assert (alarm.action_state, alarm.action["error"]["slug"]) == ("failed", "snapshot_not_found")
    with world.database.read() as session:
        assert alarms.pending(session) == []


def test_a_device_that_sends_too_much_is_counted_up_to_its_allowance_and_the_rest_as_too_many(world: World) -> None:
    async def flood() -> None:
        keeper = DriftKeeper(Bridge(), world.intake, world.actions, clock=lambda: 0.0)  # type: ignore[arg-type]  # it listens and no more
        async with keeper:
            for _ in range(3):
                keeper.hear(world.readings(BURST // 2))

    asyncio.run(flood())  # leaving it writes down what waits
    device = world.standing().device
    assert (device.samples, device.skipped) == (BURST, {"too_many": BURST // 2})


@pytest.mark.parametrize("failures", [2, 3])
def test_a_batch_that_a_locked_database_refused_is_tried_again_and_in_the_end_told_as_too_many(
    world: World, failures: int
) -> None:
    take, left = world.intake.take, failures

    def locked(readings: Sequence[Reading], dropped: Mapping[str, int]) -> int:
        nonlocal left
        if left:
            left -= 1
            raise OperationalError("BEGIN IMMEDIATE", {}, Exception("database is locked"))
        return take(readings, dropped)

    async def tell() -> None:
        keeper = DriftKeeper(Bridge(), world.intake, world.actions, pause=0.01)  # type: ignore[arg-type]  # it listens and no more
        async with keeper:
            for first in (0, 10):
                keeper.hear(world.readings(10))
                async with asyncio.timeout(10):
                    while keeper._waiting or (first == 0 and left):  # noqa: ASYNC110 - no event for it
                        await asyncio.sleep(0.01)

    with patch.object(world.intake, "take", locked):
        asyncio.run(tell())
    device = world.standing().device
    assert (device.samples, device.skipped) == ((20, {}) if failures == 2 else (10, {"too_many": 10}))


def test_a_picture_shows_what_was_compared_and_escapes_what_a_stranger_wrote(world: World) -> None:
    world.tell(world.readings(WINDOW, shift=2))
    with world.database.read() as session:
        drawn = world.service.picture(session, world.monitor, ENDPOINT, None)
    assert "Output" in drawn
    assert "drifts" in drawn
    labels = ["<script>", "\x00"] + [f"label {number}" for number in range(50)]
    many = {"classes": Distribution(tuple(range(1, 53)))}
    drawn = picture("a & b <c>", many, many, (), labels)
    found = ElementTree.fromstring(drawn)  # noqa: S314 - drawn here
    assert len(found.findall(".//{*}rect")) == 1 + 2 + 2 * 32  # the ground, the key, and 32 labels of 52
    assert "<script>" not in drawn
