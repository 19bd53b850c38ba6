"""Runs builders in locked-down containers of a Docker Engine, local or remote."""

from __future__ import annotations

import hashlib
import logging
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import asdict
from typing import TYPE_CHECKING

from builders import containers, sandbox
from builders.containers import Build
from builders.engine import engine_errors
from builders.errors import BuilderError
from builders.follow import follow, timed_out
from builders.output import judge, judge_estimate
from builders.resolve import resolve

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    import docker
    from docker.models.containers import Container as DockerContainer

    from builders.contract import Estimate
    from builders.output import Exit
    from builders.runner import BuildOutput, Limits, Order, ResolvedBuilder

logger = logging.getLogger(__name__)

_REMOVALS = 4
"""Builds whose containers are removed at the same time, behind them."""


class DockerRunner:
    """A `BuilderRunner` on one engine. Safe to use from several threads, for different jobs.

    `server_id` tells this server's containers from those of others on the same engine. `close` also closes the client's
    connections.
    """

    def __init__(self, client: docker.DockerClient, *, server_id: str) -> None:
        self.client = client
        self.server_id = server_id
        self._removals = ThreadPoolExecutor(_REMOVALS, thread_name_prefix="builder-removal")
        self._removing: dict[str, Future[None]] = {}

    def close(self) -> None:
        """See `BuilderRunner.close`."""
        self._settle()
        self.client.close()

    def _settle(self) -> None:
        wait(list(self._removing.values()))

    def inspect(self, reference: str) -> ResolvedBuilder:
        """See `BuilderRunner.inspect`."""
        return resolve(self.client, reference)

    def run(self, order: Order) -> BuildOutput:
        """See `BuilderRunner.run`."""
        ended, files, seconds = self._ended(order)
        return judge(ended, files, seconds=seconds)

    def estimate(self, order: Order) -> Estimate:
        """See `BuilderRunner.estimate`."""
        ended, files, _ = self._ended(order)
        return judge_estimate(ended, files)

    def _ended(self, order: Order) -> tuple[Exit, Mapping[str, bytes], float]:
        job_id, files = order.job_id, order.build_input.files()
        labels = sandbox.Labels(self.server_id, job_id, _digest(order.image_id, files, order.limits))
        self._await_removal(job_id)
        try:
            ended, output, seconds = self._followed(order, labels, files)
        except BaseException:
            self._discard(job_id)
            raise
        # Two containers and two volumes take the engine tenths of a second, which nobody has to wait for.
        removing = self._removing[job_id] = self._removals.submit(self._discard, job_id)
        removing.add_done_callback(lambda done: self._removed(job_id, done))
        return ended, output, seconds

    def _removed(self, job_id: str, done: Future[None]) -> None:
        if self._removing.get(job_id) is done:  # and not that of a run that came after
            del self._removing[job_id]

    def _followed(
        self, order: Order, labels: sandbox.Labels, files: dict[str, bytes]
    ) -> tuple[Exit, Mapping[str, bytes], float]:
        limits, adopted = order.limits, self._adopt(labels)
        build = adopted or self._start(order, labels, files)
        # An adopted build has used up some of its time.
        left = limits.seconds - (build.seconds(self._now()) if adopted else 0.0)
        ended = follow(build, seconds=max(left, 0.0), on_log=order.on_log, cancelled=order.cancelled)
        if build.seconds() > limits.seconds:  # a dead server had stopped it, or did not live to do so
            raise timed_out(limits.seconds)
        return ended, build.collect(limits), build.seconds()

    def _await_removal(self, job_id: str) -> None:
        """What is being removed of an earlier run must not be taken for a build to adopt."""
        if removing := self._removing.get(job_id):
            removing.result()

    def reap(self, live: Container[str]) -> list[str]:
        """See `BuilderRunner.reap`."""
        self._settle()  # what this server left is being removed
        reaped = []
        for job_id in sorted(self._leftover_jobs()):
            if job_id not in live:
                self._remove(job_id)
                reaped.append(job_id)
        return reaped

    def _start(self, order: Order, labels: sandbox.Labels, files: dict[str, bytes]) -> Build:
        source_date_epoch = order.build_input.source_date_epoch()
        self._remove(labels.job)
        return containers.start(
            self.client, labels, order.image_id, files, order.limits, source_date_epoch=source_date_epoch
        )

    def _adopt(self, labels: sandbox.Labels) -> Build | None:
        """The same build as a server left it when it died, if it is whole: its output is still to be had."""
        with engine_errors():
            found = {c.labels[sandbox.LABEL_ROLE]: c for c in self._containers(labels.job)}
            if set(found) != {"keeper", "builder"} or any(
                c.labels[sandbox.LABEL_INPUT] != labels.input_digest for c in found.values()
            ):
                return None
            build = Build(self.client, found["keeper"], found["builder"])
            if build.keeper.status != "running" or build.builder.status not in {"running", *containers.ENDED}:
                return None
        logger.info("adopted the running build of job %s", labels.job)
        return build

    def _now(self) -> str:
        with engine_errors():
            return str(self.client.info()["SystemTime"])

    def _containers(self, job_id: str | None = None) -> list[DockerContainer]:
        return containers.of_labels(self.client, self._label_filter(job_id))

    def _label_filter(self, job_id: str | None) -> list[str]:
        of_server = [f"{sandbox.LABEL_SERVER}={self.server_id}"]
        return of_server if job_id is None else [*of_server, f"{sandbox.LABEL_JOB}={job_id}"]

    def _leftover_jobs(self) -> set[str]:
        with engine_errors():
            volumes = self.client.volumes.list(filters={"label": self._label_filter(None)})
            return {c.labels[sandbox.LABEL_JOB] for c in self._containers()} | {
                v.attrs["Labels"][sandbox.LABEL_JOB] for v in volumes
            }

    def _remove(self, job_id: str) -> None:
        """Kill and remove everything that carries the job's label."""
        containers.remove(self.client, self._label_filter(job_id))

    def _discard(self, job_id: str) -> None:
        try:
            self._remove(job_id)
        except BuilderError as problem:
            # The build's own outcome matters more; `reap` removes what is left.
            logger.warning("could not remove the containers of job %s: %s", job_id, problem)


def _digest(image_id: str, files: dict[str, bytes], limits: Limits) -> str:
    """What a build depends on: a leftover may be adopted only when all of it is the same."""
    digest = hashlib.sha256(f"{image_id} {sorted(asdict(limits).items())}".encode())
    for name, content in sorted(files.items()):
        digest.update(f" {name} {len(content)} ".encode())
        digest.update(content)
    return digest.hexdigest()
