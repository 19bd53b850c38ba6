"""One section of an nntrainer .ini: its options, read with bounds, and errors that name it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

from zoo.training.offload.errors import DescriptionError


@dataclass(frozen=True)
class Section:
    """Options by their names in lower case."""

    name: str
    options: dict[str, str]

    def error(self, option: str, why: str) -> DescriptionError:
        """A refusal of one option."""
        return DescriptionError(f"[{self.name[:60]}] {option}: {why}.", field=f"ini.{self.name[:60]}.{option}")

    def only(self, *known: str) -> None:
        """Refuse options that would be ignored: what is not understood must not be left out silently."""
        for name in self.options:
            if name not in known:
                raise self.error(name[:60], f"it is not supported here; there are {', '.join(known)}")

    def text(self, option: str, default: str | None = None) -> str:
        """As it stands, without quotes."""
        found = self.options.get(option, default)
        if found is None:
            raise self.error(option, "it is missing")
        return found.strip().strip("\"'")

    def choice(self, option: str, known: tuple[str, ...], default: str | None = None) -> str:
        """One of the known words."""
        found = self.text(option, default).lower()
        if found not in known:
            raise self.error(option, f"{found[:40]!r} is not supported; there are {', '.join(known)}")
        return found

    def whole(self, option: str, default: int | None = None, *, least: int, most: int) -> int:
        """A whole number."""
        found = self.text(option, None if default is None else str(default))
        if not re.fullmatch("[0-9]{1,10}", found) or not least <= int(found) <= most:
            raise self.error(option, f"{found[:40]!r} is no whole number from {least} to {most}")
        return int(found)

    def number(self, option: str, default: float | None, fits: Callable[[float], bool]) -> float:
        """A number that `fits`."""
        found = self.text(option, None if default is None else repr(default))
        value = self._float(option, found)
        if not fits(value):
            raise self.error(option, f"{found[:40]} is out of its range")
        return value

    def numbers(self, option: str) -> tuple[float, ...]:
        """Several, between commas."""
        return tuple(self._float(option, part) for part in self.text(option).split(","))

    def wholes(self, option: str, default: str | None, separator: str = ",", *, least: int = 1) -> tuple[int, ...]:
        """Several whole numbers up to 4096."""
        parts = [part.strip() for part in self.text(option, default).split(separator)]
        if not all(re.fullmatch("[0-9]{1,4}", part) and least <= int(part) <= 4096 for part in parts):
            raise self.error(option, f"{self.text(option, default)[:60]!r} is no list of numbers from {least} to 4096")
        return tuple(int(part) for part in parts)

    def pair(self, option: str, default: str | None = None) -> tuple[int, int]:
        """Two for height and width, or one for both."""
        found = self.wholes(option, default)
        if len(found) > 2 or max(found) > 128:
            raise self.error(option, "it needs one or two numbers up to 128")
        return found[0], found[-1]

    def flag(self, option: str) -> bool:
        """True or false; false when it is not there."""
        return self.choice(option, ("true", "false"), "false") == "true"

    def _float(self, option: str, text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise self.error(option, f"{text.strip()[:40]!r} is no number")
        return value
