"""requirements.lock pins every dependency by hash and names no address."""

import re
from itertools import pairwise
from pathlib import Path

import pytest

PINNED = re.compile(r"^[a-z0-9][a-z0-9._-]*(\[[a-z0-9,_-]+\])?==[^ ;]+( ; .+)? \\$")
HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}( \\)?$")


@pytest.fixture(scope="module")
def lock(root: Path) -> str:
    return (root / "requirements.lock").read_text()


def test_every_requirement_is_pinned_and_hashed(lock: str) -> None:
    lines = [line for line in lock.splitlines() if not line.lstrip().startswith("#")]
    requirements = [(line, following) for line, following in pairwise(lines) if line[0] != " "]
    assert len(requirements) > 100
    assert [line for line, following in requirements if not PINNED.match(line) or not HASH.match(following)] == []


def test_every_other_line_is_a_hash(lock: str) -> None:
    others = [line for line in lock.splitlines() if line.startswith(" ") and not line.lstrip().startswith("#")]
    assert [line for line in others if not HASH.match(line)] == []


def test_no_line_holds_an_address(lock: str) -> None:
    assert [line for line in lock.splitlines() if "://" in line or " @ " in line] == []
