"""Bounded parser of the report that firmware prints on its first UART (docs/reference/image-format.md)."""

import io
import re
from dataclasses import dataclass
from enum import StrEnum

from edge.mcuboot import MAX_GOLDEN_VECTORS, Version

PREFIX = b"@tml "
MAX_LINE = 65_536
MAX_TOTAL = 4 * 1024 * 1024
_MAX_DETAIL = 200
_HEX32 = re.compile(r"[0-9a-f]{64}")


class BootFailureKind(StrEnum):
    """How a boot can fail: no end, a fault or a dead machine, nonsense on the UART, nothing in the slot."""

    HANG = "hang"
    CRASH = "crash"
    GARBAGE = "garbage"
    NO_IMAGE = "no-image"


@dataclass(frozen=True, slots=True)
class BootFailure:
    """A boot without a complete report, with one line of detail for a person."""

    kind: BootFailureKind
    detail: str


@dataclass(frozen=True, slots=True)
class LayerTicks:
    """What one layer took, in firmware that was built with the parameter `profile`: to a part of a tick."""

    index: int
    name: str
    ticks: float


@dataclass(frozen=True, slots=True)
class BootReport:
    """What the board says it runs and computed: one output and one tick count per golden vector."""

    version: Version
    board: str
    model_sha256: str
    abi: str
    outputs: tuple[bytes, ...]
    ticks: tuple[int, ...]
    hz: int
    arena: int
    stack: int
    layers: tuple[LayerTicks, ...] = ()


BootOutcome = BootReport | BootFailure


@dataclass(frozen=True, slots=True)
class _Boot:
    version: Version
    board: str
    model_sha256: str
    abi: str
    vectors: int


class ReportParser:
    """Feed it what the UART sends; `outcome` is None until the report is complete or can no longer become one."""

    def __init__(self) -> None:
        self.outcome: BootOutcome | None = None
        self._line = bytearray()
        self._total = 0
        self._boot: _Boot | None = None
        self._outputs: list[bytes] = []
        self._ticks: list[int] = []
        self._layers: list[LayerTicks] = []

    def feed(self, data: bytes) -> BootOutcome | None:
        """Take bytes as they come, in pieces of any size; whatever follows the outcome is ignored."""
        for piece in io.BytesIO(data):  # splits after each LF, and only there
            if self.outcome is not None:
                break
            self._total += len(piece)
            self._line += piece
            if len(self._line) > MAX_LINE + 1 or self._total > MAX_TOTAL:
                self._fail(BootFailureKind.GARBAGE, "the report exceeds its bounds")
            elif self._line.endswith(b"\n"):
                line = bytes(self._line[:-1])
                self._line.clear()
                if line.startswith(PREFIX):
                    self._take(line[len(PREFIX) :])
        return self.outcome

    def _take(self, line: bytes) -> None:
        try:
            kind, *pairs = line.decode("ascii").split()
            fields = dict(pair.split("=", 1) for pair in pairs)
            match kind:
                case "boot":
                    self._take_boot(fields)
                case "golden":
                    self._take_golden(fields)
                case "layer":
                    self._take_layer(fields)
                case "ready":
                    self._take_ready(fields)
                case "fault":
                    self._fail(BootFailureKind.CRASH, line.decode("ascii"))
                case _:
                    pass  # a later firmware may say more
        except (KeyError, ValueError) as error:
            shown = line[:_MAX_DETAIL].decode("ascii", "backslashreplace")
            self._fail(BootFailureKind.GARBAGE, f"{shown!r}: {type(error).__name__} {error}")

    def _take_boot(self, fields: dict[str, str]) -> None:
        if self._boot is not None:
            self._fail(BootFailureKind.CRASH, "the firmware started again before it was ready")
            return
        vectors = _number(fields["vectors"])
        if vectors > MAX_GOLDEN_VECTORS:
            raise ValueError(f"at most {MAX_GOLDEN_VECTORS} vectors")
        if _HEX32.fullmatch(fields["model"]) is None:
            raise ValueError("model is not a SHA-256 in hex")
        self._boot = _Boot(
            Version.parse(fields["version"]), fields["board"], fields["model"], fields.get("abi", ""), vectors
        )

    def _take_golden(self, fields: dict[str, str]) -> None:
        if self._boot is None or len(self._outputs) >= self._boot.vectors:
            raise ValueError("a golden output that was not announced")
        if _number(fields["index"]) != len(self._outputs):
            raise ValueError(f"expected index {len(self._outputs)}")
        self._ticks.append(_number(fields["ticks"]))
        self._outputs.append(bytes.fromhex(fields["output"]))

    def _take_layer(self, fields: dict[str, str]) -> None:
        whole, point, parts = fields["ticks"].partition(".")
        ticks = _number(whole) + (_number(parts) / 10 ** len(parts) if point else 0)
        self._layers.append(LayerTicks(_number(fields["index"]), fields["name"], ticks))

    def _take_ready(self, fields: dict[str, str]) -> None:
        if self._boot is None or _number(fields["vectors"]) != self._boot.vectors:
            raise ValueError("ready does not agree with boot")
        if len(self._outputs) != self._boot.vectors:
            raise ValueError(f"ready after {len(self._outputs)} of {self._boot.vectors} golden outputs")
        self.outcome = BootReport(
            version=self._boot.version,
            board=self._boot.board,
            model_sha256=self._boot.model_sha256,
            abi=self._boot.abi,
            outputs=tuple(self._outputs),
            ticks=tuple(self._ticks),
            hz=_number(fields["hz"]),
            arena=_number(fields["arena"]),
            stack=_number(fields.get("stack", "0")),
            layers=tuple(self._layers),
        )

    def _fail(self, kind: BootFailureKind, detail: str) -> None:
        self.outcome = BootFailure(kind, detail[:_MAX_DETAIL])


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 20:
        raise ValueError(f"{text[:20]!r} is not a number")
    return int(text)
