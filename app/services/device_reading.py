"""What a device says of itself when it is asked: board, firmware, the model that runs, what its model slots hold."""

from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any, Self

from app.domain.delivery import BUILT_IN, SLOTS
from lwm2m.bridge import DeviceBridge
from lwm2m.nodes import Instance, Resource
from lwm2m.paths import Path
from lwm2m.software import SoftwareState
from lwm2m.values import Value

FIRMWARE_VERSION = Path.of(3, 0, 3)
SOFTWARE = Path.of(9)
REPORTED = Path.of(26241, 0)
MODEL_SHA256, BOARD, ABI, MODEL_SOURCE = (REPORTED / number for number in (1, 2, 5, 6))
LONGEST_GAP, INFERENCE_TICKS, INFERENCES = (REPORTED / number for number in (8, 9, 12))
SOURCES = (BUILT_IN, *SLOTS)
_HASH_DIGITS = 64
_MAX_TEXT = 64


@dataclass(frozen=True, slots=True)
class SlotReport:
    """A model slot, which is an instance of Object 9."""

    slot: str
    installed: bool
    version: str | None
    active: bool

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    @classmethod
    def of(cls, document: dict[str, Any]) -> Self:
        """From what `to_json` gave."""
        return cls(**document)


@dataclass(frozen=True, slots=True)
class DeviceIdentity:
    """What a device says that it is and runs; None where it says nothing, or nothing that can be."""

    board: str | None = None
    firmware_version: str | None = None
    model_sha256: str | None = None
    abi: str | None = None
    model_source: str | None = None
    slots: tuple[SlotReport, ...] = ()


async def read_identity(bridge: DeviceBridge, endpoint: str, objects: Collection[int]) -> DeviceIdentity:
    """Ask a device for what it is; `objects` are those that it registered.

    Raises:
        Lwm2mError: the device does not answer.
    """
    firmware_version = _text(await _value(bridge, endpoint, FIRMWARE_VERSION))
    if REPORTED.ids[0] not in objects:
        return DeviceIdentity(firmware_version=firmware_version)
    board = _text(await _value(bridge, endpoint, BOARD))
    model_sha256 = _hash(await _value(bridge, endpoint, MODEL_SHA256))
    if SOFTWARE.ids[0] not in objects:
        return DeviceIdentity(board, firmware_version, model_sha256)
    source = _text(await _value(bridge, endpoint, MODEL_SOURCE))
    return DeviceIdentity(
        board=board,
        firmware_version=firmware_version,
        model_sha256=model_sha256,
        abi=_hash(await _value(bridge, endpoint, ABI)),
        model_source=source if source in SOURCES else None,
        slots=await _slots(bridge, endpoint),
    )


async def read_inference(bridge: DeviceBridge, endpoint: str) -> dict[str, int] | None:
    """What a device measured of its inference; None when it does not measure.

    Raises:
        Lwm2mError: the device does not answer.
    """
    figures = {
        "longest_gap_ticks": await _value(bridge, endpoint, LONGEST_GAP),
        "inference_ticks": await _value(bridge, endpoint, INFERENCE_TICKS),
        "inferences": await _value(bridge, endpoint, INFERENCES),
    }
    numbers = {name: value for name, value in figures.items() if isinstance(value, int) and value >= 0}
    return numbers if len(numbers) == len(figures) else None


async def _slots(bridge: DeviceBridge, endpoint: str) -> tuple[SlotReport, ...]:
    found = []
    for number, name in enumerate(SLOTS):
        response = await bridge.read(endpoint, SOFTWARE / number)
        if not response.success or not isinstance(response.content, Instance):
            continue
        values = {each.id: each.value for each in response.content.resources if isinstance(each, Resource)}
        installed = values.get(7) == SoftwareState.INSTALLED
        version = _text(values.get(1)) if installed else None
        found.append(SlotReport(name, installed, version, active=installed and values.get(12) is True))
    return tuple(found)


async def _value(bridge: DeviceBridge, endpoint: str, path: Path) -> Value | None:
    """A resource; None when the device has none."""
    response = await bridge.read(endpoint, path)
    return response.content.value if response.success and isinstance(response.content, Resource) else None


def _text(value: Value | None) -> str | None:
    return value[:_MAX_TEXT] or None if isinstance(value, str) else None


def _hash(value: Value | None) -> str | None:
    text = value.lower() if isinstance(value, str) else ""
    return text if len(text) == _HASH_DIGITS and all(digit in "0123456789abcdef" for digit in text) else None
