"""Runs the builder that ships with the server as a process of this machine, when no Docker Engine answers.

It has limits but no walls: it sees the network and the file system. So it takes the shipped builder and nothing else.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, cast

from builders.contract import parse_manifest
from builders.errors import ImageNotFoundError
from builders.follow import follow
from builders.image import SHIPPED, context_digest
from builders.output import Exit, judge, judge_estimate, read_directory, too_large
from builders.runner import MEBIBYTE, ResolvedBuilder

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping
    from io import BufferedReader

    from builders.contract import Estimate
    from builders.runner import BuildOutput, Limits, Order

REFERENCE = "local/cortex-m"
_CONFINE = Path(__file__).with_name("confine.py")


class _Process:
    """A builder's process and its session; a `follow.Running`."""

    def __init__(
        self, arguments: list[str], *, work: Path, out: Path, environment: dict[str, str], limits: Limits
    ) -> None:
        self._out = out
        self._limits = limits
        confinement = {
            "memory_bytes": limits.memory_bytes,
            "cpu_seconds": int(limits.seconds * limits.cpus) + 1,
            # Beyond the limit, so that a file cut short by it is seen to be too large.
            "file_bytes": limits.output_bytes + MEBIBYTE,
            "parent": os.getpid(),
        }
        self._process = subprocess.Popen(
            [sys.executable, "-I", str(_CONFINE), json.dumps(confinement), sys.executable, *arguments],
            cwd=work,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def log(self) -> Iterator[bytes]:
        pipe = cast("BufferedReader", self._process.stdout)
        # Read and closed in this thread alone: closing it in another would wait for a process that holds it open.
        with pipe:
            # read1: what is there, instead of waiting for a full buffer.
            yield from iter(lambda: pipe.read1(65_536), b"")

    def poll(self) -> Exit | None:
        if self._process.returncode is None:
            # WNOWAIT: a process that is not waited for keeps its number, so that `_signal` cannot hit a stranger.
            if os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                self._check_output()
                return None
            self.end()
        return Exit(self._process.returncode)

    def _check_output(self) -> None:
        # No kernel bounds this folder as a whole: one file is bounded by RLIMIT_FSIZE, their number and sum by looking.
        with os.scandir(self._out) as entries:
            sizes = [entry.stat(follow_symlinks=False).st_size for entry in entries]
        if len(sizes) > self._limits.output_files or sum(sizes) > self._limits.output_bytes:
            raise too_large(self._limits)

    def terminate(self) -> None:
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self._process.returncode is None:
            os.killpg(self._process.pid, number)

    def end(self) -> None:
        """Leave no process behind."""
        self.kill()
        self._process.wait()


class LocalRunner:
    """A `BuilderRunner` for the shipped builder alone; `folder` holds a folder for each running build."""

    def __init__(self, folder: Path, *, source: Path = SHIPPED) -> None:
        self._folder = folder
        self._source = source

    def inspect(self, reference: str) -> ResolvedBuilder:
        """See `BuilderRunner.inspect`; it knows `local/cortex-m` alone, and the id is the hash of that folder."""
        if reference != REFERENCE:
            raise _no_engine(reference)
        manifest = parse_manifest((self._source / "manifest.json").read_bytes())
        return ResolvedBuilder(reference, self._image_id(), None, manifest)

    def _image_id(self) -> str:
        return f"sha256:{context_digest(self._source)}"

    def run(self, order: Order) -> BuildOutput:
        """See `BuilderRunner.run`; what a dead server ran died with it, so there is nothing to take over."""
        began = time.monotonic()
        ended, files = self._ended(order)
        return judge(ended, files, seconds=time.monotonic() - began)

    def estimate(self, order: Order) -> Estimate:
        """See `BuilderRunner.estimate`."""
        return judge_estimate(*self._ended(order))

    def _ended(self, order: Order) -> tuple[Exit, Mapping[str, bytes]]:
        if order.image_id != self._image_id():
            raise _no_engine(order.image_id)
        self._folder.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=self._folder, prefix="build-"))
        try:
            (folder / "job").write_text(order.job_id, encoding="utf-8")
            for name in ("in", "out", "work"):
                (folder / name).mkdir()
            for name, content in order.build_input.files().items():
                (folder / "in" / name).write_bytes(content)
            return self._run_in(folder, order)
        finally:
            shutil.rmtree(folder)

    def _run_in(self, folder: Path, order: Order) -> tuple[Exit, Mapping[str, bytes]]:
        process = _Process(
            # -E -s: what the server's environment names does not get into the builder; its own folder does.
            [
                "-E",
                "-s",
                "-B",
                "-u",  # its log is live
                str(self._source / "build.py"),
                "--in",
                str(folder / "in"),
                "--out",
                str(folder / "out"),
            ],
            work=folder / "work",
            out=folder / "out",
            environment={
                "PATH": os.environ.get("PATH", os.defpath),
                "HOME": str(folder / "work"),
                "TMPDIR": str(folder / "work"),
                "SOURCE_DATE_EPOCH": str(order.build_input.source_date_epoch()),
            },
            limits=order.limits,
        )
        try:
            ended = follow(process, seconds=order.limits.seconds, on_log=order.on_log, cancelled=order.cancelled)
        finally:
            process.end()
        return ended, read_directory(folder / "out", order.limits)

    def close(self) -> None:
        """See `BuilderRunner.close`: a build leaves nothing behind it."""

    def reap(self, live: Container[str]) -> list[str]:
        """See `BuilderRunner.reap`."""
        reaped = []
        for note in sorted(self._folder.glob("build-*/job")):
            job_id = note.read_text(encoding="utf-8")
            if job_id not in live:
                shutil.rmtree(note.parent)
                reaped.append(job_id)
        return sorted(set(reaped))


def _no_engine(reference: str) -> ImageNotFoundError:
    return ImageNotFoundError(
        f"{reference[:80]} cannot run without a Docker Engine; only {REFERENCE}, as it is now, can.",
        remedy="Start a Docker Engine (systemctl start docker, or dockerd), or build with the shipped builder.",
    )
