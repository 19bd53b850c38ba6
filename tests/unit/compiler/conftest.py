"""Makes the builder image's package `compiler` and this folder's helpers importable, and shares the host toolchain."""

import os
import shutil
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[2] / "builders" / "images" / "cortex-m")]


@pytest.fixture(scope="session")
def host_models(tmp_path_factory: pytest.TempPathFactory) -> object:
    """Kernels compiled with the workstation's gcc."""
    from host_model import HostModels

    if shutil.which("gcc") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("gcc is missing in CI")
        pytest.skip("gcc is not installed")
    return HostModels(tmp_path_factory.mktemp("host"))
