"""Object 9's numbers: the states and results of a software update, and what each result advises."""

from enum import IntEnum

from lwm2m.firmware import Explanation, explain_code


class SoftwareState(IntEnum):
    """Resource 9/x/7."""

    INITIAL = 0
    DOWNLOAD_STARTED = 1
    DOWNLOADED = 2  # arrived, not verified yet
    DELIVERED = 3
    INSTALLED = 4


class SoftwareResult(IntEnum):
    """Resource 9/x/9."""

    INITIAL = 0
    DOWNLOADING = 1
    INSTALLED = 2
    DOWNLOADED_AND_VERIFIED = 3
    NOT_ENOUGH_STORAGE = 50
    OUT_OF_MEMORY = 51
    CONNECTION_LOST = 52
    INTEGRITY_FAILURE = 53
    UNSUPPORTED_PACKAGE = 54
    INVALID_URI = 56
    DEVICE_ERROR = 57
    INSTALL_FAILED = 58
    UNINSTALL_FAILED = 59


_EXPLANATIONS = {
    SoftwareResult.INITIAL: ("No software operation has ended yet.", "Nothing to do."),
    SoftwareResult.DOWNLOADING: ("The device downloads the package.", "Wait for it."),
    SoftwareResult.INSTALLED: (
        "The device says that the package is installed.",
        "The proof is its version and its activation state.",
    ),
    SoftwareResult.DOWNLOADED_AND_VERIFIED: ("The device holds the package and verified it.", "It can be installed."),
    SoftwareResult.NOT_ENOUGH_STORAGE: (
        "The device has too little storage for the package.",
        "Build a smaller model, or check that it was built for the slot of this device.",
    ),
    SoftwareResult.OUT_OF_MEMORY: (
        "The device ran out of memory during the download.",
        "Send the package in smaller blocks, or free memory on the device.",
    ),
    SoftwareResult.CONNECTION_LOST: (
        "The connection was lost during the download.",
        "It is tried once more; if it fails again, check the device's network and prefer pull, which resumes.",
    ),
    SoftwareResult.INTEGRITY_FAILURE: (
        "The package that arrived is damaged or its signature is not accepted.",
        "It is sent once more from the start; if it fails again, check that the device holds the right public key.",
    ),
    SoftwareResult.UNSUPPORTED_PACKAGE: (
        "The device does not support this type of package.",
        "Check that the model was built for this board and for the runtime that it runs.",
    ),
    SoftwareResult.INVALID_URI: (
        "The device could not use the package's URI.",
        "Check that the server's public address is set and reachable from the device, or push the package.",
    ),
    SoftwareResult.DEVICE_ERROR: ("The device had an error during the update.", "Read the device's log."),
    SoftwareResult.INSTALL_FAILED: (
        "The device could not install the package.",
        "Read the device's log: the model does not fit the arena, or failed its self-test.",
    ),
    SoftwareResult.UNINSTALL_FAILED: (
        "The device could not remove the package that it had.",
        "Read the device's log, and try again after a reboot.",
    ),
}


def explain_software_result(code: int) -> Explanation:
    """What an Update Result of Object 9 says. Any number has an answer: devices also send codes of their own."""
    return explain_code(code, SoftwareResult, _EXPLANATIONS)
