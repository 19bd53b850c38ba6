"""What the device of an update says: where Object 5 or 9 stands, what it runs, and what its board computed."""

import asyncio
import hashlib
import json
import time
from typing import Any

import structlog

from app.services.models import golden_outputs
from lwm2m.bridge import DeviceBridge
from lwm2m.errors import Lwm2mError
from lwm2m.firmware import FirmwareState
from lwm2m.nodes import Instance, Node, Resource
from lwm2m.paths import Path
from lwm2m.software import SoftwareState
from lwm2m.software_record import Observed as SoftwareObserved
from lwm2m.update_progress import UpdateProgress, UpdateState
from lwm2m.update_record import Observed

_log = structlog.get_logger(__name__)

FIRMWARE = Path.of(5, 0)
STATE, RESULT, PACKAGE_VERSION = FIRMWARE / 3, FIRMWARE / 5, FIRMWARE / 7
RUNNING_VERSION = Path.of(3, 0, 3)
SOFTWARE = Path.of(9)
SOFTWARE_VERSION = Path.of(3, 0, 19)
BOARD_REPORT = Path.of(26241, 0, 0)
MAX_REPORT_BYTES = 64 * 1024
REPORT_ATTEMPTS = 6
REPORT_PAUSE = 0.5


async def read_firmware(bridge: DeviceBridge, endpoint: str) -> Observed:
    """Object 5 and the running version; resource by resource from a device that reads no instances.

    Raises:
        Lwm2mError: the device refuses, or does not answer.
    """
    whole = await bridge.read(endpoint, FIRMWARE)
    if whole.success:
        state, result, package = (_value(whole.content, path.ids[-1]) for path in (STATE, RESULT, PACKAGE_VERSION))
    else:  # lwm2m-node-lib answers 4.04 to every instance
        state = _single((await bridge.read(endpoint, STATE)).require_success().content)
        result = _single((await bridge.read(endpoint, RESULT)).require_success().content)
        package = _single((await bridge.read(endpoint, PACKAGE_VERSION)).content)
    running = await bridge.read(endpoint, RUNNING_VERSION)
    return Observed(
        at=time.time(),
        state=FirmwareState(state) if isinstance(state, int) and 0 <= state <= 3 else None,
        result=result if isinstance(result, int) else None,
        firmware_version=_text(running.content) if running.success else None,
        package_version=package if isinstance(package, str) else None,
    )


async def read_software(bridge: DeviceBridge, endpoint: str, instance: int) -> SoftwareObserved:
    """An instance of Object 9; the version of Object 3 where the instance has none.

    Raises:
        Lwm2mError: the device refuses, or does not answer.
    """
    content = (await bridge.read(endpoint, SOFTWARE / instance)).require_success().content
    version, state, result, active = (_value(content, number) for number in (1, 7, 9, 12))
    if not version:
        elsewhere = await bridge.read(endpoint, SOFTWARE_VERSION)
        version = _single(elsewhere.content) if elsewhere.success else None
    return SoftwareObserved(
        at=time.time(),
        state=SoftwareState(state) if isinstance(state, int) and 0 <= state <= max(SoftwareState) else None,
        result=result if isinstance(result, int) else None,
        version=version if isinstance(version, str) and version else None,
        active=active if isinstance(active, bool) else None,
    )


async def read_report(bridge: DeviceBridge, endpoint: str) -> dict[str, Any] | None:
    """What the board computed, when the device tells; a device that tells nothing has none."""
    for _ in range(REPORT_ATTEMPTS):
        try:
            response = await bridge.read(endpoint, BOARD_REPORT)
            break
        except Lwm2mError as error:  # a device that went back may be registering again at this moment
            _log.info("the device's report could not be read", endpoint=endpoint, error=str(error))
            await asyncio.sleep(REPORT_PAUSE)
    else:
        return None
    text = _text(response.content) if response.success else None
    if not text or len(text) > MAX_REPORT_BYTES:
        return None
    try:
        report = json.loads(text)
        # Half of a surrogate pair is text to JSON, and none to the database or to whoever reads the update.
        json.dumps(report, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        _log.warning("the device's report is no JSON", endpoint=endpoint)
        return None
    return report if isinstance(report, dict) else None


def reason_of(update: UpdateProgress, report: dict[str, Any] | None) -> str:
    """Why an update ended so, with what the device says to it."""
    told = report.get("reason") if report is not None and update.state is not UpdateState.SUCCEEDED else None
    return f"{update.reason} The device says: {told[:500]}" if isinstance(told, str) and told else update.reason


def disagrees(report: dict[str, Any] | None, golden: dict[str, Any]) -> bool:
    """Whether a device's report names outputs that are not the oracle's."""
    received = report.get("received_sha256") if report is not None else None
    return received is not None and received != hashlib.sha256(b"".join(golden_outputs(golden))).hexdigest()


def _value(node: Node | None, number: int) -> object:
    if isinstance(node, Instance):
        for resource in node.resources:
            if isinstance(resource, Resource) and resource.id == number:
                return resource.value
    return None


def _single(node: Node | None) -> object:
    return node.value if isinstance(node, Resource) else None


def _text(node: Node | None) -> str | None:
    return str(node.value) if isinstance(node, Resource) else None
