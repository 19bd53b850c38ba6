"""Does a model fit a board: refused with numbers before a build is spent on it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Shortage:
    """What a model needs at least, and what the board has; bytes."""

    memory: str
    needed: int
    available: int

    def __str__(self) -> str:
        return f"needs at least {self.needed} bytes of {self.memory}, the board has {self.available}"


def shortages(*, flash_needed: int, ram_needed: int, flash: int, ram: int) -> list[Shortage]:
    """Every memory that is too small; the needs are lower bounds, so a shortage is certain."""
    found = []
    if flash_needed > flash:
        found.append(Shortage("flash", flash_needed, flash))
    if ram_needed > ram:
        found.append(Shortage("RAM", ram_needed, ram))
    return found
