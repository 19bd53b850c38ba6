"""Carries out the operations of Object 5's machine on a device: the whole firmware, FOTA."""

import secrets
import time
from collections.abc import Mapping
from enum import StrEnum

from app.services.device_link import DeviceLink
from app.services.update_reading import read_firmware
from app.storage.tables import UpdateRow
from lwm2m.errors import Lwm2mError, Rejected
from lwm2m.firmware_update import step
from lwm2m.paths import Path
from lwm2m.update_progress import Delivery, Finish, Standing, Timing, UriRenewed
from lwm2m.update_record import Done, Event, Failed, FirmwareUpdate, Observed, Operation, Severity, new_update
from lwm2m.update_standing import explain
from lwm2m.values import ResourceType

FIRMWARE = Path.of(5, 0)
PACKAGE, PACKAGE_URI, EXECUTE_UPDATE, STATE, RESULT = (FIRMWARE / number for number in (0, 1, 2, 3, 5))
CANCEL, SEVERITY, MAX_DEFER = (FIRMWARE / number for number in (10, 11, 13))

Outcome = Observed | Done | Failed | UriRenewed


class FirmwareDriver:
    """`UpdateDriver` for firmware."""

    object_id = FIRMWARE.ids[0]
    transfer: StrEnum = Operation.WRITE_PACKAGE
    stop: StrEnum = Operation.STOP_TRANSFER

    def begin(self, row: UpdateRow, at: float, package_uri: str, timing: Timing) -> FirmwareUpdate:
        """The record of an update that has not begun."""
        return new_update(
            row.expected_version,
            Delivery(row.delivery),
            at,
            package_uri=package_uri,
            seed=secrets.randbits(32),
            severity=None if row.severity is None else Severity[row.severity.upper()],
            max_defer=row.max_defer_seconds,
            timing=timing,
        )

    def restore(self, data: Mapping[str, object]) -> FirmwareUpdate:
        """The record as it was stored."""
        return FirmwareUpdate.from_json(data)

    def step(self, update: FirmwareUpdate, event: Event) -> tuple[FirmwareUpdate, tuple[StrEnum | Finish, ...]]:
        """The machine's step."""
        return step(update, event)

    def explain(self, update: FirmwareUpdate) -> Standing:
        """Where the update stands."""
        return explain(update)

    def failed(self, operation: StrEnum, error: Lwm2mError) -> Outcome:
        """What the machine is told of an operation that the device refused or did not answer."""
        return Failed(time.time(), Operation(operation), str(error), rejected=isinstance(error, Rejected))

    def remark(self, update: FirmwareUpdate, event: Event) -> str | None:
        """What an operator should read though it changes no state."""
        refused = isinstance(event, Failed) and event.operation is Operation.WRITE_POLICY and event.rejected
        return update.reason if refused else None

    async def carry_out(self, link: DeviceLink, operation: StrEnum, update: FirmwareUpdate) -> Outcome:
        """Perform an operation; raises Lwm2mError."""
        wanted = Operation(operation)
        match wanted:
            case Operation.READ:
                return await read_firmware(link.bridge, link.endpoint)
            case Operation.OBSERVE:
                await link.observe(STATE, RESULT)
            case Operation.WRITE_PACKAGE:
                await link.push(PACKAGE)
            case Operation.WRITE_URI:
                await link.write(PACKAGE_URI, ResourceType.STRING, update.package_uri)
            case Operation.RENEW_URI:
                return UriRenewed(time.time(), await link.renew_uri())
            case Operation.WRITE_POLICY:
                if update.severity is not None:
                    await link.write(SEVERITY, ResourceType.INTEGER, update.severity)
                if update.max_defer is not None:
                    await link.write(MAX_DEFER, ResourceType.UNSIGNED_INTEGER, update.max_defer)
            case Operation.RESET:
                await link.write(PACKAGE_URI, ResourceType.STRING, "")
            case Operation.EXECUTE_UPDATE:
                await link.execute(EXECUTE_UPDATE)
            case Operation.EXECUTE_CANCEL:
                await link.execute(CANCEL)
        return Done(time.time(), wanted)
