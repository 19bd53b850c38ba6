"""Runs builders in locked-down containers of a Docker Engine, local or remote."""

from __future__ import annotations

import contextlib
import hashlib
import logging
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, cast

import docker.errors

from builders import keeper, sandbox
from builders.engine import engine_errors, timestamp
from builders.errors import BuilderError
from builders.follow import follow, timed_out
from builders.output import Exit, judge, read_tar
from builders.resolve import check_runnable, resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Generator, Iterator

    import docker
    from docker.models.containers import Container as DockerContainer

    from builders.runner import BuildInput, BuildOutput, Limits, ResolvedBuilder

logger = logging.getLogger(__name__)

_ENDED = frozenset({"exited", "dead"})


@dataclass(frozen=True)
class _Build:
    """The two containers of a build; a `follow.Running`."""

    client: docker.DockerClient
    keeper: DockerContainer
    builder: DockerContainer

    def log(self) -> Iterator[bytes]:
        # An engine that follows a log may end it before its last bytes, when the container ends: read again what came
        # after those that were seen.
        seen = 0
        followed = ended = False
        with engine_errors():
            while not ended:
                ended = followed and self._has_ended()
                followed = True
                skip = seen
                for chunk in self.builder.logs(stream=True, follow=not ended):
                    new = chunk[skip:]
                    skip = max(skip - len(chunk), 0)
                    seen += len(new)
                    if new:
                        yield new

    def _has_ended(self) -> bool:
        # An object of its own: this is the log's thread, and the attributes of `self.builder` are the other's.
        return self.client.containers.get(str(self.builder.id)).status in _ENDED

    def poll(self) -> Exit | None:
        with engine_errors():
            self.builder.reload()
        state = self.builder.attrs["State"]
        if state["Status"] not in _ENDED:
            return None
        return Exit(int(state["ExitCode"]), out_of_memory=bool(state["OOMKilled"]))

    def terminate(self) -> None:
        self._signal("SIGTERM")

    def kill(self) -> None:
        self._signal("SIGKILL")

    def _signal(self, name: str) -> None:
        # 409: it has ended meanwhile, which is what a signal is for.
        with engine_errors(), _ignoring(409):
            self.builder.kill(signal=name)

    def seconds(self, now: str | None = None) -> float:
        """How long the builder has run by the engine's clock: until it ended, or until `now`."""
        state = self.builder.attrs["State"]
        return (timestamp(now or state["FinishedAt"]) - timestamp(state["StartedAt"])).total_seconds()


@contextlib.contextmanager
def _ignoring(*statuses: int) -> Iterator[None]:
    try:
        yield
    except docker.errors.APIError as problem:
        if problem.status_code not in statuses:
            raise


class DockerRunner:
    """A `BuilderRunner` on one engine. Safe to use from several threads, for different jobs.

    `server_id` tells this server's containers from those of others on the same engine.
    """

    def __init__(self, client: docker.DockerClient, *, server_id: str) -> None:
        self._client = client
        self._server_id = server_id

    def inspect(self, reference: str) -> ResolvedBuilder:
        """See `BuilderRunner.inspect`."""
        return resolve(self._client, reference)

    def run(
        self,
        *,
        job_id: str,
        image_id: str,
        build_input: BuildInput,
        limits: Limits,
        on_log: Callable[[str], None],
        cancelled: Callable[[], bool],
    ) -> BuildOutput:
        """See `BuilderRunner.run`."""
        files = build_input.files()
        labels = sandbox.Labels(self._server_id, job_id, _digest(image_id, files, limits))
        try:
            build = self._adopt(labels) or self._start(labels, image_id, build_input, files, limits)
            # An adopted build has used up some of its time.
            left = limits.seconds - build.seconds(self._now())
            ended = follow(build, seconds=max(left, 0.0), on_log=on_log, cancelled=cancelled)
            if build.seconds() > limits.seconds:  # a dead server had stopped it, or did not live to do so
                raise timed_out(limits.seconds)
            return judge(ended, self._collect(build, limits), seconds=build.seconds())
        finally:
            self._discard(job_id)

    def reap(self, live: Container[str]) -> list[str]:
        """See `BuilderRunner.reap`."""
        reaped = []
        for job_id in sorted(self._leftover_jobs()):
            if job_id not in live:
                self._remove(job_id)
                reaped.append(job_id)
        return reaped

    def _start(
        self,
        labels: sandbox.Labels,
        image_id: str,
        build_input: BuildInput,
        files: dict[str, bytes],
        limits: Limits,
    ) -> _Build:
        source_date_epoch = build_input.source_date_epoch()
        self._remove(labels.job)
        with engine_errors():
            entrypoint = check_runnable(self._client.images.get(image_id))
            keeper_image = keeper.ensure_image(self._client)
            volumes = self._client.volumes
            in_volume = volumes.create(
                **sandbox.volume_options(
                    labels.of("in"), size=sandbox.input_capacity(files), files=len(files), mode="0755"
                )
            )
            out_volume = volumes.create(
                **sandbox.volume_options(
                    labels.of("out"),
                    size=sandbox.output_capacity(limits),
                    files=limits.output_files,
                    mode="1777",  # no owner: under user namespaces the engine's host knows the user by another number
                )
            )
            names = {"in_volume": in_volume.name, "out_volume": out_volume.name}
            keeping = self._client.containers.create(**sandbox.keeper_options(keeper_image, labels, **names))
            keeping.start()
            keeping.put_archive("/in", keeper.pack(files, mode=0o444))
            building = self._client.containers.create(
                **sandbox.builder_options(
                    image_id,
                    labels,
                    entrypoint=entrypoint,
                    limits=limits,
                    engine_cpus=int(self._client.info()["NCPU"]),
                    source_date_epoch=source_date_epoch,
                    **names,
                )
            )
            building.start()
            building.reload()
        return _Build(self._client, keeping, building)

    def _adopt(self, labels: sandbox.Labels) -> _Build | None:
        """The same build as a server left it when it died, if it is whole: its output is still to be had."""
        with engine_errors():
            found = {c.labels[sandbox.LABEL_ROLE]: c for c in self._containers(labels.job)}
            if set(found) != {"keeper", "builder"} or any(
                c.labels[sandbox.LABEL_INPUT] != labels.input_digest for c in found.values()
            ):
                return None
            build = _Build(self._client, found["keeper"], found["builder"])
            if build.keeper.status != "running" or build.builder.status not in {"running", *_ENDED}:
                return None
        logger.info("adopted the running build of job %s", labels.job)
        return build

    def _collect(self, build: _Build, limits: Limits) -> dict[str, bytes]:
        with engine_errors():
            archive, _ = build.keeper.get_archive("/out")
            with contextlib.closing(cast("Generator[bytes]", archive)) as chunks:
                return read_tar(chunks, limits)

    def _now(self) -> str:
        with engine_errors():
            return str(self._client.info()["SystemTime"])

    def _containers(self, job_id: str | None = None) -> list[DockerContainer]:
        return self._client.containers.list(
            all=True, filters={"label": self._label_filter(job_id)}, ignore_removed=True
        )

    def _label_filter(self, job_id: str | None) -> list[str]:
        of_server = [f"{sandbox.LABEL_SERVER}={self._server_id}"]
        return of_server if job_id is None else [*of_server, f"{sandbox.LABEL_JOB}={job_id}"]

    def _leftover_jobs(self) -> set[str]:
        with engine_errors():
            volumes = self._client.volumes.list(filters={"label": self._label_filter(None)})
            return {c.labels[sandbox.LABEL_JOB] for c in self._containers()} | {
                v.attrs["Labels"][sandbox.LABEL_JOB] for v in volumes
            }

    def _remove(self, job_id: str) -> None:
        """Kill and remove everything that carries the job's label."""
        with engine_errors():
            for container in self._containers(job_id):
                with _ignoring(404, 409):  # gone, or being removed: by us in a moment, or by another of this server
                    container.remove(force=True, v=True)
            for volume in self._client.volumes.list(filters={"label": self._label_filter(job_id)}):
                with _ignoring(404, 409):  # still in use by a container that is being removed: a later `reap` finds it
                    volume.remove(force=True)

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
