"""What the oracle and its subprocess say to each other; imported by both, so it imports nothing heavy."""

from __future__ import annotations

from typing import TypedDict

CPU_SECONDS = 20
TFLITE_MICRO = "tflite-micro"
LITERT = "LiteRT"
# Precedes the name of the engine at work on standard error.
ENGINE_MARK = "engine: "


class TensorType(TypedDict):
    """Shape and numpy dtype name of an input."""

    shape: list[int]
    dtype: str


class Request(TypedDict):
    """What to run. `vectors` holds one hex string per input tensor for each inference."""

    arena_bytes: int
    inputs: list[TensorType]
    outputs: int
    vectors: list[list[str]]


class Answer(TypedDict):
    """Output bytes of each vector in each engine, one hex string per output tensor."""

    litert: list[list[str]]
    tflite_micro: list[list[str]]
