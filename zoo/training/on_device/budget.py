"""What a device may spend on training: steps, memory, and no battery below a level."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

POWER_SUPPLY = Path("/sys/class/power_supply")
LOOK_EVERY = 16
"""Steps between two looks at memory and battery: each look reads files."""
_MIB = 1 << 20


@dataclass
class Budget:
    """Steps that are left, and the limits; None is no limit. `steps` counts what was spent."""

    max_steps: int | None = None
    max_memory_mb: int | None = None
    battery_min_percent: int | None = None
    power_supply: Path = POWER_SUPPLY
    steps: int = 0

    @property
    def exhausted(self) -> bool:
        """Whether no step is left, whatever memory and battery say."""
        return self.max_steps is not None and self.steps >= self.max_steps

    def spend(self) -> str | None:
        """Take one step; or why it may not be taken."""
        if self.exhausted:
            return f"the budget of {self.max_steps} steps is spent"
        if self.steps % LOOK_EVERY == 0 and (reason := self.forbidden()) is not None:
            return reason
        self.steps += 1
        return None

    def forbidden(self) -> str | None:
        """Why nothing may be trained now, whatever the steps; None when it may."""
        if self.max_memory_mb is not None and (used := resident_bytes()) > self.max_memory_mb * _MIB:
            return f"the process uses {used // _MIB} MB of memory, and {self.max_memory_mb} MB are allowed"
        if self.battery_min_percent is not None:
            level = battery_percent(self.power_supply)
            if level is not None and level < self.battery_min_percent:
                return f"the battery is at {level} %, and training needs {self.battery_min_percent} %"
        return None


def resident_bytes() -> int:
    """What this process occupies."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def battery_percent(power_supply: Path = POWER_SUPPLY) -> int | None:
    """The level of the emptiest battery that supplies the device; None on a mains supply, or without a battery.

    See Documentation/ABI/testing/sysfs-class-power of Linux: `type` is Battery or Mains among others, `online` is 1 for
    a supply in use, `capacity` is in percent, `status` is Discharging when the battery feeds the device.
    """
    levels = []
    for supply in sorted(power_supply.glob("*")):
        kind = _read(supply / "type")
        if kind in {"Mains", "USB"} and _read(supply / "online") == "1":
            return None
        if kind == "Battery" and _read(supply / "scope") != "Device":  # a mouse's battery does not feed the machine
            capacity = _read(supply / "capacity")
            if capacity.isdecimal():
                levels.append(int(capacity))
    return min(levels, default=None)


def _read(path: Path) -> str:
    """One attribute; a supply need not have it, and one that is pulled is gone between two reads."""
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return ""
