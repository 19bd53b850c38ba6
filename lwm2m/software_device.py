"""Object 9 as a device plays it: a pure machine from state and event to the next state and what to do.

    Initial --package, URI--> DownloadStarted --arrived--> Downloaded --verified--> Delivered --install--> Installed
    DownloadStarted, Downloaded, Delivered --failed, uninstall--> Initial;  Installed --uninstall--> Initial

A device that `takes_beside` has a second slot: it takes a package while another is installed, and whatever goes wrong
leads back to Installed with the old one, which stays active until the new one is in. The caller stores the new state
before it performs the actions, so that a power cut between the two leaves a record of the intent.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from lwm2m.errors import Refused
from lwm2m.software import SoftwareResult, SoftwareState

MAX_URI = 255
BAD_REQUEST = 0x80
METHOD_NOT_ALLOWED = 0x85


@dataclass(frozen=True, slots=True)
class DeviceSoftware:
    """What the device has to remember over a reboot: resources 9/x/7, 9/x/9, 9/x/12 and 9/x/3."""

    state: SoftwareState = SoftwareState.INITIAL
    result: int = SoftwareResult.INITIAL
    active: bool = False
    package_uri: str = ""
    takes_beside: bool = False
    installed: bool = False  # there is a package in the slot, whatever arrives beside it
    installing: bool = False


class Action(StrEnum):
    """What the device does after it has stored the new state."""

    START_DOWNLOAD = "start_download"  # fetch state.package_uri, then report DownloadDone or DownloadFailed
    STOP_DOWNLOAD = "stop_download"
    CHECK_PACKAGE = "check_package"  # verify what arrived, then report PackageVerified or DownloadFailed
    DISCARD_PACKAGE = "discard_package"
    INSTALL = "install"  # then report InstallOk or InstallFailed
    REMOVE = "remove"  # take the installed package away
    ACTIVATE = "activate"
    DEACTIVATE = "deactivate"


@dataclass(frozen=True, slots=True)
class PackageStarted:
    """The first block of several was written to /9/x/2: the state shows that a push is under way."""


@dataclass(frozen=True, slots=True)
class PackageWritten:
    """All of /9/x/2 has arrived and is stored."""


@dataclass(frozen=True, slots=True)
class UriWritten:
    """A URI was written to /9/x/3."""

    uri: str


@dataclass(frozen=True, slots=True)
class InstallExecuted:
    """/9/x/4 was executed."""


@dataclass(frozen=True, slots=True)
class UninstallExecuted:
    """/9/x/6 was executed; `for_update` with argument 1."""

    for_update: bool = False


@dataclass(frozen=True, slots=True)
class ActivateExecuted:
    """/9/x/10 was executed."""


@dataclass(frozen=True, slots=True)
class DeactivateExecuted:
    """/9/x/11 was executed."""


@dataclass(frozen=True, slots=True)
class DownloadDone:
    """All bytes have arrived."""


@dataclass(frozen=True, slots=True)
class PackageVerified:
    """The package is complete and good."""


@dataclass(frozen=True, slots=True)
class DownloadFailed:
    """The package did not arrive, or was found wanting."""

    result: int


@dataclass(frozen=True, slots=True)
class InstallOk:
    """The new package is in place; it runs once it is activated."""


@dataclass(frozen=True, slots=True)
class InstallFailed:
    """The new package could not be installed."""

    result: int = SoftwareResult.INSTALL_FAILED


Event = (
    PackageStarted
    | PackageWritten
    | UriWritten
    | InstallExecuted
    | UninstallExecuted
    | ActivateExecuted
    | DeactivateExecuted
    | DownloadDone
    | PackageVerified
    | DownloadFailed
    | InstallOk
    | InstallFailed
)

_Outcome = tuple[DeviceSoftware, tuple[Action, ...]]


def uninstall_event(arguments: bytes) -> UninstallExecuted:
    """What an execute of /9/x/6 means: no argument or 0 removes, 1 makes room for an update.

    Raises:
        Refused: another argument (4.00).
    """
    # Some servers send the bare digit, others the argument list of Core 1.1.1, section 5.4.5: 0='1'.
    text = arguments.decode("ascii", "replace").strip().replace("'", "").removeprefix("0=")
    if text not in ("", "0", "1"):
        raise Refused(BAD_REQUEST, "uninstall takes no argument, 0 (remove) or 1 (make room for an update)")
    return UninstallExecuted(for_update=text == "1")


def transition(state: DeviceSoftware, event: Event) -> _Outcome:
    """The next state and the actions to perform once it is stored.

    Reports of work that is no longer wanted change nothing.

    Raises:
        Refused: the server asked for what this state does not allow; answer with its code and diagnostic.
    """
    match event:
        case PackageStarted():
            _require_room(state)
            return _downloading(state, ""), ()
        case PackageWritten():
            if state.state is not SoftwareState.DOWNLOAD_STARTED or state.package_uri:
                _require_room(state)
            return replace(_downloading(state, ""), state=SoftwareState.DOWNLOADED), (Action.CHECK_PACKAGE,)
        case UriWritten(uri=uri):
            _require_room(state)
            if not 0 < len(uri.encode()) <= MAX_URI:
                raise Refused(BAD_REQUEST, f"a package URI has 1 to {MAX_URI} bytes")
            return _downloading(state, uri), (Action.START_DOWNLOAD,)
        case InstallExecuted():
            if state.state is not SoftwareState.DELIVERED or state.installing:
                raise Refused(METHOD_NOT_ALLOWED, f"install needs state Delivered, not {_name(state)}")
            return replace(state, installing=True, result=SoftwareResult.INITIAL), (Action.INSTALL,)
        case UninstallExecuted():
            return _uninstall(state)
        case ActivateExecuted() | DeactivateExecuted():
            if state.state is not SoftwareState.INSTALLED:
                raise Refused(METHOD_NOT_ALLOWED, f"only what is installed is activated, this is {_name(state)}")
            active = isinstance(event, ActivateExecuted)
            return replace(state, active=active), (Action.ACTIVATE if active else Action.DEACTIVATE,)
        case _:
            return _report(state, event)


def _report(
    state: DeviceSoftware, event: DownloadDone | PackageVerified | DownloadFailed | InstallOk | InstallFailed
) -> _Outcome:
    match event, state.state:
        case DownloadDone(), SoftwareState.DOWNLOAD_STARTED:
            return replace(state, state=SoftwareState.DOWNLOADED), (Action.CHECK_PACKAGE,)
        case PackageVerified(), SoftwareState.DOWNLOADED:
            result = SoftwareResult.DOWNLOADED_AND_VERIFIED
            return replace(state, state=SoftwareState.DELIVERED, result=result), ()
        case DownloadFailed(result=code), (SoftwareState.DOWNLOAD_STARTED | SoftwareState.DOWNLOADED):
            return _back(state, code), (Action.DISCARD_PACKAGE,)
        case InstallOk(), SoftwareState.DELIVERED if state.installing:
            # Active again only on command: the server proves the new package before it counts on it.
            done = _back(replace(state, installed=True, active=False), SoftwareResult.INSTALLED)
            return done, (Action.DISCARD_PACKAGE,)
        case InstallFailed(result=code), SoftwareState.DELIVERED if state.installing:
            return _back(state, code), (Action.DISCARD_PACKAGE,)
        case _:
            return state, ()


def _uninstall(state: DeviceSoftware) -> _Outcome:
    if state.state is SoftwareState.INITIAL or state.installing:
        what = "a package is being installed" if state.installing else "nothing is installed"
        raise Refused(METHOD_NOT_ALLOWED, what)
    match state.state:
        case SoftwareState.INSTALLED:
            gone = replace(state, installed=False, active=False)
            return _back(gone, SoftwareResult.INITIAL), (Action.REMOVE,)
        case SoftwareState.DOWNLOAD_STARTED:
            return _back(state, SoftwareResult.INITIAL), (Action.STOP_DOWNLOAD, Action.DISCARD_PACKAGE)
        case _:
            # What waits goes first; what is installed beside it stays.
            return _back(state, SoftwareResult.INITIAL), (Action.DISCARD_PACKAGE,)


def _downloading(state: DeviceSoftware, uri: str) -> DeviceSoftware:
    return replace(state, state=SoftwareState.DOWNLOAD_STARTED, result=SoftwareResult.DOWNLOADING, package_uri=uri)


def _back(state: DeviceSoftware, result: int) -> DeviceSoftware:
    to = SoftwareState.INSTALLED if state.installed else SoftwareState.INITIAL
    return replace(state, state=to, result=result, package_uri="", installing=False)


def _require_room(state: DeviceSoftware) -> None:
    beside = state.takes_beside and state.state is SoftwareState.INSTALLED
    if state.state is not SoftwareState.INITIAL and not beside:
        raise Refused(METHOD_NOT_ALLOWED, f"a package is taken in state Initial, not {_name(state)}: uninstall first")


def _name(state: DeviceSoftware) -> str:
    return "Installing" if state.installing else state.state.name.replace("_", " ").title().replace(" ", "")
