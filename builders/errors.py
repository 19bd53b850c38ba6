"""Everything that can go wrong with a builder, as one tree; the tree knows no HTTP.

BuilderError                 code, message, remedy, field
├── EngineError
│   ├── DockerUnavailableError     docker_unavailable    no engine answers, or it stopped answering
│   ├── BuilderStuckError          builder_stuck         a process of the build survives SIGKILL
│   └── EngineUnsupportedError     engine_unsupported    an engine on a processor without a keeper
├── ImageError
│   ├── ImageNotFoundError         image_not_found       neither on the engine nor in its registry
│   ├── ImagePullFailedError       image_pull_failed     the registry could not be asked
│   ├── ImageBuildFailedError      image_build_failed    a shipped builder image did not build
│   ├── NotABuilderError           not_a_builder         no manifest label, or no entry point
│   └── VolumeRefusedError         volume_refused        the image declares VOLUME
├── ContractError
│   ├── BadManifestError           bad_manifest
│   ├── BadRequestError            bad_request           the server's own build.json or golden.json is wrong
│   ├── BadParametersError         bad_parameters        do not fit the manifest's schema
│   └── BadResultError             bad_result            result.json, or the exit code and result.json disagree
├── BuildRefusedError              build_refused         the builder itself reported `failed`; carries its code and hint
├── RunError
│   ├── BuilderCrashedError        builder_crashed       ended with an exit code and no usable result
│   ├── NoResultError              no_result             ended with 0 and wrote no result.json
│   ├── OutputTooLargeError        output_too_large
│   ├── OutputNotRegularError      output_not_regular    a link, pipe, device or folder in /out
│   ├── HashMismatchError          hash_mismatch
│   ├── TimedOutError              timed_out
│   ├── OutOfMemoryError           out_of_memory
│   └── CancelledError             cancelled
└── SigningError
    ├── BadKeyError                bad_key
    ├── BadFirmwareError           bad_firmware          what was to be signed is no payload, version or vector set
    └── FirmwareTooLargeError      firmware_too_large    does not fit the slot
"""

from __future__ import annotations

from typing import ClassVar


class BuilderError(Exception):
    """The root: a stable code, what happened, and what the reader can do next."""

    code: ClassVar[str] = "builder_error"

    def __init__(self, message: str, *, remedy: str, field: str | None = None) -> None:
        """Take what happened, what to do next and, if a document is at fault, a JSON pointer into it."""
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.field = field


class EngineError(BuilderError):
    """The machine that runs builders is at fault, not the builder: trying again later may help."""


class DockerUnavailableError(EngineError):
    """No Docker Engine answers, or it stopped answering."""

    code = "docker_unavailable"


class BuilderStuckError(EngineError):
    """A process of the build survives SIGKILL."""

    code = "builder_stuck"


class EngineUnsupportedError(EngineError):
    """The engine answers but cannot hold a build's files."""

    code = "engine_unsupported"


class ImageError(BuilderError):
    """The image cannot be had, or is no builder."""


class ImageNotFoundError(ImageError):
    """The image is neither on the engine nor in its registry."""

    code = "image_not_found"


class ImagePullFailedError(ImageError):
    """The image's registry could not be asked."""

    code = "image_pull_failed"


class ImageBuildFailedError(ImageError):
    """A builder image that ships with the server did not build."""

    code = "image_build_failed"


class NotABuilderError(ImageError):
    """The image carries no manifest label or no entry point."""

    code = "not_a_builder"


class VolumeRefusedError(ImageError):
    """The image declares VOLUME, which would give it a writable, unbounded disk."""

    code = "volume_refused"


class ContractError(BuilderError):
    """A document does not follow the builder contract; `field` says where."""


class BadManifestError(ContractError):
    """The image label is no manifest."""

    code = "bad_manifest"


class BadRequestError(ContractError):
    """What the server was about to hand to a builder is no build.json or golden.json."""

    code = "bad_request"


class BadParametersError(ContractError):
    """The build's parameters do not fit the manifest's schema."""

    code = "bad_parameters"


class BadResultError(ContractError):
    """The result.json breaks the contract, or disagrees with the exit code or the files."""

    code = "bad_result"


class BuildRefusedError(BuilderError):
    """The builder did its work and said no: `reason` is its error code, `remedy` its hint."""

    code = "build_refused"

    def __init__(self, message: str, *, remedy: str, reason: str) -> None:
        """Take the builder's own message, hint and error code."""
        super().__init__(message, remedy=remedy)
        self.reason = reason


class RunError(BuilderError):
    """The builder ran and did not deliver."""


class BuilderCrashedError(RunError):
    """The builder ended with an exit code other than 0 and left no usable result."""

    code = "builder_crashed"


class NoResultError(RunError):
    """The builder ended with exit code 0 and wrote no result.json."""

    code = "no_result"


class OutputTooLargeError(RunError):
    """The builder wrote more bytes or files than it may."""

    code = "output_too_large"


class OutputNotRegularError(RunError):
    """The output holds something else than regular files with plain names."""

    code = "output_not_regular"


class HashMismatchError(RunError):
    """A file's sha256 is not the one that result.json names."""

    code = "hash_mismatch"


class TimedOutError(RunError):
    """The build took longer than it may."""

    code = "timed_out"


class OutOfMemoryError(RunError):
    """The kernel ended a process of the build for want of memory."""

    code = "out_of_memory"


class CancelledError(RunError):
    """Somebody cancelled the build."""

    code = "cancelled"


class SigningError(BuilderError):
    """A firmware image could not be signed."""


class BadKeyError(SigningError):
    """The signing key is missing, unreadable or of the wrong kind."""

    code = "bad_key"


class BadFirmwareError(SigningError):
    """What was to be signed is no firmware payload, or its description is wrong."""

    code = "bad_firmware"


class FirmwareTooLargeError(SigningError):
    """The signed image does not fit the board's slot."""

    code = "firmware_too_large"
