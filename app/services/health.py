"""Readiness: does every part that requests depend on answer."""

from collections.abc import Callable

from sqlalchemy import text

from app.contract import models as api
from app.services.ports import JobEngine
from app.storage.database import Database


class HealthService:
    """Asks each part."""

    def __init__(
        self,
        *,
        version: str,
        database: Database,
        jobs: JobEngine,
        lwm2m_address: Callable[[str], str | None],
        engine: str,
    ) -> None:
        self.version = version
        self._database = database
        self._jobs = jobs
        self._lwm2m_address = lwm2m_address
        self._engine = engine

    def readiness(self) -> api.Readiness:
        """`ok` or what is wrong, part by part."""
        address = self._lwm2m_address("coap")
        checks = {
            "database": self._check_database(),
            "jobs": self._jobs.healthy(),
            "lwm2m": "ok" if address else "the LwM2M server does not listen",
        }
        return api.Readiness(
            ready=all(value == "ok" for value in checks.values()),
            checks=checks,
            lwm2m=address,
            lwm2m_secure=self._lwm2m_address("coaps"),
            builder_engine="local" if self._engine == "local" else "docker",
        )

    def _check_database(self) -> str:
        try:
            with self._database.read() as session:
                session.connection().execute(text("SELECT 1"))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
            return f"{type(error).__name__}: {error}"[:200]
        return "ok"
