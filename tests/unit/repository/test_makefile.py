"""`make` explains every target of the Makefile."""

import re
import subprocess
from pathlib import Path


def _targets(makefile: str) -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))


def _help(root: Path) -> dict[str, str]:
    text = subprocess.run(["make", "-C", str(root)], capture_output=True, text=True, check=True).stdout
    return dict(re.findall(r"^  ([a-z-]+) +(\S.*)$", text, re.MULTILINE))


def test_help_explains_every_target_and_nothing_else(root: Path) -> None:
    targets = _targets((root / "Makefile").read_text())
    assert targets >= {"help", "setup", "demo", "serve", "test", "check", "format", "bench", "lock", "clean"}
    assert set(_help(root)) == targets


def test_every_target_is_phony(root: Path) -> None:
    # A folder of the same name (bench/) would otherwise make make answer "up to date" and do nothing.
    makefile = (root / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    assert phony is not None
    assert set(phony[1].split()) == _targets(makefile)


def test_keep_reaches_the_demo_only_when_it_is_set(root: Path) -> None:
    def commands(*assignments: str) -> str:
        argv = ["make", "-C", str(root), "--dry-run", "demo", *assignments]
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout

    assert "tinymlaas demo --keep" in commands("KEEP=1")
    assert "--keep" not in commands()
    assert "--keep" not in commands("KEEP=0")
