"""The verdict on a booted image: it is kept only when the board computed exactly the image's golden outputs."""

from dataclasses import dataclass
from enum import StrEnum

from edge.mcuboot import FirmwareImage
from edge.report import BootFailure, BootOutcome, BootReport


class VerdictKind(StrEnum):
    """What came of a boot; everything but PASSED puts the previous image back."""

    PASSED = "passed"
    NO_REPORT = "no-report"
    WRONG_VERSION = "wrong-version"
    WRONG_IDENTITY = "wrong-identity"
    WRONG_OUTPUT = "wrong-output"


@dataclass(frozen=True, slots=True)
class Mismatch:
    """The first golden vector that differs, the first differing byte, and both outputs whole."""

    vector: int
    byte: int
    expected: bytes
    received: bytes


@dataclass(frozen=True, slots=True)
class Verdict:
    """The kind, a sentence for a person, and the mismatch when outputs differ."""

    kind: VerdictKind
    reason: str
    mismatch: Mismatch | None = None

    @property
    def passed(self) -> bool:
        """Whether the image is kept."""
        return self.kind is VerdictKind.PASSED


def judge(image: FirmwareImage, outcome: BootOutcome) -> Verdict:
    """Compare what the board reported with what the signed image promises."""
    if isinstance(outcome, BootFailure):
        return Verdict(VerdictKind.NO_REPORT, f"the board did not report ({outcome.kind.value}): {outcome.detail}")
    if outcome.version != image.version:
        return Verdict(
            VerdictKind.WRONG_VERSION, f"the board runs {outcome.version}, the image flashed is {image.version}"
        )
    if outcome.board != image.board or outcome.model_sha256 != image.model_sha256:
        return Verdict(
            VerdictKind.WRONG_IDENTITY,
            f"the board says {outcome.board} with model {outcome.model_sha256}, "
            f"the image is for {image.board} with model {image.model_sha256}",
        )
    return _compare(image, outcome)


def _compare(image: FirmwareImage, report: BootReport) -> Verdict:
    if len(report.outputs) != len(image.golden_outputs):
        return Verdict(
            VerdictKind.WRONG_OUTPUT,
            f"the board computed {len(report.outputs)} golden vectors, the image has {len(image.golden_outputs)}",
        )
    for vector, (expected, received) in enumerate(zip(image.golden_outputs, report.outputs, strict=True)):
        if expected != received:
            byte = _first_difference(expected, received)
            return Verdict(
                VerdictKind.WRONG_OUTPUT,
                f"golden vector {vector} differs at byte {byte}: "
                f"expected {_shown(expected, byte)}, received {_shown(received, byte)}",
                Mismatch(vector, byte, expected, received),
            )
    return Verdict(VerdictKind.PASSED, f"all {len(report.outputs)} golden vectors are byte-exact")


def _first_difference(expected: bytes, received: bytes) -> int:
    pairs = enumerate(
        zip(expected, received, strict=False)
    )  # of unequal length: the shorter one's end is the difference
    return next((at for at, (left, right) in pairs if left != right), min(len(expected), len(received)))


def _shown(output: bytes, byte: int) -> str:
    return f"0x{output[byte]:02x}" if byte < len(output) else "nothing"
