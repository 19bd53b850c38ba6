"""The ordered, named arrays that a federation trains, and what identifies their values."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from zoo.federated.errors import ParametersError

Floats = NDArray[np.float32]
Weights = tuple[Floats, ...]
"""One float32 array for each parameter, in their order: Keras' layout, row by row."""

MAX_ARRAYS = 256
MAX_DIMENSIONS = 6
MAX_ELEMENTS = 4_000_000
"""Numbers in all parameters: as many as a network trained here may have."""
MAX_NAME = 128


@dataclass(frozen=True)
class Parameter:
    """One array: its name, as `dense/kernel`, and its shape."""

    name: str
    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.name or len(self.name) > MAX_NAME or not self.name.isprintable():
            raise ParametersError(f"{self.name[:MAX_NAME]!r} is no name of a parameter of 1 to {MAX_NAME} characters.")
        if not 1 <= len(self.shape) <= MAX_DIMENSIONS or min(self.shape) < 1:
            raise ParametersError(f"The shape {list(self.shape)} of {self.name} has no 1 to {MAX_DIMENSIONS} sizes.")

    @property
    def count(self) -> int:
        """Numbers in it."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Parameters:
    """All of them, in order. ParametersError when a name is there twice or they are too many."""

    items: tuple[Parameter, ...]

    def __init__(self, items: Sequence[Parameter]) -> None:
        object.__setattr__(self, "items", tuple(items))
        if not 1 <= len(self.items) <= MAX_ARRAYS:
            raise ParametersError(f"There are {len(self.items)} parameters; a federation trains 1 to {MAX_ARRAYS}.")
        if len({item.name for item in self.items}) < len(self.items):
            raise ParametersError("Two parameters have the same name.")
        if self.count > MAX_ELEMENTS:
            raise ParametersError(
                f"The parameters have {self.count} numbers; a federation trains at most {MAX_ELEMENTS}.",
                "Train the head alone, or a smaller network.",
            )

    def __iter__(self) -> Iterator[Parameter]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    @cached_property
    def count(self) -> int:
        """Numbers in all of them."""
        return sum(item.count for item in self.items)

    @property
    def bytes(self) -> int:
        """Their size as float32."""
        return 4 * self.count

    def to_json(self) -> list[dict[str, str | list[int]]]:
        """As documents and answers show them."""
        return [{"name": item.name, "shape": list(item.shape)} for item in self.items]

    @classmethod
    def of(cls, document: object) -> Parameters:
        """From `to_json`. Raises ParametersError."""
        if not isinstance(document, list):
            raise ParametersError("The parameters are no list.")
        return cls([_parameter(item) for item in document[: MAX_ARRAYS + 1]])

    def checked(self, weights: Sequence[NDArray[np.floating]]) -> Weights:
        """The same as float32 without gaps. Raises ParametersError when a shape is another or a value is no number."""
        if [array.shape for array in weights] != [item.shape for item in self.items]:
            shapes = [list(array.shape) for array in weights]
            raise ParametersError(f"The weights' shapes {shapes} are not {[list(item.shape) for item in self.items]}.")
        made = tuple(np.ascontiguousarray(array, np.float32) for array in weights)
        for item, array in zip(self.items, made, strict=True):
            if not np.isfinite(array).all():
                raise ParametersError(f"{item.name} holds values that are no numbers, or infinite ones.")
        return made


def weights_sha256(weights: Weights) -> bytes:
    """The identity of a global model (`base`): SHA-256 of the float32 little-endian bytes of all its arrays."""
    digest = hashlib.sha256()
    for array in weights:
        digest.update(np.ascontiguousarray(array, "<f4").data)
    return digest.digest()


def _parameter(item: object) -> Parameter:
    match item:
        case {"name": str(name), "shape": list(shape)} if all(type(size) is int for size in shape):
            return Parameter(name, tuple(shape))
    raise ParametersError('A parameter is no {"name": text, "shape": [sizes]}.')
