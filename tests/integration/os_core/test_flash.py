"""The flash driver holds everybody to the rules of NOR flash, and nobody writes the provisioning page."""

import subprocess
from pathlib import Path

import pytest

OK, ARGUMENT, IO = 0, 3, 7
PROVISIONING, END = 0xA10000, 0x1000000


def operate(program: Path, *operations: str) -> list[int]:
    lines = "\n".join(operations)
    done = subprocess.run([program, "flash"], input=lines, capture_output=True, text=True, check=True)
    return [int(line) for line in done.stdout.split()]


def test_a_granule_is_programmed_once_between_two_erasures(program: Path) -> None:
    steps = ["p 4096 32 5", "p 4112 16 5", "p 4096 16 1", "p 4128 16 9", "e 4096 0 0", "p 4096 16 1"]
    assert operate(program, *steps) == [OK, IO, IO, OK, OK, OK]


@pytest.mark.parametrize(
    "operation",
    [
        "e 100 0 0",
        f"e {END} 0 0",
        "p 8 16 0",
        "p 16 8 0",
        f"p {END - 16} 32 0",
        f"p {END + 4096} 16 0",
        f"e {PROVISIONING} 0 0",
        f"p {PROVISIONING + 32} 16 0",
    ],
)
def test_what_is_no_sector_or_granule_or_is_the_provisioning_page_is_refused(program: Path, operation: str) -> None:
    assert operate(program, operation) == [ARGUMENT]
