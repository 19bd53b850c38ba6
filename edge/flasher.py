"""What the update machinery needs from a board: write its slot, read it back, boot it, cut its power."""

from collections.abc import Callable
from typing import Protocol

from edge.report import BootOutcome

Progress = Callable[[int, int], None]
"""Called with the bytes written so far and the bytes in all."""


class Flasher(Protocol):
    """A board behind this machine. Methods are not to be called concurrently."""

    @property
    def board(self) -> str:
        """The board's name, as images carry it."""
        ...

    @property
    def slot_size(self) -> int:
        """Size of the firmware slot in bytes."""
        ...

    @property
    def instructions_per_second(self) -> int | None:
        """The clock that turns ticks into instructions, when the board executes at a fixed rate; None otherwise."""
        ...

    async def flash(self, image: bytes, progress: Progress) -> None:
        """Cut the power, erase the slot, write the image durably and read it back; FlashError when it differs.

        An empty image leaves the slot erased.
        """
        ...

    async def holds(self, image: bytes) -> bool:
        """Whether the slot begins with exactly this image."""
        ...

    async def boot(self) -> BootOutcome:
        """Power the board (again), and wait for its report; on a failure the board is left without power."""
        ...

    async def power_off(self) -> None:
        """Cut the power; nothing happens when it is off."""
        ...
