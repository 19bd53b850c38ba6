"""Reading an untrusted output, as an archive and as a folder, and judging it."""

from __future__ import annotations

import json
import os
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from builders.errors import (
    BadResultError,
    DockerUnavailableError,
    NoResultError,
    OutOfMemoryError,
    OutputNotRegularError,
    OutputTooLargeError,
)
from builders.output import Exit, judge, judge_estimate, read_directory, read_tar
from builders.runner import Limits

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMITS = Limits(output_bytes=10_000, output_files=4)


def member(name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = "") -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, len(content)
    return info.tobuf(tarfile.PAX_FORMAT) + content + b"\0" * (-len(content) % 512)


def archive(*members: bytes) -> Iterator[bytes]:
    data = member("out", kind=tarfile.DIRTYPE) + b"".join(members) + b"\0" * 1024
    return (data[i : i + 100] for i in range(0, len(data), 100))


def test_the_files_of_an_archive_are_read_whatever_the_chunks() -> None:
    members = member("out/a.bin", b"A" * 700), member("out/b", b"")
    assert read_tar(archive(*members), LIMITS) == {"a.bin": b"A" * 700, "b": b""}


@pytest.mark.parametrize(
    "bad",
    [
        member("out/x", kind=tarfile.SYMTYPE, link="/etc/passwd"),
        member("out/x", kind=tarfile.LNKTYPE, link="out/a"),
        member("out/x", kind=tarfile.FIFOTYPE),
        member("out/x", kind=tarfile.CHRTYPE),
        member("out/x", kind=tarfile.BLKTYPE),
        member("out/x", kind=tarfile.DIRTYPE),
        member("out/x", kind=tarfile.GNUTYPE_SPARSE),
        member("out/x/y"),
        member("out/../x"),
        member("out/.."),
        member("/etc/passwd"),
        member("x"),
        member("out/\u202ename"),
        member("out/" + "n" * 129),
    ],
)
def test_nothing_but_regular_files_with_plain_names_is_read(bad: bytes) -> None:
    with pytest.raises(OutputNotRegularError):
        read_tar(archive(member("out/a", b"fine"), bad), LIMITS)


@pytest.mark.parametrize(
    "members",
    [
        [member("out/a", b"A" * 10_001)],
        [member("out/a", b"A" * 6000), member("out/b", b"B" * 6000)],
        [member(f"out/{i}") for i in range(5)],
    ],
)
def test_too_much_output_is_refused(members: list[bytes]) -> None:
    with pytest.raises(OutputTooLargeError):
        read_tar(archive(*members), LIMITS)


def test_an_endless_stream_is_left_at_the_limit() -> None:
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        header = tarfile.TarInfo("pax")
        header.type, header.size = tarfile.XHDTYPE, 1 << 40  # an extended header that would fill the memory
        yield header.tobuf(tarfile.GNU_FORMAT)
        while True:
            taken += 4096
            yield b"0" * 4096

    with pytest.raises(OutputTooLargeError):
        read_tar(endless(), LIMITS)
    assert taken < 1_000_000


def test_a_damaged_archive_is_the_engines_fault() -> None:
    with pytest.raises(DockerUnavailableError):
        read_tar(iter([b"this is no archive" * 100]), LIMITS)


def test_a_folder_is_read_like_an_archive(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"A")
    assert read_directory(tmp_path, LIMITS) == {"a.bin": b"A"}
    (tmp_path / "link").symlink_to("/etc/passwd")
    with pytest.raises(OutputNotRegularError):
        read_directory(tmp_path, LIMITS)


def test_a_folders_pipe_is_refused_without_waiting_for_a_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OutputNotRegularError):
        read_directory(tmp_path, LIMITS)


def test_a_folders_hard_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"A")
    (tmp_path / "b").hardlink_to(tmp_path / "a")
    with pytest.raises(OutputNotRegularError, match="hard link"):
        read_directory(tmp_path, LIMITS)


def test_a_folder_with_too_much_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(OutputTooLargeError):
        read_directory(tmp_path, LIMITS)


def test_running_out_of_memory_outweighs_a_good_exit_code() -> None:
    with pytest.raises(OutOfMemoryError):
        judge(Exit(0, out_of_memory=True), {}, seconds=1)


def test_success_without_a_result_is_none() -> None:
    with pytest.raises(NoResultError):
        judge(Exit(0), {"firmware.bin": b"x"}, seconds=1)


def result_json(**changes: object) -> dict[str, bytes]:
    memory = {"flash_bytes": 1, "ram_bytes": 1, "arena_bytes": 1}
    document = {"contract": 1, "status": "estimated", "memory": memory, "operators": [], "toolchain": {}}
    document |= {"performance": {"basis": "estimated"}} | changes
    return {"result.json": json.dumps(document).encode()}


def test_an_estimate_is_judged_like_a_build() -> None:
    assert judge_estimate(Exit(0), result_json()).memory.ram_bytes == 1
    with pytest.raises(BadResultError, match="'estimated', but the builder ended with exit code 3"):
        judge_estimate(Exit(3), result_json())
    with pytest.raises(OutOfMemoryError):
        judge_estimate(Exit(0, out_of_memory=True), result_json())


def test_an_estimate_is_no_answer_to_a_build_nor_a_build_to_an_estimate() -> None:
    with pytest.raises(BadResultError, match=r"holds an estimate, and build\.json asked for a build"):
        judge(Exit(0), result_json(), seconds=1)
    image = {"kind": "firmware", "file": "a", "format": "bin", "sha256": "0" * 64, "load_address": 0}
    built = json.loads(result_json(status="succeeded", sections=[])["result.json"])
    built["images"] = [{**image, "version": "1.0.0+0"}]
    with pytest.raises(BadResultError, match=r"holds a build, and build\.json asked for an estimate"):
        judge_estimate(Exit(0), {"result.json": json.dumps(built).encode()})


def test_reading_leaves_no_descriptor_open(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"A")
    before = len(list(Path("/dev/fd").iterdir()))
    read_directory(tmp_path, LIMITS)
    assert len(list(Path("/dev/fd").iterdir())) == before
