"""The services of one running server, as handlers get them."""

import threading
from dataclasses import dataclass, field

from app.services.alarms import AlarmService
from app.services.builders import BuilderService
from app.services.builds import BuildService
from app.services.checks import CheckService
from app.services.credentials import CredentialService
from app.services.dataset_files import DatasetFiles
from app.services.datasets import DatasetService
from app.services.devices import DeviceService
from app.services.drift import DriftService
from app.services.estimates import EstimateService
from app.services.events import EventService
from app.services.federation_bell import FederationBell
from app.services.federation_intake import FederationIntake
from app.services.federations import FederationService
from app.services.health import HealthService
from app.services.inference import InferenceService
from app.services.models import ModelService
from app.services.offload import OffloadService
from app.services.offload_models import OffloadModelService
from app.services.predictions import PredictionService
from app.services.resources import ResourceService
from app.services.samples import SampleService
from app.services.snapshots import SnapshotService
from app.services.teaching import TeachingService
from app.services.training import TrainingService
from app.services.updates import UpdateService
from app.storage.blobs import BlobStore
from app.storage.database import Database


@dataclass(frozen=True)
class Services:
    """Everything behind the API; `boot` names this run of the process."""

    boot: str
    database: Database
    blobs: BlobStore
    models: ModelService
    predictions: PredictionService
    datasets: DatasetService
    samples: SampleService
    snapshots: SnapshotService
    dataset_files: DatasetFiles
    builders: BuilderService
    builds: BuildService
    estimates: EstimateService
    checks: CheckService
    training: TrainingService
    offload: OffloadService
    offload_models: OffloadModelService
    federations: FederationService
    intake: FederationIntake
    federation_bell: FederationBell
    devices: DeviceService
    credentials: CredentialService
    resources: ResourceService
    inference: InferenceService
    teaching: TeachingService
    updates: UpdateService
    drift: DriftService
    alarms: AlarmService
    events: EventService
    health: HealthService
    stopping: threading.Event = field(default_factory=threading.Event)
