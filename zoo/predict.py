"""Predictions in the API process: instances in real units, through the model in LiteRT, back in real units."""

from __future__ import annotations

import hashlib
import math
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from threading import BoundedSemaphore, Lock
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from zoo.errors import BadInputError, ModelMalformedError, UnsupportedModelError
from zoo.inspect import inspect
from zoo.litert import LiteRt
from zoo.photograph import PictureInput, to_instances
from zoo.tensors import SERVED, as_array, to_real, to_stored

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_INSTANCES = 1024
MAX_LOADED_BYTES = 64 * 1024 * 1024
"""Of the models that stay loaded, with the memory of all their interpreters; one larger model is loaded alone."""

MAX_INTERPRETERS = min(4, os.cpu_count() or 1)
# One call may keep an interpreter from the others for this long.
MAX_SECONDS = 20.0


class LoadedModel:
    """One model ready to predict, safe to use from several threads: each takes one of up to `interpreters`.

    Takes models with one input and one output (int8, uint8 or float32) whose first dimension is a batch of one.
    """

    def __init__(self, model: bytes, *, interpreters: int = 1) -> None:
        report = inspect(model)
        if len(report.inputs) != 1 or len(report.outputs) != 1:
            raise UnsupportedModelError(
                f"The model has {len(report.inputs)} inputs and {len(report.outputs)} outputs; only one each is served."
            )
        self.input, self._output = report.inputs[0], report.outputs[0]
        for tensor in (self.input, self._output):
            if tensor.dtype not in SERVED or tensor.shape[:1] != (1,):
                raise UnsupportedModelError(
                    f"The tensor {tensor.name!r} is {tensor.dtype} {list(tensor.shape)}; int8, uint8 and float32 with "
                    "a batch of one are served."
                )
        self.size = (len(model) + report.ram_bytes) * interpreters
        self._model = model
        self._is_stateful = report.is_stateful
        self._turns = BoundedSemaphore(interpreters)
        self._idle = [self._interpreter()]

    @property
    def instance_shape(self) -> tuple[int, ...]:
        """The shape of one instance: the input's, without the batch."""
        return self.input.shape[1:]

    def run(self, instances: NDArray[np.float32], *, seconds: float = math.inf) -> NDArray[np.float64]:
        """Predict each of `instances`, [n, *instance_shape] in real units; returns [n, *output shape] in real units.

        For a model that keeps state they are the steps of one sequence, from its first state on.

        Raises BadInputError when `seconds` have passed before the last instance.
        """
        stored = to_stored(instances, self.input)
        results = []
        with self._turn() as interpreter:
            # Counted from our turn on: waiting for others is not the caller's doing.
            deadline = time.monotonic() + seconds
            for instance in stored:
                results.append(interpreter.run([instance[np.newaxis]])[0][0])
                if time.monotonic() > deadline:
                    raise BadInputError(
                        f"{len(results)} of {len(stored)} instances took {seconds:g} seconds.",
                        remedy="Send fewer instances at a time.",
                    )
        return to_real(np.stack(results), self._output)

    @contextmanager
    def _turn(self) -> Iterator[LiteRt]:
        """An interpreter of one's own; the first call that finds none idle makes the next one.

        One that keeps state serves one call: nothing of a caller's sequence reaches another's.
        """
        with self._turns:
            try:
                interpreter = self._idle.pop()  # atomic, as append is
            except IndexError:
                interpreter = self._interpreter()
            try:
                yield interpreter
            finally:
                if not self._is_stateful:
                    self._idle.append(interpreter)

    def _interpreter(self) -> LiteRt:
        try:
            return LiteRt(self._model)
        except (RuntimeError, ValueError) as error:
            raise UnsupportedModelError(f"LiteRT does not load the model: {' '.join(str(error).split())}") from error


class Predictor:
    """Predicts with any model of the store, keeping those used last loaded. Safe to use from several threads.

    LiteRT runs with its reference kernels and without delegates (see `zoo.litert`): a prediction is reproducible.
    """

    def __init__(
        self,
        *,
        capacity_bytes: int = MAX_LOADED_BYTES,
        interpreters: int = MAX_INTERPRETERS,
        seconds: float = MAX_SECONDS,
    ) -> None:
        self._capacity_bytes = capacity_bytes
        self._interpreters = interpreters
        self._seconds = seconds
        self._loaded: OrderedDict[str, LoadedModel] = OrderedDict()
        self._lock = Lock()

    def predict(self, model_sha256: str, load: Callable[[], bytes], instances: Sequence[object]) -> list[object]:
        """Predict `instances`: 1 to 1024 nested lists of numbers in real units, of the input's shape less its batch.

        `load` fetches the model's bytes when they are not loaded yet. Returns one nested list per instance. Raises
        BadInputError for values that do not fit, UnsupportedModelError for a model that is not predicted with here,
        and ModelMalformedError when the bytes are not those of `model_sha256`.
        """
        _check_count(len(instances))
        model = self._get(model_sha256, load)
        return self._run(model, as_array(instances, model.instance_shape))

    def predict_pictures(
        self, model_sha256: str, load: Callable[[], bytes], pictures: Sequence[bytes], card: PictureInput | None
    ) -> list[object]:
        """The same for PNG or JPEG files, which become instances as the model's card says (see `zoo.photograph`)."""
        _check_count(len(pictures))
        model = self._get(model_sha256, load)
        return self._run(model, to_instances(pictures, model.input, card))

    def _run(self, model: LoadedModel, instances: NDArray[np.float32]) -> list[object]:
        results = model.run(instances, seconds=self._seconds)
        if not np.isfinite(results).all():
            raise BadInputError(
                "The model answers these instances with infinity or NaN.", remedy="Send smaller values."
            )
        answer: list[object] = results.tolist()
        return answer

    def _get(self, model_sha256: str, load: Callable[[], bytes]) -> LoadedModel:
        with self._lock:
            if model_sha256 in self._loaded:
                self._loaded.move_to_end(model_sha256)
                return self._loaded[model_sha256]
        # Loading reads a store and takes long: outside of the lock. Two threads may both load; the later one stays.
        data = load()
        if hashlib.sha256(data).hexdigest() != model_sha256:
            raise ModelMalformedError(
                f"The stored bytes are not those of the model {model_sha256}.", remedy="Upload the model version again."
            )
        model = LoadedModel(data, interpreters=self._interpreters)
        with self._lock:
            self._loaded[model_sha256] = model
            self._loaded.move_to_end(model_sha256)
            while len(self._loaded) > 1 and sum(kept.size for kept in self._loaded.values()) > self._capacity_bytes:
                self._loaded.popitem(last=False)
        return model


def _check_count(count: int) -> None:
    if not 1 <= count <= MAX_INSTANCES:
        raise BadInputError(f"{count} instances were sent; send 1 to {MAX_INSTANCES}.")
