"""Runs an image once, in the server's own sandbox, and keeps all that can be seen of it."""

from __future__ import annotations

import contextlib
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import docker.errors

from builders import containers, sandbox
from builders.conformance.models import SOURCE_DATE_EPOCH
from builders.containers import Build
from builders.contract import RESULT_FILE, Result, parse_result
from builders.engine import engine_errors
from builders.errors import (
    BadResultError,
    BuilderError,
    CancelledError,
    OutputNotRegularError,
    OutputTooLargeError,
    TimedOutError,
)
from builders.follow import STOP_GRACE_SECONDS, follow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import docker

    from builders.output import Exit
    from builders.runner import Limits

_PERIOD = 100_000
_SLOW_QUOTA = 10_000
_FIRST_LINE_SECONDS = 15.0
_SLOW_SECONDS = 0.5
# The engine needs a moment to hand a signal on and to notice an end, more of it on a busy machine.
_ENGINE_SECONDS = 1.0


@dataclass(frozen=True)
class Trial:
    """One run. `ended` is None when its time was up; `problem` is why /out could not be read whole."""

    what: str
    ended: Exit | None
    files: Mapping[str, bytes]
    problem: BuilderError | None
    log: tuple[str, ...]
    seconds: float

    @property
    def code(self) -> int | None:
        """The exit code, or None."""
        return None if self.ended is None else self.ended.code

    def result(self) -> Result | None:
        """The result.json, or None when there is none; raises BadResultError."""
        data = self.files.get(RESULT_FILE)
        return None if data is None else parse_result(data)

    def valid_result(self) -> Result | None:
        """The result.json, or None when there is none that follows the contract."""
        try:
            return self.result()
        except BadResultError:
            return None


@dataclass(frozen=True)
class Stop:
    """A run that was sent SIGTERM. `seconds` is from the signal to the end, or None when it had to be killed."""

    trial: Trial
    before_the_signal: bool
    seconds: float | None


class Laboratory:
    """Runs one image again and again. Everything that it starts carries the server's label and is removed."""

    def __init__(
        self,
        client: docker.DockerClient,
        image_id: str,
        limits: Limits,
        *,
        server_id: str,
        cancelled: Callable[[], bool],
    ) -> None:
        self._client = client
        self._image_id = image_id
        self._limits = limits
        self._server_id = server_id
        self._cancelled = cancelled

    def run(
        self,
        what: str,
        files: Mapping[str, bytes],
        *,
        folder: str = "/out",
        out_bytes: int | None = None,
        **changes: Any,
    ) -> Trial:
        """Run to the end. `folder` is what is read of /out; `changes` replace arguments of the builder's container."""
        log: list[str] = []
        with self._started(files, out_bytes=out_bytes, changes=changes) as build:
            ended: Exit | None = None
            with contextlib.suppress(TimedOutError):
                ended = follow(build, seconds=self._limits.seconds, on_log=log.append, cancelled=self._cancelled)
            return self._trial(what, build, ended, tuple(log), folder)

    def stop(self, what: str, files: Mapping[str, bytes], *, at_once: bool) -> Stop:
        """Send SIGTERM after the first line of the log, or at once.

        Until then the builder gets a tenth of a processor: a quick one would have ended before the signal.
        """
        slow = {"nano_cpus": None, "cpu_period": _PERIOD, "cpu_quota": _SLOW_QUOTA}
        with self._started(files, changes=slow) as build:
            deadline = time.monotonic() + (0 if at_once else _FIRST_LINE_SECONDS)
            while time.monotonic() < deadline and build.poll() is None and not self._said(build):
                time.sleep(0.05)
            before = build.poll() is not None
            build.terminate()
            signalled = time.monotonic()
            ended = _wait(build, signalled + _SLOW_SECONDS)
            if ended is None:
                self._hurry(build)
                ended = _wait(build, signalled + STOP_GRACE_SECONDS + _ENGINE_SECONDS)
            seconds = None if ended is None else time.monotonic() - signalled
            if ended is None:
                build.kill()
                _wait(build, time.monotonic() + STOP_GRACE_SECONDS)
            log = tuple(self._said(build).splitlines())
            return Stop(self._trial(what, build, ended, log, "/out"), before, seconds)

    @contextlib.contextmanager
    def _started(
        self, files: Mapping[str, bytes], *, out_bytes: int | None = None, changes: Mapping[str, Any]
    ) -> Iterator[Build]:
        if self._cancelled():
            raise CancelledError("The check was cancelled.", remedy="Start another when you want one.")
        labels = sandbox.Labels(self._server_id, f"check-{uuid.uuid4().hex}", "")
        try:
            yield containers.start(
                self._client,
                labels,
                self._image_id,
                files,
                self._limits,
                source_date_epoch=SOURCE_DATE_EPOCH,
                out_bytes=out_bytes,
                changes=changes,
            )
        finally:
            job = [f"{sandbox.LABEL_SERVER}={labels.server}", f"{sandbox.LABEL_JOB}={labels.job}"]
            containers.remove(self._client, job)

    def _trial(self, what: str, build: Build, ended: Exit | None, log: tuple[str, ...], folder: str) -> Trial:
        files: Mapping[str, bytes] = {}
        problem: BuilderError | None = None
        try:
            files = build.collect(self._limits, folder)
        except (OutputNotRegularError, OutputTooLargeError) as refused:
            problem = refused
        except BuilderError as missing:
            if folder == "/out":
                raise
            problem = missing  # the folder that the builder was to make
        build.poll()
        return Trial(what, ended, files, problem, log, build.seconds())

    def _said(self, build: Build) -> str:
        with engine_errors():
            return build.builder.logs(tail=200).decode("utf-8", "replace").strip()

    def _hurry(self, build: Build) -> None:
        cpus = min(self._limits.cpus, float(self._client.info()["NCPU"]))
        with engine_errors(), containers.ignoring(409, 500):  # it has ended meanwhile
            self._client.api.update_container(str(build.builder.id), cpu_quota=int(cpus * _PERIOD))


def _wait(build: Build, deadline: float) -> Exit | None:
    while (ended := build.poll()) is None and time.monotonic() < deadline:
        time.sleep(0.05)
    return ended
