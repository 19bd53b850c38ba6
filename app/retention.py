"""Looks through datasets and blobs now and then: old samples go, and so do files that nothing refers to any more."""

import asyncio
import contextlib
from typing import Self

import structlog
from starlette.concurrency import run_in_threadpool

from app.services.blob_sweep import BlobSweep
from app.services.dataset_files import DatasetFiles
from app.services.datasets import DatasetService
from app.storage.database import Database

_log = structlog.get_logger(__name__)


class RetentionKeeper:
    """An asynchronous context manager: at its begin, and then every so many seconds, what is too old is deleted."""

    def __init__(
        self, database: Database, datasets: DatasetService, files: DatasetFiles, blobs: BlobSweep, seconds: float
    ) -> None:
        self._database = database
        self._datasets = datasets
        self._files = files
        self._blobs = blobs
        self._seconds = seconds
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._keep())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def expire(self) -> None:
        """Once, now."""
        with self._files.held(), self._database.write() as transaction:
            self._datasets.expire(transaction)
        self._files.sweep()
        self._blobs.sweep()

    async def _keep(self) -> None:
        while True:
            try:
                await run_in_threadpool(self.expire)
            except Exception as error:  # noqa: BLE001 - a full disk now is no reason never to look again
                _log.error("retention failed; it is tried again", seconds=self._seconds, exc_info=error)
            await asyncio.sleep(self._seconds)
