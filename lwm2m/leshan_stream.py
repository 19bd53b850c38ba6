"""Reads a Leshan server's event stream for as long as it is wanted: server-sent events, bounded, with reconnection."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx

from lwm2m.errors import BadRequest, Lwm2mError

MAX_EVENT = 8 << 20  # bytes of one event; the largest carries an object list or a Send
SILENCE = 30.0  # seconds without a byte after which the stream is dead: Leshan sends a heartbeat every 10
FIRST_DELAY, LAST_DELAY = 0.1, 10.0  # seconds before a reconnection, doubling
_log = logging.getLogger(__name__)

OnOpen = Callable[[], Awaitable[None]]
OnEvent = Callable[[str, object], None]


class EventReader:
    """Opens the stream again whenever it ends; `on_open` runs after each opening and before the first event of it."""

    def __init__(self, http: httpx.AsyncClient, on_open: OnOpen, on_event: OnEvent) -> None:
        self._http = http
        self._on_open = on_open
        self._on_event = on_event
        self.is_open = asyncio.Event()

    async def run(self) -> None:
        """Read until cancelled."""
        loop = asyncio.get_running_loop()
        delay = FIRST_DELAY
        while True:
            opened = loop.time()
            try:
                await self._read_once()
                _log.info("event stream ended")
            except (httpx.HTTPError, Lwm2mError) as error:
                _log.warning("event stream lost: error=%s retry_in=%.1fs", error or type(error).__name__, delay)
            except Exception:  # noqa: BLE001 - the stream comes back whatever broke: without it no device is heard
                _log.exception("event stream failed: retry_in=%.1fs", delay)
            self.is_open.clear()
            if loop.time() - opened > LAST_DELAY:
                delay = FIRST_DELAY
            await asyncio.sleep(delay)
            delay = min(2 * delay, LAST_DELAY)

    async def _read_once(self) -> None:
        timeout = httpx.Timeout(SILENCE)
        headers = {"accept": "text/event-stream"}
        async with self._http.stream("GET", "event", headers=headers, timeout=timeout) as response:
            if response.status_code != httpx.codes.OK:
                raise BadRequest(f"GET event was answered with HTTP {response.status_code}: is this a Leshan server?")
            await self._on_open()
            self.is_open.set()
            async for name, data in parse_events(response.aiter_bytes()):
                self._tell(name, data)

    def _tell(self, name: str, data: str) -> None:
        try:
            self._on_event(name, json.loads(data))
        except (ValueError, RecursionError, Lwm2mError) as error:
            # One event that cannot be read must not end the stream of all others.
            _log.warning("event dropped: event=%r error=%s", name[:40], error)


async def parse_events(chunks: AsyncIterator[bytes]) -> AsyncIterator[tuple[str, str]]:
    """Name and data of each server-sent event; lines end in CR LF or LF.

    Raises:
        BadRequest: an event is larger than `MAX_EVENT`.
    """
    name, size = "", 0
    data: list[str] = []
    async for line in _lines(chunks):
        size += len(line)
        if size > MAX_EVENT:
            raise BadRequest(f"an event is larger than {MAX_EVENT} bytes")
        if not line:
            if data:
                yield name or "message", "\n".join(data)
            name, data, size = "", [], 0
            continue
        field, _, value = line.decode(errors="replace").partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            name = value
        elif field == "data":
            data.append(value)


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    rest = bytearray()
    async for chunk in chunks:
        rest += chunk
        *lines, last = rest.split(b"\n")
        rest = last
        if len(rest) > MAX_EVENT:
            raise BadRequest(f"an event is larger than {MAX_EVENT} bytes")
        for line in lines:
            yield bytes(line.removesuffix(b"\r"))
