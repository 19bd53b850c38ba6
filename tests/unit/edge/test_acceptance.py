"""An image is kept only when the board computed exactly its golden outputs."""

import dataclasses

import pytest

from edge.acceptance import Mismatch, VerdictKind, judge
from edge.mcuboot import FirmwareImage, Version
from edge.report import BootFailure, BootFailureKind, BootReport

MODEL = "ab" * 32
IMAGE = FirmwareImage(Version(1, 0, 0, 5), 1, "board", MODEL, (b"\1\2", b"\3\4"), b"", 0x200, b"")
REPORT = BootReport(Version(1, 0, 0, 5), "board", MODEL, "", (b"\1\2", b"\3\4"), (1, 1), 1, 1, 1)


def test_equal_outputs_pass() -> None:
    verdict = judge(IMAGE, REPORT)
    assert verdict.passed
    assert verdict.reason == "all 2 golden vectors are byte-exact"


@pytest.mark.parametrize(
    ("outputs", "mismatch", "text"),
    [
        (
            (b"\1\2", b"\3\5"),
            Mismatch(1, 1, b"\3\4", b"\3\5"),
            "vector 1 differs at byte 1: expected 0x04, received 0x05",
        ),
        (
            (b"\0\0", b"\0\0"),
            Mismatch(0, 0, b"\1\2", b"\0\0"),
            "vector 0 differs at byte 0: expected 0x01, received 0x00",
        ),
        (
            (b"\1", b"\3\4"),
            Mismatch(0, 1, b"\1\2", b"\1"),
            "vector 0 differs at byte 1: expected 0x02, received nothing",
        ),
        ((b"\1\2\3", b"\3\4"), Mismatch(0, 2, b"\1\2", b"\1\2\3"), "expected nothing, received 0x03"),
    ],
)
def test_the_first_difference_is_named(outputs: tuple[bytes, ...], mismatch: Mismatch, text: str) -> None:
    verdict = judge(IMAGE, dataclasses.replace(REPORT, outputs=outputs))
    assert verdict.kind is VerdictKind.WRONG_OUTPUT
    assert verdict.mismatch == mismatch
    assert text in verdict.reason


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"version": Version(1, 0, 0, 6)}, VerdictKind.WRONG_VERSION),
        ({"board": "other"}, VerdictKind.WRONG_IDENTITY),
        ({"model_sha256": "00" * 32}, VerdictKind.WRONG_IDENTITY),
        ({"outputs": (b"\1\2",), "ticks": (1,)}, VerdictKind.WRONG_OUTPUT),
    ],
)
def test_another_identity_or_fewer_outputs_fail(changes: dict[str, object], kind: VerdictKind) -> None:
    assert judge(IMAGE, dataclasses.replace(REPORT, **changes)).kind is kind  # type: ignore[arg-type] # field names


@pytest.mark.parametrize("kind", list(BootFailureKind))
def test_a_board_that_does_not_report_fails_with_its_reason(kind: BootFailureKind) -> None:
    verdict = judge(IMAGE, BootFailure(kind, "details"))
    assert verdict.kind is VerdictKind.NO_REPORT
    assert kind.value in verdict.reason
    assert "details" in verdict.reason
