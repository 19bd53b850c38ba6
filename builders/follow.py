"""Follows one running builder to its end: relays its log, and stops it when its time is up or somebody cancels."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from typing import TYPE_CHECKING, Protocol

from builders.errors import BuilderStuckError, CancelledError, TimedOutError
from builders.log import LogRelay

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from builders.output import Exit

STOP_GRACE_SECONDS = 3.0
_TICK_SECONDS = 0.1
_ASK_SECONDS = 0.5
_KILL_SECONDS = 20.0
_LAST_LOG_SECONDS = 10.0  # on a busy machine; ends with the log


class Running(Protocol):
    """A builder that has been started."""

    def log(self) -> Iterator[bytes]:
        """Its output from the first byte on; ends when the builder does. Iterated in a thread of its own."""
        ...

    def poll(self) -> Exit | None:
        """How it ended, or None while it runs."""
        ...

    def terminate(self) -> None:
        """Ask it to end (SIGTERM); no error when it has."""
        ...

    def kill(self) -> None:
        """End it and all its processes (SIGKILL); no error when it has ended."""
        ...


class _Tail:
    """A thread that reads the log, so that nothing else waits for it."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        # Bounded: a builder that prints without end waits for us, not in our memory.
        self._queue: queue.Queue[bytes | Exception | None] = queue.Queue(maxsize=64)
        self._closed = threading.Event()
        self.ended = False
        threading.Thread(target=self._pump, name="builder-log", daemon=True).start()

    def _pump(self) -> None:
        try:
            # To the end even when nobody listens any more: the builder has ended by then, or is being killed.
            for chunk in self._chunks:
                self._put(chunk)
        except Exception as problem:  # noqa: BLE001 - handed to the follower, which raises it in its own thread
            self._put(problem)
        finally:
            self._put(None)

    def _put(self, item: bytes | Exception | None) -> None:
        while not self._closed.is_set():
            with contextlib.suppress(queue.Full):  # the follower is slow or gone: look again whether it is gone
                return self._queue.put(item, timeout=_TICK_SECONDS)
        return None

    def get(self, seconds: float) -> bytes:
        """The next bytes, or none when nothing came in `seconds` or the log has ended."""
        try:
            item = self._queue.get(timeout=seconds)
        except queue.Empty:
            return b""
        if isinstance(item, bytes):
            return item
        self.ended = True
        if item is not None:
            raise item
        return b""

    def close(self) -> None:
        self._closed.set()


def follow(
    running: Running,
    *,
    seconds: float,
    on_log: Callable[[str], None],
    cancelled: Callable[[], bool],
) -> Exit:
    """Return how the builder ended by itself. Raises CancelledError or TimedOutError after having stopped it."""
    relay = LogRelay(on_log)
    tail = _Tail(running.log())
    try:
        ended = _until_the_end(running, tail, relay, time.monotonic() + seconds, cancelled)
        if isinstance(ended, str):
            _stop(running, tail, relay)
            raise _stopped(ended, seconds)
        last = time.monotonic() + _LAST_LOG_SECONDS
        while not tail.ended and time.monotonic() < last:
            relay.feed(tail.get(_TICK_SECONDS))
        return ended
    finally:
        tail.close()
        relay.close()


def _until_the_end(
    running: Running, tail: _Tail, relay: LogRelay, deadline: float, cancelled: Callable[[], bool]
) -> Exit | str:
    """How the builder ended, or why it has to be stopped."""
    ask_at = 0.0
    while True:
        if tail.ended:
            time.sleep(_TICK_SECONDS)
        else:
            relay.feed(tail.get(_TICK_SECONDS))
        now = time.monotonic()
        ask = now >= ask_at
        if ask:
            ask_at = now + _ASK_SECONDS
            if cancelled():
                return "cancelled"
        # The log's end usually means the builder's: no need to wait for the next time to ask.
        if ask or tail.ended:
            ended = running.poll()
            if ended is not None:
                return ended
        if now >= deadline:
            return "timed out"


def _stop(running: Running, tail: _Tail, relay: LogRelay) -> None:
    running.terminate()
    if _wait(running, tail, relay, STOP_GRACE_SECONDS):
        return
    running.kill()
    if not _wait(running, tail, relay, _KILL_SECONDS):
        raise BuilderStuckError(
            f"The builder still runs {_KILL_SECONDS:.0f} s after SIGKILL.",
            remedy="Look at the host that runs it: a process may hang in the kernel.",
        )


def _wait(running: Running, tail: _Tail, relay: LogRelay, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if running.poll() is not None:
            return True
        if tail.ended:
            time.sleep(_TICK_SECONDS)
        else:
            relay.feed(tail.get(_TICK_SECONDS))
    return False


def _stopped(why: str, seconds: float) -> CancelledError | TimedOutError:
    if why == "cancelled":
        return CancelledError("The build was cancelled.", remedy="Start another build when you want one.")
    return timed_out(seconds)


def timed_out(seconds: float) -> TimedOutError:
    """The error of a build that took too long."""
    return TimedOutError(
        f"The build did not end within {seconds:.0f} s.",
        remedy="Build a smaller model, or ask the operator for a longer limit.",
    )
