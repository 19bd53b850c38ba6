"""Object 5 as a device plays it: a pure machine from state and event to the next state and what to do.

    Idle --package, URI--> Downloading --done--> Downloaded --execute--> Updating --ok, failed--> Idle
    Downloading --failed--> Idle;  reset and cancel --> Idle, from anywhere but Updating

Core 1.1.1, Appendix E.6. The caller stores the new state before it performs the actions, so that a power cut
between the two leaves a record of the intent.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from lwm2m.errors import Refused
from lwm2m.firmware import FirmwareState, UpdateResult

MAX_URI = 255
BAD_REQUEST = 0x80
METHOD_NOT_ALLOWED = 0x85


@dataclass(frozen=True, slots=True)
class DeviceUpdate:
    """What the device has to remember over a reboot: resources 5/0/3, 5/0/5 and 5/0/1."""

    state: FirmwareState = FirmwareState.IDLE
    result: int = UpdateResult.INITIAL
    package_uri: str = ""


class Action(StrEnum):
    """What the device does after it has stored the new state."""

    CHECK_PACKAGE = "check_package"  # verify what was pushed, then report DownloadDone or DownloadFailed
    START_DOWNLOAD = "start_download"  # fetch state.package_uri, then report DownloadDone or DownloadFailed
    STOP_DOWNLOAD = "stop_download"
    DISCARD_PACKAGE = "discard_package"
    FLASH = "flash"  # install, then report FlashOk or FlashFailed, if need be after the reboot


@dataclass(frozen=True, slots=True)
class PackageWritten:
    """All of /5/0/0 has arrived and is stored."""


@dataclass(frozen=True, slots=True)
class PackageLost:
    """A push to /5/0/0 was begun and not finished."""


@dataclass(frozen=True, slots=True)
class UriWritten:
    """A URI was written to /5/0/1."""

    uri: str


@dataclass(frozen=True, slots=True)
class ResetRequested:
    """An empty URI, or a package of a single NUL byte, was written."""


@dataclass(frozen=True, slots=True)
class UpdateExecuted:
    """/5/0/2 was executed."""


@dataclass(frozen=True, slots=True)
class CancelExecuted:
    """/5/0/10 was executed."""


@dataclass(frozen=True, slots=True)
class DownloadDone:
    """The package is complete and verified."""


@dataclass(frozen=True, slots=True)
class DownloadFailed:
    """The package did not arrive, or was found wanting."""

    result: int


@dataclass(frozen=True, slots=True)
class FlashOk:
    """The new firmware runs and passed its checks."""


@dataclass(frozen=True, slots=True)
class FlashFailed:
    """The new firmware was not installed; the one before runs."""

    result: int = UpdateResult.UPDATE_FAILED


Event = (
    PackageWritten
    | PackageLost
    | UriWritten
    | ResetRequested
    | UpdateExecuted
    | CancelExecuted
    | DownloadDone
    | DownloadFailed
    | FlashOk
    | FlashFailed
)

_Outcome = tuple[DeviceUpdate, tuple[Action, ...]]


def package_event(size: int, first_byte: int | None) -> PackageWritten | ResetRequested:
    """What a completed write to /5/0/0 means: a single NUL byte asks for a reset."""
    return ResetRequested() if size == 1 and first_byte == 0 else PackageWritten()


def uri_event(uri: str) -> UriWritten | ResetRequested:
    """What a write to /5/0/1 means: an empty URI asks for a reset."""
    return UriWritten(uri) if uri else ResetRequested()


def transition(state: DeviceUpdate, event: Event) -> _Outcome:
    """The next state and the actions to perform once it is stored.

    Reports of a download or a flash that is no longer wanted change nothing.

    Raises:
        Refused: the server asked for what this state does not allow; answer with its code and diagnostic.
    """
    match event:
        case PackageWritten():
            _require_idle(state)
            return _move(state, FirmwareState.DOWNLOADING, UpdateResult.INITIAL, ""), (Action.CHECK_PACKAGE,)
        case PackageLost():
            # A push is shown only once it is complete, so that the state is still Idle.
            lost = state.state is FirmwareState.IDLE
            return replace(state, result=UpdateResult.CONNECTION_LOST) if lost else state, ()
        case UriWritten(uri=uri):
            _require_idle(state)
            if len(uri.encode()) > MAX_URI:
                raise Refused(BAD_REQUEST, f"the URI is longer than {MAX_URI} bytes")
            return _move(state, FirmwareState.DOWNLOADING, UpdateResult.INITIAL, uri), (Action.START_DOWNLOAD,)
        case ResetRequested():
            _require_not_updating(state)
            return _move(state, FirmwareState.IDLE, UpdateResult.INITIAL, ""), _abandon(state)
        case CancelExecuted():
            _require_not_updating(state)
            if state.state is FirmwareState.IDLE:
                raise Refused(METHOD_NOT_ALLOWED, "there is no update to cancel")
            return _move(state, FirmwareState.IDLE, UpdateResult.CANCELLED, ""), _abandon(state)
        case UpdateExecuted():
            if state.state is not FirmwareState.DOWNLOADED:
                raise Refused(METHOD_NOT_ALLOWED, f"update needs state Downloaded, not {state.state.name.title()}")
            return _move(state, FirmwareState.UPDATING, UpdateResult.INITIAL), (Action.FLASH,)
        case _:
            return _report(state, event)


def _report(state: DeviceUpdate, event: DownloadDone | DownloadFailed | FlashOk | FlashFailed) -> _Outcome:
    match event, state.state:
        case DownloadDone(), FirmwareState.DOWNLOADING:
            return _move(state, FirmwareState.DOWNLOADED, UpdateResult.INITIAL), ()
        case DownloadFailed(result=result), FirmwareState.DOWNLOADING:
            return _move(state, FirmwareState.IDLE, result, ""), (Action.DISCARD_PACKAGE,)
        case FlashOk(), FirmwareState.UPDATING:
            return _move(state, FirmwareState.IDLE, UpdateResult.SUCCESS, ""), (Action.DISCARD_PACKAGE,)
        case FlashFailed(result=result), FirmwareState.UPDATING:
            return _move(state, FirmwareState.IDLE, result, ""), (Action.DISCARD_PACKAGE,)
        case _:
            return state, ()


def _move(state: DeviceUpdate, to: FirmwareState, result: int, uri: str | None = None) -> DeviceUpdate:
    return replace(state, state=to, result=result, package_uri=state.package_uri if uri is None else uri)


def _abandon(state: DeviceUpdate) -> tuple[Action, ...]:
    match state.state:
        case FirmwareState.DOWNLOADING:
            return Action.STOP_DOWNLOAD, Action.DISCARD_PACKAGE
        case FirmwareState.DOWNLOADED:
            return (Action.DISCARD_PACKAGE,)
        case _:
            return ()


def _require_idle(state: DeviceUpdate) -> None:
    _require_not_updating(state)
    if state.state is not FirmwareState.IDLE:
        raise Refused(BAD_REQUEST, f"a package is in state {state.state.name.title()}: reset or cancel it first")


def _require_not_updating(state: DeviceUpdate) -> None:
    if state.state is FirmwareState.UPDATING:
        raise Refused(METHOD_NOT_ALLOWED, "the update is being installed")
