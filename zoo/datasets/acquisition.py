"""The data acquisition format of Edge Impulse, in JSON and CBOR: readings of sensors, signed or not."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.datasets import cbor
from zoo.datasets.errors import BadSignatureError, MisfitError, UnreadableUploadError, UploadTooLargeError
from zoo.datasets.rows import Limits, Options, Parsed, Rejected, Row, Rows, feature_names, name_problem
from zoo.datasets.schema import Schema

_ALGORITHMS = ("none", "HS256")
_HEX_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_NAME_IN_FILE = re.compile(r"^[A-Za-z0-9\s_-]+")
MAX_READINGS = 1_000_000


@dataclass(frozen=True)
class _Recording:
    """A payload that was checked."""

    sensors: tuple[str, ...]
    interval_ms: float
    device: str | None
    values: NDArray[np.float32]


def label_of_file(name: str) -> str | None:
    """The label in a file's name: what stands before the first dot, as `idle` in `idle.1.json`."""
    match = _NAME_IN_FILE.match(name)
    return match.group(0).strip() or None if match else None


def parse_acquisition(data: bytes, options: Options, limits: Limits, *, binary: bool) -> Parsed:
    """One message: {"protected": {"ver", "alg", "iat"}, "signature": hex, "payload": {...}} in JSON or CBOR (`binary`).

    The payload has `interval_ms`, `sensors` [{name, units}], `values` (one list of numbers for each reading) and maybe
    `device_name`. With `options.key` the message must be signed: HMAC-SHA256 over its bytes with 64 zeros in place of
    the signature. A recording is one sample, or with `options.window` as many as it has windows.
    """
    if len(data) > limits.document_bytes:
        raise UploadTooLargeError(
            f"The message has {len(data)} bytes; {limits.document_bytes} are allowed.",
            remedy="Send shorter recordings, or an .npz.",
        )
    message = cbor.decode(data, limits.document_depth) if binary else _json(data)
    if not isinstance(message, dict):
        raise UnreadableUploadError("The message is no object with protected, signature and payload.")
    _check_signature(data, message, options.key)
    recording = _recording(message.get("payload"), limits)
    readings = len(recording.values)
    window = options.window or readings
    if window > readings:
        raise MisfitError(
            f"The recording has {readings} readings, and a window takes {window}.",
            remedy="Send longer recordings, or ask for a shorter window.",
            field="query.window",
        )
    width = len(recording.sensors)
    if window * width > limits.values:
        raise UploadTooLargeError(f"A sample of {window * width} values is too large; ask for a `window`.")
    series = window > 1
    shape = (window, width) if series else (width,)
    schema = Schema(
        "series" if series else "tabular",
        shape,
        "float32",
        recording.sensors,
        interval_ms=recording.interval_ms if series else None,
    )
    # Windows of a recording overlap or follow one another: they belong to one part of a split.
    origin = f"recording-{hashlib.sha256(data).hexdigest()[:16]}"
    if options.group_column == "device_name":
        origin = recording.device or origin
    return schema, _windows(recording, schema, window, options, origin)


def _json(data: bytes) -> object:
    try:
        value: object = json.loads(data)
    except RecursionError as error:
        raise UnreadableUploadError("The JSON nests too deep.") from error
    except ValueError as error:  # no JSON, no UTF-8, or an integer of thousands of digits
        raise UnreadableUploadError(f"The body is no JSON: {str(error)[:200]}.") from error
    return value


def _check_signature(data: bytes, message: Mapping[Any, Any], key: str | None) -> None:
    protected, signature = message.get("protected"), message.get("signature")
    algorithm = protected.get("alg") if isinstance(protected, dict) else None
    if not isinstance(protected, dict) or protected.get("ver") != "v1" or algorithm not in _ALGORITHMS:
        raise UnreadableUploadError(
            'The message has no "protected" of {"ver": "v1", "alg": "none" or "HS256"}.', field="body.protected"
        )
    issued = protected.get("iat", 0)
    if isinstance(issued, bool) or not isinstance(issued, int | float):
        raise UnreadableUploadError("iat is no number of seconds.", field="body.protected.iat")
    if not isinstance(signature, str):
        raise UnreadableUploadError('The message has no "signature".', field="body.signature")
    if key is None:
        return
    if algorithm != "HS256" or not _HEX_SHA256.fullmatch(signature) or data.count(signature.encode()) != 1:
        raise BadSignatureError("The dataset has a key, and the message is not signed once with HS256.")
    unsigned = data.replace(signature.encode(), b"0" * 64)
    expected = hmac.new(key.encode(), unsigned, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected, signature.lower()):
        raise BadSignatureError("The signature is not that of the message under the dataset's key.")


def _recording(payload: object, limits: Limits) -> _Recording:
    if not isinstance(payload, dict):
        raise UnreadableUploadError('The message has no "payload".', field="body.payload")
    interval, sensors, values = payload.get("interval_ms"), payload.get("sensors"), payload.get("values")
    if isinstance(interval, bool) or not isinstance(interval, int | float) or not 0 <= interval < 1e9:
        raise UnreadableUploadError("interval_ms is no number of milliseconds.", field="body.payload.interval_ms")
    if not isinstance(sensors, list) or not sensors or len(sensors) > limits.columns:
        raise UnreadableUploadError("sensors is no list of sensors.", field="body.payload.sensors")
    names = [_sensor_name(place, sensor) for place, sensor in enumerate(sensors)]
    if not isinstance(values, list) or not 1 <= len(values) <= MAX_READINGS:
        raise UnreadableUploadError("values is no list of readings.", field="body.payload.values")
    readings = np.empty((len(values), len(names)), np.float32)
    for number, reading in enumerate(values):
        # One sensor may send plain numbers.
        cells = reading if isinstance(reading, list) else [reading]
        if len(cells) != len(names) or not all(type(cell) in {int, float} for cell in cells):
            raise UnreadableUploadError(
                f"Reading {number} is not {len(names)} numbers, one for each sensor.",
                field=f"body.payload.values[{number}]",
            )
        try:
            with np.errstate(over="ignore"):  # becomes infinite, and its window is rejected for it
                readings[number] = cells
        except OverflowError:  # an int beyond any float
            readings[number] = np.inf
    device = payload.get("device_name")
    for field in ("device_name", "device_type"):
        if not isinstance(payload.get(field, ""), str):
            raise UnreadableUploadError(f"{field} is no text.", field=f"body.payload.{field}")
    known = isinstance(device, str) and name_problem(device) is None
    return _Recording(feature_names(names, "sensor"), float(interval), device if known else None, readings)


def _sensor_name(place: int, sensor: object) -> str:
    name = sensor.get("name") if isinstance(sensor, dict) else None
    if not isinstance(sensor, dict) or not isinstance(name, str) or not isinstance(sensor.get("units", ""), str):
        raise UnreadableUploadError(
            f"Sensor {place} has no name, or its units are no text.", field=f"body.payload.sensors[{place}]"
        )
    return name


def _windows(recording: _Recording, schema: Schema, window: int, options: Options, origin: str) -> Rows:
    stride = options.stride or window
    last = 0
    for begin in range(0, len(recording.values) - window + 1, stride):
        last = begin + window
        values = recording.values[begin:last].reshape(schema.shape)
        yield Row(f"readings {begin}-{last - 1}", values, options.label, origin=origin)
    if last < len(recording.values):
        yield Rejected(f"readings {last}-{len(recording.values) - 1}", f"They are fewer than a window of {window}.")
