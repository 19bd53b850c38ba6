"""Events reach every listener in order, and a slow reader costs bounded memory."""

import asyncio

from lwm2m.events import MAX_WAITING, Deregistered, Events, Reason
from lwm2m.registration import Registration

EVENT = Deregistered(Registration("id", "a", "h:1", 60, 0, 0), Reason.REQUEST)


async def test_listeners_and_streams_hear_the_same() -> None:
    events = Events()
    heard: list[object] = []
    stop = events.listen(heard.append)
    with events.subscribe() as subscription:
        events.publish(EVENT)
        stop()
        events.publish(EVENT)
        assert [await subscription.get(), await subscription.get()] == [EVENT, EVENT]
        events.close()
        assert await subscription.get() is None
    assert heard == [EVENT]


async def test_a_reader_that_is_too_late_is_cut_off() -> None:
    events = Events()
    with events.subscribe() as slow:
        for _ in range(MAX_WAITING + 5):
            events.publish(EVENT)
        for _ in range(MAX_WAITING):
            assert await slow.get() is EVENT
        assert await slow.get() is None


async def test_a_stream_ends_when_the_server_stops() -> None:
    events = Events()
    stream = events.stream()
    task = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    events.publish(EVENT)
    assert await task is EVENT
    events.close()
    assert [event async for event in stream] == []
