"""The file pair of nnstreamer's datareposrc: `.json` says how the samples of `.data` lie one after the other."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.datasets.errors import MisfitError, UnreadableUploadError, UploadTooLargeError
from zoo.datasets.rows import Limits, Options, Parsed, Rejected, Row, Rows
from zoo.datasets.schema import DTYPES, Schema

MAX_DESCRIPTION_BYTES = 64 * 1024
_TYPES = {
    "uint8": "<u1",
    "int8": "<i1",
    "uint16": "<u2",
    "int16": "<i2",
    "uint32": "<u4",
    "int32": "<i4",
    "uint64": "<u8",
    "int64": "<i8",
    "float16": "<f2",
    "float32": "<f4",
    "float64": "<f8",
}
_CAPS_FIELD = re.compile(r"\s*([a-z_-]+)\s*=\s*(?:\([a-z]+\)\s*)?(.*?)\s*")


@dataclass(frozen=True)
class Tensor:
    """One tensor of a sample; `shape` is in C order, the outermost dimension first."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def elements(self) -> int:
        """Numbers."""
        return math.prod(self.shape)

    @property
    def size(self) -> int:
        """Bytes."""
        return self.elements * np.dtype(_TYPES[self.dtype]).itemsize


@dataclass(frozen=True)
class Description:
    """What a `.json` says."""

    tensors: tuple[Tensor, ...]
    total_samples: int
    sample_size: int


def parse_description(data: bytes) -> Description:
    """Read a datareposrc `.json` with static tensors; the sample's size has to be the sum of its tensors'."""
    if len(data) > MAX_DESCRIPTION_BYTES:
        raise UploadTooLargeError(f"The .json has {len(data)} bytes; {MAX_DESCRIPTION_BYTES} are allowed.")
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise UnreadableUploadError(f"The .json is no JSON: {str(error)[:200]}.") from error
    if not isinstance(document, dict):
        raise UnreadableUploadError("The .json is no object.")
    caps = document.get("gst_caps")
    if not isinstance(caps, str):
        raise UnreadableUploadError("gst_caps is missing or no text.", field="json.gst_caps")
    tensors = tensors_of_caps(caps)
    total, size = (_count(document, key) for key in ("total_samples", "sample_size"))
    expected = sum(tensor.size for tensor in tensors)
    if size != expected:
        raise UnreadableUploadError(
            f"sample_size is {size}, and the tensors of gst_caps take {expected} bytes.", field="json.sample_size"
        )
    return Description(tensors, total, size)


def parse_datarepo(description: Description, data: bytes, options: Options, limits: Limits) -> Parsed:
    """The samples: the first tensor is the sample, the second its one-hot label or its targets."""
    if len(data) != description.total_samples * description.sample_size:
        raise UnreadableUploadError(
            f"The .data has {len(data)} bytes; {description.total_samples} samples of {description.sample_size} bytes "
            f"are {description.total_samples * description.sample_size}.",
            field="json.total_samples",
        )
    if description.total_samples > limits.rows:
        raise UploadTooLargeError(f"The .data has more than {limits.rows} samples.")
    if len(description.tensors) > 2:
        raise MisfitError(f"A sample has {len(description.tensors)} tensors; one, or one and its label, are taken.")
    sample = description.tensors[0]
    answer = description.tensors[1] if len(description.tensors) == 2 else None
    if sample.elements > limits.values or (answer is not None and answer.elements > 1000):
        raise UploadTooLargeError("A sample has too many values.")
    records = np.frombuffer(data, np.uint8).reshape(description.total_samples, description.sample_size)
    answers = None
    if answer is not None:
        answers = np.ascontiguousarray(records[:, sample.size :]).view(_TYPES[answer.dtype]).astype(np.float64)
    # A label of one number is a target. Most of the rows decide, so that a broken one is rejected and changes nothing.
    one_hot = answers is not None and answers.shape[1] > 1 and float(np.mean(_is_one_hot(answers))) > 0.5
    shape = options.shape or _shape(sample)
    if math.prod(shape) != sample.elements:
        raise MisfitError(f"{sample.elements} values do not make {list(shape)}.", field="query.shape")
    targets = () if answers is None or one_hot else tuple(f"target_{place}" for place in range(answers.shape[1]))
    schema = Schema(
        "tabular" if len(shape) == 1 else "series" if len(shape) == 2 else "image",
        shape,
        sample.dtype if sample.dtype in DTYPES else "float32",
        tuple(str(place) for place in range(shape[-1])),
        targets=targets,
    )
    return schema, _rows(records, sample, answers, schema, options, one_hot=one_hot)


def elements_as(
    description: Description, records: NDArray[np.uint8], tensor: int, dtype: np.dtype[Any]
) -> NDArray[Any]:
    """The numbers of one tensor of whole records, [records, elements]."""
    begin = sum(item.size for item in description.tensors[:tensor])
    found = description.tensors[tensor]
    stored = np.ascontiguousarray(records[:, begin : begin + found.size]).view(_TYPES[found.dtype])
    with np.errstate(over="ignore"):
        return stored.astype(dtype)


def tensors_of_caps(caps: str) -> tuple[Tensor, ...]:
    """The tensors that caps tell of; only static ones are taken."""
    media, *rest = caps.split(",")
    fields = {}
    for text in rest:
        match = _CAPS_FIELD.fullmatch(text)
        if match is not None:
            fields[match.group(1)] = match.group(2)
    if media.strip() not in {"other/tensors", "other/tensor"} or fields.get("format", "static") != "static":
        raise MisfitError(
            f"gst_caps is {caps[:80]!r}: only static tensors are taken.",
            remedy="Convert the samples to other/tensors, format=static, or send pictures as a zip of folders.",
            field="json.gst_caps",
        )
    types = fields.get("types", fields.get("type", "")).split(".")
    dimensions = fields.get("dimensions", fields.get("dimension", "")).split(".")
    stated = fields.get("num_tensors", str(len(types)))
    if len(types) != len(dimensions) or stated != str(len(types)) or not 1 <= len(types) <= 16:
        raise UnreadableUploadError(
            f"gst_caps has num_tensors {stated[:20]}, {len(dimensions)} dimensions and {len(types)} types.",
            field="json.gst_caps",
        )
    return tuple(_tensor(*pair) for pair in zip(types, dimensions, strict=True))


def _tensor(type_: str, dimensions: str) -> Tensor:
    sizes = dimensions.split(":")
    if type_ not in _TYPES or len(sizes) > 16 or not all(re.fullmatch(r"[1-9][0-9]{0,6}", size) for size in sizes):
        raise UnreadableUploadError(
            f"gst_caps has a tensor of type {type_[:20]!r} and dimensions {dimensions[:40]!r}.", field="json.gst_caps"
        )
    return Tensor(type_, tuple(int(size) for size in reversed(sizes)))


def _count(document: dict[str, object], key: str) -> int:
    value = document.get(key)
    if type(value) is not int or not 1 <= value < 1 << 48:
        raise UnreadableUploadError(f"{key} is {str(value)[:40]!r} and no positive whole number.", field=f"json.{key}")
    return value


def _shape(tensor: Tensor) -> tuple[int, ...]:
    """Without the dimensions of 1 around it: (height, width, channels), (readings, sensors) or (values,)."""
    shape = tensor.shape
    if len(shape) == 4 and shape[0] == 1 and shape[2] > 1 and shape[3] > 1:
        return (shape[2], shape[3], shape[1])
    while len(shape) > 1 and shape[0] == 1:
        shape = shape[1:]
    return shape


def _is_one_hot(answers: NDArray[np.float64]) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = ((answers == 0) | (answers == 1)).all(axis=1) & (answers.sum(axis=1) == 1)
    return found


def _rows(
    records: NDArray[np.uint8],
    sample: Tensor,
    answers: NDArray[np.float64] | None,
    schema: Schema,
    options: Options,
    *,
    one_hot: bool,
) -> Rows:
    # nnstreamer has a picture's planes one after the other; here the channels of a pixel are beside each other.
    planes = options.shape is None and schema.kind == "image"
    correct = _is_one_hot(answers) if answers is not None and one_hot else None
    for number, record in enumerate(records):
        values = record[: sample.size].view(_TYPES[sample.dtype])
        with np.errstate(over="ignore"):
            values = values.astype(schema.dtype)
        height, width, channels = (*schema.shape, 0, 0)[:3]
        values = values.reshape(channels, height, width).transpose(1, 2, 0) if planes else values.reshape(schema.shape)
        place = f"sample {number}"
        if answers is None:
            yield Row(place, values, options.label)
        elif correct is None:
            yield Row(place, values, None, tuple(float(value) for value in answers[number]))
        elif correct[number]:
            yield Row(place, values, str(int(np.argmax(answers[number]))))
        else:
            yield Rejected(place, "Its label is not one-hot.")
