"""Leshan's REST API over a device that sleeps: an answer at once that there is none yet, and the answer as an event."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from lwm2m.events import Sleeping
from lwm2m.leshan import leshan_app
from lwm2m.server import Lwm2mServer
from lwm2m.values import ResourceType
from tests.support.leshan_device import TreeDevice

LINKS = '</>;rt="oma.lwm2m";ct=110,</1/0>,</3/0>,</5/0>'
EVENTS = {"accept": "text/event-stream"}


@pytest.fixture
async def server() -> AsyncIterator[Lwm2mServer]:
    async with Lwm2mServer(port=0, grace=0, awake_time=0.3) as running:
        yield running


@pytest.fixture
async def client(server: Lwm2mServer) -> AsyncIterator[httpx.AsyncClient]:
    application = Starlette(routes=[Mount("/api", leshan_app(server))])
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(application, log_config=None, lifespan="off", ws="none", timeout_graceful_shutdown=1)
        web = uvicorn.Server(config)
        serving = asyncio.create_task(web.serve(sockets=[listener]))
        base = f"http://127.0.0.1:{listener.getsockname()[1]}/api"
        async with httpx.AsyncClient(base_url=base, timeout=10) as client:
            yield client
        web.should_exit = True
        await serving


@pytest.fixture
async def asleep(server: Lwm2mServer) -> AsyncIterator[TreeDevice]:
    device = TreeDevice()
    device.set("/3/0/3", "1.0.0")
    device.set("/5/0/3", 0, ResourceType.INTEGER)
    await device.open(server.port)
    with server.events.subscribe() as events:
        await device.register("ep=dev1&lt=300&lwm2m=1.1&b=U&Q", LINKS)
        while await asyncio.wait_for(events.get(), 5) != Sleeping("dev1"):
            pass
    yield device
    await device.close()


async def next_event(lines: AsyncIterator[str], wanted: str) -> Any:
    async with asyncio.timeout(10):
        async for line in lines:
            if line == f"event: {wanted}":
                return json.loads((await anext(lines)).removeprefix("data: "))
    raise AssertionError(f"the stream ended before {wanted}")


async def test_the_answer_comes_as_an_event_when_the_device_wakes(
    client: httpx.AsyncClient, asleep: TreeDevice
) -> None:
    assert (await client.get("/clients/dev1")).json()["sleeping"] is True
    async with client.stream("GET", "/event?ep=dev1", headers=EVENTS) as stream:
        lines = stream.aiter_lines()
        response = await client.get("/clients/dev1/3/0/3?timeout=5")
        delayed = response.json()
        assert response.status_code == 200
        assert delayed == {"ep": "dev1", "path": "/3/0/3", "requestId": delayed["requestId"], "delayed": True}
        assert asleep.highest == 0
        await asleep.update()
        assert await next_event(lines, "AWAKE") == {"ep": "dev1"}
        late = await next_event(lines, "REQUEST_RESPONSE")
        node = {"kind": "singleResource", "id": 3, "type": "STRING", "value": "1.0.0"}
        answer = {"status": "CONTENT(205)", "valid": True, "success": True, "failure": False, "content": node}
        assert late == delayed | {"response": answer}
        assert await next_event(lines, "SLEEPING") == {"ep": "dev1"}


async def test_only_the_last_request_is_kept(client: httpx.AsyncClient, asleep: TreeDevice) -> None:
    async with client.stream("GET", "/event", headers=EVENTS) as stream:
        lines = stream.aiter_lines()
        await client.post("/clients/dev1/1/0/8")
        await client.post("/clients/dev1/5/0/2", content=b"0")
        last = (await client.get("/clients/dev1/composite?paths=/3/0/3,/5/0/3")).json()
        assert set(last) == {"ep", "requestId", "delayed"}
        await asleep.update()
        late = await next_event(lines, "REQUEST_RESPONSE")
        assert late["requestId"] == last["requestId"]
        assert {path: node["value"] for path, node in late["response"]["content"].items()} == {
            "/3/0/3": "1.0.0",
            "/5/0/3": "0",
        }
    assert asleep.calls == []


async def test_a_request_of_an_ended_registration_is_dropped(client: httpx.AsyncClient, asleep: TreeDevice) -> None:
    assert (await client.post("/clients/dev1/1/0/8")).json()["delayed"]
    await asleep.register("ep=dev1&lt=300&lwm2m=1.1&b=U&Q", LINKS)
    assert (await client.get("/clients/dev1/3/0/3")).json()["success"]
    assert asleep.calls == []


async def test_an_observation_that_began_late_is_told_of_and_can_be_cancelled(
    client: httpx.AsyncClient, asleep: TreeDevice
) -> None:
    async with client.stream("GET", "/event", headers=EVENTS) as stream:
        lines = stream.aiter_lines()
        assert (await client.post("/clients/dev1/5/0/3/observe")).json()["delayed"]
        await asleep.update()
        assert (await next_event(lines, "REQUEST_RESPONSE"))["response"]["status"] == "CONTENT(205)"
        asleep.set("/5/0/3", 1, ResourceType.INTEGER)
        asleep.notify("/5/0/3")
        assert (await next_event(lines, "NOTIFICATION"))["val"]["value"] == "1"
        assert (await client.delete("/clients/dev1/5/0/3/observe?active")).json()["content"]["value"] == "1"
