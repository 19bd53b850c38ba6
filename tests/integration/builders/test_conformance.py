"""The kit finds what is wrong with each of many broken builders, and nothing else; and nothing with ours."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from builders.conformance import CHECK_LIMITS, Check, Outcome, Report, check_image
from builders.docker_runner import DockerRunner
from builders.errors import CancelledError, ImageNotFoundError
from builders.image import build_shipped_image

if TYPE_CHECKING:
    import docker

    from tests.support.images import MakeImage

pytestmark = pytest.mark.docker

TEMPLATE = Path(__file__).parents[3] / "builders" / "template"
LIMITS = replace(CHECK_LIMITS, seconds=20)


@pytest.fixture(scope="session")
def template_image(engine: docker.DockerClient) -> str:
    """A builder that keeps every rule: what the broken ones are made of."""
    return build_shipped_image(engine, print, source=TEMPLATE)


def patched(file: str, old: str, new: str) -> str:
    """Dockerfile lines that replace text of the builder, and fail when it is not there."""
    path = f"/opt/builder/{file}"
    program = f"t=open({path!r}).read(); assert {old!r} in t; open({path!r},'w').write(t.replace({old!r},{new!r}))"
    quoted = program.replace("\\", "\\\\").replace('"', '\\"')
    return f'RUN ["python3", "-c", "{quoted}"]\n'


def wrapped(script: str) -> str:
    """A Dockerfile line that puts a shell script around the builder."""
    quoted = script.replace("BUILD", 'python3 /opt/builder/builder.py \\"$@\\"')
    return f'ENTRYPOINT ["sh", "-c", "{quoted}", "builder"]\n'


@dataclass(frozen=True)
class Broken:
    """How a builder is broken, the rules that must fail, and words that the first one's detail must hold."""

    lines: str
    fails: tuple[str, ...]
    words: str


BROKEN = {
    "it has no entry point": Broken("ENTRYPOINT []\n", ("image.entrypoint",), "no ENTRYPOINT"),
    "it declares a volume": Broken("VOLUME /cache\n", ("image.volume",), "/cache"),
    "it needs a network": Broken(
        wrapped("python3 -c 'import socket; socket.create_connection((\\\"192.0.2.1\\\", 80))' || exit 1; BUILD"),
        ("build.succeeds", "sandbox.network"),
        "Network is unreachable",
    ),
    "it writes beside its program": Broken(
        wrapped("touch /opt/builder/cache || exit 1; BUILD"),
        ("build.succeeds", "sandbox.read_only"),
        "Read-only file system",
    ),
    "it must be root": Broken(
        wrapped("[ $(id -u) = 0 ] || { echo I must be root; exit 1; }; BUILD"),
        ("build.succeeds", "sandbox.user"),
        "must be root",
    ),
    "it never ends": Broken(wrapped("echo thinking; sleep 600"), ("build.time",), "took more than 5 s"),
    "it goes on after SIGTERM": Broken(
        wrapped("trap '' TERM; BUILD; c=$?; sleep 0.7; python3 -c 'sum(range(4000000))'; exit $c"),
        ("stop.sigterm",),
        "after SIGTERM: exit code 0",
    ),
    "it ends with 0 when it has failed": Broken(
        wrapped("BUILD; exit 0"), ("alone.missing", "result.status"), "exit code 0"
    ),
    "it puts random bytes into the firmware": Broken(
        patched("builder.py", 'struct.pack("<H", 0xE7FE)', '__import__("os").urandom(4)'),
        ("output.repeats",),
        "firmware.bin differs from byte 0x8",
    ),
    "it puts the date into the firmware": Broken(
        patched("builder.py", 'struct.pack("<H", 0xE7FE)', '__import__("time").strftime("%Y-%m-%d").encode()'),
        ("output.date",),
        "today's date",
    ),
    "it leaves a link": Broken(
        wrapped("BUILD || exit 1; ln -s firmware.bin /out/latest.bin"), ("output.regular",), "a symbolic link"
    ),
    "it names another sha256": Broken(
        patched("contract.py", "sha256(image.content)", "sha256(image.content[1:])"),
        ("result.files",),
        "has the sha256",
    ),
    "its result breaks the schema": Broken(
        patched("contract.py", '"flash_bytes"', '"flash"'), ("result.schema",), "flash"
    ),
    "it has a version of its own": Broken(
        patched("contract.py", '"version": request.version', '"version": "1.0.0+0"'),
        ("result.version",),
        "build.json asked for 3.1.4+159265",
    ),
    "it forgets the header": Broken(
        patched("builder.py", "load_address = SLOT_ADDRESS + HEADER_BYTES", "load_address = SLOT_ADDRESS"),
        ("result.address",),
        "0x8000200",
    ),
    "it reports an arena larger than its RAM": Broken(
        patched("builder.py", "arena_bytes=arena_bytes,", "arena_bytes=arena_bytes + 1,"),
        ("result.memory",),
        "more than the 32 of ram_bytes",
    ),
    "it builds the same firmware whatever the model": Broken(
        patched("builder.py", 'struct.pack("<I", len(request.model)) + request.model', "bytes(1000)"),
        ("build.input",),
        "the same image",
    ),
    "it takes every operator": Broken(
        patched("builder.py", "if name not in SUPPORTED", "if False"), ("refuse.operator",), "was built"
    ),
    "it does not name the operator": Broken(
        patched("builder.py", 'f"{name} is not supported"', '"something is not supported"'),
        ("refuse.operator",),
        "does not name",
    ),
    "it crashes on a damaged model": Broken(
        patched("tflite_file.py", 'return Refusal("bad_model",', "raise SystemExit(3) from Exception("),
        ("refuse.truncated", "refuse.random"),
        "no valid result.json: exit code 3",
    ),
    "it builds for any board": Broken(
        patched("contract.py", "if request.board not in boards", "if False"), ("refuse.board",), "was built"
    ),
    "it does not look whether it could write": Broken(
        patched("contract.py", "        if error.errno in _FULL:", "        return\n        if error.errno in _FULL:"),
        ("output.full",),
        "exit code 0",
    ),
    "it says nothing": Broken(
        patched("contract.py", "    sys.stdout.write", "    return\n    sys.stdout.write"),
        ("build.log", "alone.model"),
        "printed nothing",
    ),
}


def failed(report: Report) -> tuple[str, ...]:
    return tuple(check.id for check in report.failures)


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_builder_fails_for_the_right_reason(
    engine: docker.DockerClient, make_image: MakeImage, template_image: str, broken: Broken
) -> None:
    image = make_image(
        f"FROM {template_image}\nUSER root\n{broken.lines}", manifest=(TEMPLATE / "manifest.json").read_text()
    )
    limits = replace(LIMITS, seconds=5) if "build.time" in broken.fails else LIMITS
    report = check_image(engine, image, limits=limits)
    assert failed(report) == broken.fails, list(report.failures)
    assert broken.words in report.failures[0].detail
    assert all(check.remedy for check in report.failures)
    assert not report.passed


@pytest.mark.parametrize(("manifest", "words"), [(None, "no label io.tinymlaas.builder"), ("{}", "required property")])
def test_a_bad_manifest_fails_and_all_that_needs_it_is_skipped(
    engine: docker.DockerClient, make_image: MakeImage, manifest: str | None, words: str
) -> None:
    image = make_image('FROM scratch\nENTRYPOINT ["/builder"]', manifest=manifest)
    report = check_image(engine, image)
    assert failed(report) == ("image.manifest",)
    assert words in report.failures[0].detail
    assert report.name == ""
    assert report.count(Outcome.SKIPPED) == len(report.checks) - 3


def test_loosening_finds_out_what_a_silent_builder_asks_for(
    engine: docker.DockerClient, make_image: MakeImage, template_image: str
) -> None:
    image = make_image(
        f"FROM {template_image}\n" + wrapped("mkdir /opt/builder/x 2>/dev/null || [ $(id -u) = 0 ] || exit 1; BUILD"),
        manifest=(TEMPLATE / "manifest.json").read_text(),
    )
    assert failed(check_image(engine, image, limits=LIMITS)) == ("build.succeeds",)
    report = check_image(engine, image, limits=LIMITS, loosen=True)
    assert failed(report) == ("build.succeeds", "sandbox.user")
    assert report.failures[1].detail == "the valid model is built only as root with capabilities"


def test_the_shipped_builder_passes_and_leaves_nothing_on_the_engine(engine: docker.DockerClient) -> None:
    runner = DockerRunner(engine, server_id=f"conformance-test-{uuid.uuid4().hex[:12]}")
    seen: list[Check] = []
    report = check_image(runner, build_shipped_image(engine, print), on_progress=seen.append)
    assert report.failures == ()
    assert (report.name, tuple(seen)) == ("cortex-m", report.checks)
    skipped = [check.id for check in report.checks if check.outcome is Outcome.SKIPPED]
    assert set(skipped) <= {"build.boards"}
    assert runner.reap(frozenset()) == []


def test_a_check_can_be_cancelled(engine: docker.DockerClient, template_image: str) -> None:
    seen: list[Check] = []
    with pytest.raises(CancelledError):
        check_image(engine, template_image, on_progress=seen.append, cancelled=lambda: len(seen) == 3)
    assert [check.id for check in seen] == ["image.entrypoint", "image.volume", "image.manifest"]


def test_an_image_that_cannot_be_had_is_no_report(engine: docker.DockerClient) -> None:
    with pytest.raises(ImageNotFoundError):
        check_image(engine, "sha256:" + "0" * 64)
