"""The words of `software_update`: what is stored of a software update, what can happen to it, what there is to do.

States, delivery, timing and the events without content are those of `update_progress`.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from lwm2m.software import SoftwareState
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
    check_uri,
)


class Operation(StrEnum):
    """Something to do with the device; its outcome comes back as `Done`, `Failed` or `Observed`."""

    OBSERVE = "observe"  # /9/x/7 and /9/x/9
    READ = "read"  # /9/x and /3/0/19; the outcome is Observed
    WRITE_PACKAGE = "write_package"  # push to /9/x/2
    WRITE_URI = "write_uri"  # write package_uri to /9/x/3
    EXECUTE_INSTALL = "execute_install"  # /9/x/4
    EXECUTE_ACTIVATE = "execute_activate"  # /9/x/10
    EXECUTE_DEACTIVATE = "execute_deactivate"  # /9/x/11
    EXECUTE_UNINSTALL = "execute_uninstall"  # /9/x/6 with argument 0
    UNINSTALL_FOR_UPDATE = "uninstall_for_update"  # /9/x/6 with argument 1
    STOP_TRANSFER = "stop_transfer"  # abort a push in progress; no outcome


Action = Operation | Finish


@dataclass(frozen=True, slots=True)
class SoftwareUpdate(UpdateProgress):
    """The record of one update of one instance of Object 9; `previous_version` is None when nothing was installed."""

    operations: ClassVar[type[StrEnum]] = Operation

    in_flight: Operation | None = None
    instance: int = 0
    refused: bool = False  # the device answered the last write with 4.05
    uninstalled: bool = False  # the old package was taken away, because the device takes none beside it
    activated: bool = False
    deactivate: bool = False  # nothing is delivered: the package of this instance is to run no more


@dataclass(frozen=True, slots=True)
class Observed:
    """What a read found; None is what the device does not have or did not answer."""

    at: float
    state: SoftwareState | None
    result: int | None
    version: str | None = None  # 9/x/1; 3/0/19 where that is empty
    active: bool | None = None  # 9/x/12


@dataclass(frozen=True, slots=True)
class Done:
    """An operation succeeded."""

    at: float
    operation: Operation


@dataclass(frozen=True, slots=True)
class Failed:
    """An operation did not succeed: the device answered with an error code, or not at all (None)."""

    at: float
    operation: Operation
    reason: str
    code: int | None = None


Event = Started | Registered | Restarted | Notified | Observed | Done | Failed | Tick | CancelRequested


def new_software_update(
    target_version: str,
    delivery: Delivery,
    at: float,
    *,
    instance: int = 0,
    package_uri: str = "",
    max_attempts: int = 3,
    seed: int = 0,
    timing: Timing | None = None,
) -> SoftwareUpdate:
    """A pending update. `seed` spreads the back-off.

    Raises:
        BadRequest: a pull without a URI, or with one longer than the 255 bytes that the object holds.
    """
    if delivery is Delivery.PULL:
        check_uri(package_uri)
    timing = timing or Timing()
    return SoftwareUpdate(
        target_version,
        delivery,
        at + timing.pending,
        package_uri=package_uri,
        instance=instance,
        max_attempts=max_attempts,
        seed=seed,
        entered_at=at,
        timing=timing,
    )


def new_deactivation(
    at: float, *, instance: int, firmware_version: str, seed: int = 0, timing: Timing | None = None
) -> SoftwareUpdate:
    """A pending update that sends nothing: the instance is deactivated, and the firmware's own model runs."""
    timing = timing or Timing()
    return SoftwareUpdate(
        firmware_version,
        Delivery.PUSH,
        at + timing.pending,
        instance=instance,
        deactivate=True,
        seed=seed,
        entered_at=at,
        timing=timing,
    )
