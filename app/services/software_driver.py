"""Carries out the operations of Object 9's machine on a device: the model alone, SOTA, into one of its slots."""

import secrets
import time
from collections.abc import Mapping
from enum import StrEnum

from app.domain.delivery import BUILT_IN
from app.services.device_link import DeviceLink
from app.services.update_reading import read_software
from app.storage.tables import UpdateRow
from lwm2m.errors import Lwm2mError, Rejected
from lwm2m.paths import Path
from lwm2m.software_record import (
    Done,
    Event,
    Failed,
    Observed,
    Operation,
    SoftwareUpdate,
    new_deactivation,
    new_software_update,
)
from lwm2m.software_update import explain, step
from lwm2m.update_progress import Delivery, Finish, Standing, Timing
from lwm2m.values import ResourceType

SOFTWARE_OBJECT = 9
PACKAGE, PACKAGE_URI, INSTALL, UNINSTALL, STATE, RESULT, ACTIVATE, DEACTIVATE = 2, 3, 4, 6, 7, 9, 10, 11

Outcome = Observed | Done | Failed


class SoftwareDriver:
    """`UpdateDriver` for one instance of Object 9."""

    object_id = SOFTWARE_OBJECT
    transfer: StrEnum = Operation.WRITE_PACKAGE
    stop: StrEnum = Operation.STOP_TRANSFER

    def __init__(self, instance: int) -> None:
        self._instance = instance

    def begin(self, row: UpdateRow, at: float, package_uri: str, timing: Timing) -> SoftwareUpdate:
        """The record of an update that has not begun."""
        seed = secrets.randbits(32)
        if row.slot == BUILT_IN:
            version = row.expected_version
            return new_deactivation(at, instance=self._instance, firmware_version=version, seed=seed, timing=timing)
        return new_software_update(
            row.expected_version,
            Delivery(row.delivery),
            at,
            instance=self._instance,
            package_uri=package_uri,
            seed=seed,
            timing=timing,
        )

    def restore(self, data: Mapping[str, object]) -> SoftwareUpdate:
        """The record as it was stored."""
        return SoftwareUpdate.from_json(data)

    def step(self, update: SoftwareUpdate, event: Event) -> tuple[SoftwareUpdate, tuple[StrEnum | Finish, ...]]:
        """The machine's step."""
        return step(update, event)

    def explain(self, update: SoftwareUpdate) -> Standing:
        """Where the update stands."""
        return explain(update)

    def failed(self, operation: StrEnum, error: Lwm2mError) -> Outcome:
        """What the machine is told of an operation that the device refused or did not answer."""
        code = error.code if isinstance(error, Rejected) else None
        return Failed(time.time(), Operation(operation), str(error), code)

    def remark(self, update: SoftwareUpdate, event: Event) -> str | None:  # noqa: ARG002 - the protocol's signature
        """Nothing: each thing that an operator should read changes the state, or is retried."""
        return None

    async def carry_out(self, link: DeviceLink, operation: StrEnum, update: SoftwareUpdate) -> Outcome:
        """Perform an operation; raises Lwm2mError."""
        slot = Path.of(SOFTWARE_OBJECT, self._instance)
        wanted = Operation(operation)
        match wanted:
            case Operation.READ:
                return await read_software(link.bridge, link.endpoint, self._instance)
            case Operation.OBSERVE:
                await link.observe(slot / STATE, slot / RESULT)
            case Operation.WRITE_PACKAGE:
                await link.push(slot / PACKAGE)
            case Operation.WRITE_URI:
                await link.write(slot / PACKAGE_URI, ResourceType.STRING, update.package_uri)
            case Operation.EXECUTE_INSTALL:
                await link.execute(slot / INSTALL)
            case Operation.EXECUTE_ACTIVATE:
                await link.execute(slot / ACTIVATE)
            case Operation.EXECUTE_DEACTIVATE:
                await link.execute(slot / DEACTIVATE)
            case Operation.EXECUTE_UNINSTALL:
                await link.execute(slot / UNINSTALL, "0")
            case Operation.UNINSTALL_FOR_UPDATE:
                await link.execute(slot / UNINSTALL, "1")
        return Done(time.time(), wanted)
