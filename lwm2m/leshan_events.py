"""Leshan's event stream: registrations, notifications, Sends, late answers, and the messages of one device."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from starlette.requests import Request
from starlette.types import Send

from lwm2m.errors import NotRegistered
from lwm2m.events import (
    Awake,
    CompositeNotification,
    Deregistered,
    Event,
    Notification,
    Registered,
    Sample,
    Sent,
    Sleeping,
    Subscription,
    Updated,
)
from lwm2m.leshan_coaplog import coaplog_json
from lwm2m.leshan_json import Json, node_json, nodes_json, registration_json, update_json
from lwm2m.leshan_sse import Frame, FrameStream, beat, first, frame
from lwm2m.nodes import Node
from lwm2m.paths import Path
from lwm2m.registration import Registration
from lwm2m.server import Lwm2mServer


class EventStreams:
    """The event streams of one server."""

    def __init__(self, server: Lwm2mServer) -> None:
        self._server = server
        self._streams: set[FrameStream] = set()

    def open(self, request: Request) -> FrameStream:
        """A stream for one client; of one device when the query is `ep=NAME`, of all otherwise."""
        return _ServerStream(self._server, self._streams, request.query_params.get("ep"))

    def answered(self, endpoint: str, data: Json) -> None:
        """Tell of an answer that came late."""
        for stream in tuple(self._streams):
            stream.put((endpoint, frame("REQUEST_RESPONSE", data)))


def encode_event(event: Event, server: Lwm2mServer) -> Frame:
    """One event as Leshan words it."""
    match event:
        case Registered(registration=registration):
            return registration.endpoint, frame("REGISTRATION", current_json(registration, server))
        case Updated(registration=registration, update=update):
            data: Json = update_json(registration, update, asleep=is_asleep(registration, server))
            return registration.endpoint, frame("UPDATED", data)
        case Deregistered(registration=registration):
            return registration.endpoint, frame("DEREGISTRATION", current_json(registration, server))
        case Notification(endpoint=endpoint, path=path, node=node):
            data = {"ep": endpoint, "kind": "single", "res": str(path), "val": node_json(node)}
            return endpoint, frame("NOTIFICATION", data)
        case CompositeNotification(endpoint=endpoint, paths=paths, nodes=nodes):
            data = {
                "ep": endpoint,
                "kind": "composite",
                "val": nodes_json(nodes),
                "paths": [str(each) for each in paths],
            }
            return endpoint, frame("NOTIFICATION", data)
        case Sent(endpoint=endpoint, samples=samples):
            return endpoint, frame("SEND", {"ep": endpoint, "val": nodes_json(_newest(samples))})
        case Awake(endpoint=endpoint):
            return endpoint, frame("AWAKE", {"ep": endpoint})
        case Sleeping(endpoint=endpoint):
            return endpoint, frame("SLEEPING", {"ep": endpoint})


def current_json(registration: Registration, server: Lwm2mServer) -> Json:
    """A registration as Leshan words it, with what its server knows of its sleep."""
    return registration_json(registration, asleep=is_asleep(registration, server))


def is_asleep(registration: Registration, server: Lwm2mServer) -> bool:
    """Whether a device sleeps; one that has left does not."""
    try:
        return server.is_asleep(registration.endpoint)
    except NotRegistered:
        return False


def _newest(samples: Sequence[Sample]) -> Mapping[Path, Node]:
    """Leshan tells of the most recent time only; values without a time are of now."""
    return max(samples, key=lambda sample: (sample.at is None, sample.at or 0.0)).nodes if samples else {}


class _ServerStream(FrameStream):
    """What happens to devices, and answers that come late."""

    def __init__(self, server: Lwm2mServer, streams: set[FrameStream], endpoint: str | None) -> None:
        super().__init__(streams, endpoint)
        self._server = server

    async def run(self, send: Send) -> None:
        """Subscribes before the headers go out, so that a client misses nothing after it has seen them."""
        with self._server.events.subscribe() as subscription, self._traced():
            await self.begin(send)
            await first(self.feed(send), self._feed_events(subscription, send), beat(send))

    @contextmanager
    def _traced(self) -> Iterator[None]:
        """As Leshan has it: messages are told of one device, which is registered when the stream is opened."""
        endpoint = self._endpoint
        if endpoint is None or all(each.endpoint != endpoint for each in self._server.registrations()):
            yield
            return
        forget = self._server.trace(
            endpoint, lambda message: self.put((endpoint, frame("COAPLOG", coaplog_json(endpoint, message))))
        )
        try:
            yield
        finally:
            forget()

    async def _feed_events(self, subscription: Subscription, send: Send) -> None:
        while (event := await subscription.get()) is not None:
            await self.write(encode_event(event, self._server), send)
