"""Object 9 on the server: the table, and whole updates against the device's own machine."""

import itertools
import json
import random
from dataclasses import replace

import pytest

from lwm2m.errors import BadRequest, Refused
from lwm2m.software import SoftwareResult, SoftwareState
from lwm2m.software_device import (
    ActivateExecuted,
    DeviceSoftware,
    DownloadDone,
    DownloadFailed,
    InstallExecuted,
    InstallFailed,
    InstallOk,
    PackageVerified,
    PackageWritten,
    UninstallExecuted,
    UriWritten,
    transition,
)
from lwm2m.software_device import Event as DeviceEvent
from lwm2m.software_record import (
    Action,
    Done,
    Event,
    Failed,
    Observed,
    Operation,
    SoftwareUpdate,
    new_deactivation,
    new_software_update,
)
from lwm2m.software_update import explain, step
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
)

S = SoftwareState
TIMING = Timing(pending=3600, downloading=3600, downloaded=3600, updating=3600, verifying=3600, poll=15, settle=5)
U = UpdateState
PENDING = new_software_update("2.0", Delivery.PUSH, 0, timing=TIMING)
SENDING = replace(
    PENDING, state=U.DOWNLOADING, attempt=1, previous_version="1.0", in_flight=Operation.WRITE_PACKAGE, next_at=15
)
SENT = replace(SENDING, in_flight=None)
PULLING = replace(SENT, delivery=Delivery.PULL, package_uri="coap://s/t")
HELD = replace(SENT, state=U.DOWNLOADED)
EXECUTING = replace(HELD, in_flight=Operation.EXECUTE_INSTALL)
INSTALLING = replace(HELD, state=U.UPDATING)
PROVING = replace(HELD, state=U.VERIFYING)
TOLD = replace(PROVING, activated=True)
LEAVING = new_deactivation(0, instance=1, firmware_version="1.0", timing=TIMING)
LEFT = replace(LEAVING, state=U.VERIFYING, in_flight=Operation.EXECUTE_DEACTIVATE)
ACTIVE = {
    "pending": PENDING,
    "sending": SENDING,
    "sent": SENT,
    "pulling": PULLING,
    "held": HELD,
    "executing": EXECUTING,
    "installing": INSTALLING,
    "proving": PROVING,
    "told": TOLD,
    "leaving": LEAVING,
    "left": LEFT,
}


def seen(
    state: SoftwareState | None, result: int = 0, version: str | None = None, active: bool | None = None, at: float = 1
) -> Observed:
    return Observed(at, state, result, version, active)


OLD = seen(S.INSTALLED, 2, "1.0", active=True)
NEW = seen(S.INSTALLED, 2, "2.0", active=True)


@pytest.mark.parametrize(
    ("update", "event", "state", "actions"),
    [
        (PENDING, Started(1), "pending", [Operation.OBSERVE, Operation.READ]),
        (PENDING, seen(None), "pending", []),
        (PENDING, NEW, "succeeded", None),
        (PENDING, seen(S.INSTALLED, 2, "2.0", active=False), "verifying", [Operation.EXECUTE_ACTIVATE]),
        (PENDING, OLD, "downloading", [Operation.WRITE_PACKAGE]),  # never uninstalls first
        (PENDING, seen(S.INITIAL), "downloading", [Operation.WRITE_PACKAGE]),
        (PENDING, seen(S.DELIVERED, 0, "2.0"), "downloaded", [Operation.EXECUTE_INSTALL]),
        (PENDING, seen(S.DELIVERED, 0, "1.5"), "downloading", [Operation.WRITE_PACKAGE]),
        (PENDING, Failed(1, Operation.READ, "4.04", 0x84), "failed", None),
        (PENDING, Failed(1, Operation.READ, "timeout"), "pending", []),
        # downloading
        (SENDING, OLD, "downloading", []),
        (SENDING, Done(1, Operation.WRITE_PACKAGE), "downloading", [Operation.READ]),
        (SENDING, Failed(1, Operation.WRITE_PACKAGE, "4.05", 0x85), "downloading", [Operation.READ]),
        (SENDING, Failed(1, Operation.WRITE_PACKAGE, "4.13", 0x8D), "downloading", []),
        (replace(SENT, refused=True), OLD, "downloading", [Operation.UNINSTALL_FOR_UPDATE]),
        (replace(SENT, refused=True, uninstalled=True), OLD, "failed", None),
        (replace(SENT, refused=True), seen(S.INITIAL), "failed", None),
        (replace(SENT, in_flight=Operation.UNINSTALL_FOR_UPDATE), Done(1, Operation.UNINSTALL_FOR_UPDATE),
         "downloading", [Operation.WRITE_PACKAGE]),
        (SENT, seen(S.DOWNLOAD_STARTED, 1), "downloading", []),
        (SENT, seen(S.DOWNLOADED, 1), "downloading", []),
        (SENT, seen(S.DELIVERED, 0), "downloaded", [Operation.EXECUTE_INSTALL]),  # Anjay: result 0, not 3
        (SENT, seen(S.DELIVERED, 3), "downloaded", [Operation.EXECUTE_INSTALL]),
        (SENT, seen(S.INITIAL, 0), "downloading", []),
        (SENT, seen(S.INSTALLED, 52, "1.0", active=True), "downloading", []),
        (SENT, seen(S.INITIAL, 50), "failed", None),
        (SENT, seen(S.INITIAL, 51), "failed", None),
        (SENT, seen(S.INITIAL, 54), "failed", None),
        (SENT, seen(S.INITIAL, 56), "failed", None),
        (SENT, seen(S.INITIAL, 57), "failed", None),
        (SENT, seen(S.INITIAL, 99), "failed", None),
        (SENT, NEW, "succeeded", None),
        (SENT, Tick(3600), "failed", None),
        # downloaded
        (EXECUTING, Done(1, Operation.EXECUTE_INSTALL), "updating", []),
        (EXECUTING, Failed(1, Operation.EXECUTE_INSTALL, "4.05", 0x85), "downloaded", []),
        (EXECUTING, seen(S.DELIVERED, 3), "downloaded", []),
        (EXECUTING, Registered(1), "downloaded", [Operation.OBSERVE, Operation.READ]),
        (HELD, seen(S.DELIVERED, 3), "downloaded", [Operation.EXECUTE_INSTALL]),
        (HELD, NEW, "succeeded", None),
        (HELD, seen(S.INITIAL, 0), "downloading", []),
        # updating
        (INSTALLING, seen(S.DELIVERED, 0), "updating", []),
        (INSTALLING, seen(S.INSTALLED, 2, "2.0", active=False), "verifying", [Operation.EXECUTE_ACTIVATE]),
        (INSTALLING, NEW, "succeeded", None),
        (INSTALLING, seen(S.INSTALLED, 58, "1.0", active=True), "rolled_back", None),
        (INSTALLING, seen(S.INITIAL, 58), "failed", None),
        (INSTALLING, OLD, "updating", []),
        (INSTALLING, replace(OLD, at=10), "rolled_back", None),
        (INSTALLING, seen(S.INSTALLED, 2, "3.0", at=10), "failed", None),
        (INSTALLING, seen(S.INITIAL, 0), "downloading", []),
        (INSTALLING, Registered(1), "updating", [Operation.OBSERVE, Operation.READ]),
        # verifying
        (PROVING, seen(S.INSTALLED, 2, "2.0", active=False), "verifying", [Operation.EXECUTE_ACTIVATE]),
        (PROVING, seen(S.INSTALLED, 2, "2.0", active=None), "verifying", [Operation.EXECUTE_ACTIVATE]),
        (replace(PROVING, activated=True), seen(S.INSTALLED, 2, "2.0"), "succeeded", None),
        (PROVING, NEW, "succeeded", None),
        (PROVING, replace(OLD, at=10), "rolled_back", None),
        (PROVING, seen(S.INSTALLED, 2, None, at=10), "verifying", []),
        (PROVING, seen(S.INITIAL, 57), "failed", None),
        (PROVING, Tick(3600), "failed", None),
        (TOLD, seen(S.INSTALLED, 2, "2.0", active=False), "verifying", []),
        (TOLD, seen(S.INSTALLED, 2, "2.0", active=False, at=10), "failed", None),  # not told again and again
        # deactivating
        (LEAVING, Started(1), "pending", [Operation.OBSERVE, Operation.READ]),
        (LEAVING, OLD, "verifying", [Operation.EXECUTE_DEACTIVATE]),
        (LEAVING, seen(S.INSTALLED, 2, "1.0", active=False), "succeeded", None),
        (LEAVING, seen(S.INITIAL, 0, active=False), "succeeded", None),
        (LEAVING, seen(S.INSTALLED, 2, "1.0", active=None), "failed", None),
        (LEFT, Done(1, Operation.EXECUTE_DEACTIVATE), "verifying", [Operation.READ]),
        (LEFT, Failed(1, Operation.EXECUTE_DEACTIVATE, "4.05", 0x85), "failed", None),
        (LEFT, Failed(1, Operation.EXECUTE_DEACTIVATE, "timeout"), "verifying", []),
        (LEFT, Registered(1), "verifying", [Operation.OBSERVE, Operation.READ]),
        (replace(LEFT, in_flight=None), OLD, "verifying", [Operation.EXECUTE_DEACTIVATE]),
        (replace(LEFT, in_flight=None), seen(S.INSTALLED, 2, "1.0", active=False), "succeeded", None),
    ],
)  # fmt: skip
def test_an_event_leads_to_a_state_and_actions(
    update: SoftwareUpdate, event: Event, state: str, actions: list[Action] | None
) -> None:
    after, done = step(update, event)
    assert after.state == state
    if actions is None:
        assert done == (Finish(after.state, after.reason),)
        assert after.reason
    else:
        assert list(done) == actions


@pytest.mark.parametrize("result", [52, 53])
def test_a_lost_connection_and_a_damaged_package_have_one_more_chance(result: int) -> None:
    update, actions = step(SENT, seen(S.INITIAL, result, at=100))
    assert (update.retry, actions) == (True, ())
    update, actions = step(update, Tick(update.next_at or 0))
    assert actions == (Operation.WRITE_PACKAGE,)
    update, _ = step(update, Done(200, Operation.WRITE_PACKAGE))
    assert step(update, seen(S.INITIAL, result))[0].state is U.FAILED


def test_a_uri_that_a_device_cannot_use_changes_pull_into_push() -> None:
    update, _ = step(PULLING, seen(S.INITIAL, 56))
    assert step(update, Tick(update.next_at or 0))[1] == (Operation.WRITE_PACKAGE,)


@pytest.mark.parametrize("code", [0, 1, 2, 3, *range(50, 61), 255])
@pytest.mark.parametrize("name", ["sent", "held", "installing", "proving"])
def test_every_result_code_is_decided_in_every_state(code: int, name: str) -> None:
    after, _ = step(ACTIVE[name], seen(S.INITIAL, code))
    assert after.result == code


@pytest.mark.parametrize("name", ["sending", "sent", "pulling", "held"])
def test_a_cancel_takes_back_what_waits_and_never_what_runs(name: str) -> None:
    update, actions = step(replace(ACTIVE[name], previous_version=None), CancelRequested(5))
    assert actions == (Operation.STOP_TRANSFER, Operation.READ)
    assert step(update, OLD)[0].state is U.CANCELLED
    assert step(update, seen(S.INITIAL))[0].state is U.CANCELLED
    waiting, actions = step(update, seen(S.DELIVERED, 3))
    assert actions == (Operation.EXECUTE_UNINSTALL,)
    assert step(waiting, Done(6, Operation.EXECUTE_UNINSTALL))[0].state is U.CANCELLED
    beside, actions = step(replace(update, previous_version="1.0"), seen(S.DELIVERED, 3))
    assert beside.state is U.CANCELLED
    assert not [each for each in actions if isinstance(each, Operation)]
    assert step(update, Tick(update.deadline))[0].state is U.CANCELLED


def test_a_cancel_before_anything_was_sent_ends_at_once_and_one_during_the_installation_is_refused() -> None:
    assert step(PENDING, CancelRequested(5))[0].state is U.CANCELLED
    for update in (EXECUTING, INSTALLING, PROVING):
        with pytest.raises(Refused, match="before that"):
            step(update, CancelRequested(5))


@pytest.mark.parametrize("name", ACTIVE)
def test_a_restart_of_the_server_reads_before_it_acts(name: str) -> None:
    update = SoftwareUpdate.from_json(json.loads(json.dumps(ACTIVE[name].to_json())))
    assert update == ACTIVE[name]
    assert step(update, Restarted(50))[1] == (Operation.OBSERVE, Operation.READ)


@pytest.mark.parametrize("name", ACTIVE)
def test_every_state_ends_at_its_deadline_and_can_be_explained(name: str) -> None:
    update = ACTIVE[name]
    assert explain(update).now.endswith(".")
    assert explain(update).next.endswith(".")
    assert step(update, Tick(update.deadline))[0].state is U.FAILED


@pytest.mark.parametrize("state", ["succeeded", "failed", "rolled_back", "cancelled"])
def test_nothing_leaves_a_final_state(state: str) -> None:
    final = replace(SENT, state=UpdateState(state), reason="Because.")
    events: list[Event] = [Started(1), Registered(1), Restarted(1), Notified(1), Tick(1e9), CancelRequested(1), NEW]
    assert all(step(final, event) == (final, ()) for event in events)


def test_a_pull_needs_a_uri_and_a_damaged_record_is_refused() -> None:
    for uri in ("", "u" * 256):
        with pytest.raises(BadRequest):
            new_software_update("2.0", Delivery.PULL, 0, package_uri=uri)
    for data in ({}, {**SENT.to_json(), "state": "?"}, {**SENT.to_json(), "more": 1}):
        with pytest.raises(BadRequest):
            SoftwareUpdate.from_json(data)


class World:
    """Plays a device, by its own machine, and the server that drives the update; time passes by `tick`."""

    def __init__(self, delivery: Delivery, device: DeviceSoftware, *, install: DeviceEvent | None = None) -> None:
        self.now = 1000.0
        self.device = device
        self.version = "1.0" if device.installed else None
        self.install = install or InstallOk()
        self.download: DeviceEvent = PackageVerified()
        self.update = new_software_update("2.0", delivery, self.now, package_uri="coap://s/t", timing=TIMING)
        self.log: list[str] = []
        self.lost: set[Operation] = set()
        self.die_at = -1
        self.steps = 0
        self.model_gaps = 0

    def feed(self, event: Event) -> None:
        self.update, actions = step(self.update, event)
        self.steps += 1
        if self.steps == self.die_at:
            self.update = SoftwareUpdate.from_json(json.loads(json.dumps(self.update.to_json())))
            self.feed(Restarted(self.now))
            return
        for action in actions:
            if isinstance(action, Operation):
                self.perform(action)

    def move(self, event: DeviceEvent) -> None:
        self.device, _ = transition(self.device, event)
        self.model_gaps += not self.device.installed

    def perform(self, operation: Operation) -> None:
        self.log.append(operation)
        if operation is Operation.READ:
            shown = self.version if self.device.installed else None
            self.feed(Observed(self.now, self.device.state, self.device.result, shown, self.device.active))
            return
        if operation in (Operation.OBSERVE, Operation.STOP_TRANSFER):
            return
        events: dict[Operation, DeviceEvent] = {
            Operation.WRITE_PACKAGE: PackageWritten(),
            Operation.WRITE_URI: UriWritten(self.update.package_uri),
            Operation.EXECUTE_INSTALL: InstallExecuted(),
            Operation.EXECUTE_ACTIVATE: ActivateExecuted(),
            Operation.EXECUTE_UNINSTALL: UninstallExecuted(),
            Operation.UNINSTALL_FOR_UPDATE: UninstallExecuted(for_update=True),
        }
        try:
            self.move(events[operation])
        except Refused as refusal:
            self.feed(Failed(self.now, operation, refusal.diagnostic, refusal.code))
            return
        if operation in self.lost:
            self.lost.discard(operation)
            self.feed(Failed(self.now, operation, "timeout"))
        else:
            self.feed(Done(self.now, operation))

    def tick(self) -> None:
        self.now += 10
        self.feed(Tick(self.now))
        match self.device:
            case DeviceSoftware(state=S.DOWNLOAD_STARTED):
                self.move(DownloadDone())
            case DeviceSoftware(state=S.DOWNLOADED):
                self.move(self.download)
                self.download = PackageVerified()
            case DeviceSoftware(installing=True):
                self.move(self.install)
                if isinstance(self.install, InstallOk):
                    self.version = "2.0"
            case _:
                return
        self.feed(Notified(self.now))

    def run(self) -> SoftwareUpdate:
        self.feed(Started(self.now))
        while not self.update.state.is_final:
            self.tick()
            assert self.now < 30_000
        return self.update


EMPTY = DeviceSoftware()
ONE_SLOT = DeviceSoftware(S.INSTALLED, 2, active=True, installed=True)
TWO_SLOTS = replace(ONE_SLOT, takes_beside=True)


@pytest.mark.parametrize("delivery", Delivery)
def test_a_device_with_two_slots_is_never_without_a_model_and_never_told_to_uninstall(delivery: Delivery) -> None:
    world = World(delivery, TWO_SLOTS)
    assert world.run().state is U.SUCCEEDED
    assert world.model_gaps == 0
    assert not [each for each in world.log if "uninstall" in each]
    assert world.device.active


@pytest.mark.parametrize("delivery", Delivery)
def test_a_device_with_one_slot_refuses_and_is_told_once_to_make_room(delivery: Delivery) -> None:
    world = World(delivery, ONE_SLOT)
    assert world.run().state is U.SUCCEEDED
    assert world.log.count("uninstall_for_update") == 1
    assert [each for each in world.log if each.startswith("write")] == [
        "write_package" if delivery is Delivery.PUSH else "write_uri"
    ] * 2


@pytest.mark.parametrize("delivery", Delivery)
@pytest.mark.parametrize("device", [EMPTY, ONE_SLOT, TWO_SLOTS])
@pytest.mark.parametrize("die_at", range(1, 20, 2))
def test_a_server_killed_between_record_and_action_still_ends_the_update_well(
    delivery: Delivery, device: DeviceSoftware, die_at: int
) -> None:
    world = World(delivery, device)
    world.die_at = die_at
    assert world.run().state is U.SUCCEEDED
    assert world.version == "2.0"


@pytest.mark.parametrize("delivery", Delivery)
@pytest.mark.parametrize("lost", [each for each in Operation if each.startswith(("write", "execute_i", "execute_a"))])
def test_a_lost_answer_repeats_nothing_that_was_done(delivery: Delivery, lost: Operation) -> None:
    world = World(delivery, EMPTY)
    world.lost = {lost}
    assert world.run().state is U.SUCCEEDED
    assert world.log.count(lost) <= 1


def test_a_failed_installation_is_a_rollback_where_the_old_model_stayed() -> None:
    assert World(Delivery.PUSH, TWO_SLOTS, install=InstallFailed()).run().state is U.ROLLED_BACK
    failed = World(Delivery.PUSH, ONE_SLOT, install=InstallFailed()).run()
    assert failed.state is U.FAILED
    assert "could not install" in failed.reason


@pytest.mark.parametrize("result", [52, 53])
@pytest.mark.parametrize("delivery", Delivery)
def test_a_failed_download_gets_a_second_chance(delivery: Delivery, result: int) -> None:
    world = World(delivery, TWO_SLOTS)
    world.download = DownloadFailed(result)
    assert world.run().state is U.SUCCEEDED
    assert world.update.attempt == 2


def test_success_always_shows_the_target_installed() -> None:
    """Every short sequence of events after the install command."""
    reads: list[Event] = [
        seen(state, result, version, active)
        for state in (S.INITIAL, S.DELIVERED, S.INSTALLED)
        for result, version in ((2, "1.0"), (2, "2.0"), (58, "1.0"))
        for active in (True, False)
    ]
    events = [*reads, Done(1, Operation.EXECUTE_INSTALL), Done(1, Operation.EXECUTE_ACTIVATE), Registered(1), Tick(20)]
    for sequence in itertools.product(events, repeat=3):
        update = EXECUTING
        for event in sequence:
            update, _ = step(update, event)
            if update.state is U.SUCCEEDED:
                assert isinstance(event, Observed)
                assert (event.state, event.version, event.active) == (S.INSTALLED, "2.0", True)
                break


def test_the_results_that_are_retried_are_the_table_of_the_design() -> None:
    retried = [code for code in SoftwareResult if code >= 50 and step(SENT, seen(S.INITIAL, code))[0].retry]
    assert retried == [SoftwareResult.CONNECTION_LOST, SoftwareResult.INTEGRITY_FAILURE]


@pytest.mark.parametrize("delivery", Delivery)
@pytest.mark.parametrize("code", [*range(48, 64), 255])
def test_only_a_lost_or_damaged_download_is_tried_once_more_and_a_bad_uri_is_pushed(
    delivery: Delivery, code: int
) -> None:
    sent = replace(SENT, delivery=delivery, package_uri="coap://s/t")
    update, actions = step(sent, Observed(100, S.INITIAL, code))
    tried_again = code < 50 or code in (52, 53) or (code == 56 and delivery is Delivery.PULL)
    assert update.state is (U.DOWNLOADING if tried_again else U.FAILED)
    if not tried_again:
        return
    assert (actions, step(update, Tick(update.next_at - 0.001))[1]) == ((), ())
    update, actions = step(update, Tick(update.next_at))
    by_push = delivery is Delivery.PUSH or code == 56
    assert actions == (Operation.WRITE_PACKAGE if by_push else Operation.WRITE_URI,)
    update, _ = step(replace(update, in_flight=None), Observed(200, S.INITIAL, code))
    assert update.state is (U.DOWNLOADING if code < 50 else U.FAILED)  # no code has a third attempt


def test_two_devices_of_a_fleet_do_not_come_back_at_the_same_instant() -> None:
    first, second = (step(replace(SENT, seed=seed), Observed(100, S.INITIAL, 52))[0].next_at for seed in (1, 2))
    assert first != second
    assert 100 <= min(first, second) <= max(first, second) < 100 + TIMING.backoff


@pytest.mark.parametrize("seed", range(30))
def test_every_update_ends_whatever_the_device_says(seed: int) -> None:
    """A device that answers at random, late or never."""
    chance = random.Random(seed)
    update = new_software_update("2.0", Delivery.PULL, 0, package_uri="coap://s/t", seed=seed, timing=TIMING)
    at = 0.0
    queue: list[Event] = [Started(0)]
    while not update.state.is_final:
        update, actions = step(update, queue.pop(0) if queue else Tick(at))
        assert update.state_writes <= MAX_STATE_WRITES
        for action in actions:
            if not isinstance(action, Operation) or chance.random() < 0.1:
                continue
            if action is Operation.READ:
                result, active = chance.choice([0, 1, 2, 3, 50, 52, 53, 56]), chance.choice([True, False, None])
                queue.append(Observed(at, chance.choice(list(S)), result, chance.choice(["1.0", "2.0", None]), active))
            elif chance.random() < 0.7:
                queue.append(Done(at, action))
            else:
                queue.append(Failed(at, action, "4.05", chance.choice([0x84, 0x85, None])))
        if chance.random() < 0.05:
            queue.append(Registered(at))
        at += chance.choice([1, 10, 100, 1000])
        assert at < 14 * 86_400
    assert update.reason


def test_an_update_that_goes_in_circles_is_ended() -> None:
    update = replace(HELD, state_writes=MAX_STATE_WRITES - 1, in_flight=Operation.EXECUTE_INSTALL)
    update, actions = step(update, Done(100, Operation.EXECUTE_INSTALL))
    assert actions == (Finish(U.FAILED, update.reason),)
    assert "28 times without coming to an end" in update.reason
