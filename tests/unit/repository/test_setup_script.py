"""tools/setup says what it would do on machines that lack this or that, without doing it."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

BASICS = ("bash", "cat", "cut", "dirname", "grep", "id", "mkdir", "printf", "sha256sum")


@pytest.fixture
def empty_machine(tmp_path: Path, root: Path) -> Path:
    """A copy of the repository's set-up on a machine that has a shell and nothing else."""
    (tmp_path / "repository" / "tools").mkdir(parents=True)
    for name in ("tools/setup", "requirements.lock", "pyproject.toml"):
        shutil.copy2(root / name, tmp_path / "repository" / name)
    (tmp_path / "bin").mkdir()
    for name in BASICS:
        program = shutil.which(name)
        assert program is not None
        (tmp_path / "bin" / name).symlink_to(program)
    return tmp_path


def _setup(machine: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(machine / "repository" / "tools" / "setup"), *arguments],
        env={"PATH": str(machine / "bin"), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_dry_run_for_the_demo_names_what_it_would_install_and_leaves_the_browser_out(empty_machine: Path) -> None:
    done = _setup(empty_machine, "demo", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "qemu-system-arm" in done.stdout
    assert "Would make .venv" in done.stdout
    assert "chromium" not in done.stdout
    assert "npm" not in done.stdout
    assert not (empty_machine / "repository" / ".venv").exists()


def test_a_dry_run_for_the_tests_adds_compiler_and_browser(empty_machine: Path) -> None:
    done = _setup(empty_machine, "test", "--dry-run")
    assert done.returncode == 0, done.stderr
    for package in ("gcc-arm-none-eabi", "libnewlib-arm-none-eabi", "chromium"):
        assert package in done.stdout


def test_a_dry_run_for_the_pages_fetches_tensorflow_js_and_needs_npm_alone(empty_machine: Path) -> None:
    done = _setup(empty_machine, "web", "--dry-run")
    assert done.returncode == 0, done.stderr
    lines = [line.partition("s  ")[2] for line in done.stdout.splitlines()]
    assert lines[0] == "Would run: apt-get install --no-install-recommends npm"
    assert lines[1].startswith("Would fetch @tensorflow/tfjs@")
    assert len(lines) == 2


def test_a_machine_without_a_fitting_python_is_told_the_line_to_run(empty_machine: Path) -> None:
    done = _setup(empty_machine, "python", PYTHON="/nonexistent/python3.11")
    assert done.returncode == 1
    assert "Python 3.11, 3.12 or 3.13 is needed" in done.stderr
    assert "apt-get install -y python3 python3-venv" in done.stderr


def test_an_unknown_word_is_refused_with_the_usage() -> None:
    script = Path(__file__).parents[3] / "tools" / "setup"
    done = subprocess.run([str(script), "everything"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Usage: tools/setup" in done.stderr


@pytest.mark.parametrize("script", ["tools/setup", ".ci/run"])
def test_scripts_can_be_run(root: Path, script: str) -> None:
    assert os.access(root / script, os.X_OK)
