"""The two containers and two volumes of one build on a Docker Engine: started, read, and removed together."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import docker.errors

from builders import keeper, sandbox
from builders.engine import engine_errors, timestamp
from builders.output import Exit, read_tar
from builders.resolve import check_runnable

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    import docker
    from docker.models.containers import Container

    from builders.runner import Limits

ENDED = frozenset({"exited", "dead"})
_REMOVED_AT_ONCE = 4


@dataclass(frozen=True)
class Build:
    """The two containers of a build; a `follow.Running`."""

    client: docker.DockerClient
    keeper: Container
    builder: Container

    def log(self) -> Iterator[bytes]:
        """See `follow.Running`."""
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
        return self.client.containers.get(str(self.builder.id)).status in ENDED

    def poll(self) -> Exit | None:
        """See `follow.Running`."""
        with engine_errors():
            self.builder.reload()
        state = self.builder.attrs["State"]
        if state["Status"] not in ENDED:
            return None
        return Exit(int(state["ExitCode"]), out_of_memory=bool(state["OOMKilled"]))

    def terminate(self) -> None:
        """See `follow.Running`."""
        self._signal("SIGTERM")

    def kill(self) -> None:
        """See `follow.Running`."""
        self._signal("SIGKILL")

    def _signal(self, name: str) -> None:
        # 409: it has ended meanwhile, which is what a signal is for.
        with engine_errors(), ignoring(409):
            self.builder.kill(signal=name)

    def seconds(self, now: str | None = None) -> float:
        """How long the builder has run by the engine's clock: until it ended, or until `now`."""
        state = self.builder.attrs["State"]
        return (timestamp(now or state["FinishedAt"]) - timestamp(state["StartedAt"])).total_seconds()

    def collect(self, limits: Limits, folder: str = "/out") -> dict[str, bytes]:
        """The files of `folder`, of which nothing is believed; raises what `output.read_tar` raises."""
        with engine_errors():
            archive, _ = self.keeper.get_archive(folder)
            with contextlib.closing(cast("Generator[bytes]", archive)) as chunks:
                return read_tar(chunks, limits)


@contextlib.contextmanager
def ignoring(*statuses: int) -> Iterator[None]:
    """Go on when the engine answers with one of these statuses."""
    try:
        yield
    except docker.errors.APIError as problem:
        if problem.status_code not in statuses:
            raise


def start(
    client: docker.DockerClient,
    labels: sandbox.Labels,
    image_id: str,
    files: Mapping[str, bytes],
    limits: Limits,
    *,
    source_date_epoch: int,
    out_bytes: int | None = None,
    changes: Mapping[str, Any] | None = None,
) -> Build:
    """Start a builder over `files` in /in.

    `out_bytes` bounds /out more tightly than the limits do; `changes` replace arguments of the builder's container.
    """
    with engine_errors():
        entrypoint = check_runnable(client.images.get(image_id))
        keeper_image = keeper.ensure_image(client)
        in_volume = client.volumes.create(
            **sandbox.volume_options(labels.of("in"), size=sandbox.input_capacity(files), files=len(files), mode="0755")
        )
        out_volume = client.volumes.create(
            **sandbox.volume_options(
                labels.of("out"),
                size=sandbox.output_capacity(limits) if out_bytes is None else out_bytes,
                files=limits.output_files,
                mode="1777",  # no owner: under user namespaces the engine's host knows the user by another number
            )
        )
        names = {"in_volume": in_volume.name, "out_volume": out_volume.name}
        keeping = client.containers.create(**sandbox.keeper_options(keeper_image, labels, **names))
        options = sandbox.builder_options(
            image_id,
            labels,
            entrypoint=entrypoint,
            limits=limits,
            engine_cpus=int(client.info()["NCPU"]),
            source_date_epoch=source_date_epoch,
            **names,
        )
        # The engine starts the one while it makes the other.
        with ThreadPoolExecutor(1) as pool:
            filled = pool.submit(_fill, keeping, files)
            building = client.containers.create(**{**options, **(changes or {})})
            filled.result()
        building.start()
        building.reload()
    return Build(client, keeping, building)


def _fill(keeping: Container, files: Mapping[str, bytes]) -> None:
    keeping.start()
    keeping.put_archive("/in", keeper.pack(files, mode=0o444))


def of_labels(client: docker.DockerClient, labels: Sequence[str]) -> list[Container]:
    """The containers, in whatever state, that carry all of these `name=value` labels."""
    return client.containers.list(all=True, filters={"label": list(labels)}, ignore_removed=True)


def _remove(container: Container) -> None:
    with ignoring(404, 409):  # gone, or being removed: by us in a moment, or by another of this server
        container.remove(force=True, v=True)


def remove(client: docker.DockerClient, labels: Sequence[str]) -> None:
    """Kill and remove every container and volume that carries all of these `name=value` labels."""
    with engine_errors():
        # At once: the engine takes tenths of a second for each, and a build waits for the last of them.
        if found := of_labels(client, labels):
            with ThreadPoolExecutor(min(len(found), _REMOVED_AT_ONCE)) as pool:
                list(pool.map(_remove, found))
        for volume in client.volumes.list(filters={"label": list(labels)}):
            with ignoring(404, 409):  # still in use by a container that is being removed: a later `reap` finds it
                volume.remove(force=True)
