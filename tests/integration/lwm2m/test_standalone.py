"""The server alone, as a process: `python -m lwm2m.server`."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest


@pytest.fixture
async def process() -> AsyncIterator[tuple[int, int, asyncio.subprocess.Process]]:
    command = ("-m", "lwm2m.server", "--http", "127.0.0.1:0", "--coap", "127.0.0.1:0")
    started = await asyncio.create_subprocess_exec(sys.executable, *command, stderr=asyncio.subprocess.PIPE)
    ports: dict[str, int] = {}
    try:
        async with asyncio.timeout(30):
            while len(ports) < 2:
                line = (await started.stderr.readline()).decode()
                assert line, "the server ended early"
                if found := re.search(r"(CoAP) port (\d+)|(http)://127.0.0.1:(\d+)", line):
                    ports[found[1] or found[3]] = int(found[2] or found[4])
        yield ports["http"], ports["CoAP"], started
    finally:
        if started.returncode is None:
            started.kill()
        await started.wait()


async def test_it_serves_both_sides_and_ends_on_a_signal_though_a_stream_is_open(
    process: tuple[int, int, asyncio.subprocess.Process], new_device: Any
) -> None:
    http, coap, server = process
    device = await new_device(coap)
    base = f"http://127.0.0.1:{http}/api"
    headers = {"accept": "text/event-stream"}
    async with (
        httpx.AsyncClient(base_url=base, timeout=10) as client,
        client.stream("GET", "/event", headers=headers) as stream,
    ):
        await device.register("ep=alone")
        assert await anext(stream.aiter_lines()) == "event: REGISTRATION"
        assert [each["endpoint"] for each in (await client.get("/clients")).json()] == ["alone"]
        server.terminate()
        async with asyncio.timeout(10):
            await server.wait()
