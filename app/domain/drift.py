"""When a device's windows raise an alarm, and when they take it back: a rule over consecutive windows, pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

CALM_BELOW = 0.8
"""Of a threshold. A statistic that stays just below it neither raises an alarm nor takes one back."""


class Turn(StrEnum):
    """What a window changes."""

    NONE = "none"
    RAISE = "raise"
    CLEAR = "clear"


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a device stands: `above` counts, for each statistic, the windows in a row above its threshold.

    `calm` counts the windows in a row in which every statistic was well below it; only while there is an alarm.
    """

    above: Mapping[str, int] = field(default_factory=dict)
    calm: int = 0
    alarmed: bool = False

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"above": dict(self.above), "calm": self.calm, "alarmed": self.alarmed}

    @classmethod
    def of_json(cls, document: Mapping[str, Any]) -> Self:
        """From what `to_json` gave."""
        return cls(**document)


@dataclass(frozen=True, slots=True)
class Step:
    """A standing after a window; `statistic` is the one that raised the alarm."""

    standing: Standing
    turn: Turn = Turn.NONE
    statistic: str | None = None


def step(standing: Standing, ratios: Mapping[str, float], consecutive: int) -> Step:
    """After one window more; `ratios` are those of each statistic to its threshold.

    An alarm is raised once, after `consecutive` windows in a row in which the same statistic was above: one window in a
    thousand is above by chance, and two in a row hardly ever. It is cleared after as many calm windows.
    """
    above = {name: standing.above.get(name, 0) + 1 for name, ratio in ratios.items() if ratio > 1}
    if standing.alarmed:
        calm = standing.calm + 1 if ratios and max(ratios.values()) < CALM_BELOW else 0
        if calm >= consecutive:
            return Step(Standing(above), Turn.CLEAR)
        return Step(Standing(above, calm, alarmed=True))
    reached = [name for name, windows in above.items() if windows >= consecutive]
    if reached:
        worst = max(reached, key=lambda name: ratios[name])
        return Step(Standing(above, alarmed=True), Turn.RAISE, worst)
    return Step(Standing(above))
