"""The one error of the compiler, with the codes that the builder contract names."""

from enum import StrEnum


class Code(StrEnum):
    """Failure codes of `/out/result.json` (docs/reference/builder-contract.md)."""

    BAD_MODEL = "bad_model"
    UNSUPPORTED_OPERATOR = "unsupported_operator"
    UNSUPPORTED_TYPE = "unsupported_type"
    UNSUPPORTED_BOARD = "unsupported_board"
    MODEL_TOO_LARGE = "model_too_large"
    BAD_REQUEST = "bad_request"
    COMPILER_FAILED = "compiler_failed"
    OUTPUT_FULL = "output_full"
    INTERNAL = "internal"


class CompileError(Exception):
    """A refusal: what is wrong (`message`), its contract `code`, and what the reader can do about it (`hint`)."""

    def __init__(self, code: Code, message: str, hint: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.code.value}: {self.message} (hint: {self.hint})"


def bad_model(message: str, hint: str = "Export the model again with the TensorFlow Lite converter.") -> CompileError:
    """A file that is not a well-formed TensorFlow Lite model."""
    return CompileError(Code.BAD_MODEL, message, hint)
