"""The words of `software_update`: what is stored of a software update, what can happen to it, what there is to do.

States, delivery, timing and the events without content are those of `update_record`.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Self

from lwm2m.errors import BadRequest
from lwm2m.software import SoftwareState
from lwm2m.update_record import (
    CancelRequested,
    Delivery,
    Finish,
    Notified,
    Registered,
    Restarted,
    Started,
    Tick,
    Timing,
    UpdateState,
)


class Operation(StrEnum):
    """Something to do with the device; its outcome comes back as `Done`, `Failed` or `Observed`."""

    OBSERVE = "observe"  # /9/x/7 and /9/x/9
    READ = "read"  # /9/x and /3/0/19; the outcome is Observed
    WRITE_PACKAGE = "write_package"  # push to /9/x/2
    WRITE_URI = "write_uri"  # write package_uri to /9/x/3
    EXECUTE_INSTALL = "execute_install"  # /9/x/4
    EXECUTE_ACTIVATE = "execute_activate"  # /9/x/10
    EXECUTE_UNINSTALL = "execute_uninstall"  # /9/x/6 with argument 0
    UNINSTALL_FOR_UPDATE = "uninstall_for_update"  # /9/x/6 with argument 1
    STOP_TRANSFER = "stop_transfer"  # abort a push in progress; no outcome


Action = Operation | Finish


@dataclass(frozen=True, slots=True)
class SoftwareUpdate:
    """The record of one update of one instance of Object 9. Everything that the server has to know after a restart."""

    target_version: str
    delivery: Delivery
    deadline: float  # of the present state, seconds since 1970
    package_uri: str = ""
    instance: int = 0
    state: UpdateState = UpdateState.PENDING
    previous_version: str | None = None  # what was installed before, None when nothing was
    attempt: int = 0
    max_attempts: int = 3
    in_flight: Operation | None = None  # sent, not answered
    next_at: float | None = None  # when to poll, or to retry
    retry: bool = False
    retried: tuple[int, ...] = ()  # result codes that had their second chance
    result: int | None = None  # the last Update Result that the device reported
    refused: bool = False  # the device answered the last write with 4.05
    uninstalled: bool = False  # the old package was taken away, because the device takes none beside it
    activated: bool = False
    entered_at: float = 0.0  # the present state
    cancelling: bool = False
    reason: str = ""
    timing: Timing = field(default_factory=Timing)

    def to_json(self) -> dict[str, object]:
        """As a JSON object."""
        return asdict(self) | {"retried": list(self.retried)}

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> Self:
        """The inverse of `to_json`.

        Raises:
            BadRequest: the data is not what `to_json` wrote.
        """
        values = dict(data)
        try:
            state, delivery = UpdateState(str(values.pop("state"))), Delivery(str(values.pop("delivery")))
            operation = values.pop("in_flight")
            timing, retried = values.pop("timing"), values.pop("retried")
            if not isinstance(timing, dict) or not isinstance(retried, list):
                raise BadRequest("timing is an object and retried a list")
            return cls(
                state=state,
                delivery=delivery,
                in_flight=None if operation is None else Operation(str(operation)),
                timing=Timing(**timing),
                retried=tuple(int(code) for code in retried),
                **values,  # type: ignore[arg-type]  # written by to_json - its keys are the fields
            )
        except (KeyError, TypeError, ValueError) as error:
            raise BadRequest(f"no stored software update: {error}") from error


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
    timing: Timing | None = None,
) -> SoftwareUpdate:
    """A pending update.

    Raises:
        BadRequest: a pull without a URI, or with one longer than the 255 bytes that the object holds.
    """
    if delivery is Delivery.PULL and not 0 < len(package_uri.encode()) <= 255:
        raise BadRequest("to pull, a device needs a package URI of 1 to 255 bytes")
    timing = timing or Timing()
    return SoftwareUpdate(
        target_version,
        delivery,
        at + timing.pending,
        package_uri=package_uri,
        instance=instance,
        max_attempts=max_attempts,
        entered_at=at,
        timing=timing,
    )
