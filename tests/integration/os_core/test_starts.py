"""Every start has a number that no start before had, also when the count was damaged: random numbers follow from it."""

import subprocess
from pathlib import Path


def numbers(program: Path, *lines: str) -> list[int]:
    done = subprocess.run([program, "starts"], input="\n".join(lines), capture_output=True, text=True, check=True)
    return [int(line) for line in done.stdout.split()]


def test_starts_are_counted_from_manufacture(program: Path) -> None:
    assert numbers(program, *"sss") == [1, 2, 3]


def test_a_count_that_cannot_be_read_goes_on_where_no_start_was(program: Path) -> None:
    found = numbers(program, *"sss", "d 0", *"ss", "d 0", *"ss", "d 15", *"ss")
    assert len(set(found)) == len(found) == 9
    assert found[:3] == [1, 2, 3]
    assert min(found[3:]) >= 2**63
    assert found[4] == found[3] + 1


def test_a_first_start_that_lost_its_power_is_the_first_one_still(program: Path) -> None:
    """One copy is half written, the other as it left manufacture."""
    done = subprocess.run([program, "starts"], input="s", capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"
