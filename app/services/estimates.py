"""Estimates: what a build would give, asked of the builder while the caller waits; nothing is stored."""

import threading
import time

from app.contract import models as api
from app.errors import Invalid, Unavailable
from app.services.build_input import build_input
from app.services.build_results import operators_json, performance_json
from app.services.builders import BuilderService, manifest_of
from app.services.identity import new_id
from app.services.models import ModelService
from app.settings import Settings
from app.storage.blobs import BlobStore
from app.storage.database import Database
from builders.contract import check_parameters
from builders.runner import BuilderRunner, Limits, Order

PATIENCE_SECONDS = 2.0
"""How long a request waits for its turn before it is told to come again."""


class EstimateService:
    """Runs builders for estimates; a bounded number at a time, each within seconds."""

    def __init__(
        self,
        database: Database,
        blobs: BlobStore,
        models: ModelService,
        builders: BuilderService,
        runner: BuilderRunner,
        settings: Settings,
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._models = models
        self._builders = builders
        self._runner = runner
        self._limits = Limits(
            memory_bytes=settings.build_memory_bytes,
            pids=settings.build_pids,
            cpus=settings.build_cpus,
            seconds=settings.estimate_seconds,
            output_bytes=settings.build_output_bytes,
        )
        self._free = threading.BoundedSemaphore(settings.estimate_workers)

    def estimate(self, request: api.EstimateRequest) -> api.BuildEstimate:
        """The builder's answer. Raises AppError, and BuilderError where the builder refuses."""
        began = time.monotonic()
        with self._database.read() as session:
            version = self._models.version(session, request.model, request.version)
            builder = self._builders.chosen(session, request.builder_id, request.board)
        manifest = manifest_of(builder)
        check_parameters(manifest, request.parameters)
        if not manifest.estimates:
            raise Invalid(
                "estimates_not_offered",
                f"Builder {builder.name} {manifest.version} offers no estimates.",
                "Build: POST /v1/builds says what it gave. Or take another builder for the board, with builder_id.",
                "body.builder_id",
            )
        # Whoever waits holds one of the threads that all requests share.
        if not self._free.acquire(timeout=PATIENCE_SECONDS):
            raise Unavailable(
                "estimates_busy", "Other estimates took all the time there was.", "Ask again in a few seconds."
            )
        try:
            given = build_input(self._blobs, version, board=request.board, parameters=request.parameters, estimate=True)
            found = self._runner.estimate(Order(new_id("est"), builder.digest, given, self._limits))
        finally:
            self._free.release()
        return api.BuildEstimate.model_validate(
            {
                "model": version.model,
                "version": version.version,
                "model_sha256": version.sha256,
                "board": request.board,
                "builder_id": builder.id,
                "builder_digest": builder.digest,
                "parameters": request.parameters,
                "memory": vars(found.memory),
                "performance": performance_json(found.performance),
                "operators": operators_json(found.operators),
                "seconds": round(time.monotonic() - began, 3),
            }
        )
