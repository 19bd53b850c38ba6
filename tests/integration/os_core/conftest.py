"""The core of the device OS as a program of this machine, and real firmware of the builder, each made once."""

import os
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from tests.support import os_core
from tests.support.os_core import Core, compile_core, firmware, make_key


@pytest.fixture(scope="session")
def libraries() -> None:
    """What the core is linked with, and a compiler."""
    why = os_core.missing() or (None if shutil.which("gcc") else "needs gcc: tools/setup test installs it")
    if why is not None:
        assert "CI" not in os.environ, why
        pytest.skip(why)


@pytest.fixture(scope="session")
def program(libraries: None, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: ARG001 - it is needed, and has no value
    return compile_core(tmp_path_factory.mktemp("core"))


@pytest.fixture
def core(program: Path, tmp_path: Path) -> Core:
    return Core(program, tmp_path, make_key())


@pytest.fixture(scope="session")
def build(
    libraries: None,  # noqa: ARG001 - it is needed, and has no value
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str], firmware.Build]:
    """build(name of a model of the zoo)."""

    @cache
    def make(name: str) -> firmware.Build:
        return firmware.build(tmp_path_factory.mktemp(name), name)

    return make
