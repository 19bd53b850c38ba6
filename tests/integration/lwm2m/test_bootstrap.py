"""The bootstrap server over loopback: what a device that asks for its configuration is told to do."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiocoap
import cbor2
import pytest
from aiocoap.numbers.codes import Code

from lwm2m.bootstrap import BootstrapServer
from lwm2m.bootstrap_session import SessionEvent, SessionState
from lwm2m.bootstrap_store import BootstrapConfig, MemoryBootstrapStore
from lwm2m.codecs import ContentFormat, decode
from lwm2m.errors import BadRequest
from lwm2m.nodes import Instance, Resource
from lwm2m.paths import Path
from lwm2m.security import MemorySecurityStore, PskCredential
from lwm2m.server import Lwm2mServer
from lwm2m.values import ResourceType

ACCOUNT, RULES = Path.of(0, 1), Path.of(1, 0)


def config(uri: str = "coap://127.0.0.1:5683") -> BootstrapConfig:
    account = Instance(
        1,
        (
            Resource(0, ResourceType.STRING, uri),
            Resource(1, ResourceType.BOOLEAN, False),
            Resource(2, ResourceType.INTEGER, 3),
            Resource(10, ResourceType.INTEGER, 123),
        ),
    )
    rules = Instance(
        0,
        (
            Resource(0, ResourceType.INTEGER, 123),
            Resource(1, ResourceType.INTEGER, 60),
            Resource(7, ResourceType.STRING, "U"),
        ),
    )
    return BootstrapConfig({RULES: rules, ACCOUNT: account})


class Bootstrap:
    """A bootstrap server and what it told."""

    def __init__(self, server: BootstrapServer) -> None:
        self.server = server
        self.events: list[SessionEvent] = []
        self._final = asyncio.Event()
        server.listen(self._heard)

    def _heard(self, event: SessionEvent) -> None:
        self.events.append(event)
        if event.state.is_final:
            self._final.set()

    async def end(self) -> SessionEvent:
        async with asyncio.timeout(5):
            await self._final.wait()
        self._final.clear()
        return self.events[-1]


@pytest.fixture
async def bootstrap() -> AsyncIterator[Bootstrap]:
    store = MemoryBootstrapStore({"dev1": config()})
    async with BootstrapServer(store, port=0, session_timeout=3) as server:
        yield Bootstrap(server)


@pytest.fixture
async def device(bootstrap: Bootstrap, new_device: Any) -> Any:
    started = await new_device(bootstrap.server.port)
    started.answers |= {
        ("DELETE", "/0"): lambda _: aiocoap.Message(code=Code.DELETED),
        ("DELETE", "/1"): lambda _: aiocoap.Message(code=Code.DELETED),
        ("PUT", "/0/1"): lambda _: aiocoap.Message(code=Code.CHANGED),
        ("PUT", "/1/0"): lambda _: aiocoap.Message(code=Code.CHANGED),
        ("POST", "/bs"): lambda _: aiocoap.Message(code=Code.CHANGED),
    }
    return started


def asked(device: Any) -> list[str]:
    return [f"{request.code} /{'/'.join(request.opt.uri_path)}" for request in device.requests]


@pytest.mark.parametrize(
    ("query", "number"),
    [
        ("ep=dev1&pct=112", ContentFormat.SENML_CBOR),
        ("ep=dev1&pct=11544", ContentFormat.LWM2M_CBOR),
        ("ep=dev1&pct=110", ContentFormat.SENML_JSON),
        ("ep=dev1", ContentFormat.TLV),
        ("ep=dev1&pct=50", ContentFormat.TLV),
    ],
)
async def test_a_device_gets_its_configuration_in_the_format_that_it_prefers(
    bootstrap: Bootstrap, device: Any, query: str, number: int
) -> None:
    answer = await device.send(Code.POST, "/bs", query)
    assert (answer.code, answer.payload) == (Code.CHANGED, b"")
    assert (await bootstrap.end()).state is SessionState.FINISHED
    assert asked(device) == ["DELETE /0", "DELETE /1", "PUT /0/1", "PUT /1/0", "POST /bs"]
    written = device.requests[2]
    assert written.opt.content_format == number
    assert decode(ACCOUNT, written.payload, number) == config().writes[ACCOUNT]
    assert [(event.state, event.path) for event in bootstrap.events] == [
        (SessionState.STARTED, None),
        (SessionState.DELETED, Path.of(0)),
        (SessionState.DELETED, Path.of(1)),
        (SessionState.WRITTEN, ACCOUNT),
        (SessionState.WRITTEN, RULES),
        (SessionState.FINISHED, None),
    ]


async def test_the_answer_reaches_the_device_before_the_first_request(bootstrap: Bootstrap, device: Any) -> None:
    order: list[str] = []
    deleting = device.answers["DELETE", "/0"]
    device.answers["DELETE", "/0"] = lambda request: (order.append("delete"), deleting(request))[1]
    asking = asyncio.create_task(device.send(Code.POST, "/bs", "ep=dev1"))
    asking.add_done_callback(lambda _: order.append("answer"))
    await bootstrap.end()
    assert order == ["answer", "delete"]


@pytest.mark.parametrize("query", ["ep=nobody", "", "ep=", "ep=dev1&pct=soon", "ep=dev1&ep=dev1"])
async def test_a_request_without_a_configuration_is_refused(bootstrap: Bootstrap, device: Any, query: str) -> None:
    response = await device.send(Code.POST, "/bs", query)
    assert response.code == Code.BAD_REQUEST
    assert response.payload
    assert bootstrap.events == []


async def test_what_is_not_there_need_not_be_deleted(bootstrap: Bootstrap, device: Any) -> None:
    device.answers["DELETE", "/1"] = lambda _: aiocoap.Message(code=Code.NOT_FOUND)
    await device.send(Code.POST, "/bs", "ep=dev1")
    assert (await bootstrap.end()).state is SessionState.FINISHED


async def test_a_device_that_refuses_a_part_is_not_told_to_finish(bootstrap: Bootstrap, device: Any) -> None:
    device.answers["PUT", "/1/0"] = lambda _: aiocoap.Message(code=Code.BAD_REQUEST, payload=b"no room")
    await device.send(Code.POST, "/bs", "ep=dev1")
    failed = await bootstrap.end()
    assert (failed.state, failed.reason) == (SessionState.FAILED, "the device refused to write /1/0: 4.00: no room")
    assert "POST /bs" not in asked(device)


async def test_a_silent_device_fails_its_session_at_the_deadline(new_device: Any) -> None:
    store = MemoryBootstrapStore({"dev1": config()})
    async with BootstrapServer(store, port=0, session_timeout=0.3) as server:
        bootstrap = Bootstrap(server)
        device = await new_device(server.port)
        hold = asyncio.Event()

        async def silent(_: aiocoap.Message) -> None:
            await hold.wait()

        device.render = silent
        await device.send(Code.POST, "/bs", "ep=dev1")
        failed = await bootstrap.end()
        assert (failed.state, failed.reason) == (SessionState.FAILED, "the session took longer than 0.3 s")
        hold.set()


async def test_a_device_that_asks_again_begins_a_new_session(bootstrap: Bootstrap, device: Any) -> None:
    hold = asyncio.Event()
    answering = device.render

    async def held(request: aiocoap.Message) -> Any:
        await hold.wait()
        return await answering(request)

    device.render = held
    await device.send(Code.POST, "/bs", "ep=dev1")
    await asyncio.sleep(0.05)
    await device.send(Code.POST, "/bs", "ep=dev1")
    hold.set()
    assert (await bootstrap.end()).state is SessionState.FINISHED
    states = [event.state for event in bootstrap.events]
    assert states.count(SessionState.STARTED) == 2
    assert states.count(SessionState.FINISHED) == 1


async def test_sessions_are_bounded(new_device: Any) -> None:
    store = MemoryBootstrapStore({"dev1": config(), "dev2": config()})
    async with BootstrapServer(store, port=0, max_sessions=1) as server:
        device = await new_device(server.port)
        hold = asyncio.Event()

        async def silent(_: aiocoap.Message) -> None:
            await hold.wait()

        device.render = silent
        assert (await device.send(Code.POST, "/bs", "ep=dev1")).code == Code.CHANGED
        assert (await device.send(Code.POST, "/bs", "ep=dev2")).code == Code.SERVICE_UNAVAILABLE
        hold.set()


async def test_a_bootstrap_pack_brings_everything_in_one_answer(device: Any) -> None:
    response = await device.send(Code.GET, "/bspack", "ep=dev1", accept=112)
    assert (response.code, response.opt.content_format) == (Code.CONTENT, 112)
    assert any(record.get(3) == "coap://127.0.0.1:5683" for record in cbor2.loads(response.payload))
    refused = await device.send(Code.GET, "/bspack", "ep=dev1", accept=0)
    assert refused.code == Code.NOT_ACCEPTABLE
    assert (await device.send(Code.GET, "/bspack", "ep=nobody")).code == Code.BAD_REQUEST


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        (Code.GET, "/bs", Code.METHOD_NOT_ALLOWED),
        (Code.POST, "/bspack", Code.METHOD_NOT_ALLOWED),
        (Code.POST, "/rd", Code.NOT_FOUND),
    ],
)
async def test_other_requests_get_an_error(device: Any, method: int, path: str, code: int) -> None:
    assert (await device.send(method, path)).code == code


async def test_an_endpoint_with_a_key_is_refused_on_the_plain_port(new_device: Any) -> None:
    store = MemoryBootstrapStore({"dev1": config()})
    security = MemorySecurityStore({"dev1": PskCredential("dev1", b"0123456789abcdef")})
    async with BootstrapServer(store, port=0, security=security) as server:
        device = await new_device(server.port)
        assert (await device.send(Code.POST, "/bs", "ep=dev1")).code == Code.FORBIDDEN
        assert (await device.send(Code.GET, "/bspack", "ep=dev1")).code == Code.FORBIDDEN


async def test_a_bootstrapped_device_registers_at_the_server_that_it_was_given(
    bootstrap: Bootstrap, device: Any
) -> None:
    async with Lwm2mServer(port=0) as server:
        bootstrap.server.store.put("dev1", config(f"coap://127.0.0.1:{server.port}"))
        await device.send(Code.POST, "/bs", "ep=dev1")
        await bootstrap.end()
        account = decode(ACCOUNT, device.requests[2].payload, ContentFormat.TLV)
        device.server_port = int(account[0].value.rpartition(":")[2])
        await device.register()
        assert server.registration("dev1").endpoint == "dev1"


@pytest.mark.parametrize(
    ("writes", "deletes", "words"),
    [
        ({Path.of(1): Instance(0)}, (), "/1 cannot be written"),
        ({Path.of(1, 2): Instance(0)}, (), "/1/2 cannot be written"),
        ({Path.of(1, number): Instance(number) for number in range(65)}, (), "at most 64"),
        ({}, (Path.of(1, 0, 1),), "deletes objects and instances"),
    ],
)
def test_a_configuration_that_cannot_be_carried_out_is_refused(
    writes: dict[Path, Instance], deletes: tuple[Path, ...], words: str
) -> None:
    with pytest.raises(BadRequest, match=words):
        BootstrapConfig(writes, deletes)
