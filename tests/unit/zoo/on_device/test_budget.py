"""What a device may spend: steps, memory, battery, as the kernel's files tell it."""

from pathlib import Path

import pytest

from zoo.training.on_device.budget import Budget, battery_percent, resident_bytes


def _supply(folder: Path, name: str, **attributes: str) -> None:
    (folder / name).mkdir()
    for attribute, value in attributes.items():
        (folder / name / attribute).write_text(value + "\n")


@pytest.mark.parametrize(
    ("supplies", "level"),
    [
        ({}, None),
        ({"BAT0": {"type": "Battery", "capacity": "41"}}, 41),
        ({"BAT0": {"type": "Battery", "capacity": "41"}, "BAT1": {"type": "Battery", "capacity": "12"}}, 12),
        ({"AC": {"type": "Mains", "online": "1"}, "BAT0": {"type": "Battery", "capacity": "3"}}, None),
        ({"AC": {"type": "Mains", "online": "0"}, "BAT0": {"type": "Battery", "capacity": "3"}}, 3),
        ({"mouse": {"type": "Battery", "scope": "Device", "capacity": "5"}}, None),
        ({"BAT0": {"type": "Battery"}}, None),
        ({"BAT0": {"type": "Battery", "capacity": "a lot"}}, None),
    ],
)
def test_the_battery_is_that_which_feeds_the_device(
    tmp_path: Path, supplies: dict[str, dict[str, str]], level: int | None
) -> None:
    for name, attributes in supplies.items():
        _supply(tmp_path, name, **attributes)
    assert battery_percent(tmp_path) == level


def test_a_machine_without_power_supplies_is_on_the_mains(tmp_path: Path) -> None:
    assert battery_percent(tmp_path / "none") is None
    assert Budget(battery_min_percent=100, power_supply=tmp_path / "none").forbidden() is None


def test_003_8_steps_memory_and_battery_end_a_training_each_with_its_reason(tmp_path: Path) -> None:
    budget = Budget(max_steps=2)
    assert [budget.spend() for _ in range(3)] == [None, None, "the budget of 2 steps is spent"]
    assert budget.exhausted
    used = resident_bytes() // (1 << 20)
    assert Budget(max_memory_mb=1).spend() == f"the process uses {used} MB of memory, and 1 MB are allowed"
    assert Budget(max_memory_mb=used + 100).spend() is None
    _supply(tmp_path, "BAT0", type="Battery", capacity="19")
    assert (
        Budget(battery_min_percent=20, power_supply=tmp_path).spend()
        == "the battery is at 19 %, and training needs 20 %"
    )
    assert Budget(battery_min_percent=19, power_supply=tmp_path).spend() is None


def test_a_battery_that_runs_low_in_the_middle_is_seen_within_a_few_steps(tmp_path: Path) -> None:
    _supply(tmp_path, "BAT0", type="Battery", capacity="80")
    budget = Budget(battery_min_percent=20, power_supply=tmp_path)
    assert budget.spend() is None
    (tmp_path / "BAT0" / "capacity").write_text("10\n")
    taken = 0
    while budget.spend() is None:
        taken += 1
        assert taken < 20
