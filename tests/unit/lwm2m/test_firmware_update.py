"""A firmware update as the server drives it: a table of steps, then whole updates with every disturbance."""

import itertools
import json
import random
import statistics
from dataclasses import replace

import pytest

from lwm2m.errors import BadRequest, Refused
from lwm2m.firmware import FirmwareState, UpdateResult
from lwm2m.firmware_device import (
    CancelExecuted,
    DeviceUpdate,
    DownloadDone,
    DownloadFailed,
    FlashFailed,
    FlashOk,
    PackageWritten,
    ResetRequested,
    UpdateExecuted,
    UriWritten,
    transition,
)
from lwm2m.firmware_device import Event as DeviceEvent
from lwm2m.firmware_update import step
from lwm2m.update_progress import (
    MAX_STATE_WRITES,
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
    UriRenewed,
    backoff,
)
from lwm2m.update_record import (
    Action,
    Done,
    Event,
    Failed,
    FirmwareUpdate,
    Observed,
    Operation,
    Severity,
    new_update,
)
from lwm2m.update_standing import explain

IDLE, LOADING, LOADED, UPDATING = FirmwareState
TIMING = Timing(poll=10, settle=5, backoff=30)
PENDING = new_update("2.0", Delivery.PUSH, 0, timing=TIMING)
PULL = new_update("2.0", Delivery.PULL, 0, package_uri="coap://server/fw/token", timing=TIMING)
SENDING = replace(
    PENDING,
    state=UpdateState.DOWNLOADING,
    attempt=1,
    in_flight=Operation.WRITE_PACKAGE,
    previous_version="1.0",
    deadline=3600,
)
SENT = replace(SENDING, in_flight=None, next_at=10)
PULLING = replace(SENT, delivery=Delivery.PULL, package_uri="coap://server/fw/token")
EXECUTING = replace(SENT, state=UpdateState.DOWNLOADED, in_flight=Operation.EXECUTE_UPDATE)
INSTALLING = replace(SENT, state=UpdateState.UPDATING)
BACK = replace(SENT, state=UpdateState.VERIFYING, registered_at=100.0)
UNPROVEN = replace(SENT, state=UpdateState.VERIFYING)
ACTIVE = {
    "pending": PENDING,
    "sending": SENDING,
    "sent": SENT,
    "pulling": PULLING,
    "executing": EXECUTING,
    "installing": INSTALLING,
    "back": BACK,
    "unproven": UNPROVEN,
}


def seen(state: FirmwareState, result: int = 0, version: str | None = "1.0", at: float = 100.0) -> Observed:
    return Observed(at, state, result, version)


@pytest.mark.parametrize(
    ("update", "event", "state", "actions"),
    [
        # pending: look first
        (PENDING, Started(0), "pending", [Operation.OBSERVE, Operation.READ]),
        (PENDING, Registered(0), "pending", [Operation.OBSERVE, Operation.READ]),
        (PENDING, seen(IDLE), "downloading", [Operation.WRITE_PACKAGE]),
        (PENDING, seen(IDLE, 8), "downloading", [Operation.WRITE_PACKAGE]),
        (PULL, seen(IDLE), "downloading", [Operation.WRITE_URI]),
        (PENDING, seen(LOADED), "pending", [Operation.RESET]),
        (replace(PENDING, reset_sent=True), seen(LOADING), "downloading", [Operation.WRITE_PACKAGE]),
        (PENDING, seen(UPDATING), "pending", []),
        (PENDING, seen(IDLE, version="2.0"), "succeeded", None),
        (PENDING, Done(1, Operation.RESET), "pending", [Operation.READ]),
        (PENDING, Failed(1, Operation.READ, "4.04", rejected=True), "failed", None),
        (PENDING, Failed(1, Operation.READ, "timeout", rejected=False), "pending", []),
        # downloading
        (SENDING, Notified(1), "downloading", []),
        (SENDING, seen(IDLE), "downloading", []),
        (SENDING, Done(1, Operation.WRITE_PACKAGE), "downloading", [Operation.READ]),
        (SENDING, Failed(1, Operation.WRITE_PACKAGE, "timeout", rejected=False), "downloading", []),
        (SENT, Notified(1), "downloading", [Operation.READ]),
        (SENT, Tick(9), "downloading", []),
        (SENT, Tick(10), "downloading", [Operation.READ]),
        (SENT, seen(LOADING), "downloading", []),
        (SENT, seen(LOADED), "downloaded", [Operation.EXECUTE_UPDATE]),
        (SENT, seen(UPDATING), "updating", []),
        (SENT, seen(IDLE, 0), "downloading", []),
        (SENT, seen(IDLE, 2), "failed", None),
        (SENT, seen(IDLE, 4), "downloading", []),
        (SENT, seen(IDLE, 5), "downloading", []),
        (replace(SENT, retried=(5,)), seen(IDLE, 5), "failed", None),
        (SENT, seen(IDLE, 6), "failed", None),
        (SENT, seen(IDLE, 9), "failed", None),
        (SENT, seen(IDLE, 10), "cancelled", None),
        (SENT, seen(IDLE, 77), "failed", None),
        (replace(SENT, attempt=3), seen(IDLE, 4), "failed", None),
        (SENT, Tick(3600), "failed", None),
        # downloaded
        (EXECUTING, Done(1, Operation.EXECUTE_UPDATE), "updating", []),
        (EXECUTING, Failed(1, Operation.EXECUTE_UPDATE, "4.05", rejected=True), "downloaded", []),
        (EXECUTING, seen(LOADED), "downloaded", []),
        (EXECUTING, Registered(50), "downloaded", [Operation.OBSERVE, Operation.READ]),
        (replace(EXECUTING, in_flight=None), seen(LOADED), "downloaded", [Operation.EXECUTE_UPDATE]),
        (replace(EXECUTING, in_flight=None), seen(UPDATING), "updating", []),
        (replace(EXECUTING, in_flight=None, registered_at=50), seen(IDLE, 1, "2.0"), "succeeded", None),
        (replace(EXECUTING, in_flight=None), seen(IDLE, 1, "2.0"), "verifying", []),
        (replace(EXECUTING, in_flight=None), seen(IDLE, 0), "downloading", []),
        # updating
        (INSTALLING, seen(UPDATING), "updating", []),
        (INSTALLING, seen(LOADED, 0), "updating", []),
        (INSTALLING, seen(LOADED, 11), "downloaded", []),
        (INSTALLING, seen(IDLE, 8), "rolled_back", None),
        (INSTALLING, seen(IDLE, 1, "2.0"), "verifying", []),
        (INSTALLING, Registered(50), "verifying", [Operation.OBSERVE, Operation.READ]),
        (INSTALLING, Tick(3600), "failed", None),
        # verifying: the proof
        (UNPROVEN, seen(IDLE, 1, "2.0"), "verifying", []),
        (BACK, seen(IDLE, 1, "2.0"), "succeeded", None),
        (BACK, seen(IDLE, 0, "2.0"), "succeeded", None),
        (BACK, seen(UPDATING, 0, "1.0"), "verifying", []),
        (BACK, seen(IDLE, 0, "1.0", at=104), "verifying", []),
        (BACK, seen(IDLE, 0, "1.0", at=105), "rolled_back", None),
        (BACK, seen(IDLE, 1, "1.0", at=105), "rolled_back", None),
        (BACK, seen(IDLE, 8, "1.0"), "rolled_back", None),
        (BACK, seen(IDLE, 0, "1.5", at=105), "failed", None),
        (BACK, seen(IDLE, 0, None, at=105), "verifying", []),
        (BACK, Observed(105, IDLE, 1, None, "2.0"), "succeeded", None),
        (BACK, seen(LOADED, 11), "downloaded", []),
        (UNPROVEN, seen(LOADED, 11), "downloaded", []),
        (BACK, Tick(3600), "failed", None),
    ],
)  # fmt: skip
def test_an_event_leads_to_a_state_and_actions(
    update: FirmwareUpdate, event: Event, state: str, actions: list[Action] | None
) -> None:
    after, done = step(update, event)
    assert after.state == state
    if actions is None:
        assert done == (Finish(after.state, after.reason),)
        assert after.reason.endswith((".", "4.04"))
    else:
        assert list(done) == actions


@pytest.mark.parametrize("code", [*range(14), 255])
@pytest.mark.parametrize("name", ["sent", "installing", "back", "unproven"])
def test_every_result_code_is_decided_in_every_state(code: int, name: str) -> None:
    after, _ = step(ACTIVE[name], seen(IDLE, code))
    assert after.result == code
    if after.state.is_final and code > 11:
        assert str(code) in after.reason


def test_a_package_version_of_a_waiting_package_proves_nothing() -> None:
    assert Observed(0, LOADED, 0, None, "2.0").version is None
    assert Observed(0, IDLE, 1, "1.0", "2.0").version == "1.0"


def test_a_retry_waits_somewhere_in_a_range_that_doubles_and_there_is_a_limit() -> None:
    update, delays = replace(SENT, seed=7), []
    while not update.state.is_final:
        update, actions = step(update, seen(IDLE, 4, at=100))
        if update.state.is_final:
            break
        assert actions == ()
        delays.append(update.next_at - 100)
        assert step(update, Tick(update.next_at - 0.001))[1] == ()
        update, actions = step(update, Tick(update.next_at))
        assert actions == (Operation.WRITE_PACKAGE,)
        update, _ = step(update, Done(100, Operation.WRITE_PACKAGE))
    assert delays == pytest.approx([backoff(TIMING, 7, 1), backoff(TIMING, 7, 2)])
    assert "Given up after 3 attempts" in update.reason


@pytest.mark.parametrize(
    ("attempt", "limit"), [(0, 30), (1, 30), (2, 60), (3, 120), (7, 1920), (8, 3600), (4000, 3600)]
)
def test_the_delays_of_a_fleet_are_spread_over_the_whole_range(attempt: int, limit: float) -> None:
    delays = [backoff(TIMING, seed, attempt) for seed in range(2000)]
    assert 0 <= min(delays) < 0.01 * limit
    assert 0.99 * limit < max(delays) < limit
    assert statistics.fmean(delays) == pytest.approx(limit / 2, rel=0.05)
    assert len(set(delays)) == 2000


def test_an_unsupported_protocol_changes_pull_into_push() -> None:
    update, _ = step(PULLING, seen(IDLE, 9))
    update, actions = step(update, Tick(update.next_at))
    assert actions == (Operation.WRITE_PACKAGE,)


def test_an_invalid_uri_is_renewed_before_the_one_attempt_that_is_left() -> None:
    update, _ = step(PULLING, seen(IDLE, 7))
    update, actions = step(update, Tick(update.next_at))
    assert actions == (Operation.RENEW_URI,)
    failed, _ = step(update, Failed(200, Operation.RENEW_URI, "no address", rejected=False))
    assert step(failed, Tick(failed.next_at))[1] == (Operation.RENEW_URI,)
    again, actions = step(FirmwareUpdate.from_json(update.to_json()), Restarted(200))
    assert step(again, Tick(again.next_at))[1] == (Operation.RENEW_URI,)
    update, actions = step(update, UriRenewed(201, "coap://other/fw/fresh"))
    assert (actions, update.package_uri, update.attempt) == ((Operation.WRITE_URI,), "coap://other/fw/fresh", 2)
    update, _ = step(update, Done(202, Operation.WRITE_URI))
    assert step(update, UriRenewed(203, "coap://late/fw/fresh")) == (update, ())
    update, _ = step(update, seen(IDLE, 7))
    assert update.state is UpdateState.FAILED
    assert "could not use the package's URI" in update.reason


def test_a_pushed_package_has_no_uri_to_renew() -> None:
    update, _ = step(SENT, seen(IDLE, 7))
    assert step(update, Tick(update.next_at))[1] == (Operation.WRITE_PACKAGE,)


def test_the_device_is_told_the_severity_before_it_gets_the_package() -> None:
    pending = new_update("2.0", Delivery.PUSH, 0, severity=Severity.OPTIONAL, max_defer=3600, timing=TIMING)
    update, actions = step(pending, seen(IDLE))
    assert (update.state, actions) == (UpdateState.DOWNLOADING, (Operation.WRITE_POLICY,))
    assert "urgent" in explain(update).now
    assert step(update, seen(IDLE)) == (update, ())
    silent, actions = step(update, Failed(101, Operation.WRITE_POLICY, "timeout", rejected=False))
    assert (step(silent, seen(IDLE))[1], step(silent, Tick(silent.next_at))[1]) == ((), (Operation.WRITE_POLICY,))
    told, actions = step(update, Done(101, Operation.WRITE_POLICY))
    assert (actions, told.attempt) == ((Operation.WRITE_PACKAGE,), 1)
    lost, _ = step(replace(told, in_flight=None), seen(IDLE, 4))
    assert step(lost, Tick(lost.next_at))[1] == (Operation.WRITE_PACKAGE,)  # once is enough


def test_a_device_with_the_old_object_is_updated_without_a_severity() -> None:
    update, _ = step(new_update("2.0", Delivery.PUSH, 0, severity=0, timing=TIMING), seen(IDLE))
    update, actions = step(update, Failed(101, Operation.WRITE_POLICY, "4.04 Not Found", rejected=True))
    assert actions == (Operation.WRITE_PACKAGE,)
    assert update.reason == "The device takes no severity and no period for putting off: 4.04 Not Found"


@pytest.mark.parametrize("policy", [{"severity": 3}, {"severity": -1}, {"max_defer": -1}, {"max_defer": 2**32}])
def test_a_severity_or_period_that_the_object_cannot_hold_is_refused(policy: dict[str, int]) -> None:
    with pytest.raises(BadRequest):
        new_update("2.0", Delivery.PUSH, 0, **policy)


def test_a_deferred_installation_is_asked_for_again_and_keeps_the_package() -> None:
    update, _ = step(replace(INSTALLING, max_defer=3600), seen(LOADED, 11, at=100))
    assert (update.state, update.next_at) == (UpdateState.DOWNLOADED, 700)
    assert step(update, Tick(699))[1] == ()
    update, actions = step(update, Tick(700))
    assert actions == (Operation.EXECUTE_UPDATE,)
    update, _ = step(update, Done(701, Operation.EXECUTE_UPDATE))
    assert update.state is UpdateState.UPDATING


@pytest.mark.parametrize(("max_defer", "last"), [(None, 86_400 + 900), (7200, 7200 + 900), (0, 900)])
def test_a_device_may_put_the_installation_off_for_its_period_and_then_for_the_usual_deadline(
    max_defer: int | None, last: float
) -> None:
    update, _ = step(replace(INSTALLING, max_defer=max_defer), seen(LOADED, 11, at=1000))
    at, requests = 1000.0, 0
    while not update.state.is_final:
        at = min(update.next_at, update.deadline)
        update, actions = step(update, Tick(at))
        if actions == (Operation.EXECUTE_UPDATE,):
            requests += 1
            update, _ = step(update, Done(at, Operation.EXECUTE_UPDATE))
            update, _ = step(update, seen(LOADED, 11, at=at))
    assert (at, update.state) == (1000 + last, UpdateState.FAILED)
    assert requests <= 8
    assert "put the update off" in update.reason


def test_a_device_that_installs_at_the_end_of_its_deferral_has_succeeded() -> None:
    update, _ = step(replace(INSTALLING, max_defer=600), seen(LOADED, 11, at=100))
    update, _ = step(update, Registered(750))
    assert step(update, seen(IDLE, 1, "2.0", at=751))[0].state is UpdateState.SUCCEEDED


def test_an_update_that_goes_in_circles_is_ended() -> None:
    update = INSTALLING
    for turn in itertools.count(1):
        update, _ = step(update, seen(LOADED, 11, at=100))
        update, _ = step(replace(update, retry=False), seen(UPDATING, at=100))
        if update.state.is_final:
            break
        assert turn < MAX_STATE_WRITES
    assert update.state is UpdateState.FAILED
    assert update.state_writes == MAX_STATE_WRITES
    assert "28 times without coming to an end" in update.reason


@pytest.mark.parametrize("seed", range(60))
def test_every_update_ends_whatever_the_device_says(seed: int) -> None:
    """A device that answers at random, late or never, and registers when it likes."""
    chance = random.Random(seed)
    policy = {"severity": 1, "max_defer": 7200} if seed % 2 else {}
    update = new_update("2.0", Delivery.PULL, 0, package_uri="coap://s/fw/t", seed=seed, timing=TIMING, **policy)
    at, limit = 0.0, 14 * 86_400.0
    queue: list[Event] = [Started(0)]
    while not update.state.is_final:
        event = queue.pop(0) if queue else Tick(at)
        update, actions = step(update, event)
        assert update.state_writes <= MAX_STATE_WRITES
        assert update.attempt <= update.max_attempts
        for action in actions:
            if not isinstance(action, Operation) or chance.random() < 0.1:
                continue
            if action is Operation.READ:
                queue.append(seen(chance.choice(list(FirmwareState)), chance.choice([0, 1, 4, 5, 7, 9, 11]), "1.0", at))
            elif action is Operation.RENEW_URI:
                queue.append(UriRenewed(at, "coap://s/fw/u"))
            elif chance.random() < 0.7:
                queue.append(Done(at, action))
            else:
                queue.append(Failed(at, action, "4.00", rejected=chance.random() < 0.5))
        if chance.random() < 0.05:
            queue.append(Registered(at))
        at += chance.choice([1, 10, 100, 1000])
        assert at < limit
    assert update.reason


def confirmed(update: FirmwareUpdate, done: Done) -> FirmwareUpdate:
    """After the device took the cancellation, and the read that follows where it may have installed."""
    after, actions = step(update, done)
    if update.state is not UpdateState.DOWNLOADED:
        return after
    assert (after.state, actions) == (UpdateState.DOWNLOADED, (Operation.READ,))
    return step(after, seen(IDLE, 10))[0]


@pytest.mark.parametrize("name", ["sending", "sent", "pulling", "executing"])
def test_a_cancel_stops_the_transfer_and_asks_the_device(name: str) -> None:
    update, actions = step(ACTIVE[name], CancelRequested(5))
    assert actions == (Operation.STOP_TRANSFER, Operation.EXECUTE_CANCEL)
    assert confirmed(update, Done(6, Operation.EXECUTE_CANCEL)).state is UpdateState.CANCELLED
    refused, actions = step(update, Failed(6, Operation.EXECUTE_CANCEL, "4.04", rejected=True))
    assert actions == (Operation.RESET,)
    assert confirmed(refused, Done(7, Operation.RESET)).state is UpdateState.CANCELLED
    going_on, actions = step(refused, Failed(7, Operation.RESET, "4.05", rejected=True))
    assert (going_on.cancelling, actions) == (False, (Operation.READ,))
    silent, actions = step(update, Failed(6, Operation.EXECUTE_CANCEL, "timeout", rejected=False))
    assert step(silent, Tick(silent.next_at))[1] == (Operation.EXECUTE_CANCEL,)
    assert step(silent, Registered(8))[1] == (Operation.EXECUTE_CANCEL,)
    assert step(silent, Tick(silent.deadline))[0].state is UpdateState.CANCELLED


def test_a_package_that_was_there_before_is_never_installed() -> None:
    resetting, actions = step(PENDING, seen(LOADED))
    assert actions == (Operation.RESET,)
    assert step(resetting, seen(LOADED)) == (resetting, ())
    silent, actions = step(resetting, Failed(1, Operation.RESET, "timeout", rejected=False))
    assert (actions, step(silent, seen(LOADED))[1]) == ((Operation.READ,), (Operation.RESET,))
    restarted, actions = step(resetting, Restarted(1))
    assert (actions[-1], step(restarted, seen(LOADED))[1]) == (Operation.READ, (Operation.RESET,))
    refused, _ = step(resetting, Failed(1, Operation.RESET, "4.05", rejected=True))
    ended, _ = step(refused, seen(LOADED))
    assert ended.state is UpdateState.FAILED
    assert ended.reason == "The device holds another package and does not drop it. The last problem: 4.05"


def test_a_device_that_installed_before_the_cancel_reached_it_was_not_cancelled() -> None:
    update, _ = step(EXECUTING, CancelRequested(5))
    update, _ = step(update, Failed(20, Operation.EXECUTE_CANCEL, "timeout", rejected=False))
    update, _ = step(update, Registered(60))
    update, _ = step(update, Failed(61, Operation.EXECUTE_CANCEL, "4.05", rejected=True))
    update, actions = step(update, Done(62, Operation.RESET))
    assert actions == (Operation.READ,)
    update, _ = step(update, seen(IDLE, 0, "2.0"))
    assert (update.state, update.reason) == (UpdateState.SUCCEEDED, "The device registered again and runs 2.0.")


def test_a_cancel_before_anything_was_sent_ends_at_once_and_one_during_the_installation_is_refused() -> None:
    assert step(PENDING, CancelRequested(5))[0].state is UpdateState.CANCELLED
    for update in (INSTALLING, BACK, UNPROVEN):
        with pytest.raises(Refused, match="before that"):
            step(update, CancelRequested(5))


@pytest.mark.parametrize("name", ACTIVE)
def test_a_restart_of_the_server_reads_before_it_acts(name: str) -> None:
    stored = json.loads(json.dumps(ACTIVE[name].to_json()))
    update = FirmwareUpdate.from_json(stored)
    assert update == ACTIVE[name]
    assert step(update, Restarted(50))[1] == (Operation.OBSERVE, Operation.READ)
    cancelling = replace(update, cancelling=True)
    assert step(cancelling, Restarted(50))[1] == (Operation.OBSERVE, Operation.EXECUTE_CANCEL)


@pytest.mark.parametrize("state", ["succeeded", "failed", "rolled_back", "cancelled"])
def test_nothing_leaves_a_final_state(state: str) -> None:
    final = replace(SENT, state=UpdateState(state), reason="Because.")
    events: list[Event] = [
        Started(1),
        Registered(1),
        Restarted(1),
        Notified(1),
        Tick(1e9),
        CancelRequested(1),
        seen(IDLE),
    ]
    events += [Done(1, Operation.EXECUTE_UPDATE), Failed(1, Operation.READ, "", rejected=True)]
    assert all(step(final, event) == (final, ()) for event in events)


@pytest.mark.parametrize("name", ACTIVE)
def test_every_state_ends_at_its_deadline_and_can_be_explained(name: str) -> None:
    update = ACTIVE[name]
    assert explain(update).now.endswith(".")
    assert explain(update).next.endswith(".")
    assert step(update, Tick(update.deadline))[0].state is UpdateState.FAILED


def test_a_pull_needs_a_uri_that_the_object_can_hold() -> None:
    for uri in ("", "u" * 256):
        with pytest.raises(BadRequest):
            new_update("2.0", Delivery.PULL, 0, package_uri=uri)


@pytest.mark.parametrize(
    "data", [{}, {**SENT.to_json(), "state": "?"}, {**SENT.to_json(), "timing": 1}, {**SENT.to_json(), "more": 1}]
)
def test_a_damaged_record_is_refused(data: dict[str, object]) -> None:
    with pytest.raises(BadRequest):
        FirmwareUpdate.from_json(data)


class World:
    """Plays a device, by its own machine, and the server that drives the update; time passes by `tick`."""

    def __init__(self, delivery: Delivery, flash: DeviceEvent, new_version: str = "2.0") -> None:
        self.now = 1000.0
        self.device = DeviceUpdate()
        self.version, self.new_version = "1.0", new_version
        self.flash = flash
        self.update = new_update("2.0", delivery, self.now, package_uri="coap://s/fw/t", timing=TIMING)
        self.log: list[str] = []
        self.lose_answers: set[Operation] = set()
        self.die_before_action = -1
        self.steps = 0
        self.download: DeviceEvent = DownloadDone()

    def feed(self, event: Event) -> None:
        self.update, actions = step(self.update, event)
        self.steps += 1
        if self.steps == self.die_before_action:
            self.update = FirmwareUpdate.from_json(json.loads(json.dumps(self.update.to_json())))
            self.feed(Restarted(self.now))
            return
        for action in actions:
            if isinstance(action, Operation):
                self.perform(action)

    def perform(self, operation: Operation) -> None:
        self.log.append(operation)
        if operation is Operation.READ:
            self.feed(Observed(self.now, self.device.state, self.device.result, self.version))
            return
        if operation in (Operation.OBSERVE, Operation.STOP_TRANSFER):
            return
        if operation is Operation.RENEW_URI:
            self.feed(UriRenewed(self.now, "coap://s/fw/fresh"))
            return
        events: dict[Operation, DeviceEvent] = {
            Operation.WRITE_PACKAGE: PackageWritten(),
            Operation.WRITE_URI: UriWritten(self.update.package_uri),
            Operation.RESET: ResetRequested(),
            Operation.EXECUTE_UPDATE: UpdateExecuted(),
            Operation.EXECUTE_CANCEL: CancelExecuted(),
        }
        try:
            self.device, _ = transition(self.device, events[operation])
        except Refused as refusal:
            self.feed(Failed(self.now, operation, refusal.diagnostic, rejected=True))
            return
        if operation is Operation.WRITE_PACKAGE:
            self.device, _ = transition(self.device, self.download)
            self.download = DownloadDone()
        if operation in self.lose_answers:
            self.lose_answers.discard(operation)
            self.feed(Failed(self.now, operation, "timeout", rejected=False))
        else:
            self.feed(Done(self.now, operation))

    def tick(self) -> None:
        self.now += 10
        before = self.device
        self.feed(Tick(self.now))
        if before.state is IDLE or self.device != before:
            return
        if before.state is LOADING:
            self.device, _ = transition(before, self.download)
            self.download = DownloadDone()
            self.feed(Notified(self.now))
        elif before.state is UPDATING:
            self.device, _ = transition(before, self.flash)
            if isinstance(self.flash, FlashOk):
                self.version = self.new_version
            self.feed(Registered(self.now))

    def run(self, limit: float = 10_000) -> FirmwareUpdate:
        self.feed(Started(self.now))
        while not self.update.state.is_final:
            self.tick()
            assert self.now < limit
        return self.update


@pytest.mark.parametrize("delivery", Delivery)
def test_a_good_update_succeeds_with_one_transfer_and_one_execute(delivery: Delivery) -> None:
    world = World(delivery, FlashOk())
    assert world.run().state is UpdateState.SUCCEEDED
    written = [each for each in world.log if each.startswith("write")]
    assert written == ["write_uri" if delivery is Delivery.PULL else "write_package"]
    assert world.log.count("execute_update") == 1


@pytest.mark.parametrize("delivery", Delivery)
@pytest.mark.parametrize("die_at", range(1, 16))
def test_a_server_killed_between_record_and_action_still_ends_the_update_well(delivery: Delivery, die_at: int) -> None:
    world = World(delivery, FlashOk())
    world.die_before_action = die_at
    assert world.run().state is UpdateState.SUCCEEDED
    assert world.version == "2.0"


@pytest.mark.parametrize("delivery", Delivery)
@pytest.mark.parametrize("lost", [Operation.WRITE_PACKAGE, Operation.WRITE_URI, Operation.EXECUTE_UPDATE])
def test_a_lost_answer_repeats_nothing_that_was_done(delivery: Delivery, lost: Operation) -> None:
    world = World(delivery, FlashOk())
    world.lose_answers = {lost}
    assert world.run().state is UpdateState.SUCCEEDED
    assert world.log.count(lost) <= 1


@pytest.mark.parametrize("delivery", Delivery)
@pytest.mark.parametrize("state", [FirmwareState.DOWNLOADING, FirmwareState.DOWNLOADED])
def test_a_device_that_forgets_in_a_reboot_is_served_again(delivery: Delivery, state: FirmwareState) -> None:
    world = World(delivery, FlashOk())
    world.lose_answers = {Operation.EXECUTE_UPDATE} if state is FirmwareState.DOWNLOADED else set()
    world.feed(Started(world.now))
    for _ in range(5):
        if world.device.state is state:
            break
        world.tick()
    world.device = DeviceUpdate()
    world.feed(Registered(world.now))
    while not world.update.state.is_final:
        world.tick()
    assert world.update.state is UpdateState.SUCCEEDED


@pytest.mark.parametrize(
    ("flash", "version", "state", "words"),
    [
        (FlashFailed(), "1.0", UpdateState.ROLLED_BACK, "keeps the one before"),
        (FlashOk(), "1.0", UpdateState.ROLLED_BACK, "the version before"),
        (FlashOk(), "3.0", UpdateState.FAILED, "version 3.0, not 2.0"),
        (FlashFailed(UpdateResult.INTEGRITY_FAILURE), "1.0", UpdateState.ROLLED_BACK, "signature"),
    ],
)
def test_a_bad_installation_is_told_from_a_good_one(
    flash: DeviceEvent, version: str, state: UpdateState, words: str
) -> None:
    update = World(Delivery.PUSH, flash, version).run()
    assert update.state is state
    assert words in update.reason


@pytest.mark.parametrize("result", [3, 4, 5, 7])
@pytest.mark.parametrize("delivery", Delivery)
def test_a_failed_download_gets_a_second_chance(delivery: Delivery, result: int) -> None:
    world = World(delivery, FlashOk())
    world.download = DownloadFailed(result)
    assert world.run().state is UpdateState.SUCCEEDED
    assert world.update.attempt == 2


def test_success_always_comes_after_a_registration_with_the_target_version() -> None:
    """Every short sequence of events: no other way leads to success once the device was told to install."""
    reads = [
        seen(state, result, version) for state in (IDLE, LOADED) for result in (0, 1) for version in ("1.0", "2.0")
    ]
    events: list[Event] = [*reads, Done(100, Operation.EXECUTE_UPDATE), Registered(100), Notified(100), Tick(110)]
    for sequence in itertools.product(events, repeat=3):
        update = EXECUTING
        for event in sequence:
            update, _ = step(update, event)
            if update.state is UpdateState.SUCCEEDED:
                assert any(isinstance(each, Registered) for each in sequence)
                assert isinstance(event, Observed)
                assert event.version == "2.0"
                break
