"""The composition root: every part is made and joined here, and nowhere else."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version as installed_version

import structlog
from fastapi import FastAPI
from fastapi.responses import RedirectResponse, Response
from fastapi_offline import FastAPIOffline
from starlette.concurrency import run_in_threadpool

from app.api import (
    alarms,
    artifacts,
    boards,
    builders,
    builds,
    credentials,
    datasets,
    devices,
    drift,
    events,
    federations,
    health,
    inference,
    models,
    offload,
    predictions,
    problems,
    resources,
    samples,
    snapshots,
    teaching,
    training,
    updates,
)
from app.api.idempotency import KeyedRoute
from app.api.middleware import BodyLimit, RequestId
from app.contract.binding import CONTRACT, Handlers, bind, load_contract
from app.devices import RegistrationKeeper
from app.engine import make_runner
from app.jobs import DbosEngine, Work
from app.keys import signing_key
from app.parts import courier_of, federating_of, watching_of
from app.retention import RetentionKeeper
from app.services.blob_sweep import BlobSweep
from app.services.build_job import BuildJob
from app.services.builders import BuilderService
from app.services.builds import BuildService
from app.services.check_job import CheckJob
from app.services.checks import CheckService
from app.services.container import Services
from app.services.credentials import CredentialService, StoredSecurity
from app.services.dataset_files import DatasetFiles
from app.services.datasets import DatasetService
from app.services.devices import DeviceService
from app.services.estimates import EstimateService
from app.services.events import EventService
from app.services.federation_coap import CoapIntake
from app.services.health import HealthService
from app.services.inference import InferenceService
from app.services.measure_job import MeasureJob
from app.services.models import ModelService
from app.services.offload import OffloadService
from app.services.offload_models import OffloadModelService
from app.services.packages import UpdatePackages
from app.services.predictions import PredictionService
from app.services.resources import ResourceService
from app.services.samples import SampleService
from app.services.snapshots import SnapshotService
from app.services.teaching import TeachingService
from app.services.training import TrainingService
from app.services.training_job import TrainingJob
from app.services.update_job import UpdateJob
from app.services.updates import UpdateService
from app.settings import Settings
from app.storage.blobs import BlobStore
from app.storage.database import Database
from app.storage.logs import LogStore
from app.web import pages
from builders.runner import BuilderRunner
from lwm2m.bridge import EMBEDDED, make_bridge
from lwm2m.coap import Listener
from lwm2m.federation import FederationSite
from lwm2m.leshan import leshan_app
from lwm2m.objects import STANDARD, ObjectRegistry
from lwm2m.objects.ddf import load_objects
from lwm2m.observations import Observation
from lwm2m.peers import DTLS, TCP, UDP, is_dtls
from lwm2m.registration import Registration
from lwm2m.security import load_master_key
from lwm2m.server import Lwm2mServer
from zoo.datasets.rows import Limits
from zoo.predict import Predictor

_log = structlog.get_logger(__name__)

_MODULES = (
    alarms,
    artifacts,
    boards,
    builders,
    builds,
    credentials,
    datasets,
    devices,
    drift,
    events,
    federations,
    health,
    inference,
    models,
    offload,
    predictions,
    resources,
    samples,
    snapshots,
    teaching,
    training,
    updates,
)


def create_app(settings: Settings) -> FastAPI:
    """The server. Raises ContractError when the handlers and openapi.yaml disagree."""
    contract = load_contract()
    handlers = Handlers()
    for module in _MODULES:
        handlers.include(module.handlers)

    app: FastAPI = FastAPIOffline(
        title=contract["info"]["title"],
        version=contract["info"]["version"],
        lifespan=_lifespan,
        redirect_slashes=False,
    )
    app.state.settings = settings
    app.include_router(bind(contract, handlers, KeyedRoute))
    app.openapi = lambda: contract  # type: ignore[method-assign] # FastAPI's documented way to serve another document
    problems.install(app)
    app.add_middleware(BodyLimit, limit=settings.max_body_bytes)
    app.add_middleware(RequestId)

    @app.get("/", include_in_schema=False)
    def root() -> RedirectResponse:
        return RedirectResponse("/docs")

    pages.install(app)

    @app.get("/openapi.yaml", include_in_schema=False)
    def contract_text() -> Response:
        return Response(CONTRACT.read_bytes(), media_type="application/yaml")

    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings: Settings = app.state.settings
    await run_in_threadpool(settings.data_dir.mkdir, parents=True, exist_ok=True)
    database = await run_in_threadpool(_database, settings)
    blobs, logs = BlobStore(settings.data_dir / "blobs"), LogStore(settings.data_dir / "logs")
    runner, engine = await run_in_threadpool(make_runner, settings.data_dir)

    device_service, packages = DeviceService(database), UpdatePackages(database, blobs)
    jobs, model_service = DbosEngine(settings), ModelService(database, blobs, settings)
    dataset_files, dataset_service = await run_in_threadpool(_datasets, settings, database)
    training_service, offload_service = _training(database, blobs, dataset_files, model_service, jobs)
    federating = federating_of(
        settings, database, blobs, dataset_files, model_service, training_service, device_service
    )
    models = await run_in_threadpool(_models, settings)
    security = await run_in_threadpool(_security, settings, database)
    restored = await run_in_threadpool(device_service.registrations)
    embedded = settings.lwm2m_bridge == EMBEDDED

    def observations_changed(endpoint: str, observations: Sequence[Observation]) -> None:
        keeper.observations_changed(endpoint, observations)

    server = Lwm2mServer(
        host=settings.lwm2m_host,
        port=settings.lwm2m_port,
        packages=packages,
        federations=FederationSite(CoapIntake(federating.intake)),
        restored=restored if embedded else (),
        restored_observations=await run_in_threadpool(device_service.observations) if embedded else (),
        observations_changed=observations_changed,
        security=security,
        listeners=_listeners(settings),
        models=models,
        oscore_folder=settings.data_dir / "oscore",
    )
    bridge = make_bridge(settings.lwm2m_bridge, server, restored)
    keeper = RegistrationKeeper(bridge, device_service)
    builder_service = BuilderService(runner, engine)
    build_service = BuildService(database, logs, model_service, builder_service, jobs)
    check_service = CheckService(database, builder_service, jobs, engine)
    update_service = UpdateService(database, build_service, device_service, jobs)
    watching = watching_of(
        bridge, database, model_service, training_service, federating.service, dataset_service, dataset_files
    )

    def lwm2m_address(scheme: str) -> str | None:
        host = settings.lwm2m_public_host or settings.lwm2m_host
        return f"{scheme}://{host}:{server.ports[scheme]}" if scheme in server.ports else None

    def package_base(registration: Registration | None) -> str:
        """Where a device fetches packages: by DTLS when it came by DTLS."""
        return f"{lwm2m_address(DTLS if registration is not None and is_dtls(registration.address) else UDP)}/fw"

    services = Services(
        boot=secrets.token_hex(8),
        database=database,
        blobs=blobs,
        models=model_service,
        predictions=PredictionService(database, blobs, model_service, Predictor()),
        datasets=dataset_service,
        samples=SampleService(database, dataset_files, dataset_service, Limits(), settings.max_dataset_samples),
        snapshots=SnapshotService(dataset_files),
        dataset_files=dataset_files,
        builders=builder_service,
        builds=build_service,
        estimates=EstimateService(database, blobs, model_service, builder_service, runner, settings),
        checks=check_service,
        training=training_service,
        offload=offload_service,
        offload_models=offload_service.models,
        federations=federating.service,
        intake=federating.intake,
        federation_bell=federating.bell,
        devices=device_service,
        credentials=CredentialService(security),
        resources=ResourceService(bridge, keeper.settled),
        inference=InferenceService(database, bridge, watching.keeper.hear),
        teaching=TeachingService(database, bridge),
        updates=update_service,
        drift=watching.service,
        alarms=watching.alarms,
        events=EventService(database),
        health=HealthService(
            version=installed_version("tinymlaas"),
            database=database,
            jobs=jobs,
            lwm2m_address=lwm2m_address,
            engine=engine,
        ),
    )
    app.state.services = services
    app.mount(
        "/api",
        leshan_app(
            server,
            security=security if settings.leshan_security else None,
            models=models,
            host=settings.lwm2m_public_host or settings.lwm2m_host,
        ),
    )
    await run_in_threadpool(model_service.seed_catalog)
    retention = RetentionKeeper(
        database, dataset_service, dataset_files, BlobSweep(database, blobs), settings.retention_seconds
    )
    async with server, bridge, keeper, retention, federating.keeper, courier_of(database, federating, bridge):
        training_job = TrainingJob(
            database,
            blobs,
            model_service,
            settings,
            dataset_files.path,
            federating.files,
            training_service.tell(offload_service.training_ended, federating.service.training_ended),
        )
        update_job = UpdateJob(
            database,
            blobs,
            bridge,
            packages,
            asyncio.get_running_loop(),
            settings,
            package_base=package_base,
        )
        work = Work(
            build=BuildJob(
                database, blobs, logs, runner, await run_in_threadpool(signing_key, settings.data_dir), settings
            ),
            measure=MeasureJob(database, blobs, logs, settings),
            check=CheckJob(database, runner),
            training=training_job,
            update=update_job,
        )
        await run_in_threadpool(_begin, services, jobs, work, runner)
        _log.info("server ready", lwm2m=lwm2m_address(UDP), builders=engine, data_dir=str(settings.data_dir))
        try:
            async with watching.keeper:
                yield
        finally:
            services.stopping.set()
            training_job.stop()
            update_job.stop()
            await run_in_threadpool(_end, jobs, runner, settings.shutdown_seconds)
    database.close()


def _begin(services: Services, jobs: DbosEngine, work: Work, runner: BuilderRunner) -> None:
    # Before any job runs: what is left of a check belongs to nobody, while what is left of a build may be adopted.
    services.builds.reap(runner)
    jobs.launch(work)
    for service in (services.builds, services.checks, services.training, services.updates):
        service.resume()
    work.training.reap()


def _end(jobs: DbosEngine, runner: BuilderRunner, seconds: int) -> None:
    jobs.close(seconds)
    runner.close()


def _database(settings: Settings) -> Database:
    database = Database(settings.database_url)
    database.migrate()
    return database


def _security(settings: Settings, database: Database) -> StoredSecurity:
    return StoredSecurity(database, _master_key(settings))


def _datasets(settings: Settings, database: Database) -> tuple[DatasetFiles, DatasetService]:
    files = DatasetFiles(database, BlobStore(settings.data_dir / "datasets"))
    return files, DatasetService(files, _master_key(settings))


def _training(
    database: Database, blobs: BlobStore, files: DatasetFiles, models: ModelService, jobs: DbosEngine
) -> tuple[TrainingService, OffloadService]:
    training = TrainingService(database, models, jobs)
    return training, OffloadService(blobs, files, training, OffloadModelService(blobs))


def _master_key(settings: Settings) -> bytes:
    keys = settings.data_dir / "keys"
    keys.mkdir(parents=True, exist_ok=True)
    return load_master_key(keys / "master.key")


def _models(settings: Settings) -> ObjectRegistry:
    return STANDARD.extended(load_objects(settings.lwm2m_models)) if settings.lwm2m_models else STANDARD


def _listeners(settings: Settings) -> list[Listener]:
    ports = {DTLS: settings.lwm2m_dtls_port, TCP: settings.lwm2m_tcp_port}
    return [Listener(scheme, settings.lwm2m_host, port) for scheme, port in ports.items() if port is not None]
