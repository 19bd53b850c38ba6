"""Object 9 on the device, as a table."""

import itertools

import pytest

from lwm2m.errors import Refused
from lwm2m.software import SoftwareResult, SoftwareState, explain_software_result
from lwm2m.software_device import (
    Action,
    ActivateExecuted,
    DeactivateExecuted,
    DeviceSoftware,
    DownloadDone,
    DownloadFailed,
    Event,
    InstallExecuted,
    InstallFailed,
    InstallOk,
    PackageStarted,
    PackageVerified,
    PackageWritten,
    UninstallExecuted,
    UriWritten,
    transition,
    uninstall_event,
)

URI = "coap://server/fw/t"
S = SoftwareState
EMPTY = DeviceSoftware()
PUSHING = DeviceSoftware(S.DOWNLOAD_STARTED, 1)
PULLING = DeviceSoftware(S.DOWNLOAD_STARTED, 1, package_uri=URI)
ARRIVED = DeviceSoftware(S.DOWNLOADED, 1)
DELIVERED = DeviceSoftware(S.DELIVERED, 3)
INSTALLING = DeviceSoftware(S.DELIVERED, 0, installing=True)
INSTALLED = DeviceSoftware(S.INSTALLED, 2, installed=True)
ACTIVE = DeviceSoftware(S.INSTALLED, 2, active=True, installed=True)
BESIDE = DeviceSoftware(S.INSTALLED, 2, active=True, takes_beside=True, installed=True)
BESIDE_PULLING = DeviceSoftware(S.DOWNLOAD_STARTED, 1, True, URI, takes_beside=True, installed=True)
BESIDE_DELIVERED = DeviceSoftware(S.DELIVERED, 3, True, takes_beside=True, installed=True)
BESIDE_INSTALLING = DeviceSoftware(S.DELIVERED, 0, True, takes_beside=True, installed=True, installing=True)


def beside(state: SoftwareState, result: int, active: bool = True) -> DeviceSoftware:
    return DeviceSoftware(state, result, active, takes_beside=True, installed=True)


@pytest.mark.parametrize(
    ("state", "event", "after", "actions"),
    [
        (EMPTY, PackageStarted(), PUSHING, ()),
        (EMPTY, PackageWritten(), ARRIVED, (Action.CHECK_PACKAGE,)),
        (PUSHING, PackageWritten(), ARRIVED, (Action.CHECK_PACKAGE,)),
        (EMPTY, UriWritten(URI), PULLING, (Action.START_DOWNLOAD,)),
        (PULLING, DownloadDone(), DeviceSoftware(S.DOWNLOADED, 1, package_uri=URI), (Action.CHECK_PACKAGE,)),
        (PULLING, DownloadFailed(52), DeviceSoftware(result=52), (Action.DISCARD_PACKAGE,)),
        (PUSHING, DownloadFailed(52), DeviceSoftware(result=52), (Action.DISCARD_PACKAGE,)),
        (ARRIVED, PackageVerified(), DELIVERED, ()),
        (ARRIVED, DownloadFailed(53), DeviceSoftware(result=53), (Action.DISCARD_PACKAGE,)),
        (DELIVERED, InstallExecuted(), INSTALLING, (Action.INSTALL,)),
        (INSTALLING, InstallOk(), INSTALLED, (Action.DISCARD_PACKAGE,)),
        (INSTALLING, InstallFailed(), DeviceSoftware(result=58), (Action.DISCARD_PACKAGE,)),
        (INSTALLED, ActivateExecuted(), ACTIVE, (Action.ACTIVATE,)),
        (ACTIVE, DeactivateExecuted(), INSTALLED, (Action.DEACTIVATE,)),
        (ACTIVE, UninstallExecuted(), EMPTY, (Action.REMOVE,)),
        (ACTIVE, UninstallExecuted(for_update=True), EMPTY, (Action.REMOVE,)),
        (DELIVERED, UninstallExecuted(), EMPTY, (Action.DISCARD_PACKAGE,)),
        (PULLING, UninstallExecuted(), EMPTY, (Action.STOP_DOWNLOAD, Action.DISCARD_PACKAGE)),
        # a second slot: whatever happens, the old package stays installed and active
        (BESIDE, UriWritten(URI), BESIDE_PULLING, (Action.START_DOWNLOAD,)),
        (BESIDE, PackageStarted(), beside(S.DOWNLOAD_STARTED, 1), ()),
        (BESIDE_PULLING, DownloadFailed(52), beside(S.INSTALLED, 52), (Action.DISCARD_PACKAGE,)),
        (BESIDE_DELIVERED, UninstallExecuted(), beside(S.INSTALLED, 0), (Action.DISCARD_PACKAGE,)),
        (BESIDE_DELIVERED, InstallExecuted(), BESIDE_INSTALLING, (Action.INSTALL,)),
        (BESIDE_INSTALLING, InstallFailed(), beside(S.INSTALLED, 58), (Action.DISCARD_PACKAGE,)),
        (BESIDE_INSTALLING, InstallOk(), beside(S.INSTALLED, 2, active=False), (Action.DISCARD_PACKAGE,)),
        # reports of work that is no longer wanted
        (EMPTY, DownloadDone(), EMPTY, ()),
        (EMPTY, DownloadFailed(52), EMPTY, ()),
        (ACTIVE, InstallOk(), ACTIVE, ()),
        (DELIVERED, InstallFailed(), DELIVERED, ()),
        (DELIVERED, PackageVerified(), DELIVERED, ()),
    ],
)
def test_an_event_leads_to_a_state_and_actions(
    state: DeviceSoftware, event: Event, after: DeviceSoftware, actions: tuple[Action, ...]
) -> None:
    assert transition(state, event) == (after, actions)


@pytest.mark.parametrize(
    ("state", "event", "code"),
    [
        (ACTIVE, PackageWritten(), 0x85),
        (ACTIVE, PackageStarted(), 0x85),
        (ACTIVE, UriWritten(URI), 0x85),
        (DELIVERED, PackageWritten(), 0x85),
        (BESIDE_DELIVERED, PackageWritten(), 0x85),
        (PULLING, PackageWritten(), 0x85),
        (PULLING, UriWritten(URI), 0x85),
        (EMPTY, UriWritten("u" * 256), 0x80),
        (EMPTY, UriWritten(""), 0x80),
        (EMPTY, InstallExecuted(), 0x85),
        (ACTIVE, InstallExecuted(), 0x85),
        (INSTALLING, InstallExecuted(), 0x85),
        (EMPTY, UninstallExecuted(), 0x85),
        (INSTALLING, UninstallExecuted(), 0x85),
        (EMPTY, ActivateExecuted(), 0x85),
        (DELIVERED, ActivateExecuted(), 0x85),
        (DELIVERED, DeactivateExecuted(), 0x85),
    ],
)
def test_what_a_state_does_not_allow_is_refused(state: DeviceSoftware, event: Event, code: int) -> None:
    with pytest.raises(Refused) as refusal:
        transition(state, event)
    assert refusal.value.code == code
    assert refusal.value.diagnostic


def test_an_active_package_is_never_lost_by_anything_but_uninstall_or_its_successor() -> None:
    """Every sequence of four events on a device with two slots."""
    events: list[Event] = [UriWritten(URI), DownloadDone(), DownloadFailed(53), PackageVerified(), InstallExecuted()]
    events += [InstallFailed(), PackageStarted(), PackageWritten()]
    for sequence in itertools.product(events, repeat=4):
        state = BESIDE
        for event in sequence:
            try:
                state, actions = transition(state, event)
            except Refused:
                continue
            assert state.active
            assert state.installed
            assert Action.REMOVE not in actions


@pytest.mark.parametrize(
    ("arguments", "for_update"), [(b"", False), (b"0", False), (b"1", True), (b"'1'", True), (b"0='1'", True)]
)
def test_the_argument_of_uninstall_says_what_for(arguments: bytes, for_update: bool) -> None:
    assert uninstall_event(arguments) == UninstallExecuted(for_update)


@pytest.mark.parametrize("arguments", [b"2", b"yes", b"\xff", b"0,1"])
def test_another_argument_of_uninstall_is_a_bad_request(arguments: bytes) -> None:
    with pytest.raises(Refused) as refusal:
        uninstall_event(arguments)
    assert refusal.value.code == 0x80


@pytest.mark.parametrize("code", list(SoftwareResult))
def test_every_standard_result_is_explained(code: SoftwareResult) -> None:
    explanation = explain_software_result(code)
    assert explanation.name == code.name.lower()
    assert explanation.meaning.endswith(".")
    assert explanation.advice.endswith(".")


@pytest.mark.parametrize("code", [4, 55, 60, -1])
def test_an_unknown_result_is_explained_as_unknown(code: int) -> None:
    assert explain_software_result(code).name == f"unknown_{code}"
