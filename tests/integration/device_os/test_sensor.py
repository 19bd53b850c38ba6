"""Sensors nearby give samples to the board over plain CoAP; the server sees how many there are, and none of them."""

import socket
from collections.abc import AsyncIterator

import pytest

from lwm2m.messages import Code
from lwm2m.nodes import Resource
from lwm2m.paths import Path
from lwm2m.server import Lwm2mServer
from tests.conftest import PortReserver
from tests.support.device_os.process import ENDPOINT, StartDevice, is_registered, until

SAMPLE = bytes([2, 0, 100, 50, 20, 10, 0, 0, 0, 0])  # label 2, eight bytes of input
POST, GET = 2, 1
CONFIRMABLE, NOT_CONFIRMABLE, ACKNOWLEDGEMENT = range(3)


class Sensor:
    """A CoAP client of a few lines."""

    def __init__(self, port: int) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.settimeout(5)
        self._socket.connect(("127.0.0.1", port))

    def ask(
        self, payload: bytes, *, number: int, path: str = "sample", method: int = POST, kind: int = CONFIRMABLE
    ) -> tuple[int, int, bytes]:
        """Kind, code and payload of the answer."""
        head = bytes([0x41 | kind << 4, method, *number.to_bytes(2, "big"), 0x77])
        content = b"\xff" + payload if payload else b""
        self._socket.send(head + bytes([0xB0 | len(path)]) + path.encode() + content)
        answer = self._socket.recv(1500)
        assert answer[4] == 0x77, "the token comes back"
        if kind == CONFIRMABLE:
            assert answer[2:4] == head[2:4]
        return answer[0] >> 4 & 3, answer[1], answer[6:]

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
async def sensor(
    server: Lwm2mServer, start_device: StartDevice, reserve_udp_port: PortReserver
) -> AsyncIterator[Sensor]:
    port = reserve_udp_port()
    port.release()
    await start_device(server.port, sensor_port=port.number)
    await until(is_registered(server))
    sensor = Sensor(port.number)
    yield sensor
    sensor.close()


async def samples(server: Lwm2mServer) -> str:
    content = (await server.read(ENDPOINT, Path.parse("/26243/0/1"))).content
    assert isinstance(content, Resource)
    return str(content.value)


async def test_a_sample_is_taken_once_however_often_it_is_sent(server: Lwm2mServer, sensor: Sensor) -> None:
    for _repetition in range(3):
        assert sensor.ask(SAMPLE, number=1) == (ACKNOWLEDGEMENT, Code.CHANGED, b"")
    assert await samples(server) == "1"
    assert sensor.ask(SAMPLE, number=2, kind=NOT_CONFIRMABLE) == (NOT_CONFIRMABLE, Code.CHANGED, b"")
    assert await samples(server) == "2"


@pytest.mark.parametrize(
    ("payload", "path", "method", "code", "sentence"),
    [
        (b"\x00", "sample", POST, Code.BAD_REQUEST, b"a sample begins with its label, two bytes"),
        (b"\x09" + SAMPLE[1:], "sample", POST, Code.BAD_REQUEST, b"the label is none of the model's outputs"),
        (SAMPLE, "samples", POST, Code.NOT_FOUND, b"there is only /sample"),
        (SAMPLE, "sample", GET, Code.METHOD_NOT_ALLOWED, b"a sample is posted"),
    ],
)
async def test_what_is_no_sample_is_refused_with_a_sentence(
    server: Lwm2mServer, sensor: Sensor, payload: bytes, path: str, method: int, code: int, sentence: bytes
) -> None:
    answer = sensor.ask(payload, number=1, path=path, method=method)
    assert answer == (ACKNOWLEDGEMENT, code, sentence)
    assert await samples(server) == "0"


async def test_nothing_else_can_be_asked_there(sensor: Sensor) -> None:
    """Only the server manages the device."""
    kind, code, _sentence = sensor.ask(b"", number=1, path="3", method=GET)
    assert (kind, code) == (ACKNOWLEDGEMENT, Code.NOT_FOUND)
