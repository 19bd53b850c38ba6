"""Leshan's event stream: server-sent events for registrations and notifications."""

import asyncio
import json
from collections.abc import Coroutine
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from lwm2m.events import Deregistered, Event, Events, Notification, Registered, Subscription, Updated
from lwm2m.leshan_json import node_json, registration_json, update_json

HEARTBEAT = 10.0  # seconds


def event_stream(events: Events, request: Request) -> Response:
    """The stream for one client; of one device when the query is `ep=NAME`, of all otherwise."""
    if "text/event-stream" not in request.headers.get("accept", ""):
        return PlainTextResponse("HTTP method GET is not supported by this URL", 405)
    return _EventStream(events, request.query_params.get("ep"))


def encode_event(event: Event, endpoint: str | None) -> bytes | None:
    """One event as Leshan words it; None when it concerns another device than `endpoint`."""
    match event:
        case Registered(registration=registration):
            name, data = "REGISTRATION", registration_json(registration)
            subject = registration.endpoint
        case Updated(registration=registration, update=update):
            name, data = "UPDATED", update_json(registration, update)
            subject = registration.endpoint
        case Deregistered(registration=registration):
            name, data = "DEREGISTRATION", registration_json(registration)
            subject = registration.endpoint
        case Notification(endpoint=subject, path=path, node=node):
            name = "NOTIFICATION"
            data = {"ep": subject, "kind": "single", "res": str(path), "val": node_json(node)}
    if endpoint is not None and subject != endpoint:
        return None
    return f"event: {name}\r\ndata: {json.dumps(data, separators=(',', ':'))}\r\n\r\n".encode()


class _EventStream(Response):
    """Subscribes before the headers go out, so that a client misses nothing after it has seen them."""

    def __init__(self, events: Events, endpoint: str | None) -> None:
        super().__init__(media_type="text/event-stream;charset=utf-8", headers={"cache-control": "no-cache"})
        self._events = events
        self._endpoint = endpoint

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(name, value) for name, value in self.raw_headers if name != b"content-length"]
        with self._events.subscribe() as subscription:
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await _first(_until_gone(receive), self._feed(subscription, send))
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _feed(self, subscription: Subscription, send: Send) -> None:
        while True:
            try:
                event = await asyncio.wait_for(subscription.get(), HEARTBEAT)
            except TimeoutError:
                await send({"type": "http.response.body", "body": b"\r\n", "more_body": True})
                continue
            if event is None:
                return
            body = encode_event(event, self._endpoint)
            if body is not None:
                await send({"type": "http.response.body", "body": body, "more_body": True})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _first(*works: Coroutine[Any, Any, None]) -> None:
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
