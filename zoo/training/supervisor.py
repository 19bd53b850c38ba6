"""Runs a training worker from a process that knows no TensorFlow: starts it, hears its epochs, ends it when asked."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from zoo.training.errors import CancelledTraining, LimitError, TrainingError, WorkerError, WorkerKilled
from zoo.training.job import ERROR, JOB, RESULT, Job, Outcome

POLL_SECONDS = 0.2
"""How long a cancellation waits at most before it is seen."""
MAX_LINE_BYTES = 64 * 1024
_STDERR_TAIL_BYTES = 4096
_ROOT = Path(__file__).parents[2]

Report = Callable[[list[dict[str, float]]], None]
"""Hears the epochs that have ended since it was called last, one or several."""


class ReportedError(TrainingError):
    """What the worker wrote down: `slug` is the code of the error that it met."""

    code = "training_failed"
    default_remedy = "Read the message."

    def __init__(self, told: dict[str, Any]) -> None:
        super().__init__(told["detail"], field=told.get("field"), remedy=told["remedy"])
        self.slug: str = told["slug"]


def run(
    job: Job,
    folder: Path,
    *,
    report: Report,
    cancelled: Callable[[], bool],
) -> Outcome:
    """Carry the job out in `folder`, where an earlier attempt may have left a checkpoint or the result.

    `report` hears every epoch, also those that an earlier attempt reported. Raises CancelledTraining within
    POLL_SECONDS of `cancelled`, ReportedError for what the worker refused, and LimitError, WorkerKilled or WorkerError
    for how it ended otherwise.
    """
    folder.mkdir(parents=True, exist_ok=True)
    result = folder / RESULT
    if result.exists():
        return Outcome.parse(result.read_text(encoding="utf-8"))
    (folder / ERROR).unlink(missing_ok=True)
    new = folder / "job.new"
    new.write_text(job.to_json(), encoding="utf-8")
    new.replace(folder / JOB)
    with (folder / "stderr").open("wb") as stderr:
        worker = subprocess.Popen(
            [sys.executable, "-m", "zoo.training.worker", str(folder.resolve()), str(os.getpid())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            cwd=_ROOT,  # so that -m finds this very package
            env=environment(),
        )
    try:
        _follow(worker, job.seconds, report, cancelled)
        returncode = worker.wait()
    finally:
        worker.kill()
        worker.wait()
        if worker.stdout is not None:
            worker.stdout.close()
    if returncode == 0 and result.exists():
        return Outcome.parse(result.read_text(encoding="utf-8"))
    raise _explained(returncode, folder, job)


def _follow(
    worker: subprocess.Popen[bytes],
    seconds: int,
    report: Report,
    cancelled: Callable[[], bool],
) -> None:
    """Until the worker closes its output."""
    assert worker.stdout is not None  # noqa: S101 - a pipe was asked for; this is for the type checker
    deadline = time.monotonic() + seconds
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(worker.stdout, selectors.EVENT_READ)
        while True:
            if cancelled():
                raise CancelledTraining("The training was cancelled.")
            if time.monotonic() > deadline:
                raise LimitError(f"The training took more than {seconds} seconds.")
            if not selector.select(POLL_SECONDS):
                continue
            piece = os.read(worker.stdout.fileno(), MAX_LINE_BYTES)
            if not piece:
                return
            *lines, rest = (rest + piece).split(b"\n")
            if len(rest) > MAX_LINE_BYTES:
                raise WorkerError("The worker wrote a line without an end.")
            if lines:
                report([json.loads(line) for line in lines])


def environment() -> dict[str, str]:
    """What a process with TensorFlow gets: nothing of the server's environment, which may hold keys.

    No GPU: its kernels are not reproducible.
    """
    return {
        "PATH": os.defpath,
        "HOME": os.devnull,
        "CUDA_VISIBLE_DEVICES": "-1",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        # Its kernels differ from machine to machine more than Eigen's.
        "TF_ENABLE_ONEDNN_OPTS": "0",
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
    }


def _explained(returncode: int, folder: Path, job: Job) -> TrainingError:
    error = folder / ERROR
    if error.exists():
        return ReportedError(json.loads(error.read_text(encoding="utf-8")))
    if returncode == -signal.SIGXCPU:
        return LimitError(f"The training took more than {job.seconds} seconds of each processor.")
    with (folder / "stderr").open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - _STDERR_TAIL_BYTES))
        said = " ".join(file.read().decode("utf-8", "replace").split())[-500:]
    if "MemoryError" in said or "bad_alloc" in said:
        return LimitError(f"The training needs more than {job.memory_bytes} bytes of memory.")
    if returncode == -signal.SIGKILL:
        return WorkerKilled("The worker was killed.")
    how = f"exit code {returncode}" if returncode >= 0 else signal.Signals(-returncode).name
    return WorkerError(f"The worker ended with {how}: {said or 'it said nothing'}")
