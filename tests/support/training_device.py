"""A board that trains the head of its model, in Python: objects 26243 and 19 on the client library, SGD in numpy."""

import asyncio
import contextlib

import cbor2
import numpy as np
from numpy.typing import NDArray

from app.domain.board_training import BoardState
from lwm2m.client import ClientResource, Lwm2mClient, ObjectInstance, Settings
from lwm2m.errors import Refused
from lwm2m.messages import Code
from lwm2m.paths import Path
from lwm2m.values import ResourceType, Value
from zoo.federated.documents import Update, decode_model, encode_update
from zoo.federated.errors import ModelRefused
from zoo.federated.parameters import Parameters, Weights, weights_sha256

Floats = NDArray[np.float32]
STATE = Path.of(26243, 0, 0)
MILLIONTHS = 1_000_000


class TrainingDevice:
    """`async with TrainingDevice(...)`: registered until the block ends. A sample's input is its features as int8.

    While `goes_on` is not set, it stays in the middle of its training, or of writing to flash; `fails` is what it says
    instead of either. While it `forgets`, what it was given to answer with is not in its flash.
    """

    def __init__(self, port: int, endpoint: str, parameters: Parameters, *, awake: float | None = None) -> None:
        self._settings = Settings(
            f"coap://127.0.0.1:{port}", endpoint, bind="127.0.0.1", lifetime=20, awake_seconds=awake
        )
        self._parameters = parameters
        self.features, self.outputs = parameters.items[0].shape
        self.goes_on = asyncio.Event()
        self.goes_on.set()
        self.fails: str | None = None
        self.forgets = False
        self.x: Floats = np.empty((0, self.features), np.float32)
        self.y: NDArray[np.int64] = np.empty(0, np.int64)
        self.state = BoardState.IDLE
        self.busy = 0  # how often it is, when it is told to train
        self.trains_after: int | None = None  # so many samples, and takes no more
        self.given = False
        self.heads: list[tuple[int, Weights]] = []
        self.trainings: list[int] = []
        self.uses = False
        self.round = 0
        self.loss = 0.0
        self.update = b""
        self._error = ""
        self._training: asyncio.Task[None] | None = None
        self._running: asyncio.Task[None] | None = None
        self.client: Lwm2mClient

    async def __aenter__(self) -> "TrainingDevice":
        await self.power_on()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.lose_power()

    def teach(self, x: Floats, y: NDArray[np.int64]) -> None:
        """Hold these samples, whose features lie within -1 and 1."""
        self.x, self.y = np.rint(x * 127).astype(np.float32) / np.float32(127), y

    async def power_on(self) -> None:
        """Start with the samples and the head that outlive a reset, and register."""
        self.client = await Lwm2mClient.start(self._settings, [self._training_object(), *self._containers()])
        self._running = asyncio.create_task(self.client.run())
        await asyncio.wait_for(self.client.registered.wait(), 10)

    async def lose_power(self) -> None:
        """Stop in the middle of whatever it does, without a word."""
        for task in (self._training, self._running):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        await self.client.vanish()
        self.state, self._training, self.update, self.given = BoardState.IDLE, None, b"", False

    def _training_object(self) -> ObjectInstance:
        async def sample(value: Value) -> None:
            assert isinstance(value, bytes)
            if self.state is BoardState.TRAINING or len(self.y) == self.trains_after:
                raise Refused(Code.SERVICE_UNAVAILABLE, "it is training")
            if len(value) != 2 + self.features:
                raise Refused(Code.BAD_REQUEST, f"a sample has a label and {self.features} bytes")
            features = np.frombuffer(value[2:], np.int8).astype(np.float32) / 127
            self.x = np.vstack([self.x, features])
            self.y = np.append(self.y, int.from_bytes(value[:2], "little"))

        async def clear(_: bytes) -> None:
            self.x, self.y = self.x[:0], self.y[:0]

        async def use(value: Value) -> None:
            if value and self.given:
                self._show(BoardState.TRAINING)
                self._training = asyncio.create_task(self._adopt())
            else:
                self.uses = bool(value)

        integer, opaque = ResourceType.INTEGER, ResourceType.OPAQUE
        resources = {
            0: ClientResource(integer, read=lambda: int(self.state)),
            1: ClientResource(integer, read=lambda: len(self.y)),
            2: ClientResource(opaque, write=sample),
            3: ClientResource(ResourceType.NONE, execute=clear),
            4: ClientResource(ResourceType.NONE, execute=self._train),
            5: ClientResource(integer, read=lambda: self.round),
            6: ClientResource(ResourceType.FLOAT, read=lambda: self.loss),
            9: ClientResource(ResourceType.BOOLEAN, read=lambda: self.uses, write=use),
            10: ClientResource(ResourceType.STRING, read=lambda: self._error),
            11: ClientResource(integer, read=lambda: 200),
            12: ClientResource(integer, read=lambda: self.features),
            13: ClientResource(integer, read=lambda: self.outputs),
        }
        return ObjectInstance(26243, 0, resources)

    def _containers(self) -> list[ObjectInstance]:
        async def write(value: Value) -> None:
            assert isinstance(value, bytes)
            try:
                model = decode_model(value, self._parameters)
            except ModelRefused as refused:
                raise Refused(Code.BAD_REQUEST, str(refused)) from refused
            self.heads.append((model.round, model.weights))
            self.given, self.round, self.state = True, model.round, BoardState.IDLE

        opaque = ResourceType.OPAQUE
        given = ClientResource(opaque, read=lambda: {0: b""}, write=write, observable=False)
        made = ClientResource(opaque, read=lambda: {0: self.update}, observable=False)
        return [ObjectInstance(19, 0, {0: given}), ObjectInstance(19, 1, {0: made})]

    async def _train(self, arguments: bytes) -> None:
        given = dict(part.split("=") for part in arguments.decode().split(","))
        number, epochs, millionths = (int(given[key].strip("'")) for key in "012")
        if not self.heads or self.heads[-1][0] != number or not len(self.y):
            raise Refused(Code.METHOD_NOT_ALLOWED, "there is no head of this round, or no sample")
        if self.busy:
            self.busy -= 1
            raise Refused(Code.METHOD_NOT_ALLOWED, "it is training, or counting: try again when it is done")
        self.trainings.append(number)
        self.given = False
        self._show(BoardState.TRAINING)
        self._training = asyncio.create_task(self._learn(number, epochs, millionths / MILLIONTHS))

    async def _learn(self, number: int, epochs: int, rate: float) -> None:
        await self.goes_on.wait()
        if self.fails is not None:
            self._error = self.fails
            self._show(BoardState.FAILED)
            return
        base = self.heads[-1][1]
        weights, self.loss = sgd(base, self.x, self.y, epochs, rate)
        self.update = encode_update(Update(number, weights_sha256(base), len(self.y), weights, self.loss))
        assert cbor2.loads(self.update)["round"] == number
        self.round = number
        self._show(BoardState.TRAINED)

    async def _adopt(self) -> None:
        """Write the head to flash as it was given, and answer with it."""
        await self.goes_on.wait()
        self.given, self.uses = False, self.fails is None and not self.forgets
        self._error = self.fails or ""
        self._show(BoardState.IDLE if self.fails is None else BoardState.FAILED)

    def _show(self, state: BoardState) -> None:
        self.state = state
        self.client.notify(STATE)


def sgd(head: Weights, x: Floats, y: NDArray[np.int64], epochs: int, rate: float) -> tuple[Weights, float]:
    """Softmax regression, sample by sample: the new head and the mean loss of the last epoch."""
    kernel, bias = head[0].astype(np.float64), head[1].astype(np.float64)
    loss = 0.0
    for _ in range(epochs):
        loss = 0.0
        for features, label in zip(x, y, strict=True):
            logits = features @ kernel + bias
            chances = np.exp(logits - logits.max())
            chances /= chances.sum()
            loss -= float(np.log(chances[label] + 1e-12)) / len(y)
            chances[label] -= 1
            kernel -= rate * np.outer(features, chances)
            bias -= rate * chances
    return (kernel.astype(np.float32), bias.astype(np.float32)), loss
