"""PNG and JPEG pictures of strangers to arrays, and zipped folders of them to samples."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, PngImagePlugin

from zoo.datasets.archive import Archive
from zoo.datasets.errors import MisfitError, NothingAcceptedError
from zoo.datasets.rows import Limits, Options, Parsed, Rejected, Row, Rows, name_problem, part_of
from zoo.datasets.schema import Schema

FORMATS = ("PNG", "JPEG")
MAX_SIDE = 4096
CHANNELS = {1: ("grey",), 3: ("red", "green", "blue")}
_GREY = frozenset({"1", "L", "LA", "I", "I;16", "I;16B"})
_SUFFIXES = (".png", ".jpg", ".jpeg")
# Compressed texts and colour profiles inside of a PNG are bombs of their own.
PngImagePlugin.MAX_TEXT_CHUNK = 64 * 1024
PngImagePlugin.MAX_TEXT_MEMORY = 256 * 1024


class BadImageError(ValueError):
    """A picture cannot be used; the text says why."""


def image_array(data: bytes, limits: Limits, shape: tuple[int, int, int] | None = None) -> NDArray[np.uint8]:
    """A picture as uint8 [height, width, channels], turned as its EXIF says, on white where it is transparent.

    With `shape` it is resized and made grey (1 channel) or coloured (3); without, it stays as it is. BadImageError for
    anything but a PNG or JPEG of a bounded size: the size is known, and checked, before a pixel is unpacked.
    """
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _check_size(image, limits)
            upright = ImageOps.exif_transpose(image)
            grey = upright.mode in _GREY if shape is None else shape[2] == 1
            flat = _flat(upright).convert("L" if grey else "RGB")
            if shape is not None and flat.size != (shape[1], shape[0]):
                flat = flat.resize((shape[1], shape[0]), Image.Resampling.BILINEAR)
            pixels = np.asarray(flat, np.uint8)
    except BadImageError:
        raise
    except (
        OSError,  # which Pillow's UnidentifiedImageError is
        ValueError,
        SyntaxError,  # Pillow's word for a broken PNG
        TypeError,
        KeyError,
        IndexError,
        EOFError,
        struct.error,
        zlib.error,
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
    ) as error:
        raise BadImageError(f"It is no whole PNG or JPEG: {' '.join(str(error).split())[:200]}") from error
    return pixels[..., np.newaxis] if pixels.ndim == 2 else pixels


def _check_size(image: Image.Image, limits: Limits) -> None:
    width, height = image.size
    if width * height > limits.pixels:
        raise BadImageError(f"It has {width} x {height} pixels; {limits.pixels} are allowed.")


def parse_images(archive: Archive, options: Options, limits: Limits) -> Parsed:
    """A zip of folders: a picture's label is the folder that it is in, under train/, validation/ or test/ if those are.

    Without `options.shape` the first picture says the size and whether there are colours.
    """
    asked = None if options.shape is None else _picture_shape(options.shape)
    shape = asked or _first_shape(archive, limits)
    schema = Schema("image", shape, "uint8", CHANNELS[shape[2]])
    return schema, _rows(archive, schema, asked, options.label, limits)


def _picture_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """(height, width, 1 or 3) within bounds; MisfitError for another."""
    if len(shape) != 3 or shape[2] not in CHANNELS or not all(1 <= side <= MAX_SIDE for side in shape[:2]):
        raise MisfitError(
            f"The shape {'x'.join(map(str, shape))} is none of a picture.",
            remedy=f"Ask for HEIGHTxWIDTHx1 or HEIGHTxWIDTHx3, sides up to {MAX_SIDE}, such as 28x28x1.",
            field="query.shape",
        )
    return shape[0], shape[1], shape[2]


def _first_shape(archive: Archive, limits: Limits) -> tuple[int, int, int]:
    for member in archive.members:
        if archive.problem(member) is None and member.filename.lower().endswith(_SUFFIXES):
            try:
                height, width, channels = image_array(archive.read(member), limits).shape
            except ValueError:
                continue
            return height, width, channels
    raise NothingAcceptedError("The archive has no picture that can be read.", remedy="Zip folders of PNG or JPEG.")


def _rows(
    archive: Archive, schema: Schema, asked: tuple[int, int, int] | None, label_of_all: str | None, limits: Limits
) -> Rows:
    for member in archive.members:
        place = member.filename[:200]
        if PurePosixPath(member.filename).name.startswith((".", "__MACOSX")) or member.filename.startswith("__MACOSX/"):
            continue  # what file managers add
        problem = archive.problem(member)
        if problem is None and not member.filename.lower().endswith(_SUFFIXES):
            problem = "It is no .png or .jpg."
        if problem is not None:
            yield Rejected(place, problem)
            continue
        folders = list(PurePosixPath(member.filename).parts[:-1])
        part = next((found for folder in folders if (found := part_of(folder)) is not None), None)
        folders = [folder for folder in folders if part_of(folder) is None]
        label = folders[-1] if folders else label_of_all
        if label is not None and (problem := name_problem(label)) is not None:
            yield Rejected(place, f"The label {problem}.")
            continue
        try:
            pixels = image_array(archive.read(member), limits, asked)
        except ValueError as error:
            yield Rejected(place, str(error))
            continue
        if pixels.shape != schema.shape:
            yield Rejected(place, f"It is {_size(pixels.shape)} and not {_size(schema.shape)}: ask for a `shape`.")
            continue
        yield Row(place, pixels, label, part=part)


def _flat(image: Image.Image) -> Image.Image:
    """Without transparency, and 8 bits deep."""
    if image.mode in {"I", "I;16", "I;16B"}:
        return Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).clip(0, 255).astype(np.uint8))
    if image.mode in {"LA", "RGBA", "PA"} or "transparency" in image.info:
        coloured = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", coloured.size, "white"), coloured)
    return image


def _size(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def png(pixels: NDArray[Any]) -> bytes:
    """uint8 [height, width, 1 or 3] as a PNG."""
    out = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(out, "PNG", optimize=True)
    return out.getvalue()
