"""Following a builder to its end, with one that does as the test says."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from builders.errors import CancelledError, TimedOutError
from builders.follow import follow
from builders.output import Exit

if TYPE_CHECKING:
    from collections.abc import Iterator


class Scripted:
    """A `Running` that prints its chunks, ends with `code` when `ends`, or when it gets one of the signals it obeys."""

    def __init__(
        self, chunks: list[bytes], *, ends: bool = True, obeys: tuple[str, ...] = ("SIGTERM", "SIGKILL")
    ) -> None:
        self.chunks = chunks
        self.ends = ends
        self.obeys = obeys
        self.signals: list[str] = []
        self.over = threading.Event()
        self.problem: Exception | None = None

    def log(self) -> Iterator[bytes]:
        yield from self.chunks
        if self.problem is not None:
            raise self.problem
        if self.ends:
            self.over.set()
        self.over.wait(30)

    def poll(self) -> Exit | None:
        return Exit(0) if self.over.is_set() else None

    def terminate(self) -> None:
        self._signal("SIGTERM")

    def kill(self) -> None:
        self._signal("SIGKILL")

    def _signal(self, name: str) -> None:
        self.signals.append(name)
        if name in self.obeys:
            self.over.set()


def test_a_builder_that_ends_is_not_signalled() -> None:
    running, lines = Scripted([b"one\n", b"two"]), list[str]()
    assert follow(running, seconds=10, on_log=lines.append, cancelled=lambda: False) == Exit(0)
    assert (lines, running.signals) == (["one", "two"], [])


def test_a_cancelled_builder_is_asked_to_end() -> None:
    running = Scripted([], ends=False)
    with pytest.raises(CancelledError):
        follow(running, seconds=10, on_log=print, cancelled=lambda: True)
    assert running.signals == ["SIGTERM"]


def test_a_builder_out_of_time_that_does_not_listen_is_killed() -> None:
    running = Scripted([], ends=False, obeys=("SIGKILL",))
    began = time.monotonic()
    with pytest.raises(TimedOutError):
        follow(running, seconds=0.1, on_log=print, cancelled=lambda: False)
    assert running.signals == ["SIGTERM", "SIGKILL"]
    assert 3 < time.monotonic() - began < 5


def test_a_log_that_breaks_is_not_taken_for_its_end() -> None:
    running = Scripted([b"one\n"], ends=False)
    running.problem = LookupError("the engine went away")
    with pytest.raises(LookupError, match="went away"):
        follow(running, seconds=10, on_log=print, cancelled=lambda: False)


def test_cancelled_is_asked_about_twice_a_second_and_in_the_callers_thread() -> None:
    running = Scripted([b"x" * 10] * 200, ends=False)
    asked: list[tuple[float, threading.Thread]] = []

    def cancelled() -> bool:
        asked.append((time.monotonic(), threading.current_thread()))
        return len(asked) == 3

    with pytest.raises(CancelledError):
        follow(running, seconds=10, on_log=print, cancelled=cancelled)
    assert asked[2][0] - asked[0][0] == pytest.approx(1.0, abs=0.4)
    assert {thread for _, thread in asked} == {threading.current_thread()}
