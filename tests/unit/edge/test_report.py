"""The UART report becomes a BootReport, or a failure that says which of hang, crash or garbage it was."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.mcuboot import Version
from edge.report import MAX_LINE, MAX_TOTAL, BootFailure, BootFailureKind, BootReport, LayerTicks, ReportParser

MODEL = "ab" * 32
BOOT = f"@tml boot version=1.0.0+5 board=mps2-an386 model={MODEL} abi=cd vectors=2\n"
GOLDEN = "@tml golden index=0 ticks=10 output=0102\n@tml golden index=1 ticks=12 output=0304\n"
READY = "@tml ready vectors=2 hz=25000000 arena=1024 stack=812\n"


def outcome(text: str | bytes) -> BootReport | BootFailure | None:
    return ReportParser().feed(text.encode() if isinstance(text, str) else text)


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_a_report_is_read_in_pieces_of_any_size_between_free_text(size: int) -> None:
    text = ("hello\n" + BOOT + "free text\r\n@tml later thing=1\n" + GOLDEN + READY).encode()
    parser = ReportParser()
    found = None
    for start in range(0, len(text), size):
        found = parser.feed(text[start : start + size])
    assert found == BootReport(
        Version(1, 0, 0, 5), "mps2-an386", MODEL, "cd", (b"\1\2", b"\3\4"), (10, 12), 25_000_000, 1024, 812
    )


def test_the_ticks_of_each_layer_are_part_of_the_report_of_a_profile() -> None:
    lines = "@tml layer index=2 ticks=7 name=CONV_2D\n@tml layer index=3 ticks=7.025 name=ADD\n"
    found = outcome(BOOT + GOLDEN + lines + READY)
    assert isinstance(found, BootReport)
    assert found.layers == (LayerTicks(2, "CONV_2D", 7), LayerTicks(3, "ADD", 7.025))


def test_an_unfinished_report_has_no_outcome_yet() -> None:
    assert outcome(BOOT + GOLDEN + READY[:-1]) is None


def test_a_fault_line_is_a_crash() -> None:
    found = outcome(BOOT + "@tml fault kind=hard pc=0x21000abc cfsr=0x00000001\n")
    assert found == BootFailure(BootFailureKind.CRASH, "fault kind=hard pc=0x21000abc cfsr=0x00000001")


def test_a_second_start_before_ready_is_a_crash() -> None:
    found = outcome(BOOT + BOOT)
    assert isinstance(found, BootFailure)
    assert found.kind is BootFailureKind.CRASH


@pytest.mark.parametrize(
    "text",
    [
        READY,
        GOLDEN,
        BOOT + READY,
        BOOT + BOOT.replace("boot", "golden"),
        BOOT + "@tml layer index=x ticks=1 name=ADD\n",
        BOOT + "@tml layer index=1 ticks=1. name=ADD\n",
        BOOT + "@tml layer index=1 ticks=1.-5 name=ADD\n",
        BOOT + "@tml golden index=1 ticks=1 output=00\n",
        BOOT + "@tml golden index=0 ticks=-1 output=00\n",
        BOOT + "@tml golden index=0 ticks=1 output=0\n",
        BOOT + "@tml golden index=0 ticks=1\n",
        BOOT + GOLDEN + "@tml golden index=2 ticks=1 output=00\n",
        BOOT + GOLDEN + READY.replace("vectors=2", "vectors=3"),
        BOOT.replace("vectors=2", "vectors=17"),
        BOOT.replace("version=1.0.0+5", "version=one"),
        BOOT.replace(MODEL, "xyz"),
        "@tml boot \xff\n",
        "x" * (MAX_LINE + 2),
        "free text\n" * (MAX_TOTAL // 10 + 1),
    ],
)
def test_what_breaks_the_format_or_its_bounds_is_garbage(text: str) -> None:
    found = outcome(text.encode("latin-1"))
    assert isinstance(found, BootFailure)
    assert found.kind is BootFailureKind.GARBAGE
    assert len(found.detail) <= 200


@given(st.lists(st.sampled_from([BOOT, GOLDEN, READY, "@tml golden", "\n", "=", "output=zz\n"]) | st.text(max_size=20)))
def test_no_text_makes_the_parser_raise(pieces: list[str]) -> None:
    outcome("".join(pieces))
