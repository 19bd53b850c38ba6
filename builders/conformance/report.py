"""What the kit found: one check for every rule, and the report over all of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

KIT_VERSION = 1


class Outcome(StrEnum):
    """How a rule came out; a skipped rule says why in its detail."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Check:
    """One rule's outcome: what was seen, and what to do about it when it failed (else empty)."""

    id: str
    title: str
    outcome: Outcome
    detail: str
    remedy: str

    def to_json(self) -> dict[str, str]:
        """Plain JSON values."""
        return {
            "id": self.id,
            "title": self.title,
            "outcome": self.outcome.value,
            "detail": self.detail,
            "remedy": self.remedy,
        }


@dataclass(frozen=True)
class Report:
    """All checks of one image, in the order in which they were made.

    `name` and `version` are the manifest's, or empty when there is no valid manifest.
    """

    reference: str
    image_id: str
    name: str
    version: str
    seconds: float
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether no rule is broken."""
        return not self.failures

    @property
    def failures(self) -> tuple[Check, ...]:
        """The broken rules."""
        return tuple(check for check in self.checks if check.outcome is Outcome.FAILED)

    def count(self, outcome: Outcome) -> int:
        """How many rules came out so."""
        return sum(check.outcome is outcome for check in self.checks)

    def to_json(self) -> dict[str, object]:
        """Plain JSON values."""
        return {
            "kit": KIT_VERSION,
            "reference": self.reference,
            "image_id": self.image_id,
            "name": self.name,
            "version": self.version,
            "passed": self.passed,
            "seconds": round(self.seconds, 3),
            "counts": {outcome.value: self.count(outcome) for outcome in Outcome},
            "checks": [check.to_json() for check in self.checks],
        }
