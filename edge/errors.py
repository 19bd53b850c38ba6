"""The error tree of the edge agent.

EdgeError
├── FlashError       the slot does not hold what was written to it, or the image does not fit
├── BoardStateError  the board of a fleet is not in the state that this needs (edge.fleet)
├── BoardMissingError  the tool that drives the board is not installed
├── ImageLostError   the store has no intact file for a digest
├── JournalError     the journal cannot be read, or a step does not follow the one before
├── DownloadError    a pull ended without the package (edge.download)
└── ImageRefused     an image must not be flashed (edge.mcuboot)
"""


class EdgeError(Exception):
    """Base of every error that this package raises on purpose."""


class FlashError(EdgeError):
    """The slot does not hold what was written to it: the image before is put back."""


class BoardMissingError(EdgeError):
    """The tool that drives the board is not installed: no image is to blame."""


class BoardStateError(EdgeError):
    """The board of a fleet is not in the state that this needs: it runs already, is off, or is not there."""


class ImageLostError(EdgeError):
    """The image store has no intact file for this digest: deliver the package again."""


class JournalError(EdgeError):
    """The journal cannot be read, or a step does not follow the one before."""
