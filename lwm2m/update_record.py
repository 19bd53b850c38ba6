"""The words of `firmware_update`: what is stored of an update, what can happen to it, and what there is to do."""

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import ClassVar

from lwm2m.errors import BadRequest
from lwm2m.firmware import FirmwareState
from lwm2m.update_progress import (
    CancelRequested,
    Delivery,
    Finish,
    Notified,
    Registered,
    Restarted,
    Started,
    Tick,
    Timing,
    UpdateProgress,
    UriRenewed,
    check_uri,
)

MAX_DEFER = 0xFFFFFFFF
"""Seconds that 5/0/13 can be asked to hold."""


class Severity(IntEnum):
    """Resource 5/0/11: how urgent the device is to take the update."""

    CRITICAL = 0
    MANDATORY = 1
    OPTIONAL = 2


class Operation(StrEnum):
    """Something to do with the device; its outcome comes back as `Done`, `Failed`, `Observed` or `UriRenewed`."""

    OBSERVE = "observe"  # /5/0/3 and /5/0/5
    READ = "read"  # /5/0 and /3/0/3; the outcome is Observed
    RESET = "reset"  # write "" to /5/0/1
    RENEW_URI = "renew_uri"  # another address for the package; the outcome is UriRenewed
    WRITE_POLICY = "write_policy"  # severity to /5/0/11, max_defer to /5/0/13, each unless it is None
    WRITE_PACKAGE = "write_package"  # push to /5/0/0
    WRITE_URI = "write_uri"  # write package_uri to /5/0/1
    EXECUTE_UPDATE = "execute_update"  # /5/0/2
    EXECUTE_CANCEL = "execute_cancel"  # /5/0/10
    STOP_TRANSFER = "stop_transfer"  # abort a push in progress; no outcome


Action = Operation | Finish


@dataclass(frozen=True, slots=True)
class FirmwareUpdate(UpdateProgress):
    """The record of one firmware update."""

    operations: ClassVar[type[StrEnum]] = Operation

    in_flight: Operation | None = None
    registered_at: float | None = None  # the device's registration since it was told to install
    reset_sent: bool = False
    stale_uri: bool = False  # the device could not use package_uri
    severity: int | None = None  # for 5/0/11, a `Severity`
    max_defer: int | None = None  # for 5/0/13, seconds
    policy_sent: bool = False
    deferred_until: float | None = None  # since the device first put the installation off

    @property
    def has_policy(self) -> bool:
        """Whether there is something to tell the device about urgency, and it was not told yet."""
        return not self.policy_sent and (self.severity is not None or self.max_defer is not None)


@dataclass(frozen=True, slots=True)
class Observed:
    """What a read found. The version of Object 3 counts; the one of Object 5 only where Object 3 has none."""

    at: float
    state: FirmwareState | None
    result: int | None
    firmware_version: str | None = None  # 3/0/3
    package_version: str | None = None  # 5/0/7

    @property
    def version(self) -> str | None:
        """The version that the device runs."""
        if self.firmware_version:
            return self.firmware_version
        # While a package waits, 5/0/7 names the package and not what runs.
        return self.package_version or None if self.state is FirmwareState.IDLE else None


@dataclass(frozen=True, slots=True)
class Done:
    """An operation succeeded."""

    at: float
    operation: Operation


@dataclass(frozen=True, slots=True)
class Failed:
    """An operation did not succeed: the device answered with an error code (rejected), or not at all."""

    at: float
    operation: Operation
    reason: str
    rejected: bool


Event = Started | Registered | Restarted | Notified | Observed | UriRenewed | Done | Failed | Tick | CancelRequested


def new_update(
    target_version: str,
    delivery: Delivery,
    at: float,
    *,
    package_uri: str = "",
    max_attempts: int = 3,
    seed: int = 0,
    severity: int | None = None,
    max_defer: int | None = None,
    timing: Timing | None = None,
) -> FirmwareUpdate:
    """A pending update. `seed` spreads the back-off; `severity` and `max_defer` are for 5/0/11 and 5/0/13.

    Raises:
        BadRequest: a pull without a URI, or with one longer than the object holds; a policy that it does not know.
    """
    if delivery is Delivery.PULL:
        check_uri(package_uri)
    if severity is not None and severity not in set(Severity):
        raise BadRequest("the severity is 0 (critical), 1 (mandatory) or 2 (optional)")
    if max_defer is not None and not 0 <= max_defer <= MAX_DEFER:
        raise BadRequest(f"the device can be let defer the update for 0 to {MAX_DEFER} seconds")
    timing = timing or Timing()
    return FirmwareUpdate(
        target_version,
        delivery,
        at + timing.pending,
        package_uri=package_uri,
        max_attempts=max_attempts,
        seed=seed,
        severity=severity,
        max_defer=max_defer,
        timing=timing,
    )
