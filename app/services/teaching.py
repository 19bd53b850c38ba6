"""What boards train from: labelled samples given to them, and what they say of their training."""

import asyncio
import math
from collections.abc import Callable, Sequence

from app.contract import models as api
from app.errors import Conflict, Invalid, Upstream, of_device
from app.services.inference import ANSWER_SECONDS, running_tensors, stored_inputs, until_answered
from app.services.training_board import TRAINING, BoardReport, TrainingBoard
from app.storage.database import Database
from lwm2m.bridge import DeviceBridge
from lwm2m.errors import Lwm2mError
from lwm2m.messages import Code

LABELS = 1 << 16
"""A label has two bytes, however many outputs a device says that it has."""


class TeachingService:
    """Use cases of training on a board outside of federations; nothing is stored, the device is asked."""

    def __init__(self, database: Database, bridge: DeviceBridge) -> None:
        self._database = database
        self._bridge = bridge

    async def shown(self, endpoint: str) -> api.DeviceTraining:
        """What the board says of its training."""
        try:
            board = await self._board(endpoint)
            return _shown(endpoint, await board.report())
        except Lwm2mError as error:
            raise of_device(error) from error

    async def teach(self, endpoint: str, instances: Sequence[object], labels: Sequence[int]) -> api.DeviceTraining:
        """Give it labelled samples, each once the one before is worked in."""
        if len(instances) != len(labels):
            raise Invalid(
                "labels_mismatch",
                f"{len(instances)} instances have {len(labels)} labels.",
                "Send one label for each instance, in the same order.",
                "body.labels",
            )
        try:
            board = await self._board(endpoint)
            report = await board.report()
            _require_room(report, labels)
            tensors = await running_tensors(self._database, self._bridge, endpoint)
            stored = await asyncio.to_thread(stored_inputs, tensors, instances)
            for place, (label, tensor) in enumerate(zip(labels, stored, strict=True)):
                await _give(board, label, tensor, _busy(place, len(labels)))
            wanted = report.samples + len(labels)
            told = await until_answered(lambda: _holds(board, wanted), _busy(len(labels), len(labels)))
            return _shown(endpoint, told)
        except Lwm2mError as error:
            raise of_device(error) from error

    async def forget(self, endpoint: str) -> None:
        """Let it forget its samples."""
        try:
            await (await self._board(endpoint)).forget()
        except Lwm2mError as error:
            raise of_device(error) from error

    async def _board(self, endpoint: str) -> TrainingBoard:
        registration = await self._bridge.registration(endpoint)
        if TRAINING.ids[0] not in registration.instances:
            raise Conflict(
                "no_training",
                f"The device trains nothing: it registered no object {TRAINING.ids[0]}.",
                "Build its model for a board with the device OS, with the parameter trainable_head=true.",
                "endpoint",
            )
        return TrainingBoard(self._bridge, endpoint)


def _require_room(report: BoardReport, labels: Sequence[int]) -> None:
    for place, label in enumerate(labels):
        if not 0 <= label < min(report.outputs, LABELS):
            raise Invalid(
                "label_unknown",
                f"The label {label} is none of the model's {report.outputs} outputs.",
                f"Send the place of the class among them, 0 to {report.outputs - 1}.",
                f"body.labels.{place}",
            )
    room = math.inf if report.capacity is None else report.capacity - report.samples
    if len(labels) > room:
        raise Conflict(
            "samples_full",
            f"The board holds {report.samples} of {report.capacity} samples: {len(labels)} more do not fit.",
            "DELETE /v1/devices/{endpoint}/training/samples lets it forget them.",
            "body.instances",
        )


async def _give(board: TrainingBoard, label: int, tensor: bytes, too_late: Callable[[], Upstream]) -> None:
    async def write() -> bool | None:
        response = await board.teach(label, tensor)
        if response.code == Code.SERVICE_UNAVAILABLE:  # the one before is worked in, or it is training
            return None
        return response.require_success().success

    await until_answered(write, too_late)


def _busy(taken: int, count: int) -> Callable[[], Upstream]:
    """What is said when the board is at something else for too long; sent again, samples would count twice."""
    rest = f"send those from number {taken + 1} on" if taken < count else "send none of them again: it has them all"
    return lambda: Upstream(
        504,
        "board_busy",
        f"The board took {taken} of {count} samples, and is at something else since {ANSWER_SECONDS:g} seconds: "
        "it trains, or it counts.",
        f"When GET /v1/devices/{{endpoint}}/training shows that it is done, {rest}.",
    )


async def _holds(board: TrainingBoard, wanted: int) -> BoardReport | None:
    report = await board.report()
    return report if report.samples >= wanted else None


def _shown(endpoint: str, report: BoardReport) -> api.DeviceTraining:
    return api.DeviceTraining.model_validate(
        {
            "endpoint": endpoint,
            "state": report.state.name.lower(),
            "samples": report.samples,
            "capacity": report.capacity,
            "round": report.round,
            "uses": report.uses,
            "loss": report.loss if report.loss is not None and math.isfinite(report.loss) else None,
            "steps": report.steps,
            "persists": report.persists,
            "error": report.error,
            "features": report.features,
            "outputs": report.outputs,
            "correct": report.correct if report.correct is not None and report.correct >= 0 else None,
        }
    )
