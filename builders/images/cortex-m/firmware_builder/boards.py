"""The boards that this image builds for: one JSON file each in `boards/`."""

import json
from dataclasses import dataclass
from pathlib import Path

from compiler.errors import Code, CompileError

HEADER_BYTES = 0x200  # of the signed image, before the payload (docs/reference/image-format.md)


@dataclass(frozen=True, slots=True)
class ModelSlot:
    """A slot for a model alone, and the RAM that a model of this slot may use."""

    name: str
    address: int
    size: int
    window: int
    window_bytes: int

    @property
    def load_address(self) -> int:
        """Where the payload begins."""
        return self.address + HEADER_BYTES

    @property
    def payload_bytes(self) -> int:
        """Room for the payload in the slot."""
        return self.size - HEADER_BYTES


@dataclass(frozen=True, slots=True)
class OsBoard:
    """What the device OS needs to know of a board (docs/reference/device-os.md)."""

    boot_address: int
    boot_bytes: int
    flash_address: int
    handover_address: int
    timer_1_address: int
    watchdog_address: int
    ethernet_address: int
    model_slots: tuple[ModelSlot, ...]


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
    reset_vector_address: int = 0
    os: OsBoard | None = None

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
    for file in sorted(folder.glob("*.json"), key=lambda path: path.stem):
        text = json.loads(file.read_text(encoding="utf-8"))
        public = text["board"]
        boards[public["name"]] = Board(
            name=public["name"],
            cpu=public["cpu"],
            slot_address=public["slots"]["firmware"]["address"],
            slot_bytes=public["slots"]["firmware"]["size"],
            ram_address=text["ram_address"],
            ram_bytes=text["os"]["ram_bytes"] if "os" in text else public["ram_bytes"],
            stack_bytes=text["stack_bytes"],
            uart_address=text["uart_address"],
            timer=text["timer"],
            timer_address=text["timer_address"],
            timer_hz=text["timer_hz"],
            compiler_flags=tuple(text["compiler_flags"]),
            reset_vector_address=text.get("reset_vector_address", 0),
            os=_os_board(text) if "os" in text else None,
        )
    return boards


def _os_board(text: dict[str, dict[str, dict[str, dict[str, int]]]]) -> OsBoard:
    device, slots = text["os"], text["board"]["slots"]
    names = ("flash_address", "handover_address")
    devices = ("timer_1_address", "watchdog_address", "ethernet_address")
    return OsBoard(
        **{name: device[name] for name in (*names, *devices)},
        boot_address=slots["bootloader"]["address"],
        boot_bytes=slots["bootloader"]["size"],
        model_slots=tuple(
            ModelSlot(name, slots[name]["address"], slots[name]["size"], window, device["window_bytes"])
            for name, window in sorted(device["windows"].items())
        ),
    )


def bare(boards: dict[str, Board], board: Board) -> Board:
    """The board itself, or the one without the device OS that its code runs on as well."""
    same = (found for found in boards.values() if found.os is None and found.compiler_flags == board.compiler_flags)
    return board if board.os is None else next(same)


def check_trains(boards: dict[str, Board], board: Board, *, trainable_head: bool) -> None:
    """Only the device OS trains a head."""
    if trainable_head and board.os is None:
        able = ", ".join(name for name, each in boards.items() if each.os is not None)
        raise CompileError(
            Code.BAD_REQUEST,
            f"the parameter trainable_head needs a board with the device OS, which {board.name} has not",
            f"Boards with it: {able}. Or build without trainable_head.",
        )


def find_board(boards: dict[str, Board], name: str) -> Board:
    """The board of that name, or a refusal that lists those there are."""
    if name not in boards:
        raise CompileError(
            Code.UNSUPPORTED_BOARD, f"the board {name!r:.80} is not supported", f"Boards: {', '.join(boards)}."
        )
    return boards[name]
