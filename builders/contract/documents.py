"""The contract's documents as frozen types, with no parsing in them (except a version, which is text everywhere)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

CONTRACT = 1

_VERSION = re.compile(r"([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,5})\+([0-9]{1,10})", re.ASCII)


@dataclass(frozen=True, order=True)
class FirmwareVersion:
    """`major.minor.revision+build`, the fields of the MCUboot header: u8, u8, u16, u32."""

    major: int
    minor: int
    revision: int
    build: int

    def __post_init__(self) -> None:
        """Raise ValueError for a number that does not fit its field."""
        for name, value, limit in (
            ("major", self.major, 0xFF),
            ("minor", self.minor, 0xFF),
            ("revision", self.revision, 0xFFFF),
            ("build", self.build, 0xFFFFFFFF),
        ):
            if not 0 <= value <= limit:
                raise ValueError(f"{name} is {value}, which is not within 0..{limit}")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `1.2.3+4`; raise ValueError saying what is wrong."""
        match = _VERSION.fullmatch(text)
        if match is None:
            raise ValueError(f"{text[:40]!r} is not major.minor.revision+build")
        return cls(*map(int, match.groups()))

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.revision}+{self.build}"


@dataclass(frozen=True)
class Slot:
    """A region of a board's flash, in bytes."""

    address: int
    size: int


@dataclass(frozen=True)
class Board:
    """A target that a builder can build for."""

    name: str
    cpu: str
    flash_bytes: int
    ram_bytes: int
    slots: Mapping[str, Slot]

    def slot_for(self, kind: ImageKind, address: int) -> str | None:
        """The name of the slot for images of a kind (`model`, `model-a`, `model-b`...) that an address lies in."""
        for name, slot in self.slots.items():
            of_kind = name == kind.value or name.startswith(f"{kind.value}-")
            if of_kind and slot.address <= address < slot.address + slot.size:
                return name
        return None


@dataclass(frozen=True)
class Manifest:
    """What a builder image says about itself; `parameters` is a JSON Schema (2020-12).

    With `estimates` it also answers requests of mode `estimate`.
    """

    name: str
    version: str
    maintainer: str
    description: str
    boards: tuple[Board, ...]
    model_formats: tuple[str, ...]
    parameters: Mapping[str, object]
    estimates: bool = False

    def board(self, name: str) -> Board | None:
        """The board of this name, or None."""
        return next((board for board in self.boards if board.name == name), None)


@dataclass(frozen=True)
class ModelRef:
    """The model version that a build is for."""

    name: str
    version: int
    sha256: str


@dataclass(frozen=True)
class Tensor:
    """A model's input or output, with its quantisation (0 and 0 when there is none)."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: float
    zero_point: int


class ImageKind(StrEnum):
    """What an image replaces on the device."""

    FIRMWARE = "firmware"
    MODEL = "model"
    BOOTLOADER = "bootloader"
    """Goes in once, at manufacture: unsigned, the same for every device of a board, and without a key."""


@dataclass(frozen=True)
class BuiltImage:
    """One image file in /out; `file` is a bare name, `load_address` where its first byte goes."""

    kind: ImageKind
    file: str
    format: str
    sha256: str
    load_address: int
    version: FirmwareVersion


@dataclass(frozen=True)
class Section:
    """A section of the linked firmware."""

    name: str
    address: int
    size: int


@dataclass(frozen=True)
class Memory:
    """The firmware's footprint in bytes."""

    flash_bytes: int
    ram_bytes: int
    arena_bytes: int


@dataclass(frozen=True)
class Operator:
    """How often the model uses an operator."""

    name: str
    count: int


@dataclass(frozen=True)
class ModelSlot:
    """What a later model image must agree with to go into this firmware without replacing it."""

    abi: str
    size: int
    arena_bytes: int


class Basis(StrEnum):
    """Where a performance figure comes from."""

    ESTIMATED = "estimated"
    MEASURED = "measured"


@dataclass(frozen=True)
class Cost:
    """What one inference costs, as far as the builder knows it."""

    seconds: float | None = None
    cycles: float | None = None
    instructions: float | None = None
    macs: float | None = None


@dataclass(frozen=True)
class LayerCost:
    """One layer's share of the cost."""

    name: str
    operator: str
    cost: Cost


@dataclass(frozen=True)
class Performance:
    """The cost of an inference in total and per layer; `details` are the builder's own figures by name.

    `notes` are sentences for the reader: what a figure leaves out, or what it could not be based on.
    """

    basis: Basis
    total: Cost
    layers: tuple[LayerCost, ...]
    details: Mapping[str, float]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Success:
    """A result.json that says `succeeded`."""

    images: tuple[BuiltImage, ...]
    sections: tuple[Section, ...]
    memory: Memory
    operators: tuple[Operator, ...]
    toolchain: Mapping[str, str]
    model_slot: ModelSlot | None
    performance: Performance | None = None


@dataclass(frozen=True)
class Estimate:
    """A result.json that says `estimated`: what a build would give, of which nothing was built."""

    memory: Memory
    operators: tuple[Operator, ...]
    toolchain: Mapping[str, str]
    performance: Performance


@dataclass(frozen=True)
class Failure:
    """A result.json that says `failed`."""

    code: str
    message: str
    hint: str


Result = Success | Estimate | Failure
