"""A board that trains the head of its model: objects 26243 and 19, as calls over whichever LwM2M server there is."""

from dataclasses import dataclass
from typing import Any

from app.domain.board_training import BoardState
from lwm2m.answers import Response
from lwm2m.bridge import DeviceBridge
from lwm2m.errors import Rejected
from lwm2m.messages import Code
from lwm2m.nodes import Instance, Resource, ResourceInstance
from lwm2m.paths import Path
from lwm2m.values import ResourceType

TRAINING = Path.of(26243, 0)
SAMPLE, CLEAR, TRAIN, USE = TRAINING / 2, TRAINING / 3, TRAINING / 4, TRAINING / 9
HEAD, UPDATE = Path.of(19, 0, 0, 0), Path.of(19, 1, 0, 0)
DOCUMENT_SECONDS = 120.0
"""For a whole document, block by block."""
MILLIONTHS = 1_000_000


@dataclass(frozen=True, slots=True)
class BoardReport:
    """What /26243/0 shows; `round` is of the head in use, `loss` of the last epoch, None where the board has none."""

    state: BoardState
    samples: int
    round: int
    features: int
    outputs: int
    uses: bool
    loss: float | None = None
    steps: int | None = None
    persists: int | None = None
    error: str | None = None
    capacity: int | None = None
    correct: int | None = None


class TrainingBoard:
    """Every call raises Lwm2mError when the board refuses, sleeps too long, or does not answer."""

    def __init__(self, bridge: DeviceBridge, endpoint: str) -> None:
        self._bridge = bridge
        self.endpoint = endpoint

    async def report(self) -> BoardReport:
        """What it says of itself."""
        content = (await self._bridge.read(self.endpoint, TRAINING)).require_success().content
        values: dict[int, Any] = {}
        if isinstance(content, Instance):
            values = {each.id: each.value for each in content.resources if isinstance(each, Resource)}
        try:
            return _report(values)
        except (KeyError, ValueError) as error:
            raise Rejected(Code.NOT_FOUND, f"{TRAINING} lacks a resource, or has an unknown state: {error}") from error

    async def write_head(self, document: bytes) -> None:
        """Give it a global model's document."""
        written = await self._bridge.write(self.endpoint, HEAD, document, timeout=DOCUMENT_SECONDS)
        written.require_success()

    async def train(self, round_number: int, epochs: int, learning_rate: float) -> None:
        """Begin to train from the head that it was given for the round."""
        arguments = f"0='{round_number}',1='{epochs}',2='{round(learning_rate * MILLIONTHS)}'"
        (await self._bridge.execute(self.endpoint, TRAIN, arguments)).require_success()

    async def update(self) -> bytes:
        """The document of the update that it made."""
        response = await self._bridge.read(self.endpoint, UPDATE, timeout=DOCUMENT_SECONDS)
        content = response.require_success().content
        if not isinstance(content, Resource | ResourceInstance) or not isinstance(content.value, bytes):
            raise Rejected(Code.NOT_FOUND, f"{UPDATE} holds no bytes")
        return content.value

    async def use(self, *, trained: bool) -> None:
        """Answer inference with the trained head, or with the model's own."""
        node = Resource(USE.ids[-1], ResourceType.BOOLEAN, trained)
        (await self._bridge.write(self.endpoint, USE, node)).require_success()

    async def teach(self, label: int, tensor: bytes) -> Response:
        """Add a labelled input, the bytes of its tensor; 5.03 while the one before is worked on."""
        return await self._bridge.write(self.endpoint, SAMPLE, label.to_bytes(2, "little") + tensor)

    async def forget(self) -> None:
        """Forget the labelled inputs."""
        (await self._bridge.execute(self.endpoint, CLEAR)).require_success()


def _report(values: dict[int, Any]) -> BoardReport:
    return BoardReport(
        state=BoardState(values[0]),
        samples=int(values[1]),
        round=int(values[5]),
        loss=values.get(6),
        steps=values.get(7),
        persists=values.get(8),
        uses=bool(values[9]),
        error=values.get(10) or None,
        capacity=values.get(11),
        features=int(values[12]),
        outputs=int(values[13]),
        correct=values.get(14),
    )
