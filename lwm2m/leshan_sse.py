"""Server-sent events as Leshan writes them: CR LF, a heartbeat, one queue for each stream."""

import asyncio
import json
from collections.abc import Coroutine, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

HEARTBEAT = 10.0  # seconds
MAX_WAITING = 1000  # events that wait for one reader
Frame = tuple[str, bytes]
"""An event as it goes out, and the endpoint that it concerns."""


def frame(name: str, data: Mapping[str, object]) -> bytes:
    """One event on the wire."""
    return f"event: {name}\r\ndata: {json.dumps(data, separators=(',', ':'))}\r\n\r\n".encode()


def accepts_events(request: Request) -> bool:
    """Whether a client asks for events; Leshan answers others with 405."""
    return "text/event-stream" in request.headers.get("accept", "")


class FrameStream(Response):
    """One reader's stream, of one device when there is an `endpoint`; it is in `streams` for as long as it is open."""

    def __init__(self, streams: "set[FrameStream]", endpoint: str | None) -> None:
        headers = {"cache-control": "no-cache", "connection": "close"}
        super().__init__(media_type="text/event-stream;charset=utf-8", headers=headers)
        self._streams = streams
        self._endpoint = endpoint
        self._waiting: asyncio.Queue[Frame] = asyncio.Queue(MAX_WAITING)

    def put(self, event: Frame) -> None:
        """Queue an event; a reader who is a thousand of them late loses it."""
        if not self._waiting.full():
            self._waiting.put_nowait(event)

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Stream until the reader is gone, or there is nothing more."""
        self._streams.add(self)
        try:
            await first(_until_gone(receive), self.run(send))
        finally:
            self._streams.discard(self)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def begin(self, send: Send) -> None:
        """Send the headers; there is no length."""
        headers = [(name, value) for name, value in self.raw_headers if name != b"content-length"]
        await send({"type": "http.response.start", "status": 200, "headers": headers})

    async def run(self, send: Send) -> None:
        """Write until there will be no more."""
        await self.begin(send)
        await first(self.feed(send), beat(send))

    async def feed(self, send: Send) -> None:
        """Write what is queued."""
        while True:
            await self.write(await self._waiting.get(), send)

    async def write(self, event: Frame, send: Send) -> None:
        """Write an event that concerns this reader."""
        if self._endpoint in (None, event[0]):
            await send({"type": "http.response.body", "body": event[1], "more_body": True})


async def beat(send: Send) -> None:
    """An empty line now and then, so that both sides notice when the other is gone."""
    while True:
        await asyncio.sleep(HEARTBEAT)
        await send({"type": "http.response.body", "body": b"\r\n", "more_body": True})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def first(*works: Coroutine[Any, Any, None]) -> None:
    """Run until one of them ends; the others are cancelled."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
