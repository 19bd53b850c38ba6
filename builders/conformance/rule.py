"""A rule of the contract: a name, a remedy, and a function that tries it on an image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from builders.conformance.report import Check, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from builders.conformance.subject import Subject


class Broken(Exception):
    """The image breaks the rule; the message says what was seen. `remedy` is better than the rule's own, if given."""

    def __init__(self, detail: str, *, remedy: str = "") -> None:
        super().__init__(detail)
        self.detail = detail
        self.remedy = remedy


class Untried(Exception):
    """The rule could not be tried; the message says why."""


@dataclass(frozen=True)
class Rule:
    """`check` returns what it saw, or raises Broken or Untried."""

    id: str
    title: str
    remedy: str
    check: Callable[[Subject], str]

    def apply(self, subject: Subject) -> Check:
        """Try the rule."""
        try:
            detail = self.check(subject)
        except Broken as broken:
            return Check(self.id, self.title, Outcome.FAILED, broken.detail, broken.remedy or self.remedy)
        except Untried as untried:
            return Check(self.id, self.title, Outcome.SKIPPED, str(untried), "")
        return Check(self.id, self.title, Outcome.PASSED, detail, "")
