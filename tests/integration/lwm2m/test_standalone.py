"""The servers alone, as processes: `python -m lwm2m.server` and `python -m lwm2m.bootstrap`."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiocoap
import httpx
import pytest
from aiocoap.numbers.codes import Code

HOST = "127.0.0.1:0"


@dataclass
class Program:
    """A running server and its ports, by the name that its log gives them."""

    process: asyncio.subprocess.Process
    ports: dict[str, int]

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.ports['http']}/api"


@pytest.fixture
async def run() -> AsyncIterator[Callable[..., Any]]:
    async with AsyncExitStack() as stack:

        async def start(module: str, *arguments: str, ports: int = 2) -> Program:
            command = ("-m", module, "--http", HOST, "--coap", HOST, *arguments)
            started = await asyncio.create_subprocess_exec(sys.executable, *command, stderr=asyncio.subprocess.PIPE)
            stack.push_async_callback(end, started)
            found: dict[str, int] = {}
            async with asyncio.timeout(30):
                while len(found) < ports:
                    line = (await started.stderr.readline()).decode()
                    assert line, "the server ended early"
                    if match := re.search(r"(CoAP\S*) port (\d+)|(http)://127.0.0.1:(\d+)", line):
                        found[match[1] or match[3]] = int(match[2] or match[4])
            return Program(started, found)

        yield start


async def end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
    await process.wait()


async def test_it_serves_both_sides_and_ends_on_a_signal_though_a_stream_is_open(run: Any, new_device: Any) -> None:
    server = await run("lwm2m.server")
    device = await new_device(server.ports["CoAP"])
    headers = {"accept": "text/event-stream"}
    async with (
        httpx.AsyncClient(base_url=server.api, timeout=10) as client,
        client.stream("GET", "/event", headers=headers) as stream,
    ):
        await device.register("ep=alone")
        assert await anext(stream.aiter_lines()) == "event: REGISTRATION"
        assert [each["endpoint"] for each in (await client.get("/clients")).json()] == ["alone"]
        server.process.terminate()
        async with asyncio.timeout(10):
            await server.process.wait()


async def test_it_opens_every_port_that_it_is_told_and_keeps_an_endpoint_with_a_key_from_the_plain_ones(
    run: Any, new_device: Any, tmp_path: Path
) -> None:
    more = ("--coaps", HOST, "--coap-tcp", HOST, "--oscore-folder", str(tmp_path))
    server = await run("lwm2m.server", *more, ports=4)
    assert set(server.ports) == {"CoAP", "CoAPs", "CoAP+tcp", "http"}
    credential = {"endpoint": "dev1", "tls": {"mode": "psk", "details": {"identity": "dev1", "key": "00" * 16}}}
    device = await new_device(server.ports["CoAP"])
    async with httpx.AsyncClient(base_url=server.api, timeout=10) as client:
        assert (await client.put("/security/clients/", json=credential)).status_code == 200
        assert (await device.send(Code.POST, "/rd", "ep=dev1")).code == Code.FORBIDDEN
        assert (await client.delete("/security/clients/dev1")).status_code == 200
    assert (await device.send(Code.POST, "/rd", "ep=dev1")).code == Code.CREATED


async def test_the_bootstrap_server_gives_a_device_what_the_rest_api_was_told(run: Any, new_device: Any) -> None:
    server = await run("lwm2m.bootstrap")
    device = await new_device(server.ports["CoAP"])
    finished = asyncio.Event()
    for method, path in (("PUT", "/0/0"), ("PUT", "/1/0")):
        device.answers[method, path] = lambda _: aiocoap.Message(code=Code.CHANGED)
    device.answers["DELETE", "/1"] = lambda _: aiocoap.Message(code=Code.DELETED)
    device.answers["POST", "/bs"] = lambda _: (finished.set(), aiocoap.Message(code=Code.CHANGED))[1]
    config = {
        "servers": {"0": {"shortId": 123, "lifetime": 60, "binding": "U"}},
        "security": {"0": {"uri": "coap://127.0.0.1:5683", "securityMode": "NO_SEC", "serverId": 123}},
        "toDelete": ["/1"],
    }
    async with httpx.AsyncClient(base_url=server.api, timeout=10) as client:
        assert (await client.post("/bootstrap/dev1", json=config)).status_code == 200
    assert (await device.send(Code.POST, "/bs", "ep=dev1&pct=112")).code == Code.CHANGED
    async with asyncio.timeout(5):
        await finished.wait()
    asked = [f"{request.code} /{'/'.join(request.opt.uri_path)}" for request in device.requests]
    assert asked == ["DELETE /1", "PUT /0/0", "PUT /1/0", "POST /bs"]
