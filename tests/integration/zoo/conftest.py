"""One training that the tests of the worker share: its folder has the model, and its job says how to make it again."""

import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.digits import SMALL_RECIPE, write_snapshot
from zoo.training import supervisor
from zoo.training.job import Job, Outcome, Parent

MEMORY_BYTES = 2 * 1024**3


@dataclass(frozen=True)
class Workshop:
    """A snapshot, and jobs on it."""

    folder: Path
    snapshot: Path
    snapshot_sha256: str

    def job(self, kind: str, recipe: dict[str, Any] | None, parent: Parent | None = None, **more: Any) -> Job:
        """A job on the snapshot."""
        limits = {"memory_bytes": MEMORY_BYTES, "seconds": 120, **more}
        return Job(kind, str(self.snapshot), self.snapshot_sha256, recipe, parent, **limits)

    def run(self, job: Job, name: str) -> Outcome:
        """Carry a job out."""
        return supervisor.run(job, self.folder / name, report=lambda _: None, cancelled=lambda: False)

    def parent(self, name: str, outcome: Outcome) -> Parent:
        """What came out of a job, to start from."""
        files = {form: str(self.folder / name / file) for form, file in outcome.files.items()}
        return Parent(
            int8=files["int8"],
            keras=files["keras"],
            float32=files["float32"],
            recipe=outcome.recipe or {},
            scaling=outcome.scaling,
            labels=outcome.labels,
        )


@pytest.fixture(scope="session")
def tensorflow() -> None:
    """Only the processes that train import it."""
    if importlib.util.find_spec("tensorflow") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("TensorFlow is missing: install the extra `training`")
        pytest.skip("TensorFlow is not installed")


@pytest.fixture(scope="session")
def workshop(
    tensorflow: None,  # noqa: ARG001 - asked for, so that it is there or the test is skipped
    tmp_path_factory: pytest.TempPathFactory,
) -> Workshop:
    folder = tmp_path_factory.mktemp("workshop")
    return Workshop(folder, folder / "digits", write_snapshot(folder / "digits"))


@pytest.fixture(scope="session")
def trained(workshop: Workshop) -> Outcome:
    """The small recipe, undisturbed, in the folder `trained`."""
    return workshop.run(workshop.job("centralised", SMALL_RECIPE), "trained")
