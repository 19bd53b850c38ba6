"""The device OS on an emulated board, over DTLS: it registers by itself, updates firmware, swaps models, infers."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from edge.os_board import HOST, OsBoard
from lwm2m.nodes import Resource, node_for
from lwm2m.paths import Path as ObjectPath
from lwm2m.server import Lwm2mServer
from tests.integration.device_os.conftest import KEY
from tests.support.device_os import BUILDER
from tests.support.device_os.board import Build, Oracle, build, provisioning
from tests.support.device_os.process import Packages, is_registered, until

pytestmark = [pytest.mark.qemu, pytest.mark.toolchain]

MODEL = BUILDER / "samples" / "mnist.tflite"
ENDPOINT = "secure-1"  # the one whose key the server knows


@pytest.fixture(scope="module")
def made(
    tmp_path_factory: pytest.TempPathFactory,
    libraries: None,  # noqa: ARG001 - asked for, not used
) -> Build:
    return build(tmp_path_factory.mktemp("digits"), MODEL)


@pytest.fixture(scope="module")
def signing_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
async def board(
    server: Lwm2mServer, made: Build, signing_key: ec.EllipticCurvePrivateKey, tmp_path: Path
) -> AsyncIterator[OsBoard]:
    running = OsBoard(tmp_path / "board")
    page = provisioning(signing_key, ENDPOINT, server.ports["coaps"], KEY)
    running.manufacture(made.bootloader, made.signed(signing_key, "firmware", "1.0.0+1"), page)
    await running.start()
    await until(is_registered(server, ENDPOINT), 60)
    yield running
    await running.cut()


async def value(server: Lwm2mServer, path: str) -> object:
    content = (await server.read(ENDPOINT, ObjectPath.parse(path), timeout=30)).content
    assert isinstance(content, Resource), content
    return content.value


async def becomes(server: Lwm2mServer, path: str, wanted: object) -> None:
    async with asyncio.timeout(60):
        while await value(server, path) != wanted:  # noqa: ASYNC110 - another machine changes it
            await asyncio.sleep(0.1)


async def execute(server: Lwm2mServer, path: str) -> None:
    assert (await server.execute(ENDPOINT, ObjectPath.parse(path), timeout=30)).success


async def test_firmware_is_pushed_and_comes_back_in_the_new_version(
    server: Lwm2mServer, board: OsBoard, made: Build, signing_key: ec.EllipticCurvePrivateKey
) -> None:
    assert await value(server, "/3/0/3") == "1.0.0+1"
    before = server.registration(ENDPOINT).id
    package = made.signed(signing_key, "firmware", "1.1.0+2", counter=2)
    assert (await server.push(ENDPOINT, ObjectPath.parse("/5/0/0"), package)).success
    await becomes(server, "/5/0/3", 2)
    await execute(server, "/5/0/2")
    await until(lambda: server.registration(ENDPOINT).id != before, 60)
    assert await value(server, "/3/0/3") == "1.1.0+2"
    await becomes(server, "/5/0/5", 1)
    assert await value(server, "/5/0/3") == 0
    assert board.powered


@pytest.mark.usefixtures("board")
async def test_a_model_is_swapped_and_infers_what_the_oracle_does(
    server: Lwm2mServer, made: Build, signing_key: ec.EllipticCurvePrivateKey
) -> None:
    package = made.signed(signing_key, "model-b", "2.0.0+7")
    assert (await server.push(ENDPOINT, ObjectPath.parse("/9/1/2"), package)).success
    await becomes(server, "/9/1/7", 3)
    await execute(server, "/9/1/4")
    await becomes(server, "/9/1/7", 4)
    await execute(server, "/9/1/10")
    await becomes(server, "/26241/0/6", "b")
    oracle = Oracle(MODEL.read_bytes())
    image = random.Random(1).randbytes(oracle.bytes)
    path = ObjectPath.parse("/26242/0/0")
    assert (await server.write(ENDPOINT, path, node_for(path, image), timeout=30)).success
    await becomes(server, "/26242/0/2", 1)
    assert await value(server, "/26242/0/1") == oracle.output(image)
    await execute(server, "/9/1/11")
    await becomes(server, "/26241/0/6", "built-in")


async def test_a_pull_that_lost_its_power_goes_on(
    server: Lwm2mServer, packages: Packages, board: OsBoard, made: Build, signing_key: ec.EllipticCurvePrivateKey
) -> None:
    packages.by_token["token"] = made.signed(signing_key, "firmware", "1.2.0+3", counter=2)
    path = ObjectPath.parse("/5/0/1")
    uri = f"coaps://{HOST}:{server.ports['coaps']}/fw/token"
    assert (await server.write(ENDPOINT, path, node_for(path, uri), timeout=30)).success
    before = server.registration(ENDPOINT).id
    await board.cut()  # in the middle of it, or soon after
    await board.start()
    await until(lambda: server.registration(ENDPOINT).id != before, 60)
    await becomes(server, "/5/0/3", 2)
    before = server.registration(ENDPOINT).id
    await execute(server, "/5/0/2")
    await until(lambda: server.registration(ENDPOINT).id != before, 60)
    assert await value(server, "/3/0/3") == "1.2.0+3"


async def test_a_package_that_is_none_is_refused_by_its_number(server: Lwm2mServer, board: OsBoard) -> None:
    refused = await server.push(ENDPOINT, ObjectPath.parse("/5/0/0"), bytes(5000))
    assert refused.diagnostic == "the package is refused: the result and the report say why"
    assert (await value(server, "/5/0/3"), await value(server, "/5/0/5")) == (0, 6)
    assert board.powered


async def test_a_board_that_lost_its_power_registers_again(server: Lwm2mServer, board: OsBoard) -> None:
    before = server.registration(ENDPOINT).id
    await board.cut()
    await board.start()
    await until(lambda: server.registration(ENDPOINT).id != before, 60)
    assert await value(server, "/26241/0/7") == "power-on"
