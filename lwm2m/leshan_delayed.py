"""Requests for sleeping devices as Leshan keeps them: the last one for each registration, sent when it wakes."""

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from lwm2m.errors import DeviceAsleep, Lwm2mError
from lwm2m.events import Awake, Deregistered, Event
from lwm2m.leshan_json import Json
from lwm2m.paths import Path
from lwm2m.server import Lwm2mServer

SETTLE = 0.05  # seconds: a device is left alone until the answer to what woke it is out (OMA issue 162)
_log = logging.getLogger(__name__)

Operation = Callable[[], Awaitable[Json]]
"""Asks the device, and raises DeviceAsleep at once when it sleeps."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """A request that waits, and how its answer is announced."""

    envelope: Json
    operation: Operation


class DelayedRequests:
    """Runs operations now or later. `tell` announces an answer that comes later: endpoint and data of the event.

    As with Leshan, a request that is displaced by another, whose registration ends, or that fails when the device is
    awake is never answered.
    """

    def __init__(self, server: Lwm2mServer, tell: Callable[[str, Json], None]) -> None:
        self._server = server
        self._tell = tell
        self._kept: dict[str, _Kept] = {}  # by registration id
        self._running: set[asyncio.Task[None]] = set()
        server.events.listen(self._heard)

    async def run(self, endpoint: str, path: Path | None, operation: Operation) -> Json:
        """The device's answer, or the announcement that it comes later. Composite requests have no `path`."""
        registration = self._server.registration(endpoint)
        try:
            return await operation()
        except DeviceAsleep:
            envelope: Json = {"ep": endpoint}
            if path is not None:
                envelope["path"] = str(path)
            envelope |= {"requestId": str(uuid.uuid4()), "delayed": True}
            self._kept[registration.id] = _Kept(envelope, operation)
            return envelope

    def _heard(self, event: Event) -> None:
        match event:
            case Deregistered(registration=registration):
                self._kept.pop(registration.id, None)
            case Awake(endpoint=endpoint):
                kept = self._kept.pop(self._server.registration(endpoint).id, None)
                if kept is not None:
                    task = asyncio.create_task(self._send(endpoint, kept))
                    self._running.add(task)
                    task.add_done_callback(self._running.discard)
            case _:
                pass

    async def _send(self, endpoint: str, kept: _Kept) -> None:
        await asyncio.sleep(SETTLE)
        try:
            response = await kept.operation()
        except Lwm2mError as error:
            _log.warning("delayed request failed: endpoint=%r request=%s error=%s", endpoint, kept.envelope, error)
            return
        self._tell(endpoint, {**kept.envelope, "response": response})
