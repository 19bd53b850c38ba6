"""An LwM2M 1.1 device: one socket that serves the object tree, bootstraps where asked to, and stays registered."""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Self

from aiocoap import Message
from aiocoap.error import Error as CoapError
from aiocoap.numbers.codes import Code as CoapCode

from lwm2m.client.bootstrap import BootstrapSession
from lwm2m.client.connection import Connection, Psk, ServerAccount
from lwm2m.client.schedule import backoff, update_interval
from lwm2m.client.send import encode_send
from lwm2m.client.site import DeviceSite
from lwm2m.client.standard import ServerControls, server_object
from lwm2m.client.tree import Factory, ObjectInstance, ObjectTree
from lwm2m.codecs import ContentFormat
from lwm2m.links import format_links
from lwm2m.messages import Code
from lwm2m.nodes import Node
from lwm2m.paths import Path
from lwm2m.transports.association import AssociationEnded

ANSWER_SECONDS = 10.0  # for an answer to Register and Update; CoAP alone would wait 93
FAREWELL_SECONDS = 4.0  # one retransmission fits: the first answer is waited for 2 to 3 s (RFC 7252, 4.8)
BOOTSTRAP_SECONDS = 60.0  # from the answer to Bootstrap-Request to Bootstrap-Finish

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Settings:
    """Where and under which name to register. `server` is a coap:// or coaps:// URI, `lifetime` in seconds.

    With `bootstrap`, `server` is a bootstrap server and names the other one. With `awake_seconds` the device is in
    queue mode: it hears nothing once that long has passed without a message.
    """

    server: str
    endpoint: str
    lifetime: int = 60
    bind: str = "::"
    port: int = 0
    answer_seconds: float = ANSWER_SECONDS
    psk: Psk | None = None
    bootstrap: bool = False
    awake_seconds: float | None = None

    @property
    def account(self) -> ServerAccount:
        """The server that is known before any bootstrap."""
        return ServerAccount(self.server, self.lifetime, psk=self.psk)


class _Wish(Enum):
    """What the loop is asked to do before its time."""

    UPDATE = auto()
    REGISTER_AGAIN = auto()
    BOOTSTRAP = auto()


class Lwm2mClient:
    """Create with `start`, keep `run()` going, end with `stop`."""

    def __init__(
        self,
        settings: Settings,
        instances: Iterable[ObjectInstance],
        factories: Mapping[int, Factory] | None = None,
        site: Callable[[ObjectTree], DeviceSite] = DeviceSite,
    ) -> None:
        self._settings = settings
        self._account = settings.account
        self._muted = False
        controls = ServerControls(
            short_id=lambda: self._account.short_id,
            binding=lambda: "U" if settings.awake_seconds is None else "UQ",
            muted=lambda: self._muted,
            mute=self._set_muted,
            bootstrap=(lambda: self._ask(_Wish.BOOTSTRAP)) if settings.bootstrap else None,
        )
        own = server_object(lambda: self._lifetime, self._set_lifetime, self.update_now, controls)
        self._lifetime = settings.lifetime
        self._tree = ObjectTree((own, *instances), factories or {})
        self._site = site(self._tree)
        self._site.objects_changed = self._objects_changed
        self._connection: Connection | None = None
        self._location: tuple[str, ...] | None = None
        self._wish: _Wish | None = None
        self._wake = asyncio.Event()
        self._new_links = False
        self._registering: asyncio.Task[bool] | None = None
        self.registered = asyncio.Event()

    @classmethod
    async def start(
        cls,
        settings: Settings,
        instances: Iterable[ObjectInstance],
        factories: Mapping[int, Factory] | None = None,
        site: Callable[[ObjectTree], DeviceSite] = DeviceSite,
    ) -> Self:
        """Open the socket over these objects and Object 1; nothing is sent before `run`.

        `factories` make the objects whose instances a server may create.

        Raises:
            BadRequest: the settings name no server, or a coaps:// one without a key.
            OSError: the address cannot be bound.
        """
        client = cls(settings, instances, factories, site)
        await client._open(settings.port)
        return client

    @property
    def context(self) -> Any:
        """The aiocoap context, for downloads from the same socket."""
        return self._open_connection.context

    @property
    def is_open(self) -> bool:
        """Whether the device has a socket; not any more once it stopped or vanished."""
        return self._connection is not None

    @property
    def connection(self) -> Connection:
        """The sockets, and whether they sleep."""
        return self._open_connection

    @property
    def site(self) -> DeviceSite:
        """What answers the server's requests."""
        return self._site

    def update_now(self) -> None:
        """Send a registration update at once."""
        self._ask(_Wish.UPDATE)

    def register_again(self) -> None:
        """De-register and register, as a device that has rebooted."""
        self._ask(_Wish.REGISTER_AGAIN)

    def notify(self, path: Path) -> None:
        """A value changed: send it to its observers when their attributes say so."""
        self._site.notify(path)

    async def send(self, nodes: Mapping[Path, Node], at: float | None = None) -> bool:
        """Send (Core 1.1.1, section 6.4.6): values with the time they are of, now unless given.

        Whether the server took it; False without trying when the server muted this device (/1/x/23).
        """
        if self._muted:
            return False
        payload = encode_send(nodes, time.time() if at is None else at)
        answer = await self._request(CoapCode.POST, ("dp",), payload=payload, content_format=ContentFormat.SENML_CBOR)
        return answer is not None and int(answer.code) == Code.CHANGED

    async def move(self, *, update: bool = True) -> None:
        """Change to another port, as behind a NAT that forgot the mapping; `update` tells the server at once."""
        await self._reopen(0)
        if update:
            self.update_now()

    async def run(self) -> None:
        """Register and stay registered until cancelled: again at once on 4.04 or when no answer comes."""
        if self._settings.bootstrap:
            await self._bootstrap_until_done()
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
        if self._connection is not None:
            await self._deregister()
        await self.vanish()

    async def vanish(self) -> None:
        """Close the socket without a word, as a device without power."""
        self._site.close()
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    @property
    def _open_connection(self) -> Connection:
        if self._connection is None:
            raise RuntimeError("the device has no socket: it was stopped")
        return self._connection

    async def _open(self, port: int) -> None:
        bind = (self._settings.bind, port)
        self._connection = await Connection.open(self._site, bind, self._account, self._settings.awake_seconds)

    async def _reopen(self, port: int) -> None:
        before = self._open_connection
        if port != 0:
            await before.close()  # the new socket takes its place
        await self._open(port)
        await before.close()

    def _set_lifetime(self, seconds: int) -> None:
        self._lifetime = seconds
        self.update_now()

    def _set_muted(self, muted: bool) -> None:
        self._muted = muted

    def _objects_changed(self) -> None:
        self._new_links = True
        self.update_now()

    def _ask(self, wish: _Wish) -> None:
        if self._wish is None or wish is not _Wish.UPDATE:
            self._wish = wish
        self._wake.set()

    async def _bootstrap_until_done(self) -> None:
        attempt = 0
        while (account := await self._bootstrap()) is None:
            attempt += 1
            await asyncio.sleep(backoff(attempt, secrets.SystemRandom().random()))
        self._account, self._lifetime = account, account.lifetime
        await self._reopen(self._settings.port)
        _log.info("bootstrapped server=%s", account.uri)

    async def _bootstrap(self) -> ServerAccount | None:
        """One client-initiated bootstrap; None when it does not come to its end."""
        if self._account != self._settings.account:
            self._account = self._settings.account
            await self._reopen(self._settings.port)
        session = self._site.bootstrap = BootstrapSession()
        query = (f"ep={self._settings.endpoint}", f"pct={int(ContentFormat.SENML_CBOR)}")
        try:
            answer = await self._request(CoapCode.POST, ("bs",), query, session=session)
            if answer is None or int(answer.code) != Code.CHANGED:
                _log.warning("no bootstrap answer=%s", answer.code if answer is not None else "none")
                return None
            async with asyncio.timeout(BOOTSTRAP_SECONDS):
                return await session.finished
        except TimeoutError:
            _log.warning("the bootstrap was not finished seconds=%g", BOOTSTRAP_SECONDS)
            return None
        finally:
            self._site.bootstrap = None

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
        self._new_links = False
        queue = () if self._settings.awake_seconds is None else ("Q",)
        query = (f"ep={self._settings.endpoint}", f"lt={self._lifetime}", "lwm2m=1.1", "b=U", *queue)
        answer = await self._request(CoapCode.POST, ("rd",), query, self._links())
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
        if wish in (_Wish.REGISTER_AGAIN, _Wish.BOOTSTRAP):
            await self._deregister()
            if wish is _Wish.BOOTSTRAP:
                await self._bootstrap_until_done()
            return False
        if not self._open_connection.lost:
            new_links, self._new_links = self._new_links, False
            links = self._links() if new_links else b""
            answer = await self._request(CoapCode.POST, self._location or (), (f"lt={self._lifetime}",), links)
            if answer is not None and int(answer.code) == Code.CHANGED:
                return True
            _log.warning("registration lost answer=%s", answer.code if answer is not None else "none")
        self._location = None
        self.registered.clear()
        return False

    def _links(self) -> bytes:
        return format_links(self._tree.registration_links()).encode()

    async def _deregister(self) -> None:
        location, self._location = self._location, None
        self.registered.clear()
        if location is not None and not self._open_connection.lost:
            await self._request(CoapCode.DELETE, location, seconds=FAREWELL_SECONDS)
            _log.info("de-registered")

    async def _request(
        self,
        code: Any,
        path: tuple[str, ...],
        query: tuple[str, ...] = (),
        payload: bytes = b"",
        *,
        content_format: int = ContentFormat.LINK,
        seconds: float | None = None,
        session: BootstrapSession | None = None,
    ) -> Any | None:
        """One exchange with the server; None when no answer came."""
        message = Message(code=code, uri=self._account.uri, payload=payload)
        message.opt.uri_path = path
        message.opt.uri_query = query
        if payload:
            message.opt.content_format = int(content_format)
        connection = self._open_connection
        try:
            async with asyncio.timeout(seconds or self._settings.answer_seconds):
                await connection.address(message)
                if session is not None:
                    # Only who answers to this address may write Objects 0 and 1, from before its answer on.
                    await connection.context.find_remote_and_interface(message)
                    session.remote = message.remote
                return await connection.context.request(message).response
        except (TimeoutError, CoapError, AssociationEnded, OSError) as error:
            _log.warning("no answer to %s /%s: %s", code, "/".join(path), error or type(error).__name__)
            return None
