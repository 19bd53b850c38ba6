"""The boards that this image builds for: one JSON file each in `boards/`."""

import json
from dataclasses import dataclass
from pathlib import Path

from compiler.errors import Code, CompileError

HEADER_BYTES = 0x200  # of the signed image, before the payload (docs/reference/image-format.md)


@dataclass(frozen=True, slots=True)
class Board:
    """What the compiler, the linker and the drivers need to know; addresses and sizes in bytes."""

    name: str
    cpu: str
    slot_address: int
    slot_bytes: int
    ram_address: int
    ram_bytes: int
    stack_bytes: int
    uart_address: int
    timer: str
    timer_address: int
    timer_hz: int
    compiler_flags: tuple[str, ...]

    @property
    def load_address(self) -> int:
        """Where the payload begins."""
        return self.slot_address + HEADER_BYTES

    @property
    def payload_bytes(self) -> int:
        """Room for the payload in the slot."""
        return self.slot_bytes - HEADER_BYTES


def load_boards(folder: Path) -> dict[str, Board]:
    """All boards by name."""
    boards: dict[str, Board] = {}
    for file in sorted(folder.glob("*.json")):
        text = json.loads(file.read_text(encoding="utf-8"))
        public = text["board"]
        boards[public["name"]] = Board(
            name=public["name"],
            cpu=public["cpu"],
            slot_address=public["slots"]["firmware"]["address"],
            slot_bytes=public["slots"]["firmware"]["size"],
            ram_address=text["ram_address"],
            ram_bytes=public["ram_bytes"],
            stack_bytes=text["stack_bytes"],
            uart_address=text["uart_address"],
            timer=text["timer"],
            timer_address=text["timer_address"],
            timer_hz=text["timer_hz"],
            compiler_flags=tuple(text["compiler_flags"]),
        )
    return boards


def find_board(boards: dict[str, Board], name: str) -> Board:
    """The board of that name, or a refusal that lists those there are."""
    if name not in boards:
        raise CompileError(
            Code.UNSUPPORTED_BOARD, f"the board {name!r:.80} is not supported", f"Boards: {', '.join(boards)}."
        )
    return boards[name]
