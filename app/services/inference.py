"""Inference on a device: an input in real units to its running model, and what that makes of it, in real units."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from app.contract import models as api
from app.errors import Conflict, Invalid, Upstream, of_device
from app.services.drift_reading import Reading
from app.services.turns import AsyncTurns
from app.storage import models as model_rows
from app.storage.database import Database
from app.storage.tables import ModelVersionRow
from lwm2m.bridge import DeviceBridge
from lwm2m.errors import Lwm2mError, Rejected
from lwm2m.messages import Code
from lwm2m.nodes import Instance, Resource
from lwm2m.paths import Path
from zoo.inspect import TensorReport
from zoo.photograph import PictureInput, to_instances
from zoo.tensors import as_array, single_tensor, to_real, to_stored

INFERENCE = Path.of(26242, 0)
INPUT = INFERENCE / 0
OUTPUT_ID, SEQUENCE_ID, INSTRUCTIONS_ID = 1, 2, 3
MODEL_SHA256 = Path.of(26241, 0, 1)
MAX_INSTANCES = 16
"""In one request: each is an exchange with the device, which the caller waits for."""
ANSWER_SECONDS = 20.0
PAUSE_SECONDS = 0.05

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class RunningTensors:
    """The model that a device runs, as far as its inputs and outputs go."""

    row: ModelVersionRow
    input: TensorReport
    output: TensorReport

    @property
    def labels(self) -> list[str]:
        """What each output stands for, where the card says it."""
        labels = (self.row.card or {}).get("labels")
        suits = isinstance(labels, list) and len(labels) == math.prod(self.output.shape)
        return [str(label) for label in labels or ()] if suits else []


@dataclass(frozen=True, slots=True)
class Answer:
    """What /26242/0 shows at one moment."""

    output: bytes
    sequence: int
    instructions: int


class InferenceService:
    """Use cases of inference; one input of a device at a time, so that each caller reads the answer to its own."""

    def __init__(self, database: Database, bridge: DeviceBridge, heard: Callable[[Sequence[Reading]], None]) -> None:
        self._database = database
        self._bridge = bridge
        self._heard = heard
        self._turns = AsyncTurns()

    async def run(self, endpoint: str, given: Sequence[object] | Sequence[bytes]) -> api.DeviceInference:
        """The device's answers to instances in real units, or to pictures."""
        if not 1 <= len(given) <= MAX_INSTANCES:
            raise Invalid(
                "too_many_instances",
                f"{len(given)} instances were sent; a device takes 1 to {MAX_INSTANCES} in a request.",
                "Send fewer at a time.",
                "body.instances",
            )
        try:
            await self._require_object(endpoint)
            async with self._turns.of(endpoint):
                tensors = await running_tensors(self._database, self._bridge, endpoint)
                stored = await asyncio.to_thread(stored_inputs, tensors, given)
                answers = [await self._infer(endpoint, tensors, each) for each in stored]
                after = await _running_sha256(self._bridge, endpoint)
        except Lwm2mError as error:
            raise of_device(error) from error
        if after != tensors.row.sha256:
            raise Conflict(
                "model_changed",
                "The device changed its model meanwhile: it is not known which model answered.",
                "Ask again.",
                "endpoint",
            )
        readings = zip(stored, answers, strict=True)
        self._heard([_reading(endpoint, tensors, given, answer) for given, answer in readings])
        return api.DeviceInference(
            endpoint=endpoint,
            model=tensors.row.model,
            version=tensors.row.version,
            model_sha256=tensors.row.sha256,
            results=[_result(tensors, answer) for answer in answers],
        )

    async def _require_object(self, endpoint: str) -> None:
        registration = await self._bridge.registration(endpoint)
        if INFERENCE.ids[0] not in registration.instances:
            raise Conflict(
                "no_inference",
                f"The device does not take inputs: it registered no object {INFERENCE.ids[0]}.",
                "A board with the device OS does; or run the model on the server: POST /v1/models/{name}/predict.",
                "endpoint",
            )

    async def _infer(self, endpoint: str, tensors: RunningTensors, stored: bytes) -> Answer:
        before = (await self._read(endpoint)).sequence
        await self._submit(endpoint, stored)
        answer = await until_answered(lambda: self._newer(endpoint, before))
        if len(answer.output) != tensors.output.size:
            raise Upstream(
                502,
                "bad_output",
                f"The device answered with {len(answer.output)} bytes, the model's output has {tensors.output.size}.",
                "Read the device's log; its model may not be the one that it names.",
            )
        return answer

    async def _submit(self, endpoint: str, stored: bytes) -> None:
        async def write() -> bool | None:
            response = await self._bridge.write(endpoint, INPUT, stored)
            if response.code == Code.SERVICE_UNAVAILABLE:  # the input before, of whoever, still waits
                return None
            return response.require_success().success

        await until_answered(write)

    async def _newer(self, endpoint: str, before: int) -> Answer | None:
        answer = await self._read(endpoint)
        return answer if answer.sequence > before else None

    async def _read(self, endpoint: str) -> Answer:
        content = (await self._bridge.read(endpoint, INFERENCE)).require_success().content
        values: dict[int, Any] = {}
        if isinstance(content, Instance):
            values = {each.id: each.value for each in content.resources if isinstance(each, Resource)}
        output, sequence, instructions = (values.get(number) for number in (OUTPUT_ID, SEQUENCE_ID, INSTRUCTIONS_ID))
        if not isinstance(output, bytes) or not isinstance(sequence, int):
            raise Rejected(Code.NOT_FOUND, f"{INFERENCE} has no output and no sequence")
        return Answer(output, sequence, instructions if isinstance(instructions, int) else 0)


async def running_tensors(database: Database, bridge: DeviceBridge, endpoint: str) -> RunningTensors:
    """The model that a device runs now. Raises Lwm2mError, or Conflict when it is not in the store."""
    return await asyncio.to_thread(_tensors, database, await _running_sha256(bridge, endpoint))


async def _running_sha256(bridge: DeviceBridge, endpoint: str) -> str:
    content = (await bridge.read(endpoint, MODEL_SHA256)).require_success().content
    return str(content.value) if isinstance(content, Resource) else ""


def _tensors(database: Database, sha256: str) -> RunningTensors:
    with database.read() as session:
        row = model_rows.any_by_sha256(session, sha256)
    if row is None:
        raise Conflict(
            "model_unknown",
            f"The device runs the model {sha256 or '?'}, which is not in the store: its tensors are not known.",
            "Upload the model, or update the device with a build of this server.",
            "endpoint",
        )
    inputs, outputs = row.report["inputs"], row.report["outputs"]
    return RunningTensors(row, single_tensor(inputs, "input"), single_tensor(outputs, "output"))


def _no_inference() -> Upstream:
    return Upstream(
        504,
        "no_inference_in_time",
        f"The device did not work on the input within {ANSWER_SECONDS:g} seconds.",
        "Try again; GET /v1/devices/{endpoint} shows whether it is online.",
    )


async def until_answered(
    ask: Callable[[], Awaitable[Found | None]], too_late: Callable[[], Upstream] = _no_inference
) -> Found:
    """The first answer that is one; `too_late` is raised when there is none for ANSWER_SECONDS."""
    deadline = time.monotonic() + ANSWER_SECONDS
    while True:
        found = await ask()
        if found is not None:
            return found
        if time.monotonic() > deadline:
            raise too_late()
        await asyncio.sleep(PAUSE_SECONDS)


def _result(tensors: RunningTensors, answer: Answer) -> api.InferenceResult:
    real = _real(answer.output, tensors.output)
    labels = tensors.labels
    return api.InferenceResult(
        prediction=real.tolist(),
        label=labels[int(np.argmax(real))] if labels else None,
        instructions=answer.instructions or None,
        sequence=answer.sequence,
    )


def _reading(endpoint: str, tensors: RunningTensors, given: bytes, answer: Answer) -> Reading:
    """What drift monitors count; the input itself is known here, and only what it was like is kept."""
    real = _real(given, tensors.input)
    return Reading(endpoint, answer.output, answer.sequence, float(real.mean()), float(real.std()), tensors.row.sha256)


def _real(stored: bytes, tensor: TensorReport) -> NDArray[np.float64]:
    """A tensor's bytes in real units, without the batch."""
    array = np.frombuffer(stored, np.dtype(tensor.dtype).newbyteorder("<"))
    real: NDArray[np.float64] = to_real(array.reshape(tensor.shape)[0], tensor)
    return real


def stored_inputs(tensors: RunningTensors, given: Sequence[object] | Sequence[bytes]) -> list[bytes]:
    """The input tensor's bytes for each instance or picture."""
    pictures = [item for item in given if isinstance(item, bytes)]
    if len(pictures) == len(given):
        instances = to_instances(pictures, tensors.input, PictureInput.of_card(tensors.row.card))
    else:
        instances = as_array(given, tensors.input.shape[1:])
    little_endian = np.dtype(tensors.input.dtype).newbyteorder("<")
    return [each.astype(little_endian).tobytes() for each in to_stored(instances, tensors.input)]
