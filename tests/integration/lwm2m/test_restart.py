"""The server is killed and comes back: registrations and observations go on as if nothing had been."""

import asyncio
import json
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path as FilePath
from typing import Any

import aiocoap
import cbor2
import pytest
from aiocoap.numbers.codes import Code

from lwm2m.errors import DeviceUnreachable
from lwm2m.events import Event, Notification
from lwm2m.observations import Observation
from lwm2m.paths import Path
from lwm2m.registration import Registration
from lwm2m.server import Lwm2mServer

PROGRAM = FilePath(__file__).with_name("storing_server.py")
STATE = Path.of(5, 0, 3)


def number(value: int) -> Any:
    return lambda _: aiocoap.Message(code=Code.CONTENT, payload=str(value).encode(), content_format=0)


def values(**records: int) -> Any:
    payload = cbor2.dumps([{-2: f"/5/0/{name[1:]}", 2: value} for name, value in records.items()])
    return lambda _: aiocoap.Message(code=Code.CONTENT, payload=payload, content_format=112)


class Process:
    """The server as a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.port = 0

    async def tells(self, event: str) -> dict[str, Any]:
        async with asyncio.timeout(20):
            while True:
                line = await self._process.stdout.readline()
                assert line, "the server ended early"
                told: dict[str, Any] = json.loads(line)
                if told["event"] == event:
                    return told

    async def observe(self, *paths: str) -> None:
        self._process.stdin.write(json.dumps(paths).encode() + b"\n")
        assert (await self.tells("Observed"))["code"] == Code.CONTENT

    async def kill(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()


@pytest.fixture
async def start(tmp_path: FilePath) -> AsyncIterator[Callable[[int], Any]]:
    async with AsyncExitStack() as stack:

        async def begin(port: int) -> Process:
            process = Process(
                await asyncio.create_subprocess_exec(
                    sys.executable,
                    str(PROGRAM),
                    str(port),
                    str(tmp_path / "state.json"),
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                )
            )
            stack.push_async_callback(process.kill)
            process.port = (await process.tells("Started"))["port"]
            return process

        yield begin


async def test_registrations_and_observations_come_back_after_kill_9(start: Any, new_device: Any) -> None:
    server = await start(0)
    device = await new_device(server.port)
    device.answers["GET", "/5/0/3"] = number(0)
    device.answers["FETCH", "/"] = values(r3=0, r5=0)
    location = await device.register()
    await server.observe("/5/0/3")
    await server.observe("/5/0/3", "/5/0/5")
    device.notify("/5/0/3", number(1)(None))
    assert "value=1" in (await server.tells("Notification"))["node"]
    asked = len(device.requests)

    await server.kill()
    server = await start(server.port)

    device.notify("/5/0/3", number(2)(None))
    assert "value=2" in (await server.tells("Notification"))["node"]
    device.notify("/", values(r5=1)(None))
    assert list((await server.tells("CompositeNotification"))["nodes"]) == ["/5/0/5"]
    assert len(device.requests) == asked  # the device was not asked: it never noticed
    assert (await device.send(Code.POST, location)).code == Code.CHANGED
    await server.tells("Updated")
    async with asyncio.timeout(5):
        while len(device.requests) < asked + 2:  # noqa: ASYNC110 - the device has no event for it
            await asyncio.sleep(0.02)
    device.notify("/5/0/3", number(3)(None))
    assert "value=3" in (await server.tells("Notification"))["node"]
    await server.kill()


async def test_a_device_that_dropped_its_observations_while_nobody_listened_is_observed_again_at_its_update(
    ended: Any,
) -> None:
    async with ended.restart() as server:
        before = server.observations("dev1")[0]
        ended.observers.clear()
        assert (await ended.send(Code.POST, ended.location)).code == Code.CHANGED
        await observed_again(server, ended)
        after = server.observations("dev1")[0]
        assert (after.paths, after.registration_id) == (before.paths, before.registration_id)
        assert ended.stored.observations["dev1"] == (after,)
        assert await first_value(server, ended, 1) == 1
        asked = len(ended.requests)
        await ended.send(Code.POST, ended.location)
        await server.read("dev1", STATE)
        assert len(ended.requests) == asked + 1  # once is enough


class Stored:
    """What a server told before it ended."""

    def __init__(self) -> None:
        self.observations: dict[str, tuple[Observation, ...]] = {}

    def changed(self, endpoint: str, observations: tuple[Observation, ...]) -> None:
        self.observations[endpoint] = observations


@pytest.fixture
async def ended(new_device: Any) -> Any:
    """A device whose server ended while it was observed; `restart` gives a new server on the old port."""
    stored = Stored()
    first = Lwm2mServer(port=0, observations_changed=stored.changed)
    await first.start()
    port = first.port
    device = await new_device(port)
    device.answers["GET", "/5/0/3"] = number(0)
    device.location = await device.register()
    await first.observe("dev1", STATE)
    registrations = [each.to_json() for each in first.registrations()]
    records = [each.to_json() for each in stored.observations["dev1"]]
    await first.stop()
    await asyncio.sleep(0.02)  # a process takes longer, and message IDs follow the clock

    def restart(**changes: object) -> Lwm2mServer:
        return Lwm2mServer(
            port=port,
            restored=[Registration.from_json(each | changes) for each in registrations],
            restored_observations=map(Observation.from_json, records),
            observations_changed=stored.changed,
        )

    device.restart, device.stored, device.observed_again = restart, stored, asyncio.Event()

    def answer(request: aiocoap.Message) -> aiocoap.Message:
        if request.opt.observe == 0:
            device.observed_again.set()
        return number(0)(request)

    device.answers["GET", "/5/0/3"] = answer
    return device


async def observed_again(server: Lwm2mServer, device: Any) -> None:
    """The server observed the device anew after its contact, and has taken in the answer."""
    async with asyncio.timeout(5):
        await device.observed_again.wait()
    await server.read("dev1", STATE)  # its turn comes after that of the observation


async def first_value(server: Lwm2mServer, device: Any, value: int) -> Any:
    with server.events.subscribe() as events:
        device.notify("/5/0/3", number(value)(None))
        async with asyncio.timeout(5):
            while not isinstance(event := await events.get(), Notification):
                pass
    return event.node.value


async def test_an_active_cancel_after_a_restart_uses_the_old_token(ended: Any) -> None:
    begun = ended.requests[-1]
    async with ended.restart() as server:
        response = await server.cancel_observe("dev1", STATE, active=True)
        assert response.content.value == 0
        assert (ended.requests[-1].opt.observe, ended.requests[-1].token) == (1, begun.token)
        assert ended.stored.observations["dev1"] == ()


async def test_an_update_after_a_restart_keeps_observations_and_a_new_registration_ends_them(ended: Any) -> None:
    async with ended.restart() as server:
        await ended.send(Code.POST, ended.location)
        await observed_again(server, ended)
        assert server.observed("dev1") == [STATE]
        assert await first_value(server, ended, 1) == 1
        await ended.register()
        assert server.observed("dev1") == []
        assert ended.stored.observations["dev1"] == ()


async def test_observations_of_a_registration_that_was_replaced_meanwhile_are_not_resumed(ended: Any) -> None:
    async with ended.restart(id="another") as server:
        assert server.observed("dev1") == []


@pytest.mark.parametrize("address", ["coap+tcp://127.0.0.1:40000", "coaps://dev1@127.0.0.1:40000"])
async def test_a_connection_that_ended_with_the_process_is_not_observed_and_its_device_waited_for(
    ended: Any, address: str
) -> None:
    async with ended.restart(address=address) as server:
        assert [each.endpoint for each in server.registrations()] == ["dev1"]
        assert server.observed("dev1") == []


async def test_a_device_whose_connection_ended_is_unreachable_until_it_comes_back(ended: Any) -> None:
    server = ended.restart(address="coap+tcp://127.0.0.1:40000")
    async with server:
        with pytest.raises(DeviceUnreachable):
            await server.read("dev1", STATE)
        await ended.send(Code.POST, ended.location)
        assert (await server.read("dev1", STATE)).success


async def test_a_server_that_is_stopped_and_started_goes_on(new_device: Any) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
    server = Lwm2mServer(port=port)
    await server.start()
    device = await new_device(port)
    device.answers["GET", "/5/0/3"] = number(0)
    await device.register()
    await server.observe("dev1", STATE)
    await server.stop()
    async with server:
        assert server.observed("dev1") == [STATE]
        assert await first_value(server, device, 1) == 1


async def test_a_registration_that_expired_while_the_server_was_away_is_dropped(ended: Any) -> None:
    heard: list[Event] = []
    server = ended.restart(updated_at=1000.0)
    server.events.listen(heard.append)
    async with server:
        server.expire()
        assert server.registrations() == []
        assert (await ended.send(Code.POST, ended.location)).code == Code.NOT_FOUND
    assert [type(event).__name__ for event in heard] == ["Deregistered"]


async def test_a_device_in_queue_mode_is_asleep_after_a_long_outage(ended: Any) -> None:
    async with ended.restart(queue_mode=True, lifetime=0, updated_at=1000.0) as server:
        assert server.is_asleep("dev1")
        await ended.send(Code.POST, ended.location)
        assert not server.is_asleep("dev1")
