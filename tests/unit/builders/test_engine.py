"""What is known about an engine without asking one."""

from __future__ import annotations

import struct
from datetime import UTC, datetime

import docker
import pytest

from builders.engine import timestamp
from builders.errors import EngineUnsupportedError
from builders.keeper import pack, pause_program
from builders.runner import Limits
from builders.sandbox import Labels, builder_options, input_capacity, output_capacity


def test_the_docker_library_is_the_library() -> None:
    assert "site-packages" in (docker.__file__ or "")


@pytest.mark.parametrize(
    "text", ["2026-11-21T02:52:17.653373849Z", "2026-11-21T03:52:17.653373+01:00", "2026-11-21T02:52:17.6533738Z"]
)
def test_an_engines_time_is_read_to_the_microsecond(text: str) -> None:
    assert timestamp(text) == datetime(2026, 11, 21, 2, 52, 17, 653373, tzinfo=UTC)


def test_an_engines_time_without_a_fraction_is_read() -> None:
    assert timestamp("2026-11-21T02:52:17Z") == datetime(2026, 11, 21, 2, 52, 17, tzinfo=UTC)


@pytest.mark.parametrize(("architecture", "machine"), [("amd64", 62), ("arm64", 183)])
def test_the_keepers_program_is_an_executable_of_the_engines_architecture(architecture: str, machine: int) -> None:
    program = pause_program(architecture)
    assert program.startswith(b"\x7fELF\x02\x01\x01")
    assert struct.unpack_from("<HH", program, 16) == (2, machine)
    entry, headers = struct.unpack_from("<QQ", program, 24)
    offset, address, _, file_size = struct.unpack_from("<QQQQ", program, headers + 8)
    assert (offset, file_size) == (0, len(program))
    assert entry - address == 120 < len(program)


def test_an_engine_on_another_architecture_is_refused() -> None:
    with pytest.raises(EngineUnsupportedError, match="riscv64"):
        pause_program("riscv64")


def test_an_archive_depends_on_its_files_alone() -> None:
    assert pack({"a": b"1"}, mode=0o444) == pack({"a": b"1"}, mode=0o444)


def test_the_volumes_have_room_for_what_is_admitted_and_not_for_much_more() -> None:
    limits = Limits(output_bytes=1_000_000, output_files=10)
    assert limits.output_bytes < output_capacity(limits) < limits.output_bytes + 200_000
    assert 1_000 < input_capacity({"model.tflite": bytes(1_000)}) < 100_000


def test_a_builder_gets_no_more_processors_than_the_engine_has() -> None:
    options = builder_options(
        "sha256:x",
        Labels("server", "job", "digest"),
        entrypoint=["/builder"],
        limits=Limits(cpus=8),
        engine_cpus=2,
        source_date_epoch=0,
        in_volume="in",
        out_volume="out",
    )
    assert options["nano_cpus"] == 2_000_000_000
