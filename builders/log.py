"""Turns a builder's raw output into bounded, printable lines."""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

LOG_MAX_BYTES = 1024 * 1024
LINE_MAX_CHARS = 4096

_ESCAPE_SEQUENCE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
# Control characters but the tab, line separators, and the marks that reverse the reading direction.
_UNPRINTABLE = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


class LogRelay:
    """Feeds lines to `on_line` until `max_bytes` have gone by, then one line that says so, then nothing."""

    def __init__(self, on_line: Callable[[str], None], *, max_bytes: int = LOG_MAX_BYTES) -> None:
        self._on_line = on_line
        self._left = max_bytes
        self._max_bytes = max_bytes
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._partial = ""

    def feed(self, data: bytes) -> None:
        """Take the next raw bytes; a character or a line may go on in the next call."""
        if self._left < 0:
            return
        kept = data[: self._left]
        self._left -= len(data)
        *lines, self._partial = (self._partial + self._decoder.decode(kept)).split("\n")
        for line in lines:
            self._emit(line)
        while len(self._partial) >= LINE_MAX_CHARS:
            self._emit(self._partial[:LINE_MAX_CHARS])
            self._partial = self._partial[LINE_MAX_CHARS:]
        if self._left < 0:
            self._flush()
            self._on_line(f"[the log goes on; only its first {self._max_bytes} bytes are kept]")

    def close(self) -> None:
        """Let go of a last line without a line end."""
        if self._left >= 0:
            self._partial += self._decoder.decode(b"", final=True)
            self._flush()

    def _flush(self) -> None:
        if self._partial:
            self._emit(self._partial)
            self._partial = ""

    def _emit(self, line: str) -> None:
        clean = _UNPRINTABLE.sub("", _ESCAPE_SEQUENCE.sub("", line))
        for start in range(0, max(len(clean), 1), LINE_MAX_CHARS):
            self._on_line(clean[start : start + LINE_MAX_CHARS])
