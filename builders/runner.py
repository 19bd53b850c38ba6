"""What it means to run a builder: the input, the limits, the output, and the interface that every runner implements."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from builders.errors import BadRequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping

    from builders.contract import Estimate, Manifest, Success

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True)
class BuildInput:
    """What a builder finds in /in. `build_json` and `golden_json` come from `builders.contract`."""

    model: Path | bytes
    build_json: bytes
    golden_json: bytes

    def files(self) -> dict[str, bytes]:
        """The three files by name."""
        model = self.model.read_bytes() if isinstance(self.model, Path) else self.model
        return {"model.tflite": model, "build.json": self.build_json, "golden.json": self.golden_json}

    def source_date_epoch(self) -> int:
        """The date that stands for "now" in the build, in seconds since 1970."""
        try:
            return int(json.loads(self.build_json)["source_date_epoch"])
        except (ValueError, TypeError, LookupError) as problem:
            raise BadRequestError(
                "build.json names no source_date_epoch.",
                remedy="Make it with builders.contract.build_request_json.",
                field="/source_date_epoch",
            ) from problem


@dataclass(frozen=True)
class Limits:
    """What one build may use. Memory counts /tmp, /work and /out too: they are in memory."""

    memory_bytes: int = 2048 * MEBIBYTE
    pids: int = 256
    cpus: float = 2.0
    seconds: float = 600.0
    output_bytes: int = 64 * MEBIBYTE
    output_files: int = 64


def _unheard(_line: str) -> None:
    """Where nobody reads the log."""


def _never() -> bool:
    """Where nobody cancels."""
    return False


@dataclass(frozen=True)
class Order:
    """One run of a builder, for the job `job_id`.

    `on_log` gets the log line by line (no line ends, no control characters, bounded) and `cancelled` is asked about
    twice a second; both are called in the thread of the caller.
    """

    job_id: str
    image_id: str
    build_input: BuildInput
    limits: Limits = Limits()
    on_log: Callable[[str], None] = _unheard
    cancelled: Callable[[], bool] = _never


@dataclass(frozen=True)
class BuildOutput:
    """What a successful build gave: every image of `result` is in `files`, whole, with the sha256 that it names."""

    result: Success
    files: Mapping[str, bytes] = field(repr=False)
    seconds: float


@dataclass(frozen=True)
class ResolvedBuilder:
    """A builder pinned for good: `image_id` is the hash of the image's configuration and so of its content.

    `repo_digest` is `repository@sha256:...` when the image came from a registry: what another engine can pull.
    """

    reference: str
    image_id: str
    repo_digest: str | None
    manifest: Manifest


class BuilderRunner(Protocol):
    """Runs builders. Synchronous: called from a job's thread."""

    def inspect(self, reference: str) -> ResolvedBuilder:
        """Resolve an image's name, tag or id; pull it when it is missing.

        Raises ImageError, BadManifestError or EngineError.
        """
        ...

    def run(self, order: Order) -> BuildOutput:
        """Build, and return when nothing of the build runs any more; what it leaves is removed behind it, at once.

        Running a job again is safe: a build of the same job and input that a dead server left is taken over where it
        stands (its log comes again from the first line), and any other leftover of the job is removed first. Raises
        BuilderError.
        """
        ...

    def estimate(self, order: Order) -> Estimate:
        """As `run`, for a `build_json` of mode `estimate`: nothing is built, and what it would cost is the answer."""
        ...

    def close(self) -> None:
        """Wait until nothing is left of the builds that have returned."""
        ...

    def reap(self, live: Container[str]) -> list[str]:
        """Remove what dead servers left of jobs that are not in `live`; return those jobs' ids.

        `live` is asked only after the leftovers were listed, so a job that begins meanwhile is safe if `live` is up to
        date when asked.
        """
        ...
