"""Inference goes on while models and firmware arrive: no gap is as long as two inferences, for either model."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.os_board import HOST, OsBoard
from lwm2m.nodes import Resource
from lwm2m.paths import Path as ObjectPath
from lwm2m.server import Lwm2mServer
from tests.support.os_core import BUILDER, make_key
from tests.support.os_core.firmware import Build, provisioning

pytestmark = [
    pytest.mark.qemu,
    pytest.mark.toolchain,
    pytest.mark.skipif(not (BUILDER / "os" / "net").exists(), reason="needs the OS's network side"),
]

KEY = make_key()
NAME = "board-1"


async def value(server: Lwm2mServer, path: str) -> object:
    content = (await server.read(NAME, ObjectPath.parse(path), timeout=60)).content
    assert isinstance(content, Resource), content
    return content.value


async def becomes(server: Lwm2mServer, path: str, wanted: object) -> None:
    async with asyncio.timeout(60):
        while await value(server, path) != wanted:  # noqa: ASYNC110 - another machine changes it
            await asyncio.sleep(0.05)


async def execute(server: Lwm2mServer, path: str) -> None:
    assert (await server.execute(NAME, ObjectPath.parse(path), timeout=60)).success


async def figures(server: Lwm2mServer) -> tuple[int, int]:
    """Longest gap and slowest inference, in ticks."""
    gap, inference = [int(str(await value(server, path))) for path in ("/26241/0/8", "/26241/0/9")]
    return gap, inference


async def test_the_longest_gap_is_under_two_inferences(build: Callable[[str], Build], tmp_path: Path) -> None:
    sine, digits = build("hello-world-sine"), build("digits-cnn")
    async with Lwm2mServer(port=0) as server:
        board = OsBoard(tmp_path / "board", counts_instructions=True)
        page = provisioning(KEY, f"coap://{HOST}:{server.port}", period_us=0)
        board.manufacture(sine.bootloader, sine.signed(KEY), page)
        await board.start()
        try:
            async with asyncio.timeout(60):
                while not server.registrations():  # noqa: ASYNC110 - another machine changes it
                    await asyncio.sleep(0.05)
            # The sine model runs while a model is pushed, verified and proven, and while firmware is.
            assert (await server.push(NAME, ObjectPath.parse("/9/0/2"), digits.signed(KEY, "model-a"))).success
            await becomes(server, "/9/0/7", 3)
            await execute(server, "/9/0/4")
            await becomes(server, "/9/0/7", 4)
            assert (await server.push(NAME, ObjectPath.parse("/5/0/0"), digits.signed(KEY, version="2.0.0+1"))).success
            await becomes(server, "/5/0/3", 2)
            gap, inference = await figures(server)
            assert 0 < gap < 2 * inference
            # The digits model runs, and goes.
            await execute(server, "/9/0/10")
            await becomes(server, "/26241/0/6", "a")
            await execute(server, "/9/0/11")
            await becomes(server, "/26241/0/6", "built-in")
            longer_gap, longer = await figures(server)
            assert longer > 10 * inference
            assert longer_gap < 2 * longer
            assert int(str(await value(server, "/26241/0/3"))) == 40 * longer
        finally:
            await board.cut()
