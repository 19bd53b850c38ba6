"""From raw output to printable, bounded lines."""

from __future__ import annotations

import pytest

from builders.log import LINE_MAX_CHARS, LogRelay


def relayed(*chunks: bytes, max_bytes: int = 10_000) -> list[str]:
    lines: list[str] = []
    relay = LogRelay(lines.append, max_bytes=max_bytes)
    for chunk in chunks:
        relay.feed(chunk)
    relay.close()
    return lines


@pytest.mark.parametrize(
    ("chunks", "lines"),
    [
        ([], []),
        ([b"a\nb\n"], ["a", "b"]),
        ([b"a", b"b\nc"], ["ab", "c"]),
        ([b"\n\n"], ["", ""]),
        ([b"a\r\n"], ["a"]),
        (["é".encode()[:1], "é".encode()[1:]], ["é"]),
        ([b"\xff\xfe"], ["\ufffd\ufffd"]),
        (["é".encode()[:1]], ["\ufffd"]),
        ([b"\x1b[1;31mred\x1b[0m\x07\x00"], ["red"]),
        (["safe\u202eevil\u2028line".encode()], ["safeevilline"]),
        ([b"a\tb"], ["a\tb"]),
    ],
)
def test_bytes_become_lines(chunks: list[bytes], lines: list[str]) -> None:
    assert relayed(*chunks) == lines


def test_a_long_line_is_split() -> None:
    assert list(map(len, relayed(b"x" * 9000 + b"\ny", max_bytes=20_000))) == [LINE_MAX_CHARS, LINE_MAX_CHARS, 808, 1]


def test_a_log_up_to_the_limit_is_whole() -> None:
    assert relayed(b"12345\n", b"6789", max_bytes=10) == ["12345", "6789"]


def test_beyond_the_limit_one_line_says_so_and_nothing_follows() -> None:
    notice = "[the log goes on; only its first 10 bytes are kept]"
    assert relayed(b"12345\n", b"67890", b"more\n", b"more\n", max_bytes=10) == ["12345", "6789", notice]
