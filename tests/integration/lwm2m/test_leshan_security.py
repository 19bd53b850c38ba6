"""Leshan's API for credentials, for what the server is, and for bootstrap configurations."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import aiocoap
import httpx
import pytest
import uvicorn
from aiocoap.numbers.codes import Code
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from starlette.applications import Starlette
from starlette.routing import Mount

from lwm2m.bootstrap import BootstrapServer
from lwm2m.bootstrap_store import MemoryBootstrapStore
from lwm2m.leshan import leshan_app
from lwm2m.leshan_bootstrap import leshan_bootstrap_app
from lwm2m.security import MemorySecurityStore, OscoreCredential
from lwm2m.server import Lwm2mServer
from tests.support.leshan_device import TreeDevice

PSK = {"endpoint": "dev1", "tls": {"mode": "psk", "details": {"identity": "dev1", "key": "cafe"}}}
CONFIG = {
    "servers": {"0": {"shortId": 123, "lifetime": 300, "binding": "U"}},
    "security": {
        "1": {"uri": "coap://127.0.0.1:5683", "bootstrapServer": False, "securityMode": "NO_SEC", "serverId": 123}
    },
    "oscore": {},
    "toDelete": ["/0", "/1"],
}


@pytest.fixture
def store() -> MemorySecurityStore:
    return MemorySecurityStore()


@pytest.fixture
async def server(store: MemorySecurityStore) -> AsyncIterator[Lwm2mServer]:
    async with Lwm2mServer(port=0, grace=0, security=store) as running:
        yield running


@pytest.fixture
async def client(server: Lwm2mServer, store: MemorySecurityStore) -> AsyncIterator[httpx.AsyncClient]:
    application = Starlette(routes=[Mount("/api", leshan_app(server, security=store))])
    transport = httpx.ASGITransport(app=application)
    async with httpx.AsyncClient(transport=transport, base_url="http://leshan/api") as client:
        yield client


async def test_every_kind_of_credential_is_kept_and_told(client: httpx.AsyncClient, store: MemorySecurityStore) -> None:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo).hex()
    oscore = {"rid": "01", "sid": "02", "msec": "00" * 16}
    others = [
        {"endpoint": "rpk1", "tls": {"mode": "rpk", "details": {"key": spki}}},
        {"endpoint": "x1", "tls": {"mode": "x509"}},
    ]
    for info in (PSK, {"endpoint": "osc1", "oscore": oscore}, *others):
        response = await client.put("/security/clients/?timeout=10&format=TLV", json=info)
        assert (response.status_code, response.content) == (200, b"")
    listed = (await client.get("/security/clients")).json()
    assert listed == [PSK, {"endpoint": "osc1", "oscore": oscore | {"aead": 10, "hkdf": -10}}, *others]
    assert store.by_endpoint("osc1") == OscoreCredential(b"\1", b"\2", bytes(16))
    for name in ("dev1", "osc1", "rpk1", "x1"):
        assert (await client.delete(f"/security/clients/{name}")).content == b""
        assert (await client.delete(f"/security/clients/{name}")).json() == {"message": "not_found"}
    assert (await client.get("/security/clients/")).json() == []


async def test_an_endpoint_with_a_key_is_refused_in_plain(client: httpx.AsyncClient, server: Lwm2mServer) -> None:
    device = TreeDevice()
    await device.open(server.port)
    await client.put("/security/clients", json=PSK)
    refused = await device.send(Code.POST, "/rd", "ep=dev1&lt=60&lwm2m=1.1", b"</3/0>", content_format=40)
    assert refused.code == Code.FORBIDDEN
    await client.delete("/security/clients/dev1")
    await device.register("ep=dev1&lt=60&lwm2m=1.1", "</3/0>")
    await device.close()


async def test_an_endpoint_with_a_public_key_or_a_certificate_is_refused_in_plain_too(
    client: httpx.AsyncClient, server: Lwm2mServer
) -> None:
    device = TreeDevice()
    await device.open(server.port)
    info = {"endpoint": "dev1", "tls": {"mode": "x509"}}
    await client.put("/security/clients", json=PSK)
    await client.put("/security/clients", json=info)
    assert (await client.get("/security/clients")).json() == [info]
    query = "ep=dev1&lt=60&lwm2m=1.1"
    refused = await device.send(Code.POST, "/rd", query, b"</3/0>", content_format=40)
    assert refused.code == Code.FORBIDDEN
    await client.put("/security/clients", json=PSK)
    assert (await client.get("/security/clients")).json() == [PSK]
    await client.delete("/security/clients/dev1")
    await device.register(query, "</3/0>")
    await device.close()


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("{", "Invalid request body: the body is no JSON"),
        ("[]", "Invalid request body: security info should be a json object"),
        ("{}", "Invalid request body: Missing endpoint"),
        ('{"endpoint":"\\ud800","tls":{"mode":"x509"}}', "Invalid request body: Missing endpoint"),
        ('{"endpoint":"a\\u0000b","tls":{"mode":"x509"}}', "Invalid request body: Missing endpoint"),
        (
            '{"endpoint":"x","tls":{"mode":"psk","details":{"identity":"\\ud800","key":"00"}}}',
            "Invalid request body: a PSK identity",
        ),
        ('{"endpoint":"x"}', "Invalid request body: Invalid security info content"),
        ('{"endpoint":"x","tls":1}', "Invalid request body: tls field should be a json object"),
        ('{"endpoint":"x","tls":{"mode":"none"}}', "Invalid request body: Invalid security info content"),
        ('{"endpoint":"x","tls":{"mode":"psk","details":{"key":"00"}}}', "Invalid request body: Missing PSK identity"),
        (
            '{"endpoint":"x","tls":{"mode":"psk","details":{"identity":"x","key":"0"}}}',
            "Invalid request body: key parameter must be a valid hex string",
        ),
        ('{"endpoint":"x","tls":{"mode":"rpk","details":{"key":"00"}}}', "Invalid request body: Invalid security info"),
        ('{"endpoint":"x","oscore":{"rid":"01","sid":"02"}}', "Invalid request body: Missing 'msec' field"),
        (json.dumps(PSK | {"endpoint": "other"}), "the identity 'dev1' belongs to another endpoint"),
    ],
)
async def test_what_is_no_credential_is_a_bad_request(client: httpx.AsyncClient, body: str, text: str) -> None:
    await client.put("/security/clients", json=PSK)
    response = await client.put("/security/clients", content=body)
    assert (response.status_code, response.text[: len(text)]) == (400, text)
    assert (await client.get("/security/clients")).json() == [PSK]


async def test_a_key_that_keeps_an_endpoint_out_is_not_told_by_the_next_process(
    client: httpx.AsyncClient, server: Lwm2mServer, store: MemorySecurityStore
) -> None:
    await client.put("/security/clients", json={"endpoint": "x1", "tls": {"mode": "x509"}})
    assert store.by_endpoint("x1") is not None
    following = httpx.ASGITransport(app=leshan_app(server, security=store))
    async with httpx.AsyncClient(transport=following, base_url="http://leshan") as next_client:
        assert (await next_client.get("/security/clients")).json() == []


async def test_the_server_tells_where_it_listens(client: httpx.AsyncClient, server: Lwm2mServer) -> None:
    (one,) = (await client.get("/server/endpoint")).json()
    full = f"coap://127.0.0.1:{server.port}"
    uri = {"full": full, "scheme": "coap", "host": "127.0.0.1", "port": server.port}
    assert one == {"uri": uri, "description": "CoAP over UDP"}
    assert (await client.get("/server/security")).json() == (await client.get("/security/server")).json() == {}


async def test_object_models_are_those_that_the_device_registered(
    client: httpx.AsyncClient, server: Lwm2mServer
) -> None:
    device = TreeDevice()
    await device.open(server.port)
    await device.register("ep=dev1&lwm2m=1.1", "</1>;ver=1.1,</1/0>,</5/0>,</3>;ver=1.0,</3/0>,</65000/0>")
    specs = (await client.get("/objectspecs/dev1")).json()
    await device.close()
    assert [(each["id"], each["version"]) for each in specs] == [(1, "1.1"), (3, "1.0"), (5, "1.0")]
    firmware = specs[2]
    assert set(firmware) == {
        *("id", "name", "instancetype", "mandatory", "urn", "version", "lwm2mversion"),
        *("description", "description2", "resourcedefs"),
    }
    assert (firmware["name"], firmware["instancetype"], firmware["urn"]) == (
        "Firmware Update",
        "single",
        "urn:oma:lwm2m:oma:5",
    )
    package = firmware["resourcedefs"][0]
    assert set(package) == {
        *("id", "name", "operations", "instancetype", "mandatory", "type", "range", "units", "description"),
    }
    assert (package["id"], package["operations"], package["type"]) == (0, "W", "opaque")
    assert (firmware["resourcedefs"][2]["operations"], firmware["resourcedefs"][2]["type"]) == ("E", "none")
    assert (await client.get("/objectspecs/nobody")).text == "No registered client with id 'nobody'"


async def test_an_object_that_is_known_in_another_version_only_is_told_in_that(
    client: httpx.AsyncClient, server: Lwm2mServer
) -> None:
    device = TreeDevice()
    await device.open(server.port)
    await device.register("ep=dev1&lt=60&lwm2m=1.2", "</3/0>,</16/0>,</33629/0>")
    specs = (await client.get("/objectspecs/dev1")).json()
    assert [each["id"] for each in specs] == [3, 16, 33629]
    await device.close()


async def test_a_bootstrap_configuration_reaches_the_device_and_its_session_is_told() -> None:
    configs = MemoryBootstrapStore()
    async with BootstrapServer(configs, port=0) as bootstrap:
        application = Starlette(routes=[Mount("/api", leshan_bootstrap_app(bootstrap))])
        with socket.create_server(("127.0.0.1", 0)) as listener:
            config = uvicorn.Config(
                application, log_config=None, lifespan="off", ws="none", timeout_graceful_shutdown=1
            )
            web = uvicorn.Server(config)
            serving = asyncio.create_task(web.serve(sockets=[listener]))
            base = f"http://127.0.0.1:{listener.getsockname()[1]}/api"
            async with httpx.AsyncClient(base_url=base, timeout=10) as client:
                assert (await client.post("/bootstrap/dev1", json=CONFIG)).status_code == 200
                assert (await client.get("/bootstrap")).json() == {"dev1": CONFIG}
                asked, told = await _bootstrap(client, bootstrap.port)
                for path, status in (("/bootstrap", 400), ("/bootstrap/a/b", 400), ("/bootstrap/nobody", 404)):
                    assert (await client.delete(path)).status_code == status
                bad = await client.post("/bootstrap/dev1", json={"security": {"0": {"uri": "coap://x"}}})
                assert (bad.status_code, "securityMode" in bad.text) == (400, True)
                assert (await client.delete("/bootstrap/dev1")).status_code == 204
            web.should_exit = True
            await serving
    assert asked == [("DELETE", "/0"), ("DELETE", "/1"), ("PUT", "/0/1"), ("PUT", "/1/0"), ("POST", "/bs")]
    assert [each["name"] for each in told] == ["new session", *["send delete"] * 2, *["send write"] * 2, "finished"]
    assert set(told[0]) == {"name", "endpoint", "time", "message"}


async def _bootstrap(client: httpx.AsyncClient, port: int) -> tuple[list[tuple[str, str]], list[Any]]:
    """A device asks; what it is told to do, and the events of that."""
    asked: list[tuple[str, str]] = []

    class Device(aiocoap.resource.Resource):  # type: ignore[misc]  # aiocoap has no types
        async def render(self, request: Any) -> Any:
            asked.append((str(request.code), "/" + "/".join(request.opt.uri_path)))
            return aiocoap.Message(code=Code.DELETED if request.code == Code.DELETE else Code.CHANGED)

    context = await aiocoap.Context.create_server_context(Device(), bind=("127.0.0.1", 0), transports=["udp6"])
    told: list[Any] = []
    async with client.stream("GET", "/event?ep=dev1", headers={"accept": "text/event-stream"}) as stream:
        uri = f"coap://127.0.0.1:{port}/bs?ep=dev1"
        await context.request(aiocoap.Message(code=Code.POST, uri=uri)).response
        async with asyncio.timeout(10):
            lines = stream.aiter_lines()
            while not told or told[-1]["name"] != "finished":
                line = await anext(lines)
                assert line in ("", "event: BSSESSION") or line.startswith("data: ")
                if line.startswith("data: "):
                    told.append(json.loads(line.removeprefix("data: ")))
    await context.shutdown()
    return asked, told
