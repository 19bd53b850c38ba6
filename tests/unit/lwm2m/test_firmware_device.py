"""Object 5 on the device, as a table."""

import itertools

import pytest

from lwm2m.errors import Refused
from lwm2m.firmware import FirmwareState, UpdateResult, explain_result
from lwm2m.firmware_device import (
    Action,
    CancelExecuted,
    DeviceUpdate,
    DownloadDone,
    DownloadFailed,
    Event,
    FlashFailed,
    FlashOk,
    PackageLost,
    PackageWritten,
    ResetRequested,
    UpdateExecuted,
    UriWritten,
    package_event,
    transition,
    uri_event,
)

URI = "coap://server/fw/t"
IDLE = DeviceUpdate()
DOWNLOADING = DeviceUpdate(FirmwareState.DOWNLOADING, 0, URI)
DOWNLOADED = DeviceUpdate(FirmwareState.DOWNLOADED, 0, URI)
UPDATING = DeviceUpdate(FirmwareState.UPDATING, 0, URI)
DISCARD = (Action.DISCARD_PACKAGE,)
STOP = (Action.STOP_DOWNLOAD, Action.DISCARD_PACKAGE)


def idle(result: int) -> DeviceUpdate:
    return DeviceUpdate(FirmwareState.IDLE, result)


@pytest.mark.parametrize(
    ("state", "event", "after", "actions"),
    [
        (IDLE, PackageWritten(), DeviceUpdate(FirmwareState.DOWNLOADING), (Action.CHECK_PACKAGE,)),
        (idle(8), PackageWritten(), DeviceUpdate(FirmwareState.DOWNLOADING), (Action.CHECK_PACKAGE,)),
        (IDLE, UriWritten(URI), DOWNLOADING, (Action.START_DOWNLOAD,)),
        (IDLE, UriWritten("u" * 255), DeviceUpdate(FirmwareState.DOWNLOADING, 0, "u" * 255), (Action.START_DOWNLOAD,)),
        (idle(5), ResetRequested(), idle(0), ()),
        (IDLE, PackageLost(), idle(4), ()),  # Anjay: an unfinished push is result 4
        (DOWNLOADING, PackageLost(), DOWNLOADING, ()),
        (UPDATING, PackageLost(), UPDATING, ()),
        (IDLE, DownloadDone(), IDLE, ()),
        (idle(10), DownloadFailed(4), idle(10), ()),
        (IDLE, FlashOk(), IDLE, ()),
        (DOWNLOADING, DownloadDone(), DOWNLOADED, ()),
        (DOWNLOADING, DownloadFailed(5), idle(5), DISCARD),
        (DOWNLOADING, ResetRequested(), idle(0), STOP),
        (DOWNLOADING, CancelExecuted(), idle(10), STOP),
        (DOWNLOADING, FlashFailed(), DOWNLOADING, ()),
        (DOWNLOADED, UpdateExecuted(), UPDATING, (Action.FLASH,)),
        (DOWNLOADED, ResetRequested(), idle(0), DISCARD),
        (DOWNLOADED, CancelExecuted(), idle(10), DISCARD),
        (DOWNLOADED, DownloadFailed(4), DOWNLOADED, ()),
        (UPDATING, FlashOk(), idle(1), DISCARD),
        (UPDATING, FlashFailed(), idle(8), DISCARD),
        (UPDATING, FlashFailed(5), idle(5), DISCARD),
        (UPDATING, DownloadDone(), UPDATING, ()),
    ],
)
def test_an_event_leads_to_a_state_and_actions(
    state: DeviceUpdate, event: Event, after: DeviceUpdate, actions: tuple[Action, ...]
) -> None:
    assert transition(state, event) == (after, actions)


@pytest.mark.parametrize(
    ("state", "event", "code"),
    [
        (IDLE, UpdateExecuted(), 0x85),
        (IDLE, CancelExecuted(), 0x85),
        (IDLE, UriWritten("u" * 256), 0x80),
        (DOWNLOADING, UpdateExecuted(), 0x85),
        (DOWNLOADING, PackageWritten(), 0x80),
        (DOWNLOADING, UriWritten(URI), 0x80),
        (DOWNLOADED, PackageWritten(), 0x80),
        (DOWNLOADED, UriWritten(URI), 0x80),
        (UPDATING, PackageWritten(), 0x85),
        (UPDATING, UriWritten(URI), 0x85),
        (UPDATING, ResetRequested(), 0x85),
        (UPDATING, CancelExecuted(), 0x85),
        (UPDATING, UpdateExecuted(), 0x85),
    ],
)
def test_what_a_state_does_not_allow_is_refused(state: DeviceUpdate, event: Event, code: int) -> None:
    with pytest.raises(Refused) as refusal:
        transition(state, event)
    assert refusal.value.code == code
    assert refusal.value.diagnostic


def test_every_pair_of_state_and_event_is_decided() -> None:
    events = [PackageWritten(), UriWritten(URI), ResetRequested(), UpdateExecuted(), CancelExecuted(), DownloadDone()]
    events += [DownloadFailed(4), FlashOk(), FlashFailed()]
    for state, event in itertools.product((IDLE, DOWNLOADING, DOWNLOADED, UPDATING), events):
        try:
            after, _ = transition(state, event)
        except Refused:
            continue
        assert after.state is not FirmwareState.UPDATING or state.state in (FirmwareState.DOWNLOADED, after.state)


def test_a_single_nul_and_an_empty_uri_ask_for_a_reset() -> None:
    assert package_event(1, 0) == ResetRequested()
    assert package_event(1, 7) == package_event(2, 0) == PackageWritten()
    assert uri_event("") == ResetRequested()
    assert uri_event(URI) == UriWritten(URI)


@pytest.mark.parametrize("code", range(12))
def test_every_standard_result_is_explained(code: int) -> None:
    explanation = explain_result(code)
    assert explanation.name == UpdateResult(code).name.lower()
    assert explanation.meaning.endswith(".")
    assert explanation.advice.endswith(".")


@pytest.mark.parametrize("code", [12, 13, 255, -1, 10**9])
def test_an_unknown_result_is_explained_as_unknown(code: int) -> None:
    assert explain_result(code).name == f"unknown_{code}"
    assert str(code) in str(explain_result(code))
