"""The journal of updates: a small JSON file, replaced durably before each step, that any power cut is recovered from.

    idle -> received -> verified -> flashing -> booted -> accepted
                                        |          |
                                        +----------+--> reverting -> reverted

`accepted` and `reverted` rest as `idle` does, and remember how the last update ended.
"""

import dataclasses
import json
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from pathlib import Path
from typing import Self

from edge.errors import JournalError
from edge.files import write_durably

MAX_ATTEMPTS = 3  # flashing the same image again after that many interruptions is left to the server
_MAX_FILE = 1024 * 1024


class Step(StrEnum):
    """How far the update is."""

    IDLE = "idle"
    RECEIVED = "received"
    VERIFIED = "verified"
    FLASHING = "flashing"
    BOOTED = "booted"
    ACCEPTED = "accepted"
    REVERTING = "reverting"
    REVERTED = "reverted"


_RESTING = frozenset({Step.IDLE, Step.ACCEPTED, Step.REVERTED})
_BEFORE = {
    Step.RECEIVED: _RESTING | {Step.RECEIVED, Step.VERIFIED},
    Step.VERIFIED: {Step.RECEIVED},
    Step.FLASHING: {Step.VERIFIED, Step.FLASHING, Step.BOOTED},
    Step.BOOTED: {Step.FLASHING},
    Step.ACCEPTED: {Step.BOOTED},
    Step.REVERTING: {Step.FLASHING, Step.BOOTED, Step.REVERTING},
    Step.REVERTED: {Step.REVERTING},
}


@dataclass(frozen=True, slots=True)
class Record:
    """Everything that must survive a power cut. Images are named by SHA-256 (see ImageStore)."""

    step: Step = Step.IDLE
    current: str | None = None
    previous: str | None = None
    candidate: str | None = None
    counter: int = 0
    attempts: int = 0
    result: int = 0
    report: str = ""

    @property
    def resting(self) -> bool:
        """Whether no update is under way."""
        return self.step in _RESTING

    @property
    def images(self) -> set[str]:
        """The images that are still needed."""
        return {digest for digest in (self.current, self.previous, self.candidate) if digest is not None}

    def received(self, digest: str) -> Self:
        """A package is in the store."""
        return self._at(Step.RECEIVED, candidate=digest, attempts=0, result=0, report="")

    def verified(self) -> Self:
        """The candidate may be flashed."""
        return self._at(Step.VERIFIED)

    def dropped(self, result: int, report: str = "") -> Self:
        """The candidate is refused, cancelled or forgotten before anything was flashed."""
        if self.step not in _RESTING | {Step.RECEIVED, Step.VERIFIED}:
            raise JournalError(f"an update cannot be dropped when it is {self.step.value}")
        return dataclasses.replace(self, step=Step.IDLE, candidate=None, attempts=0, result=result, report=report)

    def flashing(self) -> Self:
        """From here on the slot's content is unknown."""
        return self._at(Step.FLASHING, attempts=self.attempts + 1)

    def booted(self) -> Self:
        """The candidate was written and started; the verdict is open."""
        return self._at(Step.BOOTED)

    def accepted(self, counter: int, result: int, report: str) -> Self:
        """The candidate is the current image; nothing with a lower security counter will be taken any more."""
        return self._at(
            Step.ACCEPTED,
            current=self.candidate,
            previous=self.current,
            candidate=None,
            counter=max(self.counter, counter),
            attempts=0,
            result=result,
            report=report,
        )

    def reverting(self, report: str) -> Self:
        """The candidate failed; the report says why."""
        return self._at(Step.REVERTING, report=report)

    def reverted(self, result: int, report: str) -> Self:
        """The image before is back in the slot."""
        return self._at(Step.REVERTED, candidate=None, attempts=0, result=result, report=report)

    def _at(self, step: Step, **changes: object) -> Self:
        if self.step not in _BEFORE[step]:
            raise JournalError(f"{step.value} does not follow {self.step.value}")
        return dataclasses.replace(self, step=step, **changes)  # type: ignore[arg-type] # names checked by replace()


class Recovery(Enum):
    """What to do first after a restart."""

    STAY_EMPTY = auto()
    BOOT_CURRENT = auto()
    VERIFY_AGAIN = auto()
    KEEP_CANDIDATE = auto()
    INSTALL_AGAIN = auto()
    REVERT = auto()


def decide(record: Record) -> Recovery:
    """From what the journal says to what brings the board back to a bootable, accepted image (or to an empty slot)."""
    match record.step:
        case Step.IDLE | Step.ACCEPTED | Step.REVERTED:
            return Recovery.STAY_EMPTY if record.current is None else Recovery.BOOT_CURRENT
        case Step.RECEIVED:
            return Recovery.VERIFY_AGAIN
        case Step.VERIFIED:
            return Recovery.KEEP_CANDIDATE
        case Step.FLASHING | Step.BOOTED:
            return Recovery.INSTALL_AGAIN if record.attempts < MAX_ATTEMPTS else Recovery.REVERT
        case Step.REVERTING:
            return Recovery.REVERT


class Journal:
    """The record on disk."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.record = self._read()

    def write(self, record: Record) -> None:
        """Make the record durable; only then may the step that it announces begin."""
        write_durably(self._path, json.dumps(dataclasses.asdict(record), indent=1).encode())
        self.record = record

    def _read(self) -> Record:
        try:
            with self._path.open("rb") as file:
                text = file.read(_MAX_FILE + 1)
        except FileNotFoundError:
            return Record()
        try:
            fields = json.loads(text)
            return Record(**{**fields, "step": Step(fields["step"])})
        except (ValueError, TypeError, KeyError) as error:
            raise JournalError(f"{self._path.name} is damaged: {error}") from error
