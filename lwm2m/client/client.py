"""An LwM2M 1.1 device over UDP: one socket that serves the object tree and keeps the device registered."""

import asyncio
import logging
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Self

from aiocoap import Context, Message
from aiocoap.error import Error as CoapError
from aiocoap.numbers.codes import Code as CoapCode

from lwm2m.client.schedule import backoff, update_interval
from lwm2m.client.site import DeviceSite
from lwm2m.client.standard import server_object
from lwm2m.client.tree import ObjectInstance, ObjectTree
from lwm2m.codecs import ContentFormat
from lwm2m.links import format_links
from lwm2m.messages import Code
from lwm2m.paths import Path

ANSWER_SECONDS = 10.0  # for an answer to Register and Update; CoAP alone would wait 93
FAREWELL_SECONDS = 2.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Settings:
    """Where and under which name to register. `server` is a coap:// URI, `lifetime` in seconds."""

    server: str
    endpoint: str
    lifetime: int = 60
    bind: str = "::"
    port: int = 0
    answer_seconds: float = ANSWER_SECONDS


class _Wish(Enum):
    """What the loop is asked to do before its time."""

    UPDATE = auto()
    REGISTER_AGAIN = auto()


class Lwm2mClient:
    """Create with `start`, keep `run()` going, end with `stop`."""

    def __init__(self, settings: Settings, instances: Iterable[ObjectInstance]) -> None:
        self._settings = settings
        self._lifetime = settings.lifetime
        own = server_object(lambda: self._lifetime, self._set_lifetime, self.update_now)
        self._tree = ObjectTree((own, *instances))
        self._site = DeviceSite(self._tree)
        self._context: Any = None
        self._location: tuple[str, ...] | None = None
        self._wish: _Wish | None = None
        self._wake = asyncio.Event()
        self._registering: asyncio.Task[bool] | None = None
        self.registered = asyncio.Event()

    @classmethod
    async def start(cls, settings: Settings, instances: Iterable[ObjectInstance]) -> Self:
        """Open the socket over these objects and Object 1; nothing is sent before `run`."""
        client = cls(settings, instances)
        client._context = await Context.create_server_context(
            client._site, bind=(settings.bind, settings.port), transports=["udp6"], loggername="coap-device"
        )
        return client

    @property
    def context(self) -> Any:
        """The aiocoap context, for downloads from the same socket."""
        return self._context

    def update_now(self) -> None:
        """Send a registration update at once."""
        self._ask(_Wish.UPDATE)

    def register_again(self) -> None:
        """De-register and register, as a device that has rebooted."""
        self._ask(_Wish.REGISTER_AGAIN)

    def notify(self, path: Path) -> None:
        """A value changed: send it to its observers."""
        self._site.notify(path)

    async def run(self) -> None:
        """Register and stay registered until cancelled: again at once on 4.04 or when no answer comes."""
        while True:
            await self._register_until_accepted()
            while await self._keep():
                pass

    async def stop(self) -> None:
        """De-register if possible, and close the socket.

        A Register whose answer is still on its way may have succeeded: it is waited for, so as to leave no ghost.
        """
        if self._registering is not None:
            await asyncio.wait({self._registering}, timeout=FAREWELL_SECONDS)
            self._registering.cancel()
        await self._deregister()
        self._site.close()
        await self._context.shutdown()

    def _set_lifetime(self, seconds: int) -> None:
        self._lifetime = seconds
        self.update_now()

    def _ask(self, wish: _Wish) -> None:
        if self._wish is not _Wish.REGISTER_AGAIN:
            self._wish = wish
        self._wake.set()

    async def _register_until_accepted(self) -> None:
        attempt = 0
        while True:
            self._registering = asyncio.create_task(self._register())
            if await asyncio.shield(self._registering):
                self._registering = None
                return
            attempt += 1
            delay = backoff(attempt, secrets.SystemRandom().random())
            _log.warning("not registered attempt=%d retry_in=%.1fs", attempt, delay)
            await asyncio.sleep(delay)

    async def _register(self) -> bool:
        # What was asked for before is in the registration itself.
        self._wish = None
        self._wake.clear()
        query = (f"ep={self._settings.endpoint}", f"lt={self._lifetime}", "lwm2m=1.1", "b=U")
        payload = format_links(self._tree.registration_links()).encode()
        answer = await self._send(CoapCode.POST, ("rd",), query, payload)
        if answer is None:
            return False
        if int(answer.code) != Code.CREATED:
            _log.error("registration refused code=%s text=%r", answer.code, answer.payload[:100])
            return False
        self._location = tuple(answer.opt.location_path)
        self.registered.set()
        _log.info("registered location=/%s lifetime=%d", "/".join(self._location), self._lifetime)
        return True

    async def _keep(self) -> bool:
        """Wait for the next update and send it; False when the device has to register again."""
        try:
            async with asyncio.timeout(update_interval(self._lifetime)):
                await self._wake.wait()
        except TimeoutError:
            pass  # the regular case: nobody asked for anything
        wish, self._wish = self._wish, None
        self._wake.clear()
        if wish is _Wish.REGISTER_AGAIN:
            await self._deregister()
            return False
        answer = await self._send(CoapCode.POST, self._location or (), (f"lt={self._lifetime}",))
        if answer is not None and int(answer.code) == Code.CHANGED:
            return True
        _log.warning("registration lost answer=%s", answer.code if answer is not None else "none")
        self._location = None
        self.registered.clear()
        return False

    async def _deregister(self) -> None:
        location, self._location = self._location, None
        self.registered.clear()
        if location is not None:
            await self._send(CoapCode.DELETE, location, seconds=FAREWELL_SECONDS)
            _log.info("de-registered")

    async def _send(
        self,
        code: Any,
        path: tuple[str, ...],
        query: tuple[str, ...] = (),
        payload: bytes = b"",
        seconds: float | None = None,
    ) -> Any | None:
        """One exchange with the server; None when no answer came."""
        message = Message(code=code, uri=self._settings.server, payload=payload)
        message.opt.uri_path = path
        message.opt.uri_query = query
        if payload:
            message.opt.content_format = int(ContentFormat.LINK)
        try:
            async with asyncio.timeout(seconds or self._settings.answer_seconds):
                return await self._context.request(message).response
        except (TimeoutError, CoapError, OSError) as error:
            _log.warning("no answer to %s /%s: %s", code, "/".join(path), error or type(error).__name__)
            return None
