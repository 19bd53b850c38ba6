"""Parts of the server that are made of several services each, joined for the composition root."""

from dataclasses import dataclass

from app.drift import DriftKeeper
from app.federations import FederationKeeper
from app.services.alarms import AlarmService
from app.services.dataset_files import DatasetFiles
from app.services.datasets import DatasetService
from app.services.devices import DeviceService
from app.services.drift import DriftService
from app.services.drift_actions import DriftActions
from app.services.drift_intake import DriftIntake
from app.services.federation_bell import FederationBell
from app.services.federation_boards import BoardCourier
from app.services.federation_errands import BoardErrands
from app.services.federation_intake import FederationIntake
from app.services.federation_rounds import FederationRounds
from app.services.federation_score import FederationScorer
from app.services.federations import FederationService
from app.services.models import ModelService
from app.services.training import TrainingService
from app.settings import Settings
from app.storage.blobs import BlobStore
from app.storage.database import Database
from app.storage.federation_files import FederationFiles
from lwm2m.bridge import DeviceBridge


@dataclass(frozen=True)
class Federating:
    """The parts that carry federations out."""

    files: FederationFiles
    bell: FederationBell
    service: FederationService
    intake: FederationIntake
    keeper: FederationKeeper


def federating_of(
    settings: Settings,
    database: Database,
    blobs: BlobStore,
    datasets: DatasetFiles,
    models: ModelService,
    training: TrainingService,
    devices: DeviceService,
) -> Federating:
    """Federations over these models, data sets and devices."""
    files, bell = FederationFiles(settings.data_dir / "federations"), FederationBell()
    service = FederationService(models, training, devices, files, bell)
    rounds = FederationRounds(database, blobs, files, bell, service, FederationScorer(datasets.path))
    return Federating(files, bell, service, FederationIntake(database, files, bell), FederationKeeper(rounds, bell))


@dataclass(frozen=True)
class Watching:
    """The parts that watch for drift."""

    alarms: AlarmService
    service: DriftService
    keeper: DriftKeeper


def watching_of(
    bridge: DeviceBridge,
    database: Database,
    models: ModelService,
    training: TrainingService,
    federations: FederationService,
    datasets: DatasetService,
    files: DatasetFiles,
) -> Watching:
    """Drift monitors over what the bridge hears."""
    alarms, actions = AlarmService(), DriftActions(database, training, federations, datasets, files)
    service = DriftService(models, training, actions, alarms)
    return Watching(alarms, service, DriftKeeper(bridge, DriftIntake(database, alarms), actions))


def courier_of(database: Database, federating: Federating, bridge: DeviceBridge) -> BoardCourier:
    """Who brings federations to boards."""
    return BoardCourier(BoardErrands(database, federating.intake), federating.intake, bridge, federating.bell)
