"""A checkpoint is whole or absent, and of its own job."""

from pathlib import Path

import numpy as np

from zoo.training import checkpoint
from zoo.training.checkpoint import State
from zoo.training.job import Job, Parent


def test_a_state_comes_back_as_it_was(tmp_path: Path) -> None:
    state = State(
        epoch=4,
        history=[{"epoch": 1.0, "loss": 0.1 + 0.2}],
        variables=[np.array([1 / 3], np.float32), np.array(7, np.int64), np.zeros((2, 3), np.uint32)],
        best=[np.array([0.5])],
        best_loss=0.25,
        waited=2,
    )
    checkpoint.save(tmp_path / "checkpoint.npz", state, "key")
    found = checkpoint.load(tmp_path / "checkpoint.npz", "key")
    assert found is not None
    assert (found.epoch, found.history, found.best_loss, found.waited) == (4, state.history, 0.25, 2)
    for before, after in zip([*state.variables, *state.best], [*found.variables, *found.best], strict=True):
        assert (before.dtype, before.shape, before.tobytes()) == (after.dtype, after.shape, after.tobytes())
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.npz"]


def test_a_checkpoint_of_another_job_is_not_taken(tmp_path: Path) -> None:
    assert checkpoint.load(tmp_path / "checkpoint.npz", "key") is None
    checkpoint.save(tmp_path / "checkpoint.npz", State(epoch=1), "key")
    assert checkpoint.load(tmp_path / "checkpoint.npz", "another") is None


def test_what_determines_the_numbers_is_in_the_key_and_what_does_not_is_not() -> None:
    parent = Parent("/a/1", "/a/2", None, {"layers": []}, None, [])
    job = Job("transfer", "/data/x", "ab", {"epochs": 1}, parent, 1, 1)
    assert Job.parse(job.to_json()) == job
    moved = Job("transfer", "/elsewhere/x", "ab", {"epochs": 1}, parent, 2, 2)
    assert moved.key() == job.key()
    assert Job("transfer", "/data/x", "cd", {"epochs": 1}, parent, 1, 1).key() != job.key()
    assert Job("transfer", "/data/x", "ab", {"epochs": 2}, parent, 1, 1).key() != job.key()
    other = Parent("/a/1", "/a/3", None, {"layers": []}, None, [])
    assert Job("transfer", "/data/x", "ab", {"epochs": 1}, other, 1, 1).key() != job.key()
