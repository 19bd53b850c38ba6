"""A software update of one device as the server sees it: a pure machine over Object 9, from state and event to actions.

    pending --> downloading --> downloaded --> updating --> verifying --> succeeded
       |            |           (delivered)   (install)    (activate) |--> rolled_back
       +------------+---------------+-------------+-------------+-------> failed, at an error or the state's deadline
       +------------+---------------+-----------------------------------> cancelled

It is driven as `firmware_update` is: store the record after each `step`, perform the operations in order, feed what
comes of them back. The device keeps the old package as long as it can: the new one is written beside it, and only a
device that refuses that (4.05) is told to uninstall first. Success takes the new version, installed and active. What
an instance holds already is only activated. An update that deactivates goes from pending to verifying at once.
"""

from collections.abc import Callable
from dataclasses import replace

from lwm2m.errors import Refused
from lwm2m.software import SoftwareResult, SoftwareState, explain_software_result
from lwm2m.software_record import Action, Done, Event, Failed, Observed, Operation, SoftwareUpdate
from lwm2m.update_progress import (
    CancelRequested,
    Delivery,
    Notified,
    Registered,
    Restarted,
    Standing,
    Started,
    Tick,
    UpdateState,
    again,
    break_loop,
    enter,
    finish,
    wait,
)

METHOD_NOT_ALLOWED = 0x85
NOT_FOUND = 0x84
_RETRY_ONCE = frozenset({SoftwareResult.CONNECTION_LOST, SoftwareResult.INTEGRITY_FAILURE})
_FIRST_ERROR = 50  # results below it are no errors
_WRITES = (Operation.WRITE_PACKAGE, Operation.WRITE_URI)

_Step = tuple[SoftwareUpdate, tuple[Action, ...]]


def step(update: SoftwareUpdate, event: Event) -> _Step:
    """The record after an event, and what to do once it is stored. Late events change nothing.

    Raises:
        Refused: a cancel came when the device may already be installing.
    """
    if update.state.is_final:
        return update, ()
    after, actions = _decide(update, event)
    after, end = break_loop(update, after)
    return after, actions if end is None else end


def _decide(update: SoftwareUpdate, event: Event) -> _Step:
    match event:
        case Started(at=at):
            pending = update.state is UpdateState.PENDING
            return (wait(update, at), (Operation.OBSERVE, Operation.READ)) if pending else (update, ())
        case Registered(at=at):
            return _registered(update, at)
        case Restarted(at=at):
            idle = replace(update, in_flight=None)
            return (idle if idle.retry else wait(idle, at)), (Operation.OBSERVE, Operation.READ)
        case Notified():
            return update, (Operation.READ,) if update.in_flight is None else ()
        case Observed():
            return _observed(replace(update, result=update.result if event.result is None else event.result), event)
        case Done(at=at, operation=operation):
            return _done(update, operation, at)
        case Failed():
            return _operation_failed(update, event)
        case Tick(at=at):
            return _tick(update, at)
        case CancelRequested(at=at):
            return _cancel(update, at)


def _registered(update: SoftwareUpdate, at: float) -> _Step:
    if update.state in (UpdateState.DOWNLOADED, UpdateState.VERIFYING):
        # The answer to the execute may have been lost in a reboot.
        update = replace(update, in_flight=None)
    update = update if update.retry else wait(update, at)
    return update, (Operation.OBSERVE, Operation.READ) if update.in_flight is None else (Operation.OBSERVE,)


def _tick(update: SoftwareUpdate, at: float) -> _Step:
    if at >= update.deadline:
        return _out_of_time(update)
    if update.next_at is None or at < update.next_at or update.in_flight is not None:
        return update, ()
    if update.retry and not update.cancelling:
        return _download(update, at)
    return wait(update, at), (Operation.READ,)


def _out_of_time(update: SoftwareUpdate) -> _Step:
    if update.cancelling:
        return finish(update, UpdateState.CANCELLED, "The device never confirmed the cancellation.")
    text = {
        UpdateState.PENDING: "The device was not ready for an update in time.",
        UpdateState.DOWNLOADING: "The device did not finish the download in time.",
        UpdateState.DOWNLOADED: "The device holds the package but did not start the installation in time.",
        UpdateState.UPDATING: "The device did not finish the installation in time.",
    }.get(update.state, f"The device does not run version {update.target_version} in time.")
    because = f" The last problem: {update.reason}" if update.reason else ""
    return finish(update, UpdateState.FAILED, text + because)


def _cancel(update: SoftwareUpdate, at: float) -> _Step:
    match update.state:
        case UpdateState.PENDING:
            return finish(update, UpdateState.CANCELLED, "Cancelled before anything was sent to the device.")
        case UpdateState.DOWNLOADING | UpdateState.DOWNLOADED if update.in_flight is not Operation.EXECUTE_INSTALL:
            # What there is to take back only a read tells: Object 9 has no Cancel, and Uninstall may cost the old one.
            cancelling = wait(replace(update, cancelling=True, in_flight=None), at)
            return cancelling, (Operation.STOP_TRANSFER, Operation.READ)
        case _:
            raise Refused(
                METHOD_NOT_ALLOWED, "the device is installing the package: an update can be cancelled only before that"
            )


def _done(update: SoftwareUpdate, operation: Operation, at: float) -> _Step:
    if update.in_flight is not operation:
        return update, ()
    answered = wait(replace(update, in_flight=None), at)
    match operation:
        case Operation.EXECUTE_UNINSTALL:
            return finish(update, UpdateState.CANCELLED, "Cancelled; the device has dropped the package.")
        case Operation.UNINSTALL_FOR_UPDATE:
            return _write(replace(answered, uninstalled=True), at)
        case Operation.WRITE_PACKAGE:
            return answered, (Operation.READ,)
        case Operation.EXECUTE_INSTALL:
            return enter(update, UpdateState.UPDATING, at), ()
        case Operation.EXECUTE_ACTIVATE:
            return replace(answered, activated=True), (Operation.READ,)
        case Operation.EXECUTE_DEACTIVATE:
            return answered, (Operation.READ,)
        case _:
            return answered, ()


def _operation_failed(update: SoftwareUpdate, event: Failed) -> _Step:
    operation, at = event.operation, event.at
    if operation is Operation.OBSERVE:
        return update, ()  # the machine also polls
    update = replace(update, reason=event.reason)
    if operation is Operation.READ and event.code is not None and update.state is UpdateState.PENDING:
        return finish(update, UpdateState.FAILED, f"The device does not let its software be updated: {event.reason}")
    if update.in_flight is not operation:
        return update, ()
    answered = wait(replace(update, in_flight=None), at)
    if operation is Operation.EXECUTE_DEACTIVATE and event.code is not None:
        return finish(update, UpdateState.FAILED, f"The device does not deactivate the package: {event.reason}")
    if operation in _WRITES and event.code == METHOD_NOT_ALLOWED:
        return replace(answered, refused=True), (Operation.READ,)
    if operation is Operation.EXECUTE_ACTIVATE and event.code in (NOT_FOUND, METHOD_NOT_ALLOWED):
        return replace(answered, activated=True), (Operation.READ,)  # Activate is optional: some are active at once
    # The device may have taken it all the same, or say in its result why not: read before anything is repeated.
    return answered, ()


def _observed(update: SoftwareUpdate, seen: Observed) -> _Step:
    if update.in_flight is not None or (update.retry and not update.cancelling):
        return update, ()
    if seen.state is None:
        return wait(update, seen.at), ()
    if update.cancelling:
        return _observed_cancelling(update, seen)
    return _OBSERVED[update.state](update, seen)


def _observed_cancelling(update: SoftwareUpdate, seen: Observed) -> _Step:
    if seen.state in (SoftwareState.INITIAL, SoftwareState.INSTALLED):
        return finish(update, UpdateState.CANCELLED, "Cancelled; the device has no package waiting.")
    if update.previous_version is not None and not update.uninstalled:
        text = "Cancelled; the package stays on the device unused, because removing it may remove the one that runs."
        return finish(update, UpdateState.CANCELLED, text)
    return _send(update, Operation.EXECUTE_UNINSTALL, seen.at)


def _observed_pending(update: SoftwareUpdate, seen: Observed) -> _Step:
    if update.deactivate:
        return _observed_verifying(enter(update, UpdateState.VERIFYING, seen.at), seen)
    installed = seen.state is SoftwareState.INSTALLED
    if seen.version == update.target_version and installed:
        if seen.active is not False:
            text = f"The device already runs {update.target_version}: nothing was sent."
            return finish(update, UpdateState.SUCCEEDED, text)
        return _observed_verifying(enter(update, UpdateState.VERIFYING, seen.at), seen)
    # While a package waits beside an old one, 9/x/12 tells that the old one runs; its version is not shown.
    if installed or seen.active:
        update = replace(update, previous_version=seen.version if installed and seen.version else "")
    if seen.state is SoftwareState.DELIVERED and seen.version == update.target_version:
        return _install(enter(update, UpdateState.DOWNLOADED, seen.at), seen.at)
    return _download(enter(update, UpdateState.DOWNLOADING, seen.at), seen.at)


def _observed_downloading(update: SoftwareUpdate, seen: Observed) -> _Step:
    if update.refused:
        return _make_room(replace(update, refused=False), seen)
    match seen.state:
        case SoftwareState.DELIVERED:
            return _install(enter(update, UpdateState.DOWNLOADED, seen.at), seen.at)
        case SoftwareState.DOWNLOAD_STARTED | SoftwareState.DOWNLOADED:
            return wait(update, seen.at), ()
        case _:
            return _ended_early(update, seen)


def _make_room(update: SoftwareUpdate, seen: Observed) -> _Step:
    """The device answered the write with 4.05: its slot is taken, and it takes nothing beside what is there."""
    if update.uninstalled or seen.state is SoftwareState.INITIAL:
        return finish(update, UpdateState.FAILED, f"The device takes no package: {update.reason}")
    return _send(update, Operation.UNINSTALL_FOR_UPDATE, seen.at)


def _observed_downloaded(update: SoftwareUpdate, seen: Observed) -> _Step:
    match seen.state:
        case SoftwareState.DELIVERED if (seen.result or 0) < _FIRST_ERROR:
            return _install(update, seen.at)
        case SoftwareState.DELIVERED:
            return _verdict(update, seen)
        case SoftwareState.INSTALLED if seen.version == update.target_version:
            return _observed_verifying(enter(update, UpdateState.VERIFYING, seen.at), seen)
        case SoftwareState.DOWNLOAD_STARTED | SoftwareState.DOWNLOADED:
            return wait(update, seen.at), ()
        case _:
            return _ended_early(update, seen)


def _ended_early(update: SoftwareUpdate, seen: Observed) -> _Step:
    """Initial or installed where a download or a package is expected: installed, refused, or lost in a reboot."""
    if seen.state is SoftwareState.INSTALLED and seen.version == update.target_version:
        return _observed_verifying(enter(update, UpdateState.VERIFYING, seen.at), seen)
    if (seen.result or 0) < _FIRST_ERROR:
        return again(update, seen.at, update.reason or "The device lost the package.")
    return _verdict(update, seen)


def _observed_updating(update: SoftwareUpdate, seen: Observed) -> _Step:
    failed = (seen.result or 0) >= _FIRST_ERROR
    match seen.state:
        case SoftwareState.INSTALLED if not failed and seen.version == update.target_version:
            return _observed_verifying(enter(update, UpdateState.VERIFYING, seen.at), seen)
        case SoftwareState.INSTALLED if not failed:
            return _other_version(update, seen)
        case SoftwareState.INITIAL if not failed:
            return again(update, seen.at, "The device lost the package during the installation.")
        case _ if failed:
            return _verdict(update, seen)
        case _:
            return wait(update, seen.at), ()


def _observed_verifying(update: SoftwareUpdate, seen: Observed) -> _Step:
    if update.deactivate:
        return _observed_deactivating(update, seen)
    if seen.state is not SoftwareState.INSTALLED:
        if (seen.result or 0) >= _FIRST_ERROR:
            return _verdict(update, seen)
        return _other_version(update, replace(seen, version=None))
    if seen.version != update.target_version:
        return _other_version(update, seen)
    if seen.active or (seen.active is None and update.activated):
        text = f"The device runs {update.target_version}, installed and active."
        return finish(update, UpdateState.SUCCEEDED, text)
    if not update.activated:
        return _send(update, Operation.EXECUTE_ACTIVATE, seen.at)
    if seen.at < update.entered_at + update.timing.settle:
        return wait(update, seen.at), ()
    because = f" {update.reason}" if update.reason else ""
    text = f"The device holds {update.target_version} but does not activate it.{because}"
    return finish(update, UpdateState.FAILED, text)


def _observed_deactivating(update: SoftwareUpdate, seen: Observed) -> _Step:
    if seen.active:
        return _send(update, Operation.EXECUTE_DEACTIVATE, seen.at)
    if seen.active is None:
        return finish(update, UpdateState.FAILED, "The device does not tell which of its packages is active.")
    text = f"The package is deactivated: the device runs the model of its firmware {update.target_version}."
    return finish(update, UpdateState.SUCCEEDED, text)


def _other_version(update: SoftwareUpdate, seen: Observed) -> _Step:
    """Installed, but not what was sent; for a while after the installation that may be a late value."""
    if seen.version is None or seen.at < update.entered_at + update.timing.settle:
        return wait(update, seen.at), ()
    if seen.version == update.previous_version:
        text = f"The device runs {seen.version}, the version before: it went back by itself."
        return finish(update, UpdateState.ROLLED_BACK, text)
    text = f"The device runs version {seen.version}, not {update.target_version}."
    return finish(update, UpdateState.FAILED, text)


def _verdict(update: SoftwareUpdate, seen: Observed) -> _Step:
    """The device says with a result code that it did not go well."""
    result = seen.result or 0
    text = str(explain_software_result(result))
    if update.state in (UpdateState.UPDATING, UpdateState.VERIFYING):
        kept = seen.state is SoftwareState.INSTALLED and seen.version == update.previous_version
        return finish(update, UpdateState.ROLLED_BACK if kept else UpdateState.FAILED, text)
    if result in _RETRY_ONCE and result not in update.retried:
        return again(replace(update, retried=(*update.retried, result)), seen.at, text)
    if result == SoftwareResult.INVALID_URI and update.delivery is Delivery.PULL:
        return again(replace(update, delivery=Delivery.PUSH), seen.at, text)
    return finish(update, UpdateState.FAILED, text)


def _download(update: SoftwareUpdate, at: float) -> _Step:
    return _write(replace(update, attempt=update.attempt + 1), at)


def _write(update: SoftwareUpdate, at: float) -> _Step:
    operation = Operation.WRITE_URI if update.delivery is Delivery.PULL else Operation.WRITE_PACKAGE
    return _send(replace(update, retry=False, refused=False, reason=""), operation, at)


def _install(update: SoftwareUpdate, at: float) -> _Step:
    return _send(update, Operation.EXECUTE_INSTALL, at)


def _send(update: SoftwareUpdate, operation: Operation, at: float) -> _Step:
    return wait(replace(update, in_flight=operation), at), (operation,)


_OBSERVED: dict[UpdateState, Callable[[SoftwareUpdate, Observed], _Step]] = {
    UpdateState.PENDING: _observed_pending,
    UpdateState.DOWNLOADING: _observed_downloading,
    UpdateState.DOWNLOADED: _observed_downloaded,
    UpdateState.UPDATING: _observed_updating,
    UpdateState.VERIFYING: _observed_verifying,
}


def explain(update: SoftwareUpdate) -> Standing:
    """Where an update stands and what happens next."""
    if update.cancelling:
        return Standing("The update is being cancelled.", "The device confirms, or the deadline ends it.")
    if update.state.is_final:
        return Standing(update.reason, "Nothing: this update has ended.")
    if update.retry:
        plan = f"Attempt {update.attempt + 1} of {update.max_attempts} begins by itself."
        return Standing(f"{update.reason} The next attempt is planned.", plan)
    match update.state:
        case UpdateState.PENDING:
            return Standing("The update waits for the device.", "It begins when the device is registered.")
        case UpdateState.VERIFYING if update.deactivate:
            text = "It has to report that the package is not active."
            return Standing("The device is told to run the model of its firmware again.", text)
        case UpdateState.VERIFYING if not update.attempt:
            text = f"It has to report version {update.target_version}, installed and active."
            return Standing("The device holds the package already and is told to activate it.", text)
        case UpdateState.DOWNLOADING if update.in_flight is Operation.UNINSTALL_FOR_UPDATE:
            return Standing("The device is told to make room: it takes no second package.", "Then the package is sent.")
        case UpdateState.DOWNLOADING:
            how = "fetches the package" if update.delivery is Delivery.PULL else "is being sent the package"
            return Standing(f"The device {how}, attempt {update.attempt}.", "Then it checks the package.")
        case UpdateState.DOWNLOADED:
            return Standing("The device holds the package and found it good.", "It is told to install it.")
        case UpdateState.UPDATING:
            return Standing("The device installs the package.", "Then it is activated.")
        case _:
            text = f"It has to report version {update.target_version}, installed and active."
            return Standing("The device has installed the package and is told to activate it.", text)
