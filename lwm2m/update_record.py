"""The words of `firmware_update`: what is stored of an update, what can happen to it, and what there is to do."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Self

from lwm2m.errors import BadRequest
from lwm2m.firmware import FirmwareState


class UpdateState(StrEnum):
    """Where an update stands."""

    PENDING = "pending"
    DOWNLOADING = "downloading"
    DOWNLOADED = "downloaded"
    UPDATING = "updating"
    VERIFYING = "verifying"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ROLLED_BACK = "rolled_back"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether nothing can change any more."""
        return self in (UpdateState.SUCCEEDED, UpdateState.FAILED, UpdateState.ROLLED_BACK, UpdateState.CANCELLED)


class Delivery(StrEnum):
    """How the package gets to the device."""

    PUSH = "push"  # the server writes /5/0/0
    PULL = "pull"  # the device fetches the URI in /5/0/1


class Operation(StrEnum):
    """Something to do with the device; its outcome comes back as `Done`, `Failed` or `Observed`."""

    OBSERVE = "observe"  # /5/0/3 and /5/0/5
    READ = "read"  # /5/0 and /3/0/3; the outcome is Observed
    RESET = "reset"  # write "" to /5/0/1
    WRITE_PACKAGE = "write_package"  # push to /5/0/0
    WRITE_URI = "write_uri"  # write package_uri to /5/0/1
    EXECUTE_UPDATE = "execute_update"  # /5/0/2
    EXECUTE_CANCEL = "execute_cancel"  # /5/0/10
    STOP_TRANSFER = "stop_transfer"  # abort a push in progress; no outcome


@dataclass(frozen=True, slots=True)
class Finish:
    """The update has ended; tell whoever asked for it."""

    state: UpdateState
    reason: str


Action = Operation | Finish


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds. One deadline per state; scale `downloading` with the size of the package."""

    pending: float = 7 * 86_400.0
    downloading: float = 3600.0
    downloaded: float = 900.0
    updating: float = 900.0
    verifying: float = 600.0
    deferred: float = 86_400.0  # for a device that puts the installation off
    defer: float = 600.0  # between two requests to install
    poll: float = 15.0
    settle: float = 10.0  # after a registration, before an old version counts as a rollback
    backoff: float = 30.0
    backoff_cap: float = 3600.0


@dataclass(frozen=True, slots=True)
class FirmwareUpdate:
    """The record of one update. Everything that the server has to know after a restart."""

    target_version: str
    delivery: Delivery
    deadline: float  # of the present state, seconds since 1970
    package_uri: str = ""
    state: UpdateState = UpdateState.PENDING
    previous_version: str | None = None
    attempt: int = 0
    max_attempts: int = 3
    in_flight: Operation | None = None  # sent, not answered
    next_at: float | None = None  # when to poll, or to retry
    retry: bool = False
    retried: tuple[int, ...] = ()  # result codes that had their second chance
    result: int | None = None  # the last Update Result that the device reported
    registered_at: float | None = None  # the device's registration since it was told to install
    reset_sent: bool = False
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
                **values,  # type: ignore[arg-type]  # written by to_json
            )
        except (KeyError, TypeError, ValueError) as error:
            raise BadRequest(f"no stored firmware update: {error}") from error


@dataclass(frozen=True, slots=True)
class Started:
    """The device is registered and the update may begin."""

    at: float


@dataclass(frozen=True, slots=True)
class Registered:
    """The device registered (a new registration, no Update): it rebooted or came back."""

    at: float


@dataclass(frozen=True, slots=True)
class Restarted:
    """The server was restarted and took this record over."""

    at: float


@dataclass(frozen=True, slots=True)
class Notified:
    """An observed resource of Object 5 changed; the value itself is not trusted, it may be late."""

    at: float


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


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed; send one every few seconds."""

    at: float


@dataclass(frozen=True, slots=True)
class CancelRequested:
    """Somebody wants the update stopped."""

    at: float


Event = Started | Registered | Restarted | Notified | Observed | Done | Failed | Tick | CancelRequested


def new_update(
    target_version: str,
    delivery: Delivery,
    at: float,
    *,
    package_uri: str = "",
    max_attempts: int = 3,
    timing: Timing | None = None,
) -> FirmwareUpdate:
    """A pending update.

    Raises:
        BadRequest: a pull without a URI, or with one longer than the 255 bytes that the object holds.
    """
    if delivery is Delivery.PULL and not 0 < len(package_uri.encode()) <= 255:
        raise BadRequest("to pull, a device needs a package URI of 1 to 255 bytes")
    timing = timing or Timing()
    return FirmwareUpdate(
        target_version,
        delivery,
        at + timing.pending,
        package_uri=package_uri,
        max_attempts=max_attempts,
        timing=timing,
    )
