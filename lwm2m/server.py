"""The LwM2M server: takes registrations in, keeps them until they expire, and manages devices from the same port."""

import asyncio
import logging
import secrets
import string
import time
from collections.abc import Callable, Iterable
from typing import Self

from lwm2m.coap import open_endpoint
from lwm2m.downlink import Downlink, Response
from lwm2m.errors import BadRequest, NotRegistered, UnsupportedVersion
from lwm2m.events import Deregistered, Events, Reason, Registered, Updated
from lwm2m.messages import CoapEndpoint, Code, Handler, Method, Reply, Request
from lwm2m.packages import PREFIX, PackageSource, serve_package
from lwm2m.registration import Registration, Registrations, parse_register, parse_update

__all__ = ["Lwm2mServer", "Response"]

DEFAULT_PORT = 5683
GRACE = 5.0  # seconds after the lifetime: an Update may be retransmitted
EXPIRY_INTERVAL = 1.0
_ID_ALPHABET = string.ascii_letters + string.digits
_log = logging.getLogger(__name__)


class Lwm2mServer(Downlink):
    """Registration interface and device management on one UDP port.

    Use it as an async context manager, or call `start` and `stop`. `port=0` takes a free port; `port` is the real one
    after the start. `restored` are registrations that a previous process stored: their devices are reachable at once.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = DEFAULT_PORT,
        packages: PackageSource | None = None,
        restored: Iterable[Registration] = (),
        grace: float = GRACE,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.events = Events()
        self._registrations = Registrations(restored)
        super().__init__(self._registrations.by_endpoint, self.events)
        self._host = host
        self._port = port
        self._packages = packages
        self._grace = grace
        self._clock = clock
        self._endpoint: CoapEndpoint | None = None
        self._expiry: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Bind the port and serve.

        Raises:
            OSError: the port is taken, or the host is not ours.
        """
        handler: Handler = self._answer
        self._endpoint = await open_endpoint(self._host, self._port, handler, streamed=frozenset({PREFIX}))
        self.attach(self._endpoint)
        self._expiry = asyncio.create_task(self._expire_forever(), name="LwM2M registration expiry")

    async def stop(self) -> None:
        """Stop serving. Registrations stay as they are: devices do not notice a restart."""
        if self._expiry is not None:
            self._expiry.cancel()
            await asyncio.gather(self._expiry, return_exceptions=True)
        if self._endpoint is not None:
            self.attach(None)
            await self._endpoint.close()
            self._endpoint = None
        self.events.close()

    @property
    def port(self) -> int:
        """The UDP port in use."""
        return self._port if self._endpoint is None else self._endpoint.port

    def registrations(self) -> list[Registration]:
        """Every registered device, by name."""
        return self._registrations.all()

    def registration(self, endpoint: str) -> Registration:
        """One registered device.

        Raises:
            NotRegistered: there is none of this name.
        """
        found = self._registrations.by_endpoint(endpoint)
        if found is None:
            raise NotRegistered(endpoint)
        return found

    def restore(self, registrations: Iterable[Registration]) -> None:
        """Take over stored registrations before the start; no event tells of them."""
        for registration in registrations:
            self._registrations.register(registration)

    def expire(self) -> None:
        """Drop the registrations whose lifetime is over."""
        for registration in self._registrations.expire(self._clock(), self._grace):
            self.forget(registration.endpoint)
            self.events.publish(Deregistered(registration, Reason.EXPIRED))

    async def _expire_forever(self) -> None:
        while True:
            await asyncio.sleep(EXPIRY_INTERVAL)
            self.expire()

    async def _answer(self, peer: str, request: Request) -> Reply:
        try:
            return await self._route(peer, request)
        except UnsupportedVersion as error:
            return _refuse(Code.PRECONDITION_FAILED, str(error))
        except BadRequest as error:
            return _refuse(Code.BAD_REQUEST, str(error))
        except Exception:  # noqa: BLE001 - the edge of the process: a device gets an answer whatever broke
            _log.exception("request failed: peer=%s method=%d path=%r", peer, request.method, request.path)
            return _refuse(Code.INTERNAL_SERVER_ERROR, "the server failed, not the device: see the server's log")

    async def _route(self, peer: str, request: Request) -> Reply:
        match request.path:
            case ("rd",):
                return self._register(peer, request) if request.method == Method.POST else _wrong_method()
            case ("rd", registration_id) if request.method in (Method.POST, Method.PUT):
                # LwM2M 1.0 drafts updated with PUT.
                return self._update(peer, registration_id, request)
            case ("rd", registration_id) if request.method == Method.DELETE:
                return self._deregister(registration_id)
            case ("rd", _):
                return _wrong_method()
            case (first, *_) if first == PREFIX:
                return await serve_package(self._packages, request)
            case _:
                return _refuse(Code.NOT_FOUND, "this is an LwM2M server: register with POST /rd")

    def _register(self, peer: str, request: Request) -> Reply:
        registration = parse_register(
            request.query,
            request.payload,
            request.content_format,
            address=peer,
            registration_id="".join(secrets.choice(_ID_ALPHABET) for _ in range(10)),
            now=self._clock(),
        )
        previous = self._registrations.register(registration)
        if previous is not None:
            self.forget(previous.endpoint)
            self.events.publish(Deregistered(previous, Reason.REPLACED))
        self.events.publish(Registered(registration, previous))
        return Reply(Code.CREATED, location=("rd", registration.id))

    def _update(self, peer: str, registration_id: str, request: Request) -> Reply:
        previous = self._registrations.by_id(registration_id)
        if previous is None:
            return _unknown()
        update = parse_update(registration_id, request.query, request.payload, request.content_format, address=peer)
        changed = self._registrations.update(update, self._clock())
        if changed is None:
            return _unknown()
        self.events.publish(Updated(changed, previous, update))
        return Reply(Code.CHANGED)

    def _deregister(self, registration_id: str) -> Reply:
        registration = self._registrations.remove(registration_id)
        if registration is None:
            return _unknown()
        self.forget(registration.endpoint)
        self.events.publish(Deregistered(registration, Reason.REQUEST))
        return Reply(Code.DELETED)


def _refuse(code: Code, diagnostic: str) -> Reply:
    return Reply(code, payload=diagnostic.encode())


def _wrong_method() -> Reply:
    return _refuse(Code.METHOD_NOT_ALLOWED, "register with POST /rd, update with POST /rd/ID, leave with DELETE /rd/ID")


def _unknown() -> Reply:
    return _refuse(Code.NOT_FOUND, "no such registration: register again")


if __name__ == "__main__":
    from lwm2m.standalone import main

    main()
