"""Observations through everything that befalls them: updates, new addresses, timeouts, errors and limits."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiocoap
import pytest
from aiocoap.numbers.codes import Code

from lwm2m.errors import BadRequest, DeviceTimeout
from lwm2m.events import Notification
from lwm2m.observations import MAX_OBSERVATIONS, Observation
from lwm2m.paths import Path
from lwm2m.server import Lwm2mServer

STATE, RESULT = Path.of(5, 0, 3), Path.of(5, 0, 5)


def number(value: int) -> Any:
    return lambda _: aiocoap.Message(code=Code.CONTENT, payload=str(value).encode(), content_format=0)


Changes = list[tuple[str, tuple[Observation, ...]]]


@pytest.fixture
def changes() -> Changes:
    return []


@pytest.fixture
async def server(changes: Changes) -> AsyncIterator[Lwm2mServer]:
    async with Lwm2mServer(port=0, observations_changed=lambda *change: changes.append(change)) as running:
        yield running


@pytest.fixture
async def observed(server: Lwm2mServer, device: Any) -> Any:
    device.location = await device.register()
    device.answers["GET", "/5/0/3"] = device.answers["GET", "/5/0/5"] = number(0)
    await server.observe("dev1", STATE)
    return device


async def hear(server: Lwm2mServer, device: Any, value: int) -> Any:
    """The value that the server tells of when the device notifies; fails when it tells nothing."""
    with server.events.subscribe() as events:
        device.notify("/5/0/3", number(value)(None))
        async with asyncio.timeout(5):
            while not isinstance(event := await events.get(), Notification):
                pass
    return event.node.value


async def test_whoever_stores_observations_hears_of_every_change(
    server: Lwm2mServer, observed: Any, changes: Changes
) -> None:
    await server.observe("dev1", RESULT)
    await server.cancel_observe("dev1", STATE, active=False)
    await observed.send(Code.DELETE, observed.location)
    assert [(name, [each.paths for each in now]) for name, now in changes] == [
        ("dev1", [(STATE,)]),
        ("dev1", [(STATE,), (RESULT,)]),
        ("dev1", [(RESULT,)]),
        ("dev1", []),
    ]


async def test_an_update_keeps_observations(server: Lwm2mServer, observed: Any, changes: Changes) -> None:
    await observed.send(Code.POST, observed.location, "lt=60")
    assert server.observed("dev1") == [STATE]
    assert await hear(server, observed, 1) == 1
    assert len(changes) == 1


async def test_observing_again_replaces_the_observation(server: Lwm2mServer, observed: Any) -> None:
    first = server.observations("dev1")[0]
    await server.observe("dev1", STATE)
    (second,) = server.observations("dev1")
    assert first.token != second.token
    assert await hear(server, observed, 1) == 1


async def test_a_request_that_times_out_does_not_end_observations(server: Lwm2mServer, observed: Any) -> None:
    hold = asyncio.Event()

    async def silent(_: aiocoap.Message) -> None:
        await hold.wait()

    answering, observed.render = observed.render, silent
    observed.context.request_interfaces[0].token_interface.message_interface.send = lambda _: None
    with pytest.raises(DeviceTimeout):
        await server.read("dev1", RESULT, timeout=1.5)
    del observed.context.request_interfaces[0].token_interface.message_interface.send
    observed.render = answering
    hold.set()
    assert await hear(server, observed, 2) == 2


async def test_a_notification_with_an_error_code_ends_the_observation(
    server: Lwm2mServer, observed: Any, changes: Changes
) -> None:
    observed.observers["/5/0/3"].add_response(aiocoap.Message(code=Code.NOT_FOUND), is_last=True)
    async with asyncio.timeout(5):
        await server.read("dev1", RESULT)
    assert server.observed("dev1") == []
    assert changes[-1] == ("dev1", ())


async def test_a_notification_that_cannot_be_read_is_dropped_and_the_next_one_heard(
    server: Lwm2mServer, observed: Any
) -> None:
    observed.notify("/5/0/3", aiocoap.Message(code=Code.CONTENT, payload=b"soon", content_format=0))
    assert await hear(server, observed, 2) == 2


async def test_an_old_notification_that_arrives_late_is_ignored(server: Lwm2mServer, observed: Any) -> None:
    with server.events.subscribe() as events:
        observed.notify("/5/0/3", number(2)(None))
        observed.sequence -= 5
        observed.notify("/5/0/3", number(1)(None))
        observed.sequence += 5
        observed.notify("/5/0/3", number(3)(None))
        async with asyncio.timeout(5):
            values = [(await events.get()).node.value for _ in range(2)]
    assert values == [2, 3]


async def test_a_device_that_does_not_notify_is_read_and_not_observed(server: Lwm2mServer, device: Any) -> None:
    await device.register()

    async def plain(pipe: Any) -> None:
        pipe.add_response(number(0)(None), is_last=True)

    device.render_to_pipe = plain
    assert (await server.observe("dev1", STATE)).success
    assert server.observations() == []


async def test_a_device_has_at_most_64_observations(server: Lwm2mServer, observed: Any) -> None:
    for instance in range(1, MAX_OBSERVATIONS):
        observed.answers["GET", f"/5/{instance}/3"] = number(0)
        await server.observe("dev1", Path.of(5, instance, 3))
    with pytest.raises(BadRequest, match="64 observations"):
        await server.observe("dev1", RESULT)
    assert (await server.observe("dev1", STATE)).success


async def test_a_device_that_registers_again_before_it_answers_is_not_observed(
    server: Lwm2mServer, device: Any, changes: Changes
) -> None:
    await device.register()
    answering = device.render_to_pipe

    async def again(pipe: Any) -> None:
        await device.register()
        await answering(pipe)

    device.render_to_pipe = again
    device.answers["GET", "/5/0/3"] = number(0)
    assert (await server.observe("dev1", STATE)).success
    assert server.observations() == []
    assert changes == []


async def test_a_device_that_moves_before_it_answers_is_observed_at_its_new_address(
    server: Lwm2mServer, device: Any, new_device: Any
) -> None:
    location = await device.register()
    moved = await new_device(server.port)
    answering = device.render_to_pipe

    async def move(pipe: Any) -> None:
        await moved.send(Code.POST, location)
        await answering(pipe)

    device.render_to_pipe = move
    device.answers["GET", "/5/0/3"] = number(0)
    await server.observe("dev1", STATE)
    (observation,) = server.observations("dev1")
    with server.events.subscribe() as events:
        notification = number(3)(None)
        notification.opt.observe, notification.token = 99, observation.token
        notification.mtype, notification.remote = aiocoap.NON, await remote_of(moved, server.port)
        moved.context.request_interfaces[0].token_interface.send_message(notification, lambda: None)
        async with asyncio.timeout(5):
            while not isinstance(event := await events.get(), Notification):
                pass
    assert event.node.value == 3


async def remote_of(device: Any, port: int) -> Any:
    """The server as an address of the device's own socket."""
    message = aiocoap.Message(code=Code.GET, uri=f"coap://127.0.0.1:{port}/")
    await device.context.find_remote_and_interface(message)
    return message.remote


async def test_an_active_cancel_that_the_device_does_not_answer_ends_the_observation_here(
    server: Lwm2mServer, observed: Any, changes: Changes
) -> None:
    hold = asyncio.Event()

    async def silent(_: aiocoap.Message) -> None:
        await hold.wait()

    observed.render = silent
    with pytest.raises(DeviceTimeout):
        await server.cancel_observe("dev1", STATE, active=True, timeout=0.3)
    assert server.observed("dev1") == []
    assert changes[-1] == ("dev1", ())
    hold.set()


async def test_an_active_cancel_that_the_device_answers_without_content_has_succeeded(
    server: Lwm2mServer, observed: Any
) -> None:
    """As coap-node does: 2.05 and nothing else, which is no number."""
    observed.answers["GET", "/5/0/3"] = lambda _: aiocoap.Message(code=Code.CONTENT)
    response = await server.cancel_observe("dev1", STATE, active=True)
    assert response is not None
    assert (response.success, response.content) == (True, None)
    assert server.observed("dev1") == []


async def test_an_active_cancel_of_a_composite_that_the_device_answers_without_content_has_succeeded(
    server: Lwm2mServer, device: Any
) -> None:
    await device.register()
    device.answers["FETCH", "/"] = lambda _: aiocoap.Message(
        code=Code.CONTENT, payload=b"\x81\xa2\x00f/5/0/3\x02\x00", content_format=112
    )
    await server.observe_composite("dev1", [STATE])
    device.answers["FETCH", "/"] = lambda _: aiocoap.Message(code=Code.CONTENT)
    response = await server.cancel_observe_composite("dev1", [STATE], active=True)
    assert response is not None
    assert response.success


def first_block() -> Any:
    message = aiocoap.Message(code=Code.CONTENT, payload=b"A" * 1024, content_format=0)
    message.opt.block2 = (0, True, 6)
    return message


async def test_a_long_notification_whose_rest_comes_late_is_not_told_after_a_newer_one(
    server: Lwm2mServer, device: Any
) -> None:
    name, asked = Path.of(3, 0, 0), asyncio.Event()

    def late(request: aiocoap.Message) -> aiocoap.Message:
        if request.opt.observe is None:
            asked.set()
        return aiocoap.Message(code=Code.CONTENT, payload=b"A" * 2000, content_format=0)

    device.answers["GET", "/3/0/0"] = late
    await device.register()
    await server.observe("dev1", name)
    asked.clear()
    told: list[str] = []
    server.events.listen(lambda event: told.append(event.node.value) if isinstance(event, Notification) else None)
    for _ in range(50):
        device.notify("/3/0/0", first_block())
    await asyncio.wait_for(asked.wait(), 5)
    device.notify("/3/0/0", aiocoap.Message(code=Code.CONTENT, payload=b"newest", content_format=0))
    async with asyncio.timeout(5):
        while "newest" not in told:  # noqa: ASYNC110 - the listener has no event to wait for
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.2)
    assert told[-1] == "newest"
    assert [each for each in device.requests if each.opt.observe is None and each.opt.uri_path == ("3", "0", "0")]
