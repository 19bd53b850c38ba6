"""A federation in a real database, whose rounds the test opens and ends, and boards that register over UDP."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path as Folder

import numpy as np
import pytest

from app.domain.federation import FederationState
from app.services.board_visit import VisitTiming
from app.services.federation_bell import FederationBell
from app.services.federation_boards import BoardCourier
from app.services.federation_errands import BoardErrands
from app.services.federation_intake import FederationIntake
from app.storage import events
from app.storage import federations as rows
from app.storage.columns import now
from app.storage.database import Database
from app.storage.federation_files import FederationFiles
from app.storage.federation_tables import FederationClientRow, FederationRoundRow, FederationRow, FederationUpdateRow
from lwm2m.bridge import DeviceBridge, EmbeddedBridge
from lwm2m.server import Lwm2mServer
from tests.support.training_device import TrainingDevice
from zoo.federated.documents import Limits, decode_update
from zoo.federated.parameters import Parameter, Parameters, Weights
from zoo.federated.rounds import RoundState

PARAMETERS = Parameters([Parameter("head/kernel", (48, 10)), Parameter("head/bias", (10,))])
FEDERATION = "fed_1"
TIMING = VisitTiming(poll=0.1, first_pause=0.1, most_pause=0.5)


class World:
    """A federation of boards, whose rounds the test itself opens and ends."""

    def __init__(self, database: Database, files: FederationFiles, server: Lwm2mServer) -> None:
        self.database, self.files, self.server = database, files, server
        self.bell = FederationBell()
        self.bell.hang(asyncio.get_running_loop())
        self.intake = FederationIntake(database, files, self.bell)
        self.weights: Weights = tuple(
            np.random.default_rng(5).normal(0, 0.1, item.shape).astype(np.float32) for item in PARAMETERS
        )

    def courier(self, bridge: DeviceBridge | None = None) -> BoardCourier:
        errands = BoardErrands(self.database, self.intake)
        bridge = bridge or EmbeddedBridge(self.server)
        return BoardCourier(errands, self.intake, bridge, self.bell, TIMING, look=0.5)

    def begin(self, *endpoints: str) -> None:
        """A federation that runs, with these boards."""
        with self.database.write() as transaction:
            session = transaction.session
            session.add(
                FederationRow(
                    id=FEDERATION,
                    name="boards",
                    state=FederationState.RUNNING,
                    model="digits",
                    version=1,
                    model_sha256="0" * 64,
                    scope="head",
                    snapshot_sha256="0" * 64,
                    settings={
                        "training": {"epochs": 3, "batch_size": 1, "learning_rate": 0.05},
                        "max_samples": 1000,
                    },
                    document={"parameters": PARAMETERS.to_json()},
                    weights_sha256=self.files.put_weights(FEDERATION, self.weights),
                )
            )
            session.flush()
            for endpoint in endpoints:
                session.add(
                    FederationClientRow(
                        id=f"fcl_{endpoint}", federation_id=FEDERATION, name=endpoint, endpoint=endpoint
                    )
                )

    def open(self, number: int, *endpoints: str, seconds: float = 30.0) -> None:
        """Open a round that waits for these boards."""
        with self.database.write() as transaction:
            federation = rows.by_id(transaction.session, FEDERATION)
            assert federation is not None
            federation.round = number
            transaction.session.add(federation)
            transaction.session.add(
                FederationRoundRow(
                    federation_id=FEDERATION,
                    round=number,
                    state=RoundState.OPEN,
                    model_sha256=federation.weights_sha256 or "",
                    selected=[f"fcl_{endpoint}" for endpoint in endpoints],
                    minimum=1,
                    deadline_at=now() + timedelta(seconds=seconds),
                )
            )
            transaction.after_commit(self.bell.ring)

    def bring_forward(self, number: int, seconds: float) -> None:
        """Let a round's deadline be so soon."""
        with self.database.write() as transaction:
            found = rows.round_(transaction.session, FEDERATION, number)
            assert found is not None
            found.deadline_at = now() + timedelta(seconds=seconds)
            transaction.session.add(found)
            transaction.after_commit(self.bell.ring)

    def finish(self, weights: Weights, days_ago: int = 0) -> None:
        """End the federation with an average."""
        with self.database.write() as transaction:
            federation = rows.by_id(transaction.session, FEDERATION)
            assert federation is not None
            federation.weights_sha256 = self.files.put_weights(FEDERATION, weights)
            federation.state = FederationState.FINISHED
            federation.finished_at = now() - timedelta(days=days_ago)
            transaction.session.add(federation)
            transaction.after_commit(self.bell.ring)

    def updates(self, number: int) -> dict[str, FederationUpdateRow]:
        with self.database.read() as session:
            return {row.client_id.removeprefix("fcl_"): row for row in rows.updates(session, FEDERATION, number)}

    def told(self) -> list[dict[str, object]]:
        """What the federation says of its boards."""
        with self.database.read() as session:
            found = events.of_subject(session, f"federation/{FEDERATION}")
            return [event.data for event in found if event.type == "federation.board"]

    def received(self, number: int, endpoint: str) -> Weights:
        """The weights in the file of a board's update."""
        row = self.updates(number)[endpoint]
        body = self.files.updates(FEDERATION, number).get(row.sha256)
        return decode_update(body, PARAMETERS, Limits()).weights


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """A database with its tables and nothing in them: they take a second to make."""
    path: Folder = tmp_path_factory.mktemp("empty") / "db.sqlite"
    database = Database(f"sqlite:///{path}")
    database.migrate()
    database.close()
    return path


@pytest.fixture
async def world(tmp_path: Folder, empty: Folder) -> AsyncIterator[World]:
    database = Database(f"sqlite:///{shutil.copy(empty, tmp_path / 'db.sqlite')}")
    async with Lwm2mServer(port=0, grace=0, awake_time=1.0) as server:
        yield World(database, FederationFiles(tmp_path / "federations"), server)
    database.close()


MakeBoard = Callable[..., Awaitable[TrainingDevice]]


@pytest.fixture
async def make_board(world: World) -> AsyncIterator[MakeBoard]:
    async with contextlib.AsyncExitStack() as stack:

        async def make(endpoint: str, samples: int = 20, **more: float) -> TrainingDevice:
            device = TrainingDevice(world.server.port, endpoint, PARAMETERS, **more)
            random = np.random.default_rng(len(endpoint))
            device.teach(random.uniform(-1, 1, (samples, 48)).astype(np.float32), random.integers(0, 10, samples))
            return await stack.enter_async_context(device)

        yield make
