"""A firmware update of one device as the server sees it: a pure machine over Object 5, from state and event to actions.

    pending --> downloading --> downloaded --> updating --> verifying --> succeeded
       |            |               |             |             |-------> rolled_back
       |            |               |             |             |
       +------------+---------------+-------------+-------------+-------> failed, at an error or the state's deadline
       +------------+---------------+-----------------------------------> cancelled

How to drive it: after each `step`, store the record, then perform the operations in order, and feed what comes of them
back as events. Intent comes before action, so after a crash `Restarted` reads the device and goes on from what it says;
nothing is repeated blind. Notifications are only hints to read: observe is best-effort, and a read gives all values at
one time. Success takes a new registration and the expected version; the result code alone proves nothing.

A device that puts the installation off (result 11) keeps the package and is asked again, a few times in its period.
"""

from collections.abc import Callable
from dataclasses import replace

from lwm2m.errors import Refused
from lwm2m.firmware import FirmwareState, UpdateResult, explain_result
from lwm2m.update_progress import (
    CancelRequested,
    Delivery,
    Notified,
    Registered,
    Restarted,
    Started,
    Tick,
    UpdateState,
    UriRenewed,
    again,
    break_loop,
    enter,
    finish,
    wait,
)
from lwm2m.update_record import Action, Done, Event, Failed, FirmwareUpdate, Observed, Operation

METHOD_NOT_ALLOWED = 0x85
_RETRY_ONCE = frozenset({UpdateResult.OUT_OF_RAM, UpdateResult.INTEGRITY_FAILURE, UpdateResult.INVALID_URI})
_NO_VERDICT = (None, UpdateResult.INITIAL, UpdateResult.SUCCESS)
_REQUESTS_TO_INSTALL = 6  # in the period for which a device may put the installation off

_DROPPED = "Cancelled; the device has dropped the package."

_Step = tuple[FirmwareUpdate, tuple[Action, ...]]


def step(update: FirmwareUpdate, event: Event) -> _Step:
    """The record after an event, and what to do once it is stored. Late events change nothing.

    Raises:
        Refused: a cancel came when the device may already be writing its flash.
    """
    if update.state.is_final:
        return update, ()
    after, actions = _decide(update, event)
    after, end = break_loop(update, after)
    return after, actions if end is None else end


def _decide(update: FirmwareUpdate, event: Event) -> _Step:
    match event:
        case Started(at=at):
            return (
                (wait(update, at), (Operation.OBSERVE, Operation.READ))
                if update.state is UpdateState.PENDING
                else (update, ())
            )
        case Registered(at=at):
            return _registered(update, at)
        case Restarted(at=at):
            if update.in_flight is Operation.RESET:
                update = replace(update, reset_sent=False)
            stopped = wait(replace(update, in_flight=None), at) if not update.retry else replace(update, in_flight=None)
            return stopped, (Operation.OBSERVE, Operation.EXECUTE_CANCEL if update.cancelling else Operation.READ)
        case Notified():
            return update, (Operation.READ,) if update.in_flight is None and not update.cancelling else ()
        case Observed():
            return _OBSERVED[update.state](_remember(update, event), event)
        case Done(at=at, operation=operation):
            return _done(update, operation, at)
        case UriRenewed(at=at, uri=uri):
            renewed = replace(update, package_uri=uri, stale_uri=False)
            return _download(renewed, at) if update.in_flight is Operation.RENEW_URI else (update, ())
        case Failed():
            return _operation_failed(update, event)
        case Tick(at=at):
            return _tick(update, at)
        case CancelRequested(at=at):
            return _cancel(update, at)


def _registered(update: FirmwareUpdate, at: float) -> _Step:
    match update.state:
        case UpdateState.UPDATING:
            update = enter(update, UpdateState.VERIFYING, at)
        case UpdateState.DOWNLOADED if not update.cancelling:
            # The answer to the execute may have been lost in the reboot.
            update = replace(update, in_flight=None)
    update = replace(wait(update, at) if not update.retry else update, registered_at=at)
    if update.cancelling:
        return update, (Operation.EXECUTE_CANCEL,)
    return update, (Operation.OBSERVE, Operation.READ) if update.in_flight is None else (Operation.OBSERVE,)


def _tick(update: FirmwareUpdate, at: float) -> _Step:
    if at >= update.deadline:
        return _out_of_time(update)
    if update.next_at is None or at < update.next_at or update.in_flight is not None:
        return update, ()
    if update.cancelling:
        return wait(update, at), (Operation.EXECUTE_CANCEL,)
    if not update.retry:
        return wait(update, at), (Operation.READ,)
    if update.state is UpdateState.DOWNLOADED:
        return _execute(update, at)
    return _download(update, at)


def _out_of_time(update: FirmwareUpdate) -> _Step:
    if update.cancelling:
        return finish(update, UpdateState.CANCELLED, "The device never confirmed the cancellation.")
    because = f" The last problem: {update.reason}" if update.reason else ""
    match update.state:
        case UpdateState.PENDING:
            text = "The device was not ready for an update in time."
        case UpdateState.DOWNLOADING:
            text = "The device did not finish the download in time."
        case UpdateState.DOWNLOADED:
            text = "The device holds the package but did not start the installation in time."
        case UpdateState.UPDATING:
            text = "The device did not come back after the installation began."
        case _ if update.registered_at is None:
            text = "The device did not register again after the installation."
        case _:
            text = f"The device registered again but does not report version {update.target_version}."
    return finish(update, UpdateState.FAILED, text + because)


def _cancel(update: FirmwareUpdate, at: float) -> _Step:
    match update.state:
        case UpdateState.PENDING:
            return finish(update, UpdateState.CANCELLED, "Cancelled before anything was sent to the device.")
        case UpdateState.DOWNLOADING | UpdateState.DOWNLOADED:
            cancelling = wait(replace(update, cancelling=True, in_flight=None), at)
            return cancelling, (Operation.STOP_TRANSFER, Operation.EXECUTE_CANCEL)
        case _:
            raise Refused(
                METHOD_NOT_ALLOWED, "the device is installing the firmware: an update can be cancelled only before that"
            )


def _done(update: FirmwareUpdate, operation: Operation, at: float) -> _Step:
    match operation, update.state:
        case ((Operation.EXECUTE_CANCEL | Operation.RESET), UpdateState.DOWNLOADED) if update.cancelling:
            # A device that has installed meanwhile takes a reset too: only a read tells which firmware it runs.
            return wait(update, at), (Operation.READ,)
        case ((Operation.EXECUTE_CANCEL | Operation.RESET), _) if update.cancelling:
            return finish(update, UpdateState.CANCELLED, _DROPPED)
        case Operation.RESET, UpdateState.PENDING:
            return wait(replace(update, in_flight=None), at), (Operation.READ,)
        case Operation.WRITE_POLICY, UpdateState.DOWNLOADING if update.in_flight is operation:
            return _download(replace(update, policy_sent=True), at)
        case ((Operation.WRITE_PACKAGE | Operation.WRITE_URI), UpdateState.DOWNLOADING) if (
            update.in_flight is operation
        ):
            answered = wait(replace(update, in_flight=None), at)
            # A device answers 2.04 to the last block even of a package that it refuses: only a read tells.
            return answered, (Operation.READ,) if operation is Operation.WRITE_PACKAGE else ()
        case Operation.EXECUTE_UPDATE, UpdateState.DOWNLOADED if update.in_flight is operation:
            return enter(update, UpdateState.UPDATING, at), ()
        case _:
            return update, ()


def _operation_failed(update: FirmwareUpdate, event: Failed) -> _Step:
    operation, at = event.operation, event.at
    if operation is Operation.OBSERVE:
        return update, ()  # the machine also polls
    update = replace(update, reason=event.reason)
    if update.cancelling and operation in (Operation.EXECUTE_CANCEL, Operation.RESET):
        if not event.rejected:
            return wait(update, at), ()
        if operation is Operation.EXECUTE_CANCEL:
            return wait(update, at), (Operation.RESET,)  # version 1.0 of the object has no Cancel
        return wait(replace(update, cancelling=False), at), (Operation.READ,)
    if operation is Operation.READ and event.rejected and update.state is UpdateState.PENDING:
        return finish(update, UpdateState.FAILED, f"The device does not let itself be updated: {event.reason}")
    if operation is Operation.RESET and update.state is UpdateState.PENDING:
        # Without an answer it is sent again, should there still be something to drop.
        return wait(replace(update, in_flight=None, reset_sent=event.rejected), at), (Operation.READ,)
    if operation is Operation.WRITE_POLICY and update.in_flight is operation and event.rejected:
        # Version 1.0 of the object has neither resource: the update does not depend on them.
        text = f"The device takes no severity and no period for putting off: {event.reason}"
        return _download(replace(update, policy_sent=True, reason=text), at)
    if update.in_flight is operation:
        # The device may have taken it all the same, or say in its result why not: read before anything is repeated.
        return wait(replace(update, in_flight=None), at), ()
    return update, ()


def _observed_pending(update: FirmwareUpdate, seen: Observed) -> _Step:
    if update.in_flight is not None:
        return update, ()
    if seen.state is FirmwareState.UPDATING or seen.state is None:
        return wait(update, seen.at), ()
    if seen.state is FirmwareState.IDLE and seen.version == update.target_version:
        text = f"The device already runs {update.target_version}: nothing was sent."
        return finish(update, UpdateState.SUCCEEDED, text)
    update = replace(update, previous_version=seen.version)
    if seen.state is not FirmwareState.IDLE and not update.reset_sent:
        return wait(replace(update, reset_sent=True, in_flight=Operation.RESET), seen.at), (Operation.RESET,)
    if seen.state is FirmwareState.DOWNLOADED:
        # It would refuse the new package, and then be told to install whatever this one is.
        because = f" The last problem: {update.reason}" if update.reason else ""
        return finish(update, UpdateState.FAILED, f"The device holds another package and does not drop it.{because}")
    return _download(enter(update, UpdateState.DOWNLOADING, seen.at), seen.at)


def _observed_downloading(update: FirmwareUpdate, seen: Observed) -> _Step:
    if update.in_flight is not None or update.cancelling or update.retry:
        return update, ()
    match seen.state:
        case FirmwareState.DOWNLOADED:
            return _execute(enter(update, UpdateState.DOWNLOADED, seen.at), seen.at)
        case FirmwareState.UPDATING:
            return enter(update, UpdateState.UPDATING, seen.at), ()
        case FirmwareState.IDLE:
            return _idle_early(update, seen)
        case _:
            return wait(update, seen.at), ()


def _observed_downloaded(update: FirmwareUpdate, seen: Observed) -> _Step:
    if update.cancelling and seen.state is FirmwareState.IDLE:
        if seen.version == update.target_version:  # the installation was quicker than the cancellation
            return _observed_verifying(enter(replace(update, cancelling=False), UpdateState.VERIFYING, seen.at), seen)
        return finish(update, UpdateState.CANCELLED, _DROPPED)
    if update.in_flight is not None or update.cancelling:
        return update, ()
    match seen.state:
        case FirmwareState.DOWNLOADED if update.retry:
            return update, ()  # put off: it is asked again at its time, and may begin by itself
        case FirmwareState.DOWNLOADED if seen.result == UpdateResult.DEFERRED:
            return _deferred(update, seen.at)
        case FirmwareState.DOWNLOADED:
            return _execute(update, seen.at)
        case FirmwareState.UPDATING:
            return enter(update, UpdateState.UPDATING, seen.at), ()
        case FirmwareState.IDLE:
            return _idle_early(update, seen)
        case _:
            return wait(update, seen.at), ()


def _idle_early(update: FirmwareUpdate, seen: Observed) -> _Step:
    """Idle where a download or a package is expected: installed, refused, or lost in a reboot."""
    if seen.version == update.target_version:
        return _observed_verifying(enter(update, UpdateState.VERIFYING, seen.at), seen)
    if seen.result in (*_NO_VERDICT, UpdateResult.DEFERRED):
        return again(update, seen.at, "The device lost the download.")
    return _verdict(update, seen)


def _observed_updating(update: FirmwareUpdate, seen: Observed) -> _Step:
    match seen.state:
        case FirmwareState.DOWNLOADED if seen.result == UpdateResult.DEFERRED:
            return _deferred(enter(update, UpdateState.DOWNLOADED, seen.at), seen.at)
        case FirmwareState.DOWNLOADED | FirmwareState.IDLE if seen.result not in _NO_VERDICT:
            return _verdict(update, seen)
        case FirmwareState.IDLE:
            return _observed_verifying(enter(update, UpdateState.VERIFYING, seen.at), seen)
        case _:
            return wait(update, seen.at), ()


def _observed_verifying(update: FirmwareUpdate, seen: Observed) -> _Step:
    if seen.state is FirmwareState.UPDATING:
        return wait(update, seen.at), ()
    if seen.state is FirmwareState.DOWNLOADED and seen.result == UpdateResult.DEFERRED:
        # It registered for another reason than a reboot, or rebooted with the package untouched.
        return _deferred(enter(update, UpdateState.DOWNLOADED, seen.at), seen.at)
    if update.registered_at is None:
        return _verdict(update, seen) if seen.result not in _NO_VERDICT else (wait(update, seen.at), ())
    if seen.version == update.target_version:
        text = f"The device registered again and runs {update.target_version}."
        return finish(update, UpdateState.SUCCEEDED, text)
    if seen.result not in _NO_VERDICT:
        return _verdict(update, seen)
    if seen.version is None or seen.at < update.registered_at + update.timing.settle:
        return wait(update, seen.at), ()
    if seen.version == update.previous_version:
        text = f"The device registered again with {seen.version}, the version before: it went back by itself."
        return finish(update, UpdateState.ROLLED_BACK, text)
    text = f"The device registered again with version {seen.version}, not {update.target_version}."
    return finish(update, UpdateState.FAILED, text)


def _verdict(update: FirmwareUpdate, seen: Observed) -> _Step:
    """The device says with a result code that it did not go well."""
    result = seen.result if seen.result is not None else UpdateResult.INITIAL
    text = str(explain_result(result))
    installing = update.state in (UpdateState.UPDATING, UpdateState.VERIFYING)
    if result == UpdateResult.CANCELLED:
        return finish(update, UpdateState.CANCELLED, text)
    back = seen.version is not None and seen.version == update.previous_version
    if installing and back:  # only success needs the proof of a new registration: the result names what failed
        return finish(update, UpdateState.ROLLED_BACK, text)
    if installing:
        return finish(update, UpdateState.FAILED, text)
    if result == UpdateResult.CONNECTION_LOST:
        return again(update, seen.at, text)
    if result in _RETRY_ONCE and result not in update.retried:
        stale = result == UpdateResult.INVALID_URI and update.delivery is Delivery.PULL
        return again(replace(update, retried=(*update.retried, result), stale_uri=stale), seen.at, text)
    if result == UpdateResult.UNSUPPORTED_PROTOCOL and update.delivery is Delivery.PULL:
        return again(replace(update, delivery=Delivery.PUSH), seen.at, text)
    second = "The second attempt failed too. " if result in update.retried else ""
    return finish(update, UpdateState.FAILED, second + text)


def _deferred(update: FirmwareUpdate, at: float) -> _Step:
    """Ask again later; past its period a device installs by itself (Core 1.2, 5/0/13), which has the usual deadline."""
    allowed = update.timing.deferred if update.max_defer is None else float(update.max_defer)
    until = at + allowed if update.deferred_until is None else update.deferred_until
    pause = max(update.timing.defer, allowed / _REQUESTS_TO_INSTALL)
    return replace(
        update,
        retry=True,
        next_at=at + pause,
        deferred_until=until,
        deadline=until + update.timing.downloaded,
        reason=str(explain_result(UpdateResult.DEFERRED)),
    ), ()


def _download(update: FirmwareUpdate, at: float) -> _Step:
    """Begin an attempt: with an address that the device has not refused, and after it was told how urgent it is."""
    pull = update.delivery is Delivery.PULL
    if (pull and update.stale_uri) or update.has_policy:
        before = Operation.RENEW_URI if pull and update.stale_uri else Operation.WRITE_POLICY
        return wait(replace(update, retry=True, in_flight=before), at), (before,)
    operation = Operation.WRITE_URI if pull else Operation.WRITE_PACKAGE
    started = replace(update, attempt=update.attempt + 1, retry=False, in_flight=operation, registered_at=None)
    return wait(started, at), (operation,)


def _execute(update: FirmwareUpdate, at: float) -> _Step:
    # A registration counts as the one after the reboot only from here on.
    ready = replace(update, retry=False, in_flight=Operation.EXECUTE_UPDATE, registered_at=None)
    return wait(ready, at), (Operation.EXECUTE_UPDATE,)


def _remember(update: FirmwareUpdate, seen: Observed) -> FirmwareUpdate:
    return replace(update, result=seen.result if seen.result is not None else update.result)


_OBSERVED: dict[UpdateState, Callable[[FirmwareUpdate, Observed], _Step]] = {
    UpdateState.PENDING: _observed_pending,
    UpdateState.DOWNLOADING: _observed_downloading,
    UpdateState.DOWNLOADED: _observed_downloaded,
    UpdateState.UPDATING: _observed_updating,
    UpdateState.VERIFYING: _observed_verifying,
}
