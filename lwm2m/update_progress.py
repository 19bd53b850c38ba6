"""What every update of a device has, whichever object carries it: states, timing, the record's base and its moves."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import ClassVar, Self, TypeVar

from lwm2m.errors import BadRequest

MAX_URI = 255
"""Bytes of a package URI that Objects 5 and 9 hold."""
MAX_STATE_WRITES = 28
"""Changes of state before an update counts as going round in circles. Three attempts and a deferral need fewer."""


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

    PUSH = "push"  # the server writes the package
    PULL = "pull"  # the device fetches a URI that the server writes


@dataclass(frozen=True, slots=True)
class Finish:
    """The update has ended; tell whoever asked for it."""

    state: UpdateState
    reason: str


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an update stands and what happens next, in sentences."""

    now: str
    next: str


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds. One deadline per state; scale `downloading` with the size of the package."""

    pending: float = 7 * 86_400.0
    downloading: float = 3600.0
    downloaded: float = 900.0
    updating: float = 900.0
    verifying: float = 600.0
    deferred: float = 86_400.0  # that a device may put the installation off, unless it is told a period
    defer: float = 600.0  # at least, between two requests to install
    poll: float = 15.0
    settle: float = 10.0  # after a registration, before an old version counts as a rollback
    backoff: float = 30.0
    backoff_cap: float = 3600.0


@dataclass(frozen=True, slots=True)
class UpdateProgress:
    """The record of one update. Everything that the server has to know after a restart."""

    operations: ClassVar[type[StrEnum]] = StrEnum  # what `in_flight` is one of

    target_version: str
    delivery: Delivery
    deadline: float  # of the present state, seconds since 1970
    package_uri: str = ""
    state: UpdateState = UpdateState.PENDING
    entered_at: float = 0.0  # the present state
    state_writes: int = 0
    previous_version: str | None = None
    attempt: int = 0
    max_attempts: int = 3
    seed: int = 0  # of the back-off: one of its own for each update, so that a fleet does not come back at one instant
    in_flight: StrEnum | None = None  # sent, not answered
    next_at: float | None = None  # when to poll, or to retry
    retry: bool = False
    retried: tuple[int, ...] = ()  # result codes that had their second chance
    result: int | None = None  # the last Update Result that the device reported
    cancelling: bool = False
    reason: str = ""
    timing: Timing = field(default_factory=Timing)

    def to_json(self) -> dict[str, object]:
        """As a JSON object."""
        return asdict(self) | {"retried": list(self.retried)}

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> Self:
        """The inverse of `to_json`; a field that an earlier version did not write has its default.

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
                in_flight=None if operation is None else cls.operations(str(operation)),
                timing=Timing(**timing),
                retried=tuple(int(code) for code in retried),
                **values,  # type: ignore[arg-type]  # written by to_json - its keys are the fields
            )
        except (KeyError, TypeError, ValueError) as error:
            raise BadRequest(f"no stored update: {error}") from error


AnyUpdate = TypeVar("AnyUpdate", bound=UpdateProgress)


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
    """An observed resource of the object changed; the value itself is not trusted, it may be late."""

    at: float


@dataclass(frozen=True, slots=True)
class UriRenewed:
    """The package has another address, because the device could not use the one before."""

    at: float
    uri: str


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed; send one every few seconds."""

    at: float


@dataclass(frozen=True, slots=True)
class CancelRequested:
    """Somebody wants the update stopped."""

    at: float


def check_uri(uri: str) -> None:
    """Whether a device can be told to pull from here.

    Raises:
        BadRequest: there is no URI, or one longer than the object holds.
    """
    if not 0 < len(uri.encode()) <= MAX_URI:
        raise BadRequest(f"to pull, a device needs a package URI of 1 to {MAX_URI} bytes")


def backoff(timing: Timing, seed: int, attempt: int) -> float:
    """Seconds before the attempt after `attempt`: anywhere from 0 to a limit that doubles each time (full jitter).

    The same record always gives the same delay, which keeps the machine pure: chance comes in with the seed.
    """
    limit = min(timing.backoff * 2.0 ** min(max(attempt - 1, 0), 32), timing.backoff_cap)
    chance = int.from_bytes(hashlib.sha256(f"{seed}/{attempt}".encode()).digest()[:8]) / 2**64
    return limit * chance


def wait(update: AnyUpdate, at: float) -> AnyUpdate:
    """Look again after the polling interval."""
    return replace(update, next_at=at + update.timing.poll)


def enter(update: AnyUpdate, state: UpdateState, at: float) -> AnyUpdate:
    """Another state, with its own deadline."""
    limit = float(getattr(update.timing, state.value))
    moved = replace(update, state=state, entered_at=at, deadline=at + limit, in_flight=None, retry=False)
    return wait(moved, at)


def again(update: AnyUpdate, at: float, reason: str) -> tuple[AnyUpdate, tuple[Finish, ...]]:
    """Plan the next attempt, or give up when there were enough."""
    if update.attempt >= update.max_attempts:
        return finish(update, UpdateState.FAILED, f"Given up after {update.attempt} attempts. {reason}")
    if update.state is not UpdateState.DOWNLOADING:
        update = enter(update, UpdateState.DOWNLOADING, at)
    delay = backoff(update.timing, update.seed, update.attempt)
    return replace(update, retry=True, next_at=at + delay, reason=reason), ()


def finish(update: AnyUpdate, state: UpdateState, reason: str) -> tuple[AnyUpdate, tuple[Finish, ...]]:
    """The end."""
    done = replace(update, state=state, reason=reason, in_flight=None, retry=False, next_at=None, cancelling=False)
    return done, (Finish(state, reason),)


def break_loop(before: UpdateProgress, after: AnyUpdate) -> tuple[AnyUpdate, tuple[Finish, ...] | None]:
    """Count a change of state; with one too many the update ends, whatever the device says next."""
    if after.state is before.state:
        return after, None
    after = replace(after, state_writes=before.state_writes + 1)
    if after.state.is_final or after.state_writes < MAX_STATE_WRITES:
        return after, None
    text = f"The update changed its state {MAX_STATE_WRITES} times without coming to an end. Read the device's log."
    return finish(after, UpdateState.FAILED, text)
