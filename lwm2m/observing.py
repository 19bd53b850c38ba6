"""Observing devices: single paths and sets of paths, across changes of address and restarts of the server."""

# ruff: noqa: ASYNC109 - a deadline is part of a device operation: retransmissions are planned by it

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import replace

from lwm2m.answers import Response, composite_response, content_response, plain_response
from lwm2m.codecs import ContentFormat
from lwm2m.codecs.composite import encode_paths
from lwm2m.errors import BadRequest, CodecError, Lwm2mError, NotRegistered
from lwm2m.events import CompositeNotification, Events, Notification
from lwm2m.line import Line
from lwm2m.messages import Code, Method, Reply, Request, is_success
from lwm2m.observations import MAX_COMPOSITE_PATHS, MAX_OBSERVATIONS, Key, Observation, ObservationTable, Watched
from lwm2m.paths import Path
from lwm2m.registration import Registration

DEFAULT_TIMEOUT = 10.0  # seconds for one operation
REST_TIMEOUT = 60.0  # seconds to fetch what a notification has beyond its first block
_log = logging.getLogger(__name__)

ObservationsChanged = Callable[[str, tuple[Observation, ...]], None]
"""Hears what is observed on a device from now on, so that it can be stored. It returns at once and does not raise."""


class Observing:
    """Keeps observations and tells of notifications; a part of the server."""

    def __init__(self, line: Line, events: Events, changed: ObservationsChanged | None = None) -> None:
        self._line = line
        self._events = events
        self._tell_change = changed or _tell_nobody
        self._observations = ObservationTable()
        self._unconfirmed: set[str] = set()  # devices whose observations come from an earlier process
        self._confirming: set[asyncio.Task[None]] = set()

    async def observe(
        self,
        endpoint: str,
        path: Path,
        accept: int | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        *,
        wait: bool = True,
    ) -> Response:
        """Read, and hear of changes as `Notification` events until the device registers again."""
        models = self._line.models(endpoint)
        reply = await self._start(_wanted(endpoint, (path,), composite=False, accept=accept), timeout, wait=wait)
        return content_response(path, reply, models)

    async def observe_composite(
        self,
        endpoint: str,
        paths: Iterable[Path],
        *,
        accept: int | None = ContentFormat.SENML_CBOR,
        paths_format: int = ContentFormat.SENML_CBOR,
        timeout: float = DEFAULT_TIMEOUT,
        wait: bool = True,
    ) -> Response:
        """Read several paths at once, and hear of changes as `CompositeNotification` events (Core 1.1.1, 6.4.1)."""
        models = self._line.models(endpoint)
        wanted = _wanted(endpoint, tuple(paths), composite=True, accept=accept, paths_format=paths_format)
        reply = await self._start(wanted, timeout, wait=wait)
        return composite_response(wanted.paths, reply, models)

    async def cancel_observe(
        self, endpoint: str, path: Path, *, active: bool, timeout: float = DEFAULT_TIMEOUT, wait: bool = True
    ) -> Response | None:
        """End an observation; None when there is none. Only an active cancel asks the device and has its answer."""
        models = self._line.models(endpoint)
        key = ((path,), False)
        if not active:
            return Response(Code.CONTENT) if self._drop(endpoint, key) else None
        reply = await self._cancel(endpoint, key, timeout, wait=wait)
        return None if reply is None else _goodbye(reply) or content_response(path, reply, models)

    async def cancel_observe_composite(
        self, endpoint: str, paths: Iterable[Path], *, active: bool, timeout: float = DEFAULT_TIMEOUT, wait: bool = True
    ) -> Response | None:
        """The same for an observation of several paths, which are named in the order in which they were observed."""
        models, wanted = self._line.models(endpoint), tuple(paths)
        if not active:
            return Response(Code.CONTENT) if self._drop(endpoint, (wanted, True)) else None
        reply = await self._cancel(endpoint, (wanted, True), timeout, wait=wait)
        return None if reply is None else _goodbye(reply) or composite_response(wanted, reply, models)

    def observed(self, endpoint: str) -> list[Path]:
        """The single paths of a device that are observed."""
        return sorted(each.paths[0] for each in self._observations.of(endpoint) if not each.composite)

    def observations(self, endpoint: str | None = None) -> list[Observation]:
        """What is observed on a device, or on all."""
        names = self._observations.endpoints() if endpoint is None else (endpoint,)
        return [each for name in names for each in self._observations.of(name)]

    def forget(self, endpoint: str) -> None:
        """Drop the observations of a device without asking it."""
        self._unconfirmed.discard(endpoint)
        gone = self._observations.clear(endpoint)
        for each in gone:
            each.watch.forget()
        if gone:
            self._changed(endpoint)

    def resume(self, registration: Registration, observations: Iterable[Observation]) -> None:
        """Hear observations that began in an earlier process or at another address, under their tokens."""
        for observation in observations:
            request = _request(observation, registration)
            listener = self._listener(observation)
            watch = self._line.coap.resume(registration.address, request, observation.token, REST_TIMEOUT, listener)
            self._keep(Watched(observation, watch))

    def restore_observations(self, registration: Registration, observations: Iterable[Observation]) -> None:
        """`resume` after a restart, and observe anew at the device's next contact.

        A device that spoke while nobody listened may have dropped what it could not deliver.
        """
        self.resume(registration, observations)
        self._unconfirmed.add(registration.endpoint)

    def confirm(self, endpoint: str) -> None:
        """A device made contact: have it confirm what is left from an earlier process."""
        if endpoint in self._unconfirmed:
            self._unconfirmed.discard(endpoint)
            task = asyncio.create_task(self._observe_anew(endpoint), name="LwM2M observe anew")
            self._confirming.add(task)
            task.add_done_callback(self._confirming.discard)

    async def _observe_anew(self, endpoint: str) -> None:
        for observation in self._observations.of(endpoint):
            try:
                await self._start(observation, DEFAULT_TIMEOUT, wait=False)
            except Lwm2mError as error:
                # The old observation stands, for what it is worth; the next restart or registration decides.
                _log.warning("observation not confirmed: endpoint=%r error=%s", endpoint, error)

    def suspend(self) -> list[Observation]:
        """Hear nothing any more; what was observed, for `restore_observations`."""
        for task in self._confirming:
            task.cancel()
        observations = self.observations()
        for endpoint in self._observations.endpoints():
            for each in self._observations.clear(endpoint):
                each.watch.forget()
        return observations

    def move(self, registration: Registration) -> None:
        """A device has a new address and keeps its observations."""
        observations = self._observations.of(registration.endpoint)
        for each in self._observations.clear(registration.endpoint):
            each.watch.forget()
        self.resume(registration, observations)

    async def _start(self, wanted: Observation, timeout: float, *, wait: bool) -> Reply:
        endpoint = wanted.endpoint
        known = self._observations.of(endpoint)
        if len(known) >= MAX_OBSERVATIONS and all(each.key != wanted.key for each in known):
            raise BadRequest(f"{endpoint} has {MAX_OBSERVATIONS} observations already: cancel one first")
        async with self._line.turn(endpoint, timeout, wait=wait) as turn:
            request = _request(wanted, turn.registration)
            reply, watch = await self._line.coap.observe(
                turn.registration.address, request, turn.left, self._listener(wanted)
            )
            if watch is None or not is_success(reply.code):
                self._drop(endpoint, wanted.key)
                return reply
            current = self._line.find(endpoint)
            if current is None or current.id != turn.registration.id:
                # It left or registered again while it answered, which ends its observations.
                watch.forget()
                return reply
            observation = replace(wanted, registration_id=current.id, token=watch.token)
            self._keep(Watched(observation, watch))
            if current.address != turn.registration.address:
                self.move(current)
            self._changed(endpoint)
        return reply

    async def _cancel(self, endpoint: str, key: Key, timeout: float, *, wait: bool) -> Reply | None:
        if self._observations.get(endpoint, key) is None:
            return None
        async with self._line.turn(endpoint, timeout, wait=wait) as turn:
            watched = self._observations.remove(endpoint, key)
            if watched is None:
                return None
            self._changed(endpoint)
            return await watched.watch.cancel(turn.left)

    def _keep(self, watched: Watched) -> None:
        replaced = self._observations.put(watched)
        if replaced is not None:
            replaced.watch.forget()

    def _drop(self, endpoint: str, key: Key) -> bool:
        gone = self._observations.remove(endpoint, key)
        if gone is not None:
            gone.watch.forget()
            self._changed(endpoint)
        return gone is not None

    def _changed(self, endpoint: str) -> None:
        self._tell_change(endpoint, self._observations.of(endpoint))

    def _listener(self, observation: Observation) -> Callable[[Reply], None]:
        def listen(reply: Reply) -> None:
            self._notified(observation, reply)

        return listen

    def _notified(self, observation: Observation, reply: Reply) -> None:
        endpoint, paths = observation.endpoint, observation.paths
        self._line.heard(endpoint)
        if not is_success(reply.code):
            _log.info("observation ended by the device: endpoint=%r code=%d", endpoint, reply.code)
            self._drop(endpoint, observation.key)
            return
        try:
            models = self._line.models(endpoint)
            if observation.composite:
                nodes = composite_response(paths, reply, models).nodes
                if nodes:
                    self._events.publish(CompositeNotification(endpoint, paths, nodes))
            else:
                content = content_response(paths[0], reply, models).content
                if content is not None:
                    self._events.publish(Notification(endpoint, paths[0], content))
        except (CodecError, NotRegistered) as error:
            # Nobody waits for a notification who could be told.
            _log.warning("notification dropped: endpoint=%r paths=%s error=%s", endpoint, paths, error)


def _tell_nobody(_endpoint: str, _observations: tuple[Observation, ...]) -> None:
    """The observations end with the process."""


def _wanted(
    endpoint: str, paths: tuple[Path, ...], *, composite: bool, accept: int | None, paths_format: int | None = None
) -> Observation:
    if not 0 < len(paths) <= MAX_COMPOSITE_PATHS:
        raise BadRequest(f"1 to {MAX_COMPOSITE_PATHS} paths can be observed at once")
    return Observation(endpoint, "", paths, composite, b"", accept, paths_format)


def _request(observation: Observation, registration: Registration) -> Request:
    prefix = registration.root
    if not observation.composite:
        return Request(Method.GET, prefix + observation.paths[0].segments, accept=observation.accept)
    number = ContentFormat.SENML_CBOR if observation.paths_format is None else observation.paths_format
    return Request(
        Method.FETCH,
        prefix,
        accept=observation.accept,
        content_format=number,
        payload=encode_paths(observation.paths, number),
    )


def _goodbye(reply: Reply) -> Response | None:
    """An answer to a cancel that has no content to decode: coap-node sends 2.05 and nothing else."""
    return None if reply.payload else plain_response(reply)
