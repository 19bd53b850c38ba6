"""Updates of simulated devices, driven by the pure machines over the real server: every fault has its end."""

import hashlib
from typing import Any

import pytest

from lwm2m.simulator import Fault
from lwm2m.update_progress import Delivery, UpdateState

PACKAGE = b"version:2.0.0\n" + bytes(index * 31 % 251 for index in range(40_000))
SHA = hashlib.sha256(PACKAGE).hexdigest()
U = UpdateState


@pytest.mark.parametrize("delivery", Delivery)
async def test_a_good_device_takes_the_package_byte_for_byte_and_proves_the_version(
    update: Any, delivery: Delivery
) -> None:
    record, device, driver = await update(None, delivery)
    assert record.state is U.SUCCEEDED, record.reason
    assert device.received == [SHA]
    assert device.version == "2.0.0"
    assert driver.log.count("execute_update") == 1


@pytest.mark.parametrize("delivery", Delivery)
@pytest.mark.parametrize(
    ("fault", "state", "words"),
    [
        (Fault.REJECT, U.FAILED, "damaged or its signature"),
        (Fault.WRONG_VERSION, U.FAILED, "0.0.1, not 2.0.0"),
        (Fault.ROLLS_BACK, U.ROLLED_BACK, "keeps the one before"),
        (Fault.VANISH, U.FAILED, "did not come back"),
    ],
)
async def test_a_device_that_answers_2_04_and_rejects_or_does_not_come_back_new_fails_its_update(
    update: Any, delivery: Delivery, fault: Fault, state: UpdateState, words: str
) -> None:
    record, device, _ = await update(fault, delivery)
    assert record.state is state, record.reason
    assert words in record.reason
    # A damaged package is sent twice, everything else once.
    assert device.received == [SHA] * (2 if fault is Fault.REJECT else 1)


@pytest.mark.parametrize("delivery", Delivery)
@pytest.mark.parametrize(
    "fault",
    [
        Fault.DROP_MID_DOWNLOAD,
        Fault.DEFERS,
        Fault.FORGETS,
        Fault.STARTS_DOWNLOADING,
        Fault.NO_NOTIFY,
        Fault.WRONG_FORMAT,
        Fault.MOVES_PORT,
    ],
)
async def test_a_device_that_stumbles_is_updated_all_the_same(update: Any, delivery: Delivery, fault: Fault) -> None:
    record, device, _ = await update(fault, delivery)
    assert record.state is U.SUCCEEDED, record.reason
    assert device.version == "2.0.0"
    assert device.received[-1] == SHA


async def test_a_device_that_answers_garbage_ends_at_the_deadline_and_harms_nobody(update: Any) -> None:
    record, device, _ = await update(Fault.GARBAGE, Delivery.PULL)
    assert record.state is U.FAILED
    assert device.version == "1.0.0"


@pytest.mark.parametrize("delivery", Delivery)
async def test_a_model_is_installed_beside_the_old_one_and_activated(update: Any, delivery: Delivery) -> None:
    record, device, driver = await update(None, delivery, software=True)
    assert record.state is U.SUCCEEDED, record.reason
    assert device.model_version == "2.0.0"
    assert device.version == "1.0.0"
    assert device.received == [SHA]
    assert not [each for each in driver.log if "uninstall" in each]


@pytest.mark.parametrize("delivery", Delivery)
async def test_a_device_with_one_slot_is_told_to_make_room_only_after_it_refused(
    update: Any, delivery: Delivery
) -> None:
    record, device, driver = await update(Fault.ONE_SLOT, delivery, software=True)
    assert record.state is U.SUCCEEDED, record.reason
    assert device.model_version == "2.0.0"
    assert driver.log.count("uninstall_for_update") == 1
    write = "write_package" if delivery is Delivery.PUSH else "write_uri"
    assert [each for each in driver.log if each != "observe"][:3] == [write, "uninstall_for_update", write]


@pytest.mark.parametrize(
    ("fault", "state", "words"),
    [
        (Fault.REJECT, U.FAILED, "damaged or its signature"),
        (Fault.ROLLS_BACK, U.ROLLED_BACK, "could not install"),
        (Fault.WRONG_VERSION, U.FAILED, "0.0.1, not 2.0.0"),
    ],
)
async def test_a_model_that_is_not_the_right_one_is_told_from_a_good_one(
    update: Any, fault: Fault, state: UpdateState, words: str
) -> None:
    record, device, _ = await update(fault, Delivery.PULL, software=True)
    assert record.state is state, record.reason
    assert words in record.reason
    # The old model runs on where the new one was not taken.
    assert device.software.software.active is (fault is not Fault.WRONG_VERSION)
