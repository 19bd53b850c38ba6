"""The life of a build: what determines its artifact, and which state may follow which."""

import hashlib
import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class BuildState(StrEnum):
    """Where a build stands."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


ENDED = frozenset({BuildState.SUCCEEDED, BuildState.FAILED, BuildState.CANCELLED})

_FOLLOWS: dict[BuildState, frozenset[BuildState]] = {
    BuildState.QUEUED: frozenset({BuildState.RUNNING, BuildState.FAILED, BuildState.CANCELLED}),
    # Running again: a worker died and another took over.
    BuildState.RUNNING: frozenset({BuildState.RUNNING, *ENDED}),
    **{state: frozenset() for state in ENDED},
}

MAX_ATTEMPTS = 3
"""A build whose workers died this often is given up: it probably kills them."""


def may_become(state: str, new: BuildState) -> bool:
    """Whether a build in `state` may go to `new`."""
    return new in _FOLLOWS[BuildState(state)]


@dataclass(frozen=True)
class BuildKey:
    """Everything that determines the bytes of an artifact."""

    builder_digest: str
    model_sha256: str
    board: str
    parameters: dict[str, Any]
    base_version: str
    security_counter: int

    def sha256(self) -> str:
        """The key as text: SHA-256 over canonical JSON."""
        canonical = json.dumps(
            [
                self.builder_digest,
                self.model_sha256,
                self.board,
                self.parameters,
                self.base_version,
                self.security_counter,
            ],
            sort_keys=True,
            separators=(",", ":"),
        )
        return hashlib.sha256(canonical.encode()).hexdigest()

    def firmware_version(self) -> str:
        """`major.minor.revision+build`, the build number made from the key, so that two artifacts differ in version."""
        return f"{self.base_version}+{int(self.sha256()[:8], 16)}"
