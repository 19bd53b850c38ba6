"""`.keras` files that have the same bytes for the same model: Keras writes times and addresses into them."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import tensorflow as tf

from zoo.training.errors import DataError
from zoo.training.work import Work

_DAY_ZERO = (1980, 1, 1, 0, 0, 0)


def dump(model: Any) -> bytes:
    """The model's file. Every byte is determined by the network and its weights."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        made = io.BytesIO()
        with zipfile.ZipFile(path) as source, zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as target:
            for name in sorted(source.namelist()):
                data = source.read(name)
                if name == "metadata.json":
                    data = json.dumps({**json.loads(data), "date_saved": "1980-01-01@00:00:00"}).encode()
                elif name == "config.json":
                    data = json.dumps(_renumbered(json.loads(data), {})).encode()
                target.writestr(zipfile.ZipInfo(name, _DAY_ZERO), data)
    return made.getvalue()


def _renumbered(value: Any, numbers: dict[int, int]) -> Any:
    """The configuration with shared objects numbered as they come: Keras takes their addresses in memory."""
    if isinstance(value, list):
        return [_renumbered(item, numbers) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: numbers.setdefault(item, len(numbers)) if name == "shared_object_id" else _renumbered(item, numbers)
        for name, item in value.items()
    }


def load(path: Path) -> Any:
    """A model that `dump` wrote: safe mode refuses code in the file, and the blob store only holds our own."""
    with tempfile.TemporaryDirectory() as folder:
        named = Path(folder) / "model.keras"  # a blob has no ending, and Keras goes by it
        named.write_bytes(path.read_bytes())
        return tf.keras.models.load_model(named, compile=False, safe_mode=True)


def parent_model(work: Work) -> Any:
    """The parent's network with its weights. Raises DataError when it has no float form or takes other samples."""
    path = work.origin.keras
    if path is None:
        raise DataError(
            "The parent has no float form: it was uploaded as .tflite.",
            remedy="Take a version that was trained here.",
        )
    model = load(Path(path))
    if model.input_shape[1:] != work.data.sample_shape:
        raise DataError(
            f"The parent takes samples of {list(model.input_shape[1:])}; the data set has "
            f"{list(work.data.sample_shape)}."
        )
    return model
