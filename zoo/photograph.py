"""PNG and JPEG pictures to a model's instances, as its card says or its quantisation implies."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoo.datasets.images import CHANNELS, BadImageError, image_array
from zoo.datasets.rows import Limits
from zoo.errors import BadInputError, ModelMalformedError, UnsupportedModelError
from zoo.inspect import TensorReport

MAX_VALUES = 1 << 24
"""Of several pictures together: small files become as large as the model's input is."""

_LIMITS = Limits()


@dataclass(frozen=True)
class PictureInput:
    """What the card says of pictures: a black pixel is `low`, a white one `high`; with `invert` the other way round.

    `mean` and `deviation`, one for each channel, then make z-scores of them if the model takes those.
    """

    low: float = 0.0
    high: float = 1.0
    invert: bool = False
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()

    @classmethod
    def of_card(cls, card: Mapping[str, object] | None) -> PictureInput | None:
        """From a card's `picture` and `scaling`; None without either. ModelMalformedError when they make no sense."""
        picture, scaling = ((card or {}).get(key) for key in ("picture", "scaling"))
        if picture is None and scaling is None:
            return None
        try:
            return cls._parse(picture or {}, scaling or {})
        except (AttributeError, TypeError, ValueError) as error:
            raise ModelMalformedError(
                f"The card's `picture` or `scaling` cannot be used: {error}.",
                remedy="Correct the model's card, or send instances as JSON.",
            ) from error

    @classmethod
    def _parse(cls, picture: object, scaling: object) -> PictureInput:
        if not isinstance(picture, dict) or not isinstance(scaling, dict):
            raise TypeError("they are objects")
        found = cls(
            low=float(picture.get("low", 0)),
            high=float(picture.get("high", 1)),
            invert=bool(picture.get("invert", False)),
            mean=tuple(map(float, scaling.get("mean", ()))),
            deviation=tuple(map(float, scaling.get("deviation", ()))),
        )
        if found.low == found.high or len(found.mean) != len(found.deviation) or 0.0 in found.deviation:
            raise ValueError("the range is empty, or a deviation is zero or missing")
        return found


def to_instances(pictures: Sequence[bytes], tensor: TensorReport, card: PictureInput | None) -> NDArray[np.float32]:
    """Float instances [n, height, width, channels] of files, resized to the input and made grey where it is grey.

    Without a card the pixels 0 to 255 are spread over the range that the quantised input has, which is what a model
    trained on scaled pixels was calibrated to. Raises BadInputError for a file that is no picture and for too many at
    a time, and UnsupportedModelError for a model that takes none.
    """
    shape = tensor.shape[1:]
    if len(shape) != 3 or shape[2] not in CHANNELS:
        raise UnsupportedModelError(
            f"The model takes {list(shape)}, which is no picture of one or three channels.",
            remedy="Send instances as JSON.",
        )
    known = card or _of_quantisation(tensor)
    if known.mean and len(known.mean) != shape[2]:
        raise UnsupportedModelError(
            f"The card scales {len(known.mean)} channels, and the input has {shape[2]}.",
            remedy="Send instances as JSON.",
        )
    most = max(1, MAX_VALUES // math.prod(shape))
    if len(pictures) > most:
        raise BadInputError(
            f"{len(pictures)} pictures were sent; of {shape[0]} x {shape[1]} pixels {most} are taken at a time.",
            remedy="Send fewer pictures at a time.",
        )
    found = np.empty((len(pictures), *shape), np.float32)
    for number, data in enumerate(pictures):
        try:
            pixels = image_array(data, _LIMITS, (shape[0], shape[1], shape[2]))
        except BadImageError as error:
            raise BadInputError(f"Picture {number}: {error}", remedy="Send PNG or JPEG files.") from error
        share = pixels.astype(np.float32) / 255
        found[number] = known.low + (1 - share if known.invert else share) * (known.high - known.low)
    if known.mean:
        found = ((found - np.array(known.mean)) / np.array(known.deviation)).astype(np.float32)
    return found


def _of_quantisation(tensor: TensorReport) -> PictureInput:
    if tensor.scale is None or tensor.zero_point is None:
        raise UnsupportedModelError(
            "Neither the model's card nor its input says which numbers the pixels become.",
            remedy="Send instances as JSON.",
        )
    limits = np.iinfo(tensor.dtype)
    low, high = ((bound - tensor.zero_point) * tensor.scale for bound in (limits.min, limits.max))
    return PictureInput(low, high)
