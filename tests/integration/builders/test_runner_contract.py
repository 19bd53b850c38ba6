"""What every runner promises, whatever the builder does."""

from __future__ import annotations

import threading
import time
import uuid
from dataclasses import replace
from typing import Any

import pytest

from builders.errors import (
    BadResultError,
    BuilderCrashedError,
    BuilderError,
    BuildRefusedError,
    CancelledError,
    HashMismatchError,
    ImageNotFoundError,
    NoResultError,
    OutputNotRegularError,
    OutputTooLargeError,
    TimedOutError,
)

# The `bench` fixture's type is defined in conftest.py, which a test cannot import by name.
Bench = Any


def test_a_good_build_gives_its_result_and_its_files(bench: Bench) -> None:
    output = bench.run("succeed; echo a note > $OUT/firmware.map")
    assert output.files == {"firmware.bin": bench.firmware}
    assert output.result.images[0].file == "firmware.bin"
    assert 0 < output.seconds < bench.limits.seconds


def test_the_builder_finds_the_three_input_files(bench: Bench) -> None:
    log: list[str] = []
    bench.run(
        'ls $IN; grep -c \'"board":"mps2-an386"\' $IN/build.json; cat $IN/golden.json; succeed', on_log=log.append
    )
    assert log == ["build.json", "golden.json", "model.tflite", "1", '{"contract":1,"tolerance":0,"vectors":[]}']


def test_a_refusal_carries_the_builders_own_words(bench: Bench) -> None:
    with pytest.raises(BuildRefusedError) as caught:
        bench.run("refuse; exit 1")
    assert (caught.value.code, caught.value.reason) == ("build_refused", "unsupported_operator")
    assert (caught.value.message, caught.value.remedy) == ("LSTM is not supported.", "Unroll it.")


@pytest.mark.parametrize(
    ("script", "error", "words"),
    [
        ("exit 1", BuilderCrashedError, "exit code 1 "),
        ("kill -SEGV $$", BuilderCrashedError, "SIGSEGV"),
        ("exit 0", NoResultError, "result.json"),
        ("succeed; exit 3", BadResultError, "'succeeded', but the builder ended with exit code 3"),
        ("refuse; exit 0", BadResultError, "'failed', but the builder ended with exit code 0"),
        ("echo '{' > $OUT/result.json", BadResultError, "not JSON"),
        ("succeed; sed -i s/firmware.bin/..bin/ $OUT/result.json", BadResultError, "..bin, which is not in /out"),
        ("succeed; sed -i s,firmware.bin,../bin, $OUT/result.json", BadResultError, "/images/0/file"),
        ("succeed; : > $OUT/firmware.bin", BadResultError, "is empty"),
        ("succeed; echo tampered >> $OUT/firmware.bin", HashMismatchError, "firmware.bin has the sha256"),
        ("succeed; ln -sf /etc/passwd $OUT/firmware.bin", OutputNotRegularError, "firmware.bin"),
        ("mkfifo $OUT/result.json", OutputNotRegularError, "result.json"),
        ("succeed; ln $OUT/firmware.bin $OUT/again.bin", OutputNotRegularError, "hard link"),
        ("succeed; mkdir $OUT/objects", OutputNotRegularError, "objects"),
        ("succeed; touch \"$OUT/$(printf 'a\\nb')\"", OutputNotRegularError, r"a\nb"),
        ("succeed; for i in $(seq 20); do echo > $OUT/$i; done", OutputTooLargeError, "16 files"),
        ("dd if=/dev/zero of=$OUT/firmware.bin bs=1M count=2048", OutputTooLargeError, "4194304 bytes"),
        ("for i in $(seq 8); do dd if=/dev/zero of=$OUT/$i bs=1M count=256; done", OutputTooLargeError, "4194304"),
        ("truncate -s 2G $OUT/firmware.bin; exit 1", BuilderCrashedError, "exit code 1 "),
        ("for i in 1 2 3; do truncate -s 3M $OUT/$i; done", OutputTooLargeError, "4194304 bytes"),
    ],
)
def test_a_bad_builder_gets_the_error_that_says_why(
    bench: Bench, script: str, error: type[BuilderError], words: str
) -> None:
    with pytest.raises(error) as caught:
        bench.run(script)
    assert words in caught.value.message
    assert caught.value.remedy


def test_a_build_that_never_ends_is_timed_out(bench: Bench) -> None:
    began = time.monotonic()
    with pytest.raises(TimedOutError, match="within 1 s"):
        bench.run("sleep 60", limits=replace(bench.limits, seconds=1))
    assert time.monotonic() - began < 4


def test_cancelling_a_polite_builder_takes_about_a_second(bench: Bench) -> None:
    cancel = threading.Event()
    cancelled_at = 0.0

    def on_log(line: str) -> None:
        nonlocal cancelled_at
        if line == "started":
            cancel.set()
            cancelled_at = time.monotonic()

    with pytest.raises(CancelledError):
        bench.run("trap 'exit 143' TERM; echo started; sleep 60 & wait", on_log=on_log, cancelled=cancel.is_set)
    assert time.monotonic() - cancelled_at < 2.5


def test_a_builder_that_ignores_sigterm_is_killed_after_three_seconds(bench: Bench) -> None:
    log: list[str] = []
    began = time.monotonic()
    with pytest.raises(CancelledError):
        bench.run(
            "trap 'echo no' TERM; echo started; while :; do sleep 0.2; done",
            on_log=log.append,
            cancelled=lambda: "started" in log,
        )
    assert 3 < time.monotonic() - began < 8
    assert "no" in log


def test_the_log_arrives_while_the_builder_runs(bench: Bench) -> None:
    times: dict[str, float] = {}
    bench.run(
        "echo first; sleep 1; printf 'last \\033[31mred\\033[0m \\377'; succeed",
        on_log=lambda line: times.setdefault(line, time.monotonic()),
    )
    assert list(times) == ["first", "last red \ufffd"]
    assert times["last red \ufffd"] - times["first"] > 0.5


def test_an_endless_log_is_cut_and_says_so(bench: Bench) -> None:
    log: list[str] = []
    bench.run("yes 0123456789abcdef | head -c 1300000; succeed", on_log=log.append)
    assert sum(map(len, log)) < 1024 * 1024 + 200
    assert log[-1].startswith("[the log goes on")


def test_a_listener_that_fails_ends_the_build(bench: Bench) -> None:
    def on_log(line: str) -> None:
        raise LookupError(line)

    with pytest.raises(LookupError, match="hello"):
        bench.run("echo hello; sleep 60", on_log=on_log)


def test_a_finished_job_leaves_nothing_to_reap(bench: Bench) -> None:
    bench.run("succeed", job_id="done")
    assert bench.runner.reap(frozenset()) == []


def test_an_unknown_image_is_not_found(bench: Bench) -> None:
    with pytest.raises(ImageNotFoundError):
        bench.runner.inspect(f"sha256:{uuid.uuid4().hex * 2}")
    bench.image_id = f"sha256:{uuid.uuid4().hex * 2}"
    with pytest.raises(ImageNotFoundError):
        bench.run("succeed")
