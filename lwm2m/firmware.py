"""Object 5's numbers: the states and results of a firmware update, and what each result advises."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeVar

Code = TypeVar("Code", bound=IntEnum)


class FirmwareState(IntEnum):
    """Resource 5/0/3."""

    IDLE = 0
    DOWNLOADING = 1
    DOWNLOADED = 2
    UPDATING = 3


class UpdateResult(IntEnum):
    """Resource 5/0/5 (Object 5 version 1.1 and later ends at 11)."""

    INITIAL = 0
    SUCCESS = 1
    NOT_ENOUGH_FLASH = 2
    OUT_OF_RAM = 3
    CONNECTION_LOST = 4
    INTEGRITY_FAILURE = 5
    UNSUPPORTED_PACKAGE = 6
    INVALID_URI = 7
    UPDATE_FAILED = 8
    UNSUPPORTED_PROTOCOL = 9
    CANCELLED = 10
    DEFERRED = 11


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a result code means and what to do about it."""

    code: int
    name: str
    meaning: str
    advice: str

    def __str__(self) -> str:
        return f"{self.meaning} {self.advice}"


_EXPLANATIONS = {
    UpdateResult.INITIAL: ("No update has ended yet.", "Nothing to do."),
    UpdateResult.SUCCESS: (
        "The device says that the firmware was updated.",
        "The proof is its next registration with the new version.",
    ),
    UpdateResult.NOT_ENOUGH_FLASH: (
        "The device has too little flash for the package.",
        "Build a smaller image, or check that the board of the build is the board of the device.",
    ),
    UpdateResult.OUT_OF_RAM: (
        "The device ran out of memory during the download.",
        "It is tried once more; if it fails again, push the package in smaller blocks or free memory on the device.",
    ),
    UpdateResult.CONNECTION_LOST: (
        "The connection was lost during the download.",
        "It is tried again; if it keeps failing, check the device's network and prefer pull, which resumes.",
    ),
    UpdateResult.INTEGRITY_FAILURE: (
        "The package that arrived is damaged or its signature is not accepted.",
        "It is sent once more from the start; if it fails again, check that the device holds the right public key.",
    ),
    UpdateResult.UNSUPPORTED_PACKAGE: (
        "The device does not support this type of package.",
        "Check that the image was built for this board and is in the format that its bootloader reads.",
    ),
    UpdateResult.INVALID_URI: (
        "The device could not use the package's URI.",
        "Check that the server's public address is set, reachable from the device, and that the URI has at most"
        " 255 characters.",
    ),
    UpdateResult.UPDATE_FAILED: (
        "The device could not install the firmware and keeps the one before.",
        "Read the device's log: the image was refused at start, by its anti-rollback counter, or by its self-test.",
    ),
    UpdateResult.UNSUPPORTED_PROTOCOL: (
        "The device cannot download over the URI's protocol.",
        "Use push, or a protocol listed in its resource 5/0/8.",
    ),
    UpdateResult.CANCELLED: ("The update was cancelled.", "Start it again when it is wanted."),
    UpdateResult.DEFERRED: (
        "The device or its user put the update off.",
        "It is asked again later; the package stays on the device.",
    ),
}


def explain_result(code: int) -> Explanation:
    """What an Update Result says. Any number has an answer: devices also send codes of their own."""
    return explain_code(code, UpdateResult, _EXPLANATIONS)


def explain_code(code: int, codes: type[Code], texts: Mapping[Code, tuple[str, str]]) -> Explanation:
    """The texts of a result code, or that the standard knows no such code; `texts` has meaning and advice of each."""
    try:
        result = codes(code)
    except ValueError:
        return Explanation(
            code,
            f"unknown_{code}",
            f"The device reports result {code}, which the standard does not define.",
            "Look the number up in the documentation of the device.",
        )
    meaning, advice = texts[result]
    return Explanation(code, result.name.lower(), meaning, advice)
