"""Every bridge with a device behind it that a test can play."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, Protocol

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from lwm2m.bridge import DeviceBridge, EmbeddedBridge, make_bridge
from lwm2m.leshan import leshan_app
from lwm2m.server import Lwm2mServer
from lwm2m.values import ResourceType, Value
from tests.support.leshan_device import TreeDevice
from tests.support.leshan_fake import FakeLeshan
from tests.support.serving import served

ENDPOINT = "dev1"
LINKS = '</>;rt="oma.lwm2m";ct=110,</1>;ver=1.1,</1/0>,</3/0>,</5/0>'
AWAKE_TIME = 0.4  # seconds: a device of these tests falls asleep soon


class Rig(Protocol):
    """A bridge and what the device behind it does. Paths are texts; the device is named dev1."""

    bridge: DeviceBridge

    async def register(self, *, lifetime: int = 300, queue: bool = False) -> None: ...
    async def update(self, lifetime: int) -> None: ...
    async def leave(self) -> None: ...
    def set(self, path: str, value: Value, kind: ResourceType = ResourceType.STRING) -> None: ...
    def refuse(self, path: str) -> None: ...
    def silence(self) -> None: ...
    def notify(self, *paths: str) -> None: ...
    async def send(self, path: str) -> None: ...
    async def sleep(self) -> None: ...
    async def wake(self) -> None: ...
    def calls(self) -> list[tuple[str, str]]: ...
    def written(self, path: str) -> object: ...
    def most_at_once(self) -> int: ...


class RealRig:
    """A device on the wire and our server; the bridge is embedded, or goes through our own REST API."""

    def __init__(self, bridge: DeviceBridge, server: Lwm2mServer, device: TreeDevice) -> None:
        self.bridge = bridge
        self._server = server
        self._device = device

    async def register(self, *, lifetime: int = 300, queue: bool = False) -> None:
        await self._device.register(f"ep={ENDPOINT}&lt={lifetime}&lwm2m=1.1&b=U" + ("&Q" if queue else ""), LINKS)

    async def update(self, lifetime: int) -> None:
        await self._device.update(f"lt={lifetime}")

    async def leave(self) -> None:
        await self._device.leave()

    def set(self, path: str, value: Value, kind: ResourceType = ResourceType.STRING) -> None:
        self._device.set(path, value, kind)

    def refuse(self, path: str) -> None:
        self._device.refused.add(next(each for each in self._device.leaves if str(each) == path))

    def silence(self) -> None:
        self._device.silent = True

    def notify(self, *paths: str) -> None:
        self._device.notify(",".join(paths))

    async def send(self, path: str) -> None:
        await self._device.push_values([path])

    async def sleep(self) -> None:
        with self._server.events.subscribe() as events:
            while not self._server.is_asleep(ENDPOINT):
                await asyncio.wait_for(events.get(), 5)

    async def wake(self) -> None:
        await self._device.update()

    def calls(self) -> list[tuple[str, str]]:
        return [(operation, path) for operation, path, _ in self._device.calls]

    def written(self, path: str) -> object:
        return self._device.package if path == "/5/0/0" else self._device.value(path)

    def most_at_once(self) -> int:
        return self._device.highest


class FakeRig:
    """The bridge to Leshan against a fake on the wire."""

    def __init__(self, bridge: DeviceBridge, leshan: FakeLeshan) -> None:
        self.bridge = bridge
        self._leshan = leshan
        self._values: dict[str, dict[str, Any]] = {}

    async def register(self, *, lifetime: int = 300, queue: bool = False) -> None:
        self._leshan.register(ENDPOINT, lifetime=lifetime, queue=queue).values.update(self._values)

    async def update(self, lifetime: int) -> None:
        self._leshan.update(ENDPOINT, lifetime)

    async def leave(self) -> None:
        self._leshan.leave(ENDPOINT)

    def set(self, path: str, value: Value, kind: ResourceType = ResourceType.STRING) -> None:
        told = str(value) if kind is ResourceType.INTEGER else value
        node = {"kind": "singleResource", "id": int(path.rpartition("/")[2]), "type": kind.name, "value": told}
        self._values[path] = node
        if ENDPOINT in self._leshan.devices:
            self._device.values[path] = node

    def refuse(self, path: str) -> None:
        self._device.refusals[path] = "METHOD_NOT_ALLOWED(405)"

    def silence(self) -> None:
        self._device.silent = True

    def notify(self, *paths: str) -> None:
        if len(paths) == 1:
            self._leshan.notify(ENDPOINT, paths[0], self._device.values[paths[0]])
        else:
            self._leshan.notify_composite(ENDPOINT, list(paths), {path: self._device.values[path] for path in paths})

    async def send(self, path: str) -> None:
        self._leshan.send(ENDPOINT, {path: self._device.values[path]})

    async def sleep(self) -> None:
        self._leshan.sleep(ENDPOINT)

    async def wake(self) -> None:
        self._leshan.wake(ENDPOINT)

    def calls(self) -> list[tuple[str, str]]:
        return [(operation, path) for operation, path, _ in self._device.calls]

    def written(self, path: str) -> object:
        node = self._device.values[path]
        if node["type"].upper() == "OPAQUE":
            return bytes.fromhex(node["value"])
        return int(node["value"]) if node["type"].upper() == "INTEGER" else node["value"]

    def most_at_once(self) -> int:
        return self._leshan.highest

    @property
    def _device(self) -> Any:
        return self._leshan.devices[ENDPOINT]


@pytest.fixture(params=["embedded", "leshan", "our-leshan"])
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    async with contextlib.AsyncExitStack() as stack:
        if request.param == "leshan":
            leshan = FakeLeshan()
            address = await stack.enter_async_context(leshan.serve())
            bridge = make_bridge(address, Lwm2mServer(port=0))
            yield FakeRig(await stack.enter_async_context(bridge), leshan)
            return
        server = await stack.enter_async_context(Lwm2mServer(port=0, grace=0, awake_time=AWAKE_TIME))
        device = TreeDevice()
        await device.open(server.port)
        stack.push_async_callback(device.close)
        if request.param == "embedded":
            bridge = make_bridge("embedded", server)
            assert isinstance(bridge, EmbeddedBridge)
        else:
            application = Starlette(routes=[Mount("/api", leshan_app(server))])
            bridge = make_bridge(await stack.enter_async_context(served(application)), server)
        yield RealRig(await stack.enter_async_context(bridge), server, device)
