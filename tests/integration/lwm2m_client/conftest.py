"""The real server and devices of the client library on loopback."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, suppress
from typing import Any

import pytest

from lwm2m.client import ClientResource, Lwm2mClient, ObjectInstance, Settings
from lwm2m.client.standard import Device, connectivity_object, container_object, device_object
from lwm2m.server import Lwm2mServer
from lwm2m.values import ResourceType

Start = Callable[..., Awaitable[Lwm2mClient]]


class World:
    """Values that the device's resources show."""

    def __init__(self) -> None:
        self.temperature = 20.0
        self.state = 0
        self.written: list[object] = []

    def objects(self) -> tuple[ObjectInstance, ...]:
        async def reboot() -> None:
            self.written.append("reboot")

        async def keep(value: Any) -> None:
            self.written.append(value)

        return (
            device_object(Device("M", "model", "S1", "T", lambda: "1.0.0", reboot)),
            connectivity_object(41, lambda: {0: "127.0.0.1"}, lambda: -50),
            container_object(0, lambda: {0: b"app"}, keep),
            ObjectInstance(5, 0, {3: ClientResource(ResourceType.INTEGER, read=lambda: self.state)}),
            ObjectInstance(
                3303,
                0,
                {
                    5700: ClientResource(ResourceType.FLOAT, read=lambda: self.temperature),
                    5750: ClientResource(ResourceType.STRING, read=lambda: "hall", write=keep),
                },
            ),
        )


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
async def server() -> AsyncIterator[Lwm2mServer]:
    async with Lwm2mServer(port=0, awake_time=0.6) as server:
        yield server


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Start a device and wait until it is registered."""
    async with AsyncExitStack() as stack:

        async def start(
            uri: str, objects: Iterable[ObjectInstance], factories: Any = None, *, wait: float = 10, **settings: Any
        ) -> Lwm2mClient:
            made = Settings(uri, settings.pop("endpoint", "dev"), bind="127.0.0.1", **settings)
            client = await Lwm2mClient.start(made, objects, factories)
            stack.push_async_callback(client.stop)
            running = asyncio.create_task(client.run())

            async def end() -> None:
                running.cancel()
                with suppress(asyncio.CancelledError):
                    await running

            stack.push_async_callback(end)
            await asyncio.wait_for(client.registered.wait(), wait)
            return client

        yield start


@pytest.fixture
async def device(server: Lwm2mServer, start: Start, world: World) -> Lwm2mClient:
    return await start(f"coap://127.0.0.1:{server.port}", world.objects())


@pytest.fixture
def happened(server: Lwm2mServer) -> Callable[..., "asyncio.Future[Any]"]:
    """The next event of a kind that passes a test."""

    def happened(kind: type, test: Callable[[Any], bool] = lambda _: True) -> "asyncio.Future[Any]":
        future = asyncio.get_running_loop().create_future()

        def listen(event: object) -> None:
            if isinstance(event, kind) and test(event) and not future.done():
                future.set_result(event)

        server.events.listen(listen)
        return future

    return happened
