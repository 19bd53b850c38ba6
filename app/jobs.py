"""The job engine on DBOS Transact: durable workflows on SQLite or PostgreSQL, recovered when a process dies."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import structlog
from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer, SetEnqueueOptions, SetWorkflowID

from app.services.build_job import BuildJob
from app.services.check_job import CheckJob
from app.services.measure_job import MeasureJob
from app.services.training_job import TrainingJob
from app.services.update_job import UpdateJob
from app.settings import Settings

APPLICATION_VERSION = "2"
"""Jobs begun under one version are carried on under the same only: raise it when a workflow's steps change."""

_log = structlog.get_logger(__name__)


class _Job(Protocol):
    def give_up(self, job_id: str, /) -> None:
        """End a job that broke off with an error that nobody foresaw."""


@dataclass(frozen=True)
class Work:
    """Who carries out the workflows, by the kind of job."""

    build: BuildJob
    measure: MeasureJob
    check: CheckJob
    training: TrainingJob
    update: UpdateJob


class _Of:
    """The work of this process: DBOS finds workflows by function, so the objects behind are looked up here."""

    process: Work


@contextmanager
def _carrying_out(job: _Job, job_id: str) -> Iterator[None]:
    """Ends the job at an error that nobody foresaw: a workflow that failed never starts again, so it would run forever.

    A server that stops is none: `ServerStopping` is no `Exception`.
    """
    with structlog.contextvars.bound_contextvars(job_id=job_id):
        try:
            yield
        except Exception as error:
            _log.error("a job broke off", exc_info=error)
            DBOS.run_step({"name": "give up"}, job.give_up, job_id)
            raise


@DBOS.workflow(name="build")
def _build(build_id: str) -> None:
    with _carrying_out(_Of.process.build, build_id):
        if DBOS.run_step({"name": "begin"}, _Of.process.build.begin, build_id):
            compiled = DBOS.run_step({"name": "compile"}, _Of.process.build.compile, build_id)
            DBOS.run_step({"name": "finish"}, _Of.process.build.finish, build_id, compiled)
            DBOS.run_step({"name": "measure"}, _Of.process.measure.measure, build_id)


@DBOS.workflow(name="check")
def _check(check_id: str) -> None:
    with _carrying_out(_Of.process.check, check_id):
        DBOS.run_step({"name": "check"}, _Of.process.check.check, check_id)


@DBOS.workflow(name="training")
def _training(job_id: str) -> None:
    with _carrying_out(_Of.process.training, job_id):
        if DBOS.run_step({"name": "begin"}, _Of.process.training.begin, job_id):
            ran = DBOS.run_step({"name": "run"}, _Of.process.training.run, job_id)
            DBOS.run_step({"name": "finish"}, _Of.process.training.finish, job_id, ran)


@DBOS.workflow(name="update")
def _update(update_id: str) -> None:
    with _carrying_out(_Of.process.update, update_id):
        DBOS.run_step({"name": "drive"}, _Of.process.update.drive, update_id)


_WORKFLOWS: dict[str, Callable[[str], None]] = {
    "build": _build,
    "check": _check,
    "training": _training,
    "update": _update,
}


class DbosEngine:
    """`JobEngine` in this process; one queue for each kind of job."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._launched = False
        DBOS(
            config=DBOSConfig(
                name="tinymlaas",
                system_database_url=settings.jobs_database_url,
                application_version=APPLICATION_VERSION,
                executor_id=settings.executor_id,
                # The default is pickle: code execution for whoever can write the database.
                serializer=DBOSPortableJSONSerializer(),
                log_level="WARNING",
                notification_listener_polling_interval_sec=0.1,
            )
        )

    def launch(self, work: Work) -> None:
        """Begin to work, first on what a process before this one left unfinished."""
        _Of.process = work
        DBOS.launch()
        DBOS.register_queue("build", worker_concurrency=self._settings.build_workers, polling_interval_sec=0.1)
        # One at a time: a check runs its builder some thirty times, and builds wait for nobody's check.
        DBOS.register_queue("check", worker_concurrency=1, polling_interval_sec=0.1)
        DBOS.register_queue("training", worker_concurrency=self._settings.training_workers, polling_interval_sec=0.1)
        DBOS.register_queue(
            "update",
            worker_concurrency=self._settings.update_workers,
            partition_concurrency=1,
            polling_interval_sec=0.1,
        )
        self._launched = True

    def start(self, kind: str, job_id: str, partition: str | None = None) -> None:
        """Put a job in its queue; a job that is there already is left alone."""
        with SetWorkflowID(job_id), SetEnqueueOptions(queue_partition_key=partition):
            DBOS.enqueue_workflow(kind, _WORKFLOWS[kind], job_id)
        _log.info("job queued", kind=kind, job_id=job_id)

    def healthy(self) -> str:
        """`ok`, or what is wrong."""
        return "ok" if self._launched else "the job engine was not launched"

    def close(self, seconds: int) -> None:
        """Give running jobs some seconds to end; the others are carried on by the next process."""
        self._launched = False
        DBOS.destroy(workflow_completion_timeout_sec=seconds)
