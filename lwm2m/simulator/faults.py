"""What a simulated device does wrong: each fault was seen in a real device or network."""

from enum import StrEnum


class Fault(StrEnum):
    """One fault; the value is its name on the command line."""

    DROP_MID_DOWNLOAD = "drop-mid-download"
    REJECT = "reject"
    SLOW = "slow"
    LATE = "late"
    VANISH = "vanish"
    GARBAGE = "garbage"
    WRONG_FORMAT = "wrong-format"
    MOVES_PORT = "moves-port"
    REBOOT_LOOP = "reboot-loop"
    WRONG_VERSION = "wrong-version"
    ROLLS_BACK = "rolls-back"
    DEFERS = "defers"
    FORGETS = "forgets"
    STARTS_DOWNLOADING = "starts-downloading"
    NO_NOTIFY = "no-notify"
    ONE_SLOT = "one-slot"

    @property
    def meaning(self) -> str:
        """What the device does."""
        return _MEANINGS[self]


_MEANINGS = {
    Fault.DROP_MID_DOWNLOAD: "loses the connection in the middle of its first download (result 4)",
    Fault.REJECT: "answers 2.04 to a package and rejects it (result 5)",
    Fault.SLOW: "takes a quarter of a second for each answer",
    Fault.LATE: "answers every fifth request after 12 seconds, when nobody waits any more",
    Fault.VANISH: "is gone for good once it is told to install",
    Fault.GARBAGE: "answers reads with random bytes, and sends the server random datagrams",
    Fault.WRONG_FORMAT: "answers in TLV whatever format was asked for",
    Fault.MOVES_PORT: "has a new port every few seconds, as behind a forgetful NAT",
    Fault.REBOOT_LOOP: "registers anew every few seconds and loses what it had downloaded",
    Fault.WRONG_VERSION: "reports success and another version than it was given",
    Fault.ROLLS_BACK: "returns to the version before after installing (result 8)",
    Fault.DEFERS: "puts its first installation off (result 11)",
    Fault.FORGETS: "reboots before its first installation and has lost the package",
    Fault.STARTS_DOWNLOADING: "starts with Object 5 in state Downloading, as Wakaama does",
    Fault.NO_NOTIFY: "accepts observations and never notifies",
    Fault.ONE_SLOT: "takes no software package while another is installed",
}
