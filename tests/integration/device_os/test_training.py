"""A board trains the head of its model: samples, a round's head, the update; while it infers, and over lost power."""

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from edge.os_board import OsBoard
from lwm2m.answers import Response
from lwm2m.codecs import ContentFormat
from lwm2m.messages import Code
from lwm2m.nodes import Resource, ResourceInstance
from lwm2m.paths import Path as ObjectPath
from lwm2m.server import Lwm2mServer
from tests.conftest import PortReserver
from tests.integration.device_os.conftest import KEY
from tests.support.device_os import BUILDER
from tests.support.device_os.board import Build, Oracle, build, provisioning
from tests.support.device_os.process import is_registered, until
from zoo.federated.documents import Limits, Update, decode_update, encode_model
from zoo.federated.parameters import Parameter, Parameters, Weights, weights_sha256

pytestmark = [pytest.mark.qemu, pytest.mark.toolchain]

MODEL = BUILDER / "samples" / "mnist.tflite"
ENDPOINT = "secure-1"  # the one whose key the server knows
FEATURES, CLASSES = 128, 10
PARAMETERS = Parameters(
    [Parameter("dense/kernel", (FEATURES, CLASSES)), Parameter("dense/bias", (CLASSES,))],
)
EMPTY: Weights = (np.zeros((FEATURES, CLASSES), np.float32), np.zeros(CLASSES, np.float32))
ALWAYS_0: Weights = (EMPTY[0], np.array([5, *[0] * (CLASSES - 1)], np.float32))
TAUGHT, HELD_OUT = 60, 40
RUNS, TRAINED = 1, 2
DELIVERED, INSTALLED = 3, 4


def at(text: str) -> ObjectPath:
    return ObjectPath.parse(text)


@pytest.fixture(scope="module")
def made(
    tmp_path_factory: pytest.TempPathFactory,
    libraries: None,  # noqa: ARG001 - asked for, not used
) -> Build:
    return build(tmp_path_factory.mktemp("digits-head"), MODEL, "--trainable-head")


@dataclass(frozen=True)
class Board:
    """A board and its server, and what a courier does with them."""

    machine: OsBoard
    server: Lwm2mServer

    async def value(self, path: str) -> object:
        content = (await self.server.read(ENDPOINT, at(path), timeout=30)).content
        assert isinstance(content, Resource | ResourceInstance), content
        return content.value

    async def number(self, path: str) -> float:
        return float(str(await self.value(path)))

    async def becomes(self, path: str, wanted: object) -> None:
        async with asyncio.timeout(60):
            while str(await self.value(path)) != str(wanted):  # noqa: ASYNC110 - another machine changes it
                await asyncio.sleep(0.02)

    async def write(self, path: str, content: bytes) -> Response:
        """Again while the board says that it is busy."""
        number = ContentFormat.TEXT if len(content) == 1 else ContentFormat.OPAQUE
        async with asyncio.timeout(60):
            while True:
                response = await self.server.write(ENDPOINT, at(path), content, number, timeout=30)
                if response.code != Code.SERVICE_UNAVAILABLE:
                    return response

    async def execute(self, path: str, arguments: str = "") -> Response:
        return await self.server.execute(ENDPOINT, at(path), arguments, timeout=30)

    async def teach(self, rows: range) -> None:
        pictures, labels = digits()
        for row in rows:
            sample = int(labels[row]).to_bytes(2, "little") + pictures[row].tobytes()
            assert (await self.write("/26243/0/2", sample)).success
        await self.becomes("/26243/0/1", len(rows))

    async def give(self, round_number: int, weights: Weights) -> None:
        response = await self.write("/19/0/0/0", encode_model("fed_1", round_number, weights))
        assert response.success, response

    async def train(self, round_number: int, *, epochs: int, rate: int) -> None:
        response = await self.execute("/26243/0/4", f"0='{round_number}',1='{epochs}',2='{rate}'")
        assert response.success, response

    async def update(self) -> Update:
        document = await self.value("/19/1/0/0")
        assert isinstance(document, bytes)
        return decode_update(document, PARAMETERS, Limits())

    async def uses(self, *, trained: bool) -> None:
        assert (await self.write("/26243/0/9", b"1" if trained else b"0")).success

    async def restart(self) -> None:
        before = self.server.registration(ENDPOINT).id
        await self.machine.cut()
        await self.machine.start()
        await until(lambda: self.server.registration(ENDPOINT).id != before, 60)

    async def correct_of_held_out(self) -> int:
        """By the head that answers; the board holds no samples afterwards."""
        assert (await self.execute("/26243/0/3")).success
        await self.teach(range(TAUGHT, TAUGHT + HELD_OUT))
        assert (await self.execute("/26243/0/14")).success
        async with asyncio.timeout(60):
            while (count := int(await self.number("/26243/0/14"))) < 0:  # noqa: ASYNC110 - another machine changes it
                await asyncio.sleep(0.02)
        assert (await self.execute("/26243/0/3")).success
        return count


def digits() -> tuple[NDArray[np.int8], NDArray[np.int64]]:
    """Pictures as the model's input tensor has them, and the digits."""
    found = load_digits()
    return (np.rint(found.images * 255 / 16) - 128).astype(np.int8), found.target


@pytest.fixture(scope="module")
def signing_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
async def board(
    server: Lwm2mServer,
    made: Build,
    signing_key: ec.EllipticCurvePrivateKey,
    tmp_path: Path,
    reserve_udp_port: PortReserver,
) -> AsyncIterator[Board]:
    machine = OsBoard(tmp_path / "board", counts_instructions=True)
    page = provisioning(signing_key, ENDPOINT, server.ports["coaps"], KEY, period_us=0)
    page = replace(page, sensor_port=reserve_udp_port().release())
    machine.manufacture(made.bootloader, made.signed(signing_key, "firmware", "1.0.0+1"), page)
    await machine.start()
    await until(is_registered(server, ENDPOINT), 60)
    yield Board(machine, server)
    await machine.cut()


async def test_rounds_make_the_board_better_while_it_infers(board: Board) -> None:
    assert await board.number("/26243/0/12") == FEATURES
    assert await board.number("/26243/0/13") == CLASSES
    assert await board.number("/26243/0/11") == 65536 // FEATURES
    await board.teach(range(TAUGHT))
    await board.give(1, ALWAYS_0)
    await board.train(1, epochs=1, rate=1)  # which moves nothing to speak of
    await board.becomes("/26243/0/0", TRAINED)
    first = await board.update()
    assert (first.round, first.samples, first.base) == (1, TAUGHT, weights_sha256(ALWAYS_0))
    assert first.loss is not None
    await board.uses(trained=True)
    before = await board.correct_of_held_out()

    await board.teach(range(TAUGHT))
    await board.give(2, first.weights)
    inferences = await board.number("/26241/0/12")
    await board.train(2, epochs=10, rate=20_000)
    await board.becomes("/26243/0/0", TRAINED)
    second = await board.update()
    assert second.base == weights_sha256(first.weights)
    assert second.loss is not None
    assert second.loss < first.loss / 10
    assert await board.number("/26243/0/6") == pytest.approx(second.loss, abs=1e-6)
    assert await board.number("/26243/0/7") == 11 * TAUGHT
    assert await board.number("/26243/0/8") == 2  # once for each round
    after = await board.correct_of_held_out()
    assert before < HELD_OUT // 4
    assert after > HELD_OUT * 3 // 4

    gap, slowest = await board.number("/26241/0/8"), await board.number("/26241/0/9")
    assert await board.number("/26241/0/12") > inferences
    assert gap < 2 * slowest, "neither a step nor a write to flash delayed an inference"


async def test_a_sensor_nearby_gives_samples_that_no_server_sees(board: Board) -> None:
    port = board.machine.provisioning().sensor_port
    pictures, labels = digits()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sensor:
        sensor.setblocking(False)
        sensor.connect(("127.0.0.1", port))
        for row in range(5):
            request = bytes([0x40, 0x02, 0, row, 0xB6]) + b"sample\xff"
            sample = int(labels[row]).to_bytes(2, "little") + pictures[row].tobytes()
            await asyncio.get_running_loop().sock_sendall(sensor, request + sample)
            async with asyncio.timeout(30):
                answer = await asyncio.get_running_loop().sock_recv(sensor, 100)
            assert answer == bytes([0x60, Code.CHANGED, 0, row])
            await board.becomes("/26243/0/1", row + 1)


async def test_the_trained_head_answers_instead_of_the_models_own(board: Board) -> None:
    picture = digits()[0][TAUGHT].tobytes()
    assert (await board.write("/26242/0/0", picture)).success
    await board.becomes("/26242/0/2", 1)
    own = await board.value("/26242/0/1")
    assert own == Oracle(MODEL.read_bytes()).output(picture)

    refused = await board.write("/26243/0/9", b"1")
    assert (refused.code, refused.diagnostic) == (Code.METHOD_NOT_ALLOWED, "there is no trained head of this model")
    kernel, bias = EMPTY
    bias = bias.copy()
    bias[7] = 20
    await board.teach(range(1))
    await board.give(1, (kernel, bias))
    await board.train(1, epochs=1, rate=1)
    await board.becomes("/26243/0/0", TRAINED)
    await board.uses(trained=True)
    assert (await board.write("/26242/0/0", picture)).success
    await board.becomes("/26242/0/2", 2)
    assert await board.value("/26242/0/1") == bytes(127 if label == 7 else 0x80 for label in range(CLASSES))

    await board.uses(trained=False)
    assert (await board.write("/26242/0/0", picture)).success
    await board.becomes("/26242/0/2", 3)
    assert await board.value("/26242/0/1") == own


async def test_a_model_of_a_slot_brings_its_head_along(
    board: Board, made: Build, signing_key: ec.EllipticCurvePrivateKey
) -> None:
    """What was held and trained for the model before is put aside, and its head is there when that runs again."""
    await board.teach(range(3))
    await board.give(1, EMPTY)
    await board.train(1, epochs=1, rate=20_000)
    await board.becomes("/26243/0/0", TRAINED)
    package = made.signed(signing_key, "model-a", "2.0.0+7")
    assert (await board.server.push(ENDPOINT, at("/9/0/2"), package)).success
    await board.becomes("/9/0/7", DELIVERED)
    assert (await board.execute("/9/0/4")).success
    await board.becomes("/9/0/7", INSTALLED)
    assert (await board.execute("/9/0/10")).success
    await board.becomes("/26241/0/6", "a")
    assert await board.number("/26243/0/1") == 0
    assert (await board.update()).samples == 3  # the same model, so its head is that of the slot's too

    await board.teach(range(20))
    await board.give(2, ALWAYS_0)
    await board.train(2, epochs=5, rate=20_000)
    await board.becomes("/26243/0/0", TRAINED)
    update = await board.update()
    assert (update.round, update.samples, update.base) == (2, 20, weights_sha256(ALWAYS_0))


async def test_power_lost_in_a_training_leaves_the_round_before_and_the_board_goes_on(board: Board) -> None:
    await board.teach(range(20))
    await board.give(1, EMPTY)
    await board.train(1, epochs=2, rate=20_000)
    await board.becomes("/26243/0/0", TRAINED)
    first = await board.update()
    await board.uses(trained=True)

    await board.give(2, first.weights)
    await board.train(2, epochs=1000, rate=20_000)
    await board.becomes("/26243/0/0", RUNS)
    await board.restart()
    assert await board.number("/26243/0/0") == TRAINED
    assert await board.number("/26243/0/5") == 1
    assert await board.number("/26243/0/1") == 0  # samples are in memory only
    again = await board.update()
    assert all(np.array_equal(old, new) for old, new in zip(first.weights, again.weights, strict=True))
    assert str(await board.value("/26243/0/9")) in {"True", "1"}

    refused = await board.execute("/26243/0/4", "0='2',1='1',2='1'")
    assert refused.diagnostic == "there is no head for this round: write it to /19/0/0/0 first"
    await board.teach(range(20))
    await board.give(2, again.weights)
    await board.train(2, epochs=3, rate=20_000)
    await board.becomes("/26243/0/0", TRAINED)
    second = await board.update()
    assert (second.round, second.base) == (2, weights_sha256(first.weights))
    assert await board.number("/26243/0/8") == 2
