"""The training worker, `python -m zoo.training.worker FOLDER`: carries out the job in a folder, under limits.

Reads job.json; writes checkpoints, the model's files, and at last result.json or error.json. Standard output: one line
of JSON for each epoch. Standard error: what libraries say. A folder has one worker at a time; a worker dies with the
process that started it, and the next one goes on from the checkpoint.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

from zoo.datasets import snapshot
from zoo.errors import ZooError
from zoo.training.data import TrainingData
from zoo.training.errors import DataError
from zoo.training.job import ERROR, JOB, LOCK, RESULT, Job
from zoo.training.kinds import KINDS, carry_out
from zoo.training.recipe import parse_recipe
from zoo.training.work import Work

MAX_FILE_BYTES = 1 << 30
LOCK_SECONDS = 10.0
_PR_SET_PDEATHSIG = 1


def main(folder: Path, parent: int) -> int:
    """Carry the job out; 0 with a result, 1 with an error that was written down."""
    _die_with(parent)
    # Native code prints to descriptor 1 as it likes; progress goes out on a copy that it does not know.
    with os.fdopen(os.dup(1), "w") as progress, (folder / LOCK).open("w") as lock:
        os.dup2(2, 1)
        _take(lock)
        job = Job.parse((folder / JOB).read_text(encoding="utf-8"))
        _limit_files_and_time(job)
        try:
            outcome = _carry_out(job, folder, progress)
        except ZooError as error:
            _write(folder / ERROR, json.dumps(_told(error)))
            return 1
        except Exception as error:
            # TensorFlow's own error is known by its name: it may not be imported at all.
            if not isinstance(error, MemoryError) and type(error).__name__ != "ResourceExhaustedError":
                raise
            _write(folder / ERROR, json.dumps(_out_of_memory(job)))
            return 1
        _write(folder / RESULT, outcome)
        return 0


def _carry_out(job: Job, folder: Path, progress: TextIO) -> str:
    data = TrainingData.of(snapshot.load(Path(job.snapshot), job.snapshot_sha256))
    recipe = None if job.recipe is None else parse_recipe(job.recipe)
    if not len(data.samples):
        raise DataError("The data set is empty.")

    def report(figures: Mapping[str, float]) -> None:
        progress.write(json.dumps(figures) + "\n")
        progress.flush()

    if KINDS[job.kind].tensorflow:
        from zoo.training.loop import make_deterministic  # TensorFlow: seconds; a refusal above does not wait for it

        make_deterministic()
    _limit_memory(job)
    work = Work(
        data=data,
        recipe=recipe,
        parent=job.parent,
        folder=folder,
        key=job.key(),
        report=report,
        offload=job.offload,
        trainable=job.trainable,
        federated=job.federated,
    )
    return carry_out(job.kind, work).to_json()


def _told(error: ZooError) -> dict[str, str | None]:
    return {
        "slug": error.code,
        "detail": str(error),
        "remedy": error.remedy,
        "field": error.field,
    }


def _out_of_memory(job: Job) -> dict[str, str | None]:
    return {
        "slug": "training_limit",
        "detail": f"The training needs more than {job.memory_bytes} bytes of memory.",
        "remedy": "Take a smaller network, a smaller batch or less data.",
        "field": None,
    }


def _die_with(parent: int) -> None:
    """Be killed when the parent is; it may have been between our start and this call."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
    if os.getppid() != parent:
        sys.exit("the process that started this worker is gone")


def _take(lock: TextIO) -> None:
    """One worker for a folder: a killed one may take a moment to be gone."""
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                sys.exit("another worker is at work in this folder")
            time.sleep(0.05)
        else:
            return


def _limit_files_and_time(job: Job) -> None:
    # The soft limit sends SIGXCPU, which says what happened; at the hard one the kernel kills. Import and conversion
    # run on as many threads as they like.
    seconds = job.seconds * (os.cpu_count() or 1)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_FILE_BYTES, MAX_FILE_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _limit_memory(job: Job) -> None:
    """On top of what the process maps once TensorFlow is there, which is gigabytes of address space."""
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limit = mapped + job.memory_bytes
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _write(path: Path, text: str) -> None:
    """Whole or absent, also after a power cut."""
    new = path.with_suffix(".new")
    with new.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
