"""The LwM2M server: takes registrations in, keeps them until they expire, and manages devices from the same port."""

import asyncio
import logging
import secrets
import string
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Self

from lwm2m.coap import Listener, open_listeners
from lwm2m.downlink import Downlink, Response
from lwm2m.errors import BadRequest, NotRegistered, UnsupportedVersion
from lwm2m.events import Deregistered, Events, Reason, Registered, Sent, Updated
from lwm2m.federation import PREFIX as FEDERATION
from lwm2m.federation import FederationSite
from lwm2m.line import Line
from lwm2m.messages import CoapEndpoint, Code, Handler, Method, Reply, Request, TracedMessage
from lwm2m.objects import STANDARD, ObjectRegistry
from lwm2m.observations import Observation
from lwm2m.observing import ObservationsChanged
from lwm2m.packages import PREFIX, PackageSource, serve_package
from lwm2m.peers import UDP, without_oscore
from lwm2m.queue_mode import AWAKE_TIME, QueueMode
from lwm2m.registration import Registration, Registrations, parse_register, parse_update
from lwm2m.security import RegistrationForbidden, SecurityStore, check_registration
from lwm2m.send import PATH as SEND
from lwm2m.send import parse_send
from lwm2m.transports.limits import DtlsLimits

__all__ = ["Lwm2mServer", "Response"]

DEFAULT_PORT = 5683
GRACE = 5.0  # seconds after the lifetime: an Update may be retransmitted
EXPIRY_INTERVAL = 1.0
MAX_REGISTRATIONS = 100_000  # about a kilobyte each, and what the device lists
PLAIN_UPDATE = 256  # characters: an Update that says little more than that the device is alive is always taken
# Characters of object lists and parameters of all: one may have 64 Ki, and most have a few hundred.
MAX_TEXT = 256 << 20
_ID_ALPHABET = string.ascii_letters + string.digits
_log = logging.getLogger(__name__)


class Lwm2mServer(Downlink):
    """Registration interface and device management on one UDP port, and on the `listeners` beside it (DTLS, TCP).

    Use it as an async context manager, or call `start` and `stop`. `port=0` takes a free port; `port` is the real one
    after the start. `restored` are registrations that a previous process stored: those that came over UDP are
    reachable at once, others when the device connects again. `restored_observations` are what `observations_changed`
    told the previous process: their notifications are heard again. With `security`, an endpoint that has a key
    registers with that key only; with an `oscore_folder` for sequence numbers too, that may be one of OSCORE.
    With `federations`, clients of federated learning are answered below /fed.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = DEFAULT_PORT,
        packages: PackageSource | None = None,
        federations: FederationSite | None = None,
        restored: Iterable[Registration] = (),
        restored_observations: Iterable[Observation] = (),
        observations_changed: ObservationsChanged | None = None,
        security: SecurityStore | None = None,
        listeners: Iterable[Listener] = (),
        oscore_folder: Path | None = None,
        dtls_limits: DtlsLimits | None = None,
        models: ObjectRegistry = STANDARD,
        grace: float = GRACE,
        awake_time: float = AWAKE_TIME,
        max_registrations: int = MAX_REGISTRATIONS,
        max_text: int = MAX_TEXT,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.events = Events()
        self._registrations = Registrations()
        self._queue_mode = QueueMode(self.events, awake_time=awake_time, clock=monotonic)
        line = Line(self._registrations.by_endpoint, self._queue_mode, models)
        super().__init__(line, self.events, observations_changed)
        self._restored_observations: list[Observation] = []
        self._security = security
        self._max_registrations = max_registrations
        self._max_text = max_text
        self._interval = min(EXPIRY_INTERVAL, awake_time / 4)
        self._listeners = (Listener(UDP, host, port), *listeners)
        self._oscore_folder = oscore_folder
        self._dtls_limits = dtls_limits
        self._port = port
        self._packages = packages
        self._federations = federations
        self._grace = grace
        self._clock = clock
        self._endpoint: CoapEndpoint | None = None
        self._expiry: asyncio.Task[None] | None = None
        self.restore(restored, restored_observations)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Bind the ports and serve.

        Raises:
            OSError: a port is taken, or the host is not ours.
            ValueError: two listeners have the same scheme, or `coaps` has no `security`.
        """
        handler: Handler = self._answer
        self._endpoint = await open_listeners(
            self._listeners,
            handler,
            streamed=frozenset({PREFIX, FEDERATION}),
            security=self._security,
            oscore_folder=self._oscore_folder,
            dtls_limits=self._dtls_limits,
        )
        self._line.attach(self._endpoint)
        self._resume_observations()
        self._expiry = asyncio.create_task(self._expire_forever(), name="LwM2M registration expiry")

    async def stop(self) -> None:
        """Stop serving. Registrations and observations stay as they are: devices do not notice a restart."""
        if self._expiry is not None:
            self._expiry.cancel()
            await asyncio.gather(self._expiry, return_exceptions=True)
        if self._endpoint is not None:
            self._line.attach(None)
            self._restored_observations += self.suspend()
            await self._endpoint.close()
            self._endpoint = None
        self.events.close()

    @property
    def port(self) -> int:
        """The UDP port in use."""
        return self._port if self._endpoint is None else self._endpoint.port

    @property
    def ports(self) -> Mapping[str, int]:
        """The ports in use by scheme: coap, coaps, coap+tcp; none before the start."""
        return {} if self._endpoint is None else self._endpoint.ports

    def trace(self, endpoint: str, listener: Callable[[TracedMessage], None]) -> Callable[[], None]:
        """Hear every message from and to a device, wherever it moves while it is registered, until it is called off.

        Raises:
            NotRegistered: nobody knows where the device is.
            BadRequest: the server does not run.
        """
        address = self.registration(endpoint).address

        def is_its(peer: str) -> bool:
            nonlocal address
            current = self._registrations.by_endpoint(endpoint)
            address = address if current is None else current.address
            return peer == without_oscore(address)

        return self._line.coap.trace(is_its, listener)

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

    def is_asleep(self, endpoint: str) -> bool:
        """Whether a device is in queue mode and does not listen now.

        Raises:
            NotRegistered: there is none of this name.
        """
        return self._queue_mode.is_asleep(self.registration(endpoint).endpoint)

    def restore(self, registrations: Iterable[Registration], observations: Iterable[Observation] = ()) -> None:
        """Take over stored registrations, and observations before the start; no event tells of them."""
        now = self._clock()
        for registration in sorted(registrations, key=lambda each: each.updated_at):
            self._registrations.register(registration)
            if registration.queue_mode:
                self._queue_mode.restore(registration.endpoint, now - registration.updated_at)
        self._restored_observations += observations

    def expire(self) -> None:
        """Drop the registrations whose lifetime is over."""
        for registration in self._registrations.expire(self._clock(), self._grace):
            self._ended(registration, Reason.EXPIRED)

    async def _expire_forever(self) -> None:
        while True:
            await asyncio.sleep(self._interval)
            self.expire()
            self._queue_mode.fall_asleep()

    def _resume_observations(self) -> None:
        for observation in self._restored_observations:
            registration = self._registrations.by_endpoint(observation.endpoint)
            # Connections ended with the process that held them, and with them what was observed.
            if registration is not None and registration.id == observation.registration_id and registration.is_udp:
                self.restore_observations(registration, (observation,))
        self._restored_observations = []

    async def _answer(self, peer: str, request: Request) -> Reply:
        try:
            return await self._route(peer, request)
        except UnsupportedVersion as error:
            return _refuse(Code.PRECONDITION_FAILED, str(error))
        except BadRequest as error:
            return _refuse(Code.BAD_REQUEST, str(error))
        except RegistrationForbidden as error:
            return _refuse(Code.FORBIDDEN, str(error))
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
                return self._deregister(registration_id, request)
            case ("rd", _):
                return _wrong_method()
            case (first,) if first == SEND:
                if request.method != Method.POST:
                    return _refuse(Code.METHOD_NOT_ALLOWED, "send values with POST /dp")
                return self._send(peer, request)
            case (first, *_) if first == PREFIX:
                self._heard_from(peer)
                return await serve_package(self._packages, request)
            case (first, *_) if first == FEDERATION and self._federations is not None:
                self._heard_from(peer)
                return await self._federations.answer(peer, request)
            case _:
                return _refuse(Code.NOT_FOUND, "this is an LwM2M server: register with POST /rd")

    def _register(self, peer: str, request: Request) -> Reply:
        now = self._clock()
        registration = parse_register(
            self._named(request),
            request.payload,
            request.content_format,
            address=peer,
            registration_id="".join(secrets.choice(_ID_ALPHABET) for _ in range(10)),
            now=now,
        )
        self._check(registration.endpoint, request)
        known = self._registrations.by_endpoint(registration.endpoint)
        full = known is None and len(self._registrations) >= self._max_registrations
        if full or self._has_no_room(request, known):
            return _refuse(Code.SERVICE_UNAVAILABLE, "the server has as many devices as it can hold: try again later")
        registration = replace(registration, secure=request.secure, identity=request.identity)
        previous = self._registrations.register(registration)
        if previous is not None:
            self.forget(previous.endpoint)
            self.events.publish(Deregistered(previous, Reason.REPLACED))
        self.events.publish(Registered(registration, previous))
        self._made_contact(registration)
        return Reply(Code.CREATED, location=("rd", registration.id))

    def _update(self, peer: str, registration_id: str, request: Request) -> Reply:
        previous = self._registrations.by_id(registration_id)
        if previous is None:
            return _unknown()
        self._check(previous.endpoint, request)
        if self._has_no_room(request, previous, PLAIN_UPDATE):
            return _refuse(Code.SERVICE_UNAVAILABLE, "the server keeps as much as it can hold: try again later")
        update = parse_update(registration_id, request.query, request.payload, request.content_format, address=peer)
        changed = self._registrations.update(update, self._clock())
        if changed is None:
            return _unknown()
        if changed.address != previous.address:
            self._moved(changed)
        self.events.publish(Updated(changed, previous, update))
        self._made_contact(changed)
        return Reply(Code.CHANGED)

    def _deregister(self, registration_id: str, request: Request) -> Reply:
        registration = self._registrations.by_id(registration_id)
        if registration is None:
            return _unknown()
        self._check(registration.endpoint, request)
        self._registrations.remove(registration_id)
        self._ended(registration, Reason.REQUEST)
        return Reply(Code.DELETED)

    def _send(self, peer: str, request: Request) -> Reply:
        registration = self._heard_from(peer)
        if registration is None:
            return _refuse(Code.NOT_FOUND, "no device registered from this address: register again")
        self._check(registration.endpoint, request)
        samples = parse_send(request, self._line.models(registration.endpoint), self._clock())
        self.events.publish(Sent(registration.endpoint, samples))
        return Reply(Code.CHANGED)

    def _named(self, request: Request) -> tuple[str, ...]:
        """The query; a device may leave its name out when its identity tells it (Core 1.2.1, section 6.2.1)."""
        if self._security is None or request.identity is None or any(each.startswith("ep=") for each in request.query):
            return request.query
        endpoint = self._security.endpoint_of(request.identity)
        return request.query if endpoint is None else (f"ep={endpoint}", *request.query)

    def _has_no_room(self, request: Request, known: Registration | None, spare: int = 0) -> bool:
        size = len(request.payload) + sum(map(len, request.query))
        others = self._registrations.text_size - (0 if known is None else known.text_size)
        return size > spare and others + size > self._max_text

    def _check(self, endpoint: str, request: Request) -> None:
        if self._security is not None:
            check_registration(self._security, endpoint, request)

    def _made_contact(self, registration: Registration) -> None:
        # The tasks that this wakes run after the device's answer is out: the handler gives way to none before.
        if registration.queue_mode:
            self._queue_mode.contact(registration.endpoint)
        else:
            self._queue_mode.leave(registration.endpoint)
        self.confirm(registration.endpoint)

    def _heard_from(self, peer: str) -> Registration | None:
        registration = self._registrations.by_address(peer)
        if registration is not None:
            self._line.heard(registration.endpoint)
        return registration

    def _moved(self, registration: Registration) -> None:
        if registration.is_udp:
            self.move(registration)
        else:
            self.forget(registration.endpoint)

    def _ended(self, registration: Registration, reason: Reason) -> None:
        self.forget(registration.endpoint)
        self._queue_mode.leave(registration.endpoint)
        self.events.publish(Deregistered(registration, reason))


def _refuse(code: Code, diagnostic: str) -> Reply:
    return Reply(code, payload=diagnostic.encode())


def _wrong_method() -> Reply:
    return _refuse(Code.METHOD_NOT_ALLOWED, "register with POST /rd, update with POST /rd/ID, leave with DELETE /rd/ID")


def _unknown() -> Reply:
    return _refuse(Code.NOT_FOUND, "no such registration: register again")


if __name__ == "__main__":
    from lwm2m.standalone import main

    main()
