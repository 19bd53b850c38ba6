"""Leshan's REST API, called as its users call it, with a real device behind it."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiocoap
import httpx
import pytest
import uvicorn
from aiocoap.numbers.codes import Code
from starlette.applications import Starlette
from starlette.routing import Mount

from lwm2m.leshan import leshan_app
from lwm2m.server import Lwm2mServer

JSON = {"content-type": "application/json"}
SUCCESS = {"valid": True, "success": True, "failure": False}

Answer = Callable[[aiocoap.Message], aiocoap.Message]


def content(payload: bytes, content_format: int) -> Answer:
    return lambda _: aiocoap.Message(code=Code.CONTENT, payload=payload, content_format=content_format)


def answer(code: Code) -> Answer:
    return lambda _: aiocoap.Message(code=code)


@pytest.fixture
def application(server: Lwm2mServer) -> Starlette:
    return Starlette(routes=[Mount("/api", leshan_app(server))])


@pytest.fixture
async def client(application: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=application)
    async with httpx.AsyncClient(transport=transport, base_url="http://leshan/api") as client:
        yield client


@pytest.fixture
async def registered(device: Any) -> Any:
    await device.register("ep=waka1&lt=300&lwm2m=1.1&b=U", b'</>;rt="oma.lwm2m";ct=110,</1>;ver=1.1,</1/0>,</5/0>')
    return device


@pytest.mark.usefixtures("registered")
async def test_registrations_have_leshans_shape(client: httpx.AsyncClient, server: Lwm2mServer) -> None:
    listed = (await client.get("/clients")).json()
    one = (await client.get("/clients/waka1")).json()
    assert listed == [one]
    registration = server.registration("waka1")
    assert one == {
        "endpoint": "waka1",
        "registrationId": registration.id,
        "registrationDate": int(registration.registered_at * 1000),
        "lastUpdate": int(registration.updated_at * 1000),
        "address": registration.address,
        "lwM2mVersion": "1.1",
        "lifetime": 300,
        "bindingMode": "U",
        "rootPath": "/",
        "objectLinks": [
            {"url": "/", "attributes": {"rt": '"oma.lwm2m"', "ct": "110"}},
            {"url": "/1", "attributes": {"ver": "1.1"}},
            {"url": "/1/0", "attributes": {}},
            {"url": "/5/0", "attributes": {}},
        ],
        "secure": False,
        "additionalRegistrationAttributes": {},
        "queuemode": False,
        "availableInstances": {"1": [0], "5": [0]},
    }


@pytest.mark.parametrize(
    ("path", "payload", "content_format", "node"),
    [
        ("/3/0/9", b"\xc1\x09\x64", 11542, {"kind": "singleResource", "id": 9, "type": "INTEGER", "value": "100"}),
        ("/3/0/13", b"1795225130", 0, {"kind": "singleResource", "id": 13, "type": "TIME", "value": 1795225130000}),
        ("/1/0/6", b"1", 0, {"kind": "singleResource", "id": 6, "type": "BOOLEAN", "value": True}),
        ("/31024/0/1", b"\xca\xfe", 42, {"kind": "singleResource", "id": 1, "type": "OPAQUE", "value": "cafe"}),
        (
            "/3/0/22",
            bytes.fromhex("8616440083460001"),
            11542,
            {
                "kind": "multiResource",
                "id": 22,
                "type": "OBJLNK",
                "values": {"0": {"objectId": 33606, "objectInstanceId": 1}},
            },
        ),
        (
            "/3/0/7/0",
            b'[{"bn":"/3/0/7/0","v":32137}]',
            110,
            {"kind": "resourceInstance", "id": 0, "type": "INTEGER", "value": "32137"},
        ),
    ],
)
async def test_read_answers_with_a_node(
    client: httpx.AsyncClient, registered: Any, path: str, payload: bytes, content_format: int, node: dict[str, object]
) -> None:
    registered.answers["GET", path] = content(payload, content_format)
    response = await client.get(f"/clients/waka1{path}?timeout=5&format=TLV")
    assert response.status_code == 200
    assert response.json() == {"status": "CONTENT(205)", **SUCCESS, "content": node}
    assert registered.requests[-1].opt.accept == 11542


async def test_an_unknown_format_is_ignored(client: httpx.AsyncClient, registered: Any) -> None:
    registered.answers["GET", "/3/0/3"] = content(b"1.0", 0)
    assert (await client.get("/clients/waka1/3/0/3?format=FOO&timeout=soon")).json()["status"] == "CONTENT(205)"
    assert registered.requests[-1].opt.accept is None


async def test_an_error_of_the_device_is_http_200(client: httpx.AsyncClient, registered: Any) -> None:
    registered.answers["GET", "/0/0"] = answer(Code.UNAUTHORIZED)
    response = await client.get("/clients/waka1/0/0")
    assert response.status_code == 200
    assert response.json() == {"status": "UNAUTHORIZED(401)", "valid": True, "success": False, "failure": True}
    response = await client.get("/clients/waka1/3/0/99")
    assert response.json()["errormessage"] == "nothing at /3/0/99"


async def test_write_execute_create_delete_discover_and_attributes(client: httpx.AsyncClient, registered: Any) -> None:
    registered.answers |= {
        ("PUT", "/1/0/1"): answer(Code.CHANGED),
        ("PUT", "/3/0"): answer(Code.CHANGED),
        ("POST", "/3/0"): answer(Code.CHANGED),
        ("POST", "/5/0/2"): answer(Code.CHANGED),
        ("POST", "/31024"): lambda _: aiocoap.Message(code=Code.CREATED, location_path=("31024", "20")),
        ("DELETE", "/31024/20"): answer(Code.DELETED),
        ("GET", "/3"): content(b"</3>;dim=1,</3/0>", 40),
    }
    changed = {"status": "CHANGED(204)", **SUCCESS}
    lifetime = {"id": "1", "kind": "singleResource", "value": "86400", "type": "integer"}
    response = await client.put("/clients/waka1/1/0/1?timeout=5&format=TLV", json=lifetime)
    assert response.json() == changed
    assert registered.requests[-1].payload == bytes.fromhex("c40100015180")

    zone = {"kind": "instance", "id": 0, "resources": [{"id": "15", "value": "UTC", "type": "string"}]}
    assert (await client.put("/clients/waka1/3/0?replace=false", json=zone)).json() == changed
    assert registered.requests[-1].code == Code.POST
    assert (await client.put("/clients/waka1/3/0?replace=true", json=zone)).json() == changed
    assert registered.requests[-1].code == Code.PUT

    assert (await client.put("/clients/waka1/3/0/attributes?pmin=5&lt=1.5")).json() == changed
    assert registered.requests[-1].opt.uri_query == ("pmin=5", "lt=1.5")
    assert (await client.post("/clients/waka1/5/0/2", content=b"0='x'")).json() == changed
    assert registered.requests[-1].payload == b"0='x'"

    instance = {"kind": "instance", "id": 20, "resources": [{"id": 1, "value": 7, "type": "INTEGER"}]}
    created = await client.post("/clients/waka1/31024", json=instance)
    assert created.json() == {"status": "CREATED(201)", **SUCCESS, "location": "31024/20"}
    assert (await client.delete("/clients/waka1/31024/20")).json() == {"status": "DELETED(202)", **SUCCESS}
    links = [{"url": "/3", "attributes": {"dim": "1"}}, {"url": "/3/0", "attributes": {}}]
    discovered = (await client.get("/clients/waka1/3/discover")).json()
    assert discovered == {"status": "CONTENT(205)", **SUCCESS, "objectLinks": links}


async def test_a_firmware_written_as_hex_arrives_block_by_block(client: httpx.AsyncClient, registered: Any) -> None:
    registered.uploads["/5/0/0"] = b""
    package = bytes(range(250)) * 20
    node = {"id": "0", "kind": "singleResource", "value": package.hex(), "type": "opaque"}
    response = await client.put("/clients/waka1/5/0/0?timeout=600&format=OPAQUE", json=node)
    assert response.json()["status"] == "CHANGED(204)"
    assert registered.uploads["/5/0/0"] == package


async def test_a_text_body_writes_a_string(client: httpx.AsyncClient, registered: Any) -> None:
    registered.answers["PUT", "/3/0/15"] = answer(Code.CHANGED)
    response = await client.put("/clients/waka1/3/0/15", content="UTC", headers={"content-type": "text/plain"})
    assert response.json()["success"]
    assert registered.requests[-1].payload == b"UTC"


@pytest.mark.parametrize(
    ("method", "path", "status", "text"),
    [
        ("GET", "/clients/", 400, "Invalid path"),
        ("GET", "/clients/x", 400, "No registered client with id 'x'"),
        ("PUT", "/clients/x/3/0/1", 400, "No registered client with id 'x'"),
        ("GET", "/clients/waka1/3/zero", 400, "Invalid path"),
        ("GET", "/clients/waka1/3/0/1/2/3", 400, "Invalid path"),
        ("GET", "/clients/waka1/99999", 400, "Invalid path"),
        ("PUT", "/clients/waka1/3/0/1", 400, "Invalid request: content type null not supported"),
        ("PUT", "/clients/waka1/3/attributes", 400, "Invalid attributes: "),
        ("DELETE", "/clients/waka1/3/0/13/observe?active", 404, "no observation for path /3/0/13"),
        ("DELETE", "/clients/waka1/composite/observe?paths=/3,/1&active", 404, "no composite observation for paths"),
        ("GET", "/clients/waka1/composite", 400, "Invalid request: paths are missing"),
        ("GET", "/clients/x/composite?paths=/3", 400, "No registered client with id"),
        ("PATCH", "/clients/waka1", 501, ""),
        ("GET", "/event", 405, ""),
    ],
)
@pytest.mark.usefixtures("registered")
async def test_errors_have_leshans_codes_and_texts(
    client: httpx.AsyncClient, method: str, path: str, status: int, text: str
) -> None:
    response = await client.request(method, path)
    assert (response.status_code, response.text[: len(text)]) == (status, text)
    assert response.headers["content-type"].lower().replace(" ", "") == "text/plain;charset=utf-8"


@pytest.mark.parametrize(
    "body", [b"{", b"[1]", b'{"id":1,"value":"x","type":"integer"}', b'{"id":1,"value":1,"type":"no"}', b"[" * 100_000]
)
@pytest.mark.usefixtures("registered")
async def test_a_bad_node_is_an_invalid_request(client: httpx.AsyncClient, body: bytes) -> None:
    response = await client.put("/clients/waka1/1/0/1", content=body, headers=JSON)
    assert (response.status_code, response.text[:16]) == (400, "Invalid request:")


async def test_a_silent_device_is_504(client: httpx.AsyncClient, registered: Any) -> None:
    async def silent(_: aiocoap.Message) -> None:
        await asyncio.Event().wait()

    registered.render = silent
    response = await client.get("/clients/waka1/3/0/3?timeout=1")
    assert (response.status_code, response.text) == (504, "Request timeout")


@pytest.fixture
async def web(application: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    """The API on a real socket: a stream that does not end needs one."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(application, log_config=None, lifespan="off", ws="none", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        base = f"http://127.0.0.1:{listener.getsockname()[1]}/api"
        async with httpx.AsyncClient(base_url=base, timeout=10) as client:
            yield client
        server.should_exit = True
        await serving


STREAM = {"accept": "text/event-stream"}


async def test_the_event_stream_tells_of_everything_a_device_does(web: httpx.AsyncClient, registered: Any) -> None:
    async with web.stream("GET", "/event?ep=waka1", headers=STREAM) as stream:
        assert stream.headers["content-type"] == "text/event-stream;charset=utf-8"
        registered.answers["GET", "/5/0/3"] = content(b"0", 0)
        observed = await web.post("/clients/waka1/5/0/3/observe", headers=JSON)
        assert observed.json()["content"]["value"] == "0"
        registered.notify("/5/0/3", content(b"2", 0)(None))
        lines = stream.aiter_lines()
        notification = await _event(lines)

        cancelled = await web.delete("/clients/waka1/5/0/3/observe?active")
        assert cancelled.json()["status"] == "CONTENT(205)"
        await registered.register("ep=other")
        location = await registered.register("ep=waka1&lt=60")
        await registered.send(Code.POST, location, "lt=70")
        rest = [await _event(lines) for _ in range(3)]
    node = {"kind": "singleResource", "id": 3, "type": "INTEGER", "value": "2"}
    assert notification == ("NOTIFICATION", {"ep": "waka1", "kind": "single", "res": "/5/0/3", "val": node})
    assert [name for name, _ in rest] == ["DEREGISTRATION", "REGISTRATION", "UPDATED"]
    assert rest[1][1]["lifetime"] == 60
    assert rest[2][1]["update"]["lifetime"] == 70


async def test_the_stream_of_one_device_tells_its_messages(
    web: httpx.AsyncClient, registered: Any, new_device: Any
) -> None:
    other = await new_device(registered.server_port)
    await other.register("ep=other")
    for device in (registered, other):
        device.answers["GET", "/1/0/1"] = content(b"\xc1\x01\x3c", 11542)
    async with web.stream("GET", "/event?ep=waka1", headers=STREAM) as stream:
        lines = stream.aiter_lines()
        await web.get("/clients/other/1/0/1")
        before = time.time() * 1000
        await web.get("/clients/waka1/1/0/1?format=TLV")
        name, sent = await _any_event(lines)
        _, answered = await _any_event(lines)
    assert name == "COAPLOG"
    assert before - 1 <= sent.pop("timestamp") <= answered.pop("timestamp") <= time.time() * 1000
    token, message_id = sent["token"], sent["mId"]
    assert sent == {
        "incoming": False,
        "type": "CON",
        "code": "GET",
        "mId": message_id,
        "token": token,
        "options": 'Uri-Path: "1", "0", "1" - Accept: "application/vnd.oma.lwm2m+tlv"',
        "ep": "waka1",
    }
    assert answered == {
        "incoming": True,
        "type": "ACK",
        "code": "2.05",
        "mId": message_id,
        "token": token,
        "options": 'Content-Format: "application/vnd.oma.lwm2m+tlv"',
        "payload": "Hex:c1013c",
        "ep": "waka1",
    }


@pytest.mark.parametrize("query", ["", "?waka1", "?ep=late"])
async def test_messages_are_told_only_of_a_device_that_is_registered_when_its_stream_opens(
    web: httpx.AsyncClient, registered: Any, query: str
) -> None:
    registered.answers["GET", "/1/0/1"] = content(b"60", 0)
    async with web.stream("GET", f"/event{query}", headers=STREAM) as stream:
        lines = stream.aiter_lines()
        name = query.partition("=")[2] or "waka1"
        location = await registered.register(f"ep={name}")
        await web.get(f"/clients/{name}/1/0/1")
        await registered.send(Code.DELETE, location)
        heard = []
        while heard[-1:] != ["DEREGISTRATION"] or len(heard) < 2:
            heard.append((await _any_event(lines))[0])
    assert "COAPLOG" not in heard


async def _event(lines: AsyncIterator[str]) -> tuple[str, dict]:
    """The next event that is no single message."""
    while True:
        name, data = await _any_event(lines)
        if name != "COAPLOG":
            return name, data


async def _any_event(lines: AsyncIterator[str]) -> tuple[str, dict]:
    name = await anext(lines)
    data = await anext(lines)
    assert await anext(lines) == ""
    assert name.startswith("event: ")
    assert data.startswith("data: ")
    return name.removeprefix("event: "), json.loads(data.removeprefix("data: "))
