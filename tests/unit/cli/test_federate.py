"""`tinymlaas federate simulate`: what cannot be simulated is refused before anything is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from app.cli.errors import ExitCode

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Cli


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--noise-multiplier", "1"), ExitCode.MISUSED, "give one, as 1.0"),
        (("--form", "float64"), ExitCode.MISUSED, "float64"),
        (("--clients", "1"), ExitCode.MISUSED, "clients"),
        (("--clients", "10", "--attack", "10"), ExitCode.MISUSED, "at most 9"),
        (("--clients", "10", "--minimum", "11"), ExitCode.MISUSED, "at most 10"),
        (("--model", "no-such-model"), ExitCode.ENDED_BADLY, "no-such-model"),
        (("--model", "hello-world-sine"), ExitCode.ENDED_BADLY, "Take one of digits"),
        (("--clients", "14", "--split", "writer"), ExitCode.ENDED_BADLY, "at most 13 clients"),
        (("--clients", "2000"), ExitCode.ENDED_BADLY, "1438 samples cannot be dealt out to 2000 clients"),
    ],
)
def test_what_cannot_be_simulated_is_refused_with_what_would_go(
    cli: Cli, arguments: tuple[str, ...], code: ExitCode, words: str
) -> None:
    ended = cli("federate", "simulate", *arguments)
    assert ended.exit_code == code
    assert words in ended.stderr
