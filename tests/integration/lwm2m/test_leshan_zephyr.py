"""The calls of Zephyr's interoperability client to Leshan, in their order and with their odd spellings, against ours.

Written from what that client depends on (its tests follow OMA's LightweightM2M-1.1-int-NNN); the device is on the wire.
"""

import asyncio
import socket
import time
import zlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from lwm2m.bootstrap import BootstrapServer
from lwm2m.bootstrap_store import MemoryBootstrapStore
from lwm2m.leshan import leshan_app
from lwm2m.leshan_bootstrap import leshan_bootstrap_app
from lwm2m.paths import Path
from lwm2m.security import MemorySecurityStore, PskCredential
from lwm2m.server import Lwm2mServer
from lwm2m.values import ResourceType
from tests.support.leshan_device import TreeDevice
from tests.support.zephyr_client import EP, Zephyr, decode, next_event

LINKS = (
    '</>;rt="oma.lwm2m";ct="60 110 112 11542",</0/0>,</1>;ver=1.1,</1/0>,</2/0>,'
    "</3>;ver=1.1,</3/0>,</5/0>,</16>,</19/0>"
)
INTEGER, BOOLEAN, OPAQUE, TIME = ResourceType.INTEGER, ResourceType.BOOLEAN, ResourceType.OPAQUE, ResourceType.TIME


@pytest.fixture
async def store() -> MemorySecurityStore:
    return MemorySecurityStore()


@pytest.fixture
async def server(store: MemorySecurityStore) -> AsyncIterator[Lwm2mServer]:
    async with Lwm2mServer(port=0, grace=0, security=store) as running:
        yield running


async def serve(application: Starlette) -> tuple[str, Any]:
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(application, log_config=None, lifespan="off", ws="none", timeout_graceful_shutdown=1)
    web = uvicorn.Server(config)
    serving = asyncio.create_task(web.serve(sockets=[listener]))

    async def stop() -> None:
        web.should_exit = True
        await serving
        listener.close()

    return f"http://127.0.0.1:{listener.getsockname()[1]}", stop


@pytest.fixture
async def leshan(server: Lwm2mServer, store: MemorySecurityStore) -> AsyncIterator[Zephyr]:
    address, stop = await serve(Starlette(routes=[Mount("/api", leshan_app(server, security=store))]))
    client = Zephyr(address)
    # What the client does first: a list of credentials is its proof that this is Leshan.
    assert isinstance(await client.get("/security/clients"), list)
    yield client
    await client.http.aclose()
    await stop()


class ZephyrDevice(TreeDevice):
    """Writes to its lifetime update the registration, as Zephyr's client does."""

    def _write(self, path: Path, request: Any, *, replace: bool) -> Any:
        answer = super()._write(path, request, replace=replace)
        if str(path) == "/1/0/1":
            asyncio.get_running_loop().create_task(self.update(f"lt={self.value('/1/0/1')}")).add_done_callback(
                lambda done: done.result()
            )
        return answer


@pytest.fixture
async def dut(server: Lwm2mServer) -> AsyncIterator[ZephyrDevice]:
    device = ZephyrDevice()
    for number, text in enumerate(("Zephyr", "client-1", "serial-1", "1.2.3")):
        device.set(f"/3/0/{number}", text)
    device.set("/3/0/11/0", 0, INTEGER)
    device.set("/3/0/13", 1_795_225_130, TIME)
    device.set("/3/0/16", "U")
    for number, value in ((0, 1), (1, 86400), (2, 1), (3, 10), (5, 86400)):
        device.set(f"/1/0/{number}", value, INTEGER)
    device.set("/1/0/6", value=False, kind=BOOLEAN)
    device.set("/1/0/7", "U")
    device.set("/5/0/3", 0, INTEGER)
    device.set("/19/0/0/0", b"", OPAQUE)
    device.read_only |= {Path.of(1, 0, 0), Path.of(3, 0, 0)}
    await device.open(server.port)
    await device.register(f"lwm2m=1.1&ep={EP}&lt=86400&b=U&Q", LINKS)
    yield device
    await device.close()


DEVICE = {0: "Zephyr", 1: "client-1", 2: "serial-1", 3: "1.2.3", 11: {0: 0}, 13: 1_795_225_130_000, 16: "U"}
SERVER = {0: 1, 1: 86400, 2: 1, 3: 10, 5: 86400, 6: False, 7: "U"}
CHANGED = {"status": "CHANGED(204)", "valid": True, "success": True, "failure": False}


async def test_registration_interface_101_to_109(leshan: Zephyr, dut: ZephyrDevice, server: Lwm2mServer) -> None:
    # 102: a write to the lifetime makes the device update its registration.
    start = int(time.time() * 1000) - 1
    with server.events.subscribe() as events:
        assert await leshan.write("1/0/1", 86410) == CHANGED
        await asyncio.wait_for(events.get(), 5)
    latest = await leshan.get(f"/clients/{EP}")
    assert start < latest["lastUpdate"] <= time.time() * 1000
    assert latest["lifetime"] == 86410
    # 104: registration update trigger, by an execute without a body or a type.
    assert await leshan.post(f"/clients/{EP}/1/0/8") == CHANGED
    assert dut.calls[-1] == ("execute", "/1/0/8", "")
    # 108: queue mode.
    assert latest["queuemode"]
    assert latest["sleeping"] is False


async def test_the_registration_has_exactly_leshans_keys(
    leshan: Zephyr, dut: ZephyrDevice, server: Lwm2mServer
) -> None:
    registration = server.registration(EP)
    port = dut.context.request_interfaces[0].token_interface.message_interface.transport.get_extra_info("socket")
    assert await leshan.get(f"/clients/{EP}") == {
        "endpoint": EP,
        "registrationId": registration.id,
        "registrationDate": int(registration.registered_at * 1000),
        "lastUpdate": int(registration.updated_at * 1000),
        "address": f"127.0.0.1:{port.getsockname()[1]}",
        "lwM2mVersion": "1.1",
        "lifetime": 86400,
        "bindingMode": "U",
        "rootPath": "/",
        "objectLinks": [
            {"url": "/", "attributes": {"rt": '"oma.lwm2m"', "ct": '"60 110 112 11542"'}},
            {"url": "/0/0", "attributes": {}},
            {"url": "/1", "attributes": {"ver": "1.1"}},
            {"url": "/1/0", "attributes": {}},
            {"url": "/2/0", "attributes": {}},
            {"url": "/3", "attributes": {"ver": "1.1"}},
            {"url": "/3/0", "attributes": {}},
            {"url": "/5/0", "attributes": {}},
            {"url": "/16", "attributes": {}},
            {"url": "/19/0", "attributes": {}},
        ],
        "secure": False,
        "additionalRegistrationAttributes": {},
        "queuemode": True,
        "availableInstances": {"0": [0], "1": [0], "2": [0], "3": [0], "5": [0], "16": [], "19": [0]},
        "sleeping": False,
    }


@pytest.mark.usefixtures("dut")
async def test_plain_text_and_cbor_201_205_211_212(leshan: Zephyr) -> None:
    leshan.format = "TEXT"
    assert [await leshan.read(f"3/0/{number}") for number in range(3)] == ["Zephyr", "client-1", "serial-1"]
    for name in ("TEXT", "CBOR"):
        leshan.format = name
        for number, value in ((2, 101), (3, 1010), (6, True)):
            assert (await leshan.write(f"1/0/{number}", value))["status"] == "CHANGED(204)"
            assert await leshan.read(f"1/0/{number}") == value
    assert await leshan.read("1/0/0") == 1
    assert await leshan.read("1/0/7") == "U"


@pytest.mark.parametrize("name", ["TLV", "JSON", "SENML_JSON", "SENML_CBOR"])
@pytest.mark.usefixtures("dut")
async def test_instances_in_every_format_203_to_220_and_231_to_234(leshan: Zephyr, name: str) -> None:
    leshan.format = name
    assert await leshan.read("3/0") == {0: DEVICE}
    assert await leshan.read("1/0") == {0: SERVER}
    values = {2: 101, 3: 1010, 5: 2000, 6: True, 7: "U"}
    assert (await leshan.write_instance("1/0", values, replace=False))["status"] == "CHANGED(204)"
    assert (await leshan.read("1/0"))[0] == SERVER | values
    back = {number: value for number, value in SERVER.items() if number != 0}
    assert (await leshan.write_instance("1/0", back, replace=True))["status"] == "CHANGED(204)"
    assert (await leshan.read("1/0"))[0] == SERVER


@pytest.mark.usefixtures("dut")
async def test_security_is_out_of_reach_and_read_only_is_read_only_221(leshan: Zephyr) -> None:
    unauthorized = {"status": "UNAUTHORIZED(401)", "valid": True, "success": False, "failure": True}
    assert await leshan.read("0/0") == unauthorized
    assert await leshan.write("0/0/0", "coap://localhost") == unauthorized
    assert await leshan.result("PUT", f"/clients/{EP}/0/attributes?pmin=10") == unauthorized
    assert (await leshan.write("3/0/0", "x"))["status"] == "METHOD_NOT_ALLOWED(405)"


@pytest.mark.usefixtures("dut")
async def test_reads_at_every_level_222_to_225(leshan: Zephyr) -> None:
    assert await leshan.read("1") == {1: {0: SERVER}}
    assert await leshan.read("3/0/11/0") == 0
    assert await leshan.read("3/0/11") == {11: {0: 0}}
    raw = await leshan.get(f"/clients/{EP}/3/0/13")
    assert raw == {
        "status": "CONTENT(205)",
        "valid": True,
        "success": True,
        "failure": False,
        "content": {"kind": "singleResource", "id": 13, "type": "TIME", "value": 1_795_225_130_000},
    }


async def test_create_write_and_delete_of_instances_228_240(leshan: Zephyr, dut: ZephyrDevice) -> None:
    leshan.format = "TLV"
    created = await leshan.create("16/0", {0: {0: "a", 1: "b"}})
    assert created == {"status": "CREATED(201)", "valid": True, "success": True, "failure": False, "location": "16/0"}
    assert (await leshan.write("16/0/0/0", "test"))["status"] == "CHANGED(204)"
    assert await leshan.read("16/0/0/0") == "test"
    assert (await leshan.read("16"))[16][0][0] == {0: "test", 1: "b"}
    deleted = await leshan.result("DELETE", f"/clients/{EP}/16/0")
    assert deleted == {"status": "DELETED(202)", "valid": True, "success": True, "failure": False}
    assert "/16/0/0/0" not in {str(path) for path in dut.leaves}
    assert (await leshan.read("16/0"))["status"] == "NOT_FOUND(404)"


@pytest.mark.parametrize("name", ["SENML_JSON", "SENML_CBOR"])
@pytest.mark.usefixtures("dut")
async def test_composite_reads_and_writes_229_230_235_236(leshan: Zephyr, name: str) -> None:
    leshan.format = name
    assert await leshan.read_composite(["/3", "1/0"]) == {"/3": {3: {0: DEVICE}}, "/1/0": {0: SERVER}}
    assert await leshan.read_composite(["1/0/1", "/3/0/11/0"]) == {"/1/0/1": 86400, "/3/0/11/0": 0}
    partial = await leshan.read_composite(["1/0/1", "/3339/0/5522", "/3353/0/6030"])
    assert partial == {"/1/0/1": 86400}
    root = await leshan.read_composite(["/"])
    assert root["/"][3][0] == DEVICE
    assert set(root["/"]) >= {1, 3, 5}
    texts = {"0": "aa", "1": "bb", "2": "cc", "3": "dd"}
    assert await leshan.write_composite({"/1/0/2": 60, "/1/0/6": True, "/16/0/0": texts}) == CHANGED
    assert (await leshan.read("1/0"))[0] == SERVER | {2: 60, 6: True}
    assert await leshan.read("16/0/0") == {0: {int(number): text for number, text in texts.items()}}


async def test_attributes_are_a_query_and_discover_tells_them_250_to_261(leshan: Zephyr, dut: ZephyrDevice) -> None:
    assert await leshan.result("PUT", f"/clients/{EP}/3/0/attributes?pmin=10&pmax=200") == CHANGED
    assert await leshan.result("PUT", f"/clients/{EP}/1/0/1/attributes?lt=1.5&gt=400&st=2") == CHANGED
    assert dut.calls[-1] == ("attributes", "/1/0/1", ("lt=1.5", "gt=400", "st=2"))
    links = await leshan.discover("3/0")
    assert links["/3/0"] == {"pmin": "10", "pmax": "200"}
    assert int(links["/3/0/11"]["dim"]) == 1
    assert links["/3/0/0"] == {}
    links = await leshan.discover("1")
    assert list(links)[:2] == ["/1", "/1/0"]
    assert float(links["/1/0/1"]["lt"]) == 1.5


async def test_observe_and_notifications_301_to_306(leshan: Zephyr, dut: ZephyrDevice) -> None:
    async with leshan.events(EP) as stream:
        lines = stream.aiter_lines()
        observed = await leshan.post(f"/clients/{EP}/5/0/3/observe", "")
        assert observed["content"] == {"kind": "singleResource", "id": 3, "type": "INTEGER", "value": "0"}
        dut.set("/5/0/3", 1, INTEGER)
        dut.notify("/5/0/3")
        told = await next_event(lines, "NOTIFICATION")
        node = {"kind": "singleResource", "id": 3, "type": "INTEGER", "value": "1"}
        assert told == {"ep": EP, "kind": "single", "res": "/5/0/3", "val": node}
        # 304: an active cancel is answered by the device, with the value.
        ended = await leshan.result("DELETE", f"/clients/{EP}/5/0/3/observe?active")
        assert (ended["status"], ended["content"]) == ("CONTENT(205)", node)
        assert dut.calls[-1] == ("cancel", "/5/0/3", None)
        # A passive one is not asked: an empty answer.
        await leshan.post(f"/clients/{EP}/5/0/3/observe", "")
        assert await leshan.result("DELETE", f"/clients/{EP}/5/0/3/observe") is None


async def test_composite_observe_307_to_309(leshan: Zephyr, dut: ZephyrDevice) -> None:
    paths = ["/5/0/3", "/1/0/1"]
    async with leshan.events(EP) as stream:
        lines = stream.aiter_lines()
        query = leshan.composite(paths)
        answer = await leshan.result("POST", f"/clients/{EP}/composite/observe", params=query)
        assert {path: decode(node) for path, node in answer["content"].items()} == {"/5/0/3": 0, "/1/0/1": 86400}
        dut.set("/5/0/3", 2, INTEGER)
        dut.notify("/5/0/3,/1/0/1")
        told = await next_event(lines, "NOTIFICATION")
        assert (told["ep"], told["kind"], told["paths"]) == (EP, "composite", paths)
        assert {path: decode(node) for path, node in told["val"].items()} == {"/5/0/3": 2, "/1/0/1": 86400}
    url = f"/clients/{EP}/composite/observe?paths={','.join(paths)}"
    assert (await leshan.result("DELETE", f"{url}&active"))["status"] == "CONTENT(205)"
    assert await leshan.result("DELETE", url) is None
    with pytest.raises(RuntimeError, match="Error 404: no composite observation"):
        await leshan.result("DELETE", f"{url}&active")


async def test_send_310_and_blockwise_4(leshan: Zephyr, dut: ZephyrDevice) -> None:
    async with leshan.events(EP) as stream:
        lines = stream.aiter_lines()
        await dut.push_values(["/3/0/0", "/5/0/3"])
        told = await next_event(lines, "SEND")
        assert told["ep"] == EP
        assert {path: decode(node) for path, node in told["val"].items()} == {"/3/0/0": "Zephyr", "/5/0/3": 0}
        dut.set("/19/0/0/0", bytes(range(256)) * 16, OPAQUE)
        await dut.push_values(["/19/0"])
        told = await next_event(lines, "SEND")
        (node,) = told["val"].values()
        assert bytes.fromhex(node["value"]) == bytes(range(256)) * 16


async def test_blockwise_1_and_2_a_firmware_of_5000_bytes_and_a_retry(leshan: Zephyr, dut: ZephyrDevice) -> None:
    firmware = b"1234567890" * 500
    leshan.format, leshan.timeout = "OPAQUE", 600
    assert await leshan.write("5/0/0", firmware) == CHANGED
    assert await leshan.post(f"/clients/{EP}/5/0/2") == CHANGED
    assert zlib.crc32(dut.package) == zlib.crc32(firmware)

    dut.package, dut.block_delay = b"", 0.4
    leshan.timeout = 1
    with pytest.raises(RuntimeError, match="Error 504: Request timeout"):
        await leshan.write("5/0/0", firmware)
    assert dut.package == b""
    dut.block_delay = 0
    await dut.update()
    leshan.timeout = 600
    assert await leshan.write("5/0/0", firmware) == CHANGED
    assert dut.package == firmware


@pytest.mark.parametrize("name", ["TLV", "SENML_CBOR"])
async def test_blockwise_3_a_large_value_is_written_and_read_back(leshan: Zephyr, dut: ZephyrDevice, name: str) -> None:
    data = bytes(range(65, 91)) * 158
    leshan.format, leshan.timeout = "OPAQUE", 600
    assert await leshan.write("19/0/0/0", data) == CHANGED
    assert dut.value("/19/0/0/0") == data
    leshan.format = name
    assert bytes.fromhex((await leshan.read("19/0/0"))[0][0]) == data


async def test_credentials_with_a_trailing_slash_and_a_query(leshan: Zephyr, store: MemorySecurityStore) -> None:
    key = b"000102030405060708090a0b0c0d0e0f".hex()
    told = f'{{"endpoint":"{EP}","tls":{{"mode":"psk","details":{{"identity":"{EP}","key":"{key}"}} }} }}'
    assert await leshan.put("/security/clients/", told) is None
    assert store.by_endpoint(EP) == PskCredential(EP, bytes.fromhex(key))
    assert await leshan.get("/security/clients") == [
        {"endpoint": EP, "tls": {"mode": "psk", "details": {"identity": EP, "key": key}}}
    ]
    assert await leshan.result("DELETE", f"/security/clients/{EP}") is None
    assert await leshan.result("DELETE", f"/security/clients/{EP}") == {"message": "not_found"}
    assert await leshan.get("/security/clients") == []


async def test_a_bootstrap_device_is_created_and_deleted(store: MemorySecurityStore) -> None:
    configs = MemoryBootstrapStore()
    async with BootstrapServer(configs, port=0, security=store) as bootstrap:
        address, stop = await serve(Starlette(routes=[Mount("/api", leshan_bootstrap_app(bootstrap, security=store))]))
        client = Zephyr(address)
        assert isinstance(await client.get("/security/clients"), list)
        key = b"secret".hex()
        told = f'{{"tls":{{"mode":"psk","details":{{"identity":"{EP}","key":"{key}"}}}},"endpoint":"{EP}"}}'
        await client.put("/security/clients/", told)
        config = {
            "servers": {
                "0": {"binding": "U", "defaultMinPeriod": 1, "lifetime": 86400, "notifIfDisabled": False, "shortId": 1}
            },
            "security": {
                "1": {
                    "bootstrapServer": False,
                    "clientOldOffTime": 1,
                    "publicKeyOrId": list(EP.encode()),
                    "secretKey": list(b"secret"),
                    "securityMode": "PSK",
                    "serverId": 1,
                    "serverSmsNumber": "",
                    "smsBindingKeyParam": [],
                    "smsBindingKeySecret": [],
                    "smsSecurityMode": "NO_SEC",
                    "uri": "coaps://127.0.0.1:5684",
                }
            },
            "oscore": {},
            "toDelete": ["/0", "/1"],
        }
        assert await client.post(f"/bootstrap/{EP}", config) is None
        assert await client.get("/bootstrap") == {EP: config}
        written = configs.find(EP)
        assert written is not None
        security = written.writes[Path.of(0, 1)]
        assert (security[0].value, security[2].value, security[3].value) == (
            "coaps://127.0.0.1:5684",
            0,
            EP.encode(),
        )
        assert await client.result("DELETE", f"/security/clients/{EP}") is None
        assert await client.result("DELETE", f"/bootstrap/{EP}") is None
        with pytest.raises(RuntimeError, match=f"Error 404: no config for {EP}"):
            await client.result("DELETE", f"/bootstrap/{EP}")
        await client.http.aclose()
        await stop()
