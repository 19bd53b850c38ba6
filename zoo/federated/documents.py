"""A federation's two documents, CBOR with the typed arrays of RFC 8746: the global model and a client's update."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from typing import Literal

import cbor2
import numpy as np
from numpy.typing import NDArray

from zoo.federated.errors import ModelRefused, Refusal, UnencodableError, UpdateRefused
from zoo.federated.parameters import Floats, Parameter, Parameters, Weights
from zoo.federated.reading import Reader

MEDIA_TYPE = "application/cbor"
COAP_CONTENT_FORMAT = 60

Form = Literal["float32", "float16", "int8"]
FORMS: tuple[Form, ...] = ("float32", "float16", "int8")
BASE_BYTES = 32
MAX_ROUND = 2**32 - 1
MAX_SAMPLES = 2**32 - 1
MAX_FEDERATION = 64
"""Bytes of a federation's id."""

_INT8, _FLOAT16, _FLOAT32 = 72, 84, 85  # RFC 8746, 2.1: all little-endian
_FLOATS = {_FLOAT32: "<f4", _FLOAT16: "<f2"}
_LARGEST_FLOAT16 = 65504.0
_LARGEST_FLOAT32 = float(np.finfo(np.float32).max)
_LARGEST_SCALE = float(np.nextafter(np.float32(_LARGEST_FLOAT32 / 127), np.float32(0)))
_BYTES_AROUND_AN_ARRAY = 64  # tag, head, and what an int8 array has around it, in the longest form that CBOR has
_BYTES_AROUND = 512


@dataclass(frozen=True, eq=False)
class GlobalModel:
    """What the clients of a round start from. In another form than float32 its weights are near the server's."""

    federation: str
    round: int
    weights: Weights


@dataclass(frozen=True, eq=False)
class Update:
    """What a client trained: the new weights, from how many samples; `base` is the identity of what it started from."""

    round: int
    base: bytes
    samples: int
    weights: Weights
    loss: float | None = None


@dataclass(frozen=True)
class Limits:
    """What a federation allows an update to say."""

    max_samples: int = MAX_SAMPLES


def most_bytes(parameters: Parameters) -> int:
    """No document of these parameters is longer; a server reads no more of a body than this."""
    return parameters.bytes + _BYTES_AROUND_AN_ARRAY * len(parameters) + _BYTES_AROUND


def encode_model(federation: str, round_number: int, weights: Weights, form: Form = "float32") -> bytes:
    """A global model. Raises UnencodableError when the weights do not go into the form."""
    return cbor2.dumps({"federation": federation, "round": round_number, "weights": _encoded(weights, form)})


def decode_model(data: bytes, parameters: Parameters) -> GlobalModel:
    """Read a global model. Raises ModelRefused."""
    reader = Reader(data, ModelRefused)
    _bounded(reader, data, parameters)
    federation: str | None = None
    number: int | None = None
    weights: Weights | None = None
    for key in reader.keys("the global model", ("federation", "round", "weights")):
        match key:
            case "federation":
                federation = reader.text(key, MAX_FEDERATION)
            case "round":
                number = reader.uint(key, MAX_ROUND)
            case _:
                weights = _decoded(reader, parameters)
    reader.end()
    if federation is None or number is None or weights is None:
        raise reader.malformed("the global model lacks one of federation, round, weights.")
    return GlobalModel(federation, number, weights)


def encode_update(update: Update, form: Form = "float32") -> bytes:
    """An update. Raises UnencodableError when the weights do not go into the form."""
    document: dict[str, object] = {"round": update.round, "base": update.base, "samples": update.samples}
    if update.loss is not None:
        document["loss"] = update.loss
    return cbor2.dumps({**document, "weights": _encoded(update.weights, form)})


def decode_update(data: bytes, parameters: Parameters, limits: Limits) -> Update:
    """Read an update of these parameters. Raises UpdateRefused; takes memory for one set of weights."""
    reader = Reader(data, UpdateRefused)
    _bounded(reader, data, parameters)
    number: int | None = None
    base: bytes | None = None
    samples: int | None = None
    loss: float | None = None
    weights: Weights | None = None
    for key in reader.keys("the update", ("round", "base", "samples", "weights", "loss")):
        match key:
            case "round":
                number = reader.uint(key, MAX_ROUND)
            case "base":
                base = _base(reader)
            case "samples":
                samples = reader.uint(key, 2**64 - 1)
            case "loss":
                loss = _loss(reader)
            case _:
                weights = _decoded(reader, parameters)
    reader.end()
    if number is None or base is None or samples is None or weights is None:
        raise reader.malformed("the update lacks one of round, base, samples, weights.")
    if samples == 0:
        raise reader.refused(Refusal.NO_SAMPLES, "The update comes from 0 samples.")
    most = min(limits.max_samples, MAX_SAMPLES)
    if samples > most:
        raise reader.refused(
            Refusal.TOO_MANY_SAMPLES, f"The update says it comes from {samples} samples; at most {most} are believed."
        )
    return Update(number, base, samples, weights, loss)


def _bounded(reader: Reader, data: bytes, parameters: Parameters) -> None:
    most = most_bytes(parameters)
    if len(data) > most:
        raise reader.refused(
            Refusal.TOO_LARGE, f"The document has {len(data)} bytes; with these parameters it has at most {most}."
        )


def _base(reader: Reader) -> bytes:
    base = bytes(reader.octets("base")[: BASE_BYTES + 1])
    if len(base) != BASE_BYTES:
        raise reader.malformed(f"base is a SHA-256 of {BASE_BYTES} bytes.")
    return base


def _loss(reader: Reader) -> float:
    loss = reader.number("loss")
    if not isfinite(loss):
        raise reader.refused(Refusal.NOT_FINITE, "The loss is no number, or an infinite one.")
    return loss


# --- Arrays ----------------------------------------------------------------------------------------------------------


def _encoded(weights: Weights, form: Form) -> list[object]:
    encode: Callable[[Floats], object] = {"float32": _as_float32, "float16": _as_float16, "int8": _as_int8}[form]
    for array in weights:
        if not np.isfinite(array).all():
            raise UnencodableError("The weights hold values that are no numbers, or infinite ones.", "Train anew.")
    return [encode(array) for array in weights]


def _as_float32(array: Floats) -> object:
    return cbor2.CBORTag(_FLOAT32, array.astype("<f4").tobytes())


def _as_float16(array: Floats) -> object:
    largest = float(np.abs(array).max())
    if largest > _LARGEST_FLOAT16:
        raise UnencodableError(f"A weight of {largest:g} is beyond {_LARGEST_FLOAT16:g}, the largest float16.")
    return cbor2.CBORTag(_FLOAT16, array.astype("<f2").tobytes())


def _as_int8(array: Floats) -> object:
    """The error is at most half of the scale, which is the largest value's 127th part."""
    # What is too small for float32 becomes zeros, and any scale will do for them.
    scale = min(float(np.float32(np.abs(array).max() / 127)), _LARGEST_SCALE) or 1.0
    values = np.clip(np.rint(array.astype(np.float64) / scale), -127, 127).astype(np.int8)
    return {"scale": scale, "values": cbor2.CBORTag(_INT8, values.tobytes())}


def _decoded(reader: Reader, parameters: Parameters) -> Weights:
    weights = tuple(_array(reader, parameters.items[number]) for number in reader.items("weights", len(parameters)))
    if len(weights) != len(parameters):
        raise reader.refused(
            Refusal.WRONG_SHAPE, f"weights has {len(weights)} arrays; the federation has {len(parameters)} parameters."
        )
    return weights


def _array(reader: Reader, parameter: Parameter) -> Floats:
    if not reader.is_tag(parameter.name):
        array = _scaled(reader, parameter)
    else:
        tag = reader.tag(parameter.name)
        if tag not in _FLOATS:
            raise reader.malformed(
                f"{parameter.name} has tag {tag}; an array has {_FLOAT32} (float32) or {_FLOAT16} (float16), or is a "
                "map of scale and values (int8)."
            )
        array = _values(reader, parameter, _FLOATS[tag]).astype(np.float32)
    if not np.isfinite(array).all():
        raise reader.refused(
            Refusal.NOT_FINITE, f"{parameter.name} holds values that are no numbers, or infinite ones."
        )
    return array.reshape(parameter.shape)


def _scaled(reader: Reader, parameter: Parameter) -> Floats:
    scale: float | None = None
    values: NDArray[np.generic] | None = None
    for key in reader.keys(parameter.name, ("scale", "values")):
        if key == "scale":
            scale = reader.number(f"{parameter.name}.scale")
        elif reader.tag(f"{parameter.name}.values") == _INT8:
            values = _values(reader, parameter, "i1")
        else:
            raise reader.malformed(f"{parameter.name}.values has another tag than {_INT8} (int8).")
    if scale is None or values is None:
        raise reader.malformed(f"{parameter.name} lacks scale or values.")
    if not 0 < scale <= _LARGEST_FLOAT32:
        raise reader.refused(Refusal.NOT_FINITE, f"{parameter.name}.scale is no positive float32.")
    with np.errstate(over="ignore"):  # what becomes infinite is refused with its name
        array: Floats = np.multiply(values, np.float32(scale), dtype=np.float32)
    return array


def _values(reader: Reader, parameter: Parameter, kind: str) -> NDArray[np.generic]:
    raw = reader.octets(parameter.name)
    if len(raw) != parameter.count * np.dtype(kind).itemsize:
        raise reader.refused(
            Refusal.WRONG_SHAPE,
            f"{parameter.name} has {len(raw)} bytes; {list(parameter.shape)} of this form has "
            f"{parameter.count * np.dtype(kind).itemsize}.",
        )
    return np.frombuffer(raw, kind)
