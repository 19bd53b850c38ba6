"""Reads what an untrusted builder left in /out, within bounds, and judges it."""

from __future__ import annotations

import hashlib
import io
import os
import re
import signal
import stat
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from builders.contract import RESULT_FILE, Estimate, Failure, Success, parse_result
from builders.errors import (
    BadResultError,
    BuilderCrashedError,
    BuildRefusedError,
    DockerUnavailableError,
    HashMismatchError,
    NoResultError,
    OutOfMemoryError,
    OutputNotRegularError,
    OutputTooLargeError,
)
from builders.runner import BuildOutput

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from builders.runner import Limits

_NAME = re.compile(r"[A-Za-z0-9._-]{1,128}", re.ASCII)
_CONTRACT = "docs/reference/builder-contract.md"
# An archive has headers beside the files' bytes; a Go writer adds extended headers of a few hundred bytes at times.
_HEADER_BYTES = 8 * 1024


@dataclass(frozen=True)
class Exit:
    """How a builder's process ended."""

    code: int
    out_of_memory: bool = False


class OutputReader:
    """Collects files under the limits; every way in goes through `admit`, before a byte is read."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._bytes = 0
        self._entries = 0
        self.files: dict[str, bytes] = {}

    def admit(self, name: str, size: int, *, regular: bool, kind: str) -> None:
        """Refuse an entry that is no regular file, has a name outside the contract, or is one too many or too large."""
        self._entries += 1
        self._bytes += size
        if self._entries > self._limits.output_files:
            raise too_large(self._limits)
        if not regular:
            raise OutputNotRegularError(
                f"/out holds {printable(name)}, which is {kind}.",
                remedy=f"Write regular files only, without links, into /out itself ({_CONTRACT}).",
            )
        if _NAME.fullmatch(name) is None or name in {".", ".."}:
            raise OutputNotRegularError(
                f"/out holds a file named {printable(name)}.",
                remedy=f"Use letters, digits, '.', '_' and '-', at most 128 of them ({_CONTRACT}).",
            )
        if self._bytes > self._limits.output_bytes:
            raise too_large(self._limits)


def too_large(limits: Limits) -> OutputTooLargeError:
    """The error of a builder that wrote more than it may."""
    return OutputTooLargeError(
        f"The builder wrote more than {limits.output_bytes} bytes or {limits.output_files} files to /out.",
        remedy="Write only result.json and the image files to /out, and scratch files to /work.",
    )


def printable(name: str) -> str:
    """A stranger's file name, short and quoted, safe in a message."""
    return ascii(name[:80])


class _ChunkReader(io.RawIOBase):
    """A file over an iterator of chunks that stops a stream which is longer than any admissible output."""

    def __init__(self, chunks: Iterator[bytes], max_bytes: int) -> None:
        super().__init__()
        self._chunks = chunks
        self._left = max_bytes
        self._buffer = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while not self._buffer:
            chunk = next(self._chunks, None)
            if chunk is None:
                return b""
            self._left -= len(chunk)
            if self._left < 0:
                raise _TooLongError
            self._buffer = chunk
        end = len(self._buffer) if size < 0 else size
        data, self._buffer = self._buffer[:end], self._buffer[end:]
        return data


class _TooLongError(Exception):
    """The archive is longer than the limits allow."""


def read_tar(chunks: Iterator[bytes], limits: Limits) -> dict[str, bytes]:
    """Read the archive of a folder as a stream. The first entry is the folder itself, the others are inside it."""
    reader = OutputReader(limits)
    stream = _ChunkReader(chunks, limits.output_bytes + _HEADER_BYTES * (limits.output_files + 16))
    try:
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            for index, member in enumerate(archive):
                if index == 0 and member.isdir():
                    continue
                name = member.name.partition("/")[2]
                # Only the plain types: a sparse member claims a size that the archive does not hold.
                regular = member.type in {tarfile.REGTYPE, tarfile.AREGTYPE}
                reader.admit(name, member.size, regular=regular, kind=_tar_kind(member))
                content = archive.extractfile(member)
                if content is None:
                    raise OutputNotRegularError(
                        f"/out holds {printable(name)}, which has no content.", remedy="Write regular files only."
                    )
                reader.files[name] = content.read()
    except _TooLongError:
        raise too_large(limits) from None
    except tarfile.TarError as problem:
        raise DockerUnavailableError(
            f"The engine's archive of /out is damaged: {problem}", remedy="Run the build again."
        ) from problem
    return reader.files


def _tar_kind(member: tarfile.TarInfo) -> str:
    for test, kind in (
        (member.issym(), "a symbolic link"),
        (member.islnk(), "a hard link"),
        (member.isfifo(), "a named pipe"),
        (member.isdir(), "a folder"),
        (member.ischr() or member.isblk(), "a device"),
    ):
        if test:
            return kind
    return "no regular file"


def read_directory(path: Path, limits: Limits) -> dict[str, bytes]:
    """Read a folder that nothing writes to any more, following no link."""
    reader = OutputReader(limits)
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        for name in sorted(os.listdir(folder)):  # noqa: PTH208 - a descriptor, so that the folder cannot be swapped
            before = os.stat(name, dir_fd=folder, follow_symlinks=False)
            _admit_status(reader, name, before)
            # What is opened is checked again: O_NONBLOCK keeps a pipe, O_NOFOLLOW a link from doing harm in between.
            file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
            with os.fdopen(file, "rb") as content:
                if not os.path.samestat(before, os.fstat(file)):
                    raise OutputNotRegularError(
                        f"/out's file {printable(name)} was replaced while it was read.", remedy="Run the build again."
                    )
                reader.files[name] = content.read(before.st_size)
    finally:
        os.close(folder)
    return reader.files


def _admit_status(reader: OutputReader, name: str, status: os.stat_result) -> None:
    regular = stat.S_ISREG(status.st_mode) and status.st_nlink == 1
    kind = "a hard link" if stat.S_ISREG(status.st_mode) else "no regular file"
    reader.admit(name, status.st_size, regular=regular, kind=kind)


def judge(ended: Exit, files: Mapping[str, bytes], *, seconds: float) -> BuildOutput:
    """Decide whether a build succeeded.

    It did exactly when the exit code is 0, nothing ran out of memory, result.json is valid and says `succeeded`, and
    every image that it lists is there with the sha256 that it names. Everything else raises the BuilderError that says
    what is wrong. Files that result.json does not list are dropped.
    """
    result = _ended_well(ended, files)
    if not isinstance(result, Success):
        raise _not_asked_for("an estimate", "a build")
    images = {}
    for index, image in enumerate(result.images):
        content = files.get(image.file)
        if not content:
            raise BadResultError(
                f"result.json lists {image.file}, which {'is empty' if content == b'' else 'is not in /out'}.",
                remedy="Write every image before result.json.",
                field=f"/images/{index}/file",
            )
        digest = hashlib.sha256(content).hexdigest()
        if digest != image.sha256:
            raise HashMismatchError(
                f"{image.file} has the sha256 {digest}, but result.json says {image.sha256}.",
                remedy="Hash the file after its last byte is written.",
                field=f"/images/{index}/sha256",
            )
        images[image.file] = content
    return BuildOutput(result=result, files=images, seconds=seconds)


def judge_estimate(ended: Exit, files: Mapping[str, bytes]) -> Estimate:
    """The estimate that a builder was asked for; judged as strictly as a build, and raises the same errors."""
    result = _ended_well(ended, files)
    if not isinstance(result, Estimate):
        raise _not_asked_for("a build", "an estimate")
    return result


def _ended_well(ended: Exit, files: Mapping[str, bytes]) -> Success | Estimate:
    if ended.out_of_memory:
        raise OutOfMemoryError(
            "The kernel ended a process of the build because the build's memory was used up.",
            remedy="Use less memory (files in /tmp, /work and /out count), or ask the operator for a higher limit.",
        )
    data = files.get(RESULT_FILE)
    if data is None:
        raise _without_result(ended)
    result = parse_result(data)
    if isinstance(result, Failure):
        if ended.code != 1:
            raise _disagree(ended, "failed", 1)
        raise BuildRefusedError(
            result.message or result.code, remedy=result.hint or "Read the build log.", reason=result.code
        )
    if ended.code != 0:
        raise _disagree(ended, "succeeded" if isinstance(result, Success) else "estimated", 0)
    return result


def _not_asked_for(made: str, asked: str) -> BadResultError:
    return BadResultError(
        f"result.json holds {made}, and build.json asked for {asked}.",
        remedy="Look at mode in build.json: estimate, or build where there is none.",
        field="/status",
    )


def _without_result(ended: Exit) -> BuilderCrashedError | NoResultError:
    if ended.code == 0:
        return NoResultError(
            "The builder ended with exit code 0 and wrote no /out/result.json.",
            remedy=f"Write result.json as the last thing ({_CONTRACT}).",
        )
    return BuilderCrashedError(
        f"The builder ended with {_describe(ended.code)} and wrote no /out/result.json.",
        remedy="Read the build log, and run the image alone: docker run IMAGE MODEL.",
    )


def _disagree(ended: Exit, status: str, expected: int) -> BadResultError:
    return BadResultError(
        f"result.json says {status!r}, but the builder ended with {_describe(ended.code)}.",
        remedy=f"End with exit code {expected} exactly when the status is {status!r}.",
        field="/status",
    )


def _describe(code: int) -> str:
    number = code - 128 if code > 128 else -code
    try:
        return f"exit code {code} ({signal.Signals(number).name})"
    except ValueError:
        return f"exit code {code}"
