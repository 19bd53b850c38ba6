"""What came of an update, as the JSON text that the server reads at /26241/0/0.

Keys: `verdict` (a VerdictKind, `not-downloaded`, `refused`, `interrupted`), `reason` (a sentence), `result` (Object
5), `version` of the image, `vector` and `byte` of the first difference, `flash_seconds`, `boot_seconds`,
`instructions` of the slowest inference, `expected_sha256` and `received_sha256` over all golden outputs joined, and
`outputs`, the received ones in hex.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Self

from edge.acceptance import Verdict, VerdictKind
from edge.mcuboot import FirmwareImage, ImageRefused
from edge.report import BootReport
from lwm2m.firmware import UpdateResult

MAX_OUTPUT_BYTES = (
    8192  # beyond it the report carries digests only: it travels in 1 KiB blocks and lives in the journal
)


@dataclass(frozen=True, slots=True)
class UpdateReport:
    """See the module's text for what each field holds; None where there was nothing to measure."""

    verdict: str
    reason: str
    result: int
    version: str | None = None
    vector: int | None = None
    byte: int | None = None
    flash_seconds: float | None = None
    boot_seconds: float | None = None
    instructions: int | None = None
    expected_sha256: str | None = None
    received_sha256: str | None = None
    outputs: tuple[str, ...] | None = None

    @classmethod
    def refused(cls, refusal: ImageRefused) -> Self:
        """For an image that was not flashed."""
        return cls("refused", str(refusal), refusal.result)

    @classmethod
    def not_downloaded(cls, result: int, reason: str) -> Self:
        """For a package that did not arrive."""
        return cls("not-downloaded", reason, result)

    @classmethod
    def interrupted(cls, reason: str) -> Self:
        """For an update that could not be carried to a verdict."""
        return cls("interrupted", reason, UpdateResult.UPDATE_FAILED)

    @classmethod
    def of(
        cls,
        image: FirmwareImage,
        verdict: Verdict,
        report: BootReport | None,
        *,
        seconds: tuple[float, float],
        instructions: int | None,
    ) -> Self:
        """For an image that was flashed; `seconds` are those of flashing and booting."""
        received = report.outputs if report is not None else None
        small = received is not None and sum(map(len, received)) <= MAX_OUTPUT_BYTES
        return cls(
            verdict=verdict.kind.value,
            reason=verdict.reason,
            result=UpdateResult.SUCCESS if verdict.kind is VerdictKind.PASSED else UpdateResult.UPDATE_FAILED,
            version=str(image.version),
            vector=verdict.mismatch.vector if verdict.mismatch else None,
            byte=verdict.mismatch.byte if verdict.mismatch else None,
            flash_seconds=round(seconds[0], 3),
            boot_seconds=round(seconds[1], 3),
            instructions=instructions,
            expected_sha256=_joined_sha256(image.golden_outputs),
            received_sha256=_joined_sha256(received) if received is not None else None,
            outputs=tuple(output.hex() for output in received) if received is not None and small else None,
        )

    def to_json(self) -> str:
        """One line of JSON without the empty fields."""
        return json.dumps({key: value for key, value in asdict(self).items() if value is not None})

    @classmethod
    def from_json(cls, text: str) -> Self:
        """What `to_json` wrote."""
        fields = json.loads(text)
        if "outputs" in fields:
            fields["outputs"] = tuple(fields["outputs"])
        return cls(**fields)


def _joined_sha256(outputs: Iterable[bytes]) -> str:
    return hashlib.sha256(b"".join(outputs)).hexdigest()
