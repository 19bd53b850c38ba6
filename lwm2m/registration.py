"""The rules of registration (Core 1.1.1, section 6.2): reading requests with every tolerance that real devices need."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Self

from lwm2m.errors import BadRequest, CodecError, UnsupportedVersion
from lwm2m.links import Link, parse_links
from lwm2m.paths import Path

DEFAULT_LIFETIME = 86_400  # seconds, when `lt` is absent
MAX_LIFETIME = 2**31 - 1
MAX_ENDPOINT_NAME = 255
MAX_PARAMETERS = 64
MAX_OBJECT_LINKS = 64 * 1024  # bytes of link format
LINK_FORMAT = 40
_VERSION = re.compile(r"1\.([0-2])(\.[0-9]{1,3})?")
_OBJECT_VERSION = re.compile(r"[0-9]{1,3}\.[0-9]{1,3}")
_BINDING = re.compile(r"[UTSNMHQ]{1,16}")
_LIFETIME = re.compile(r"[0-9]{1,10}")
# Control characters would break log lines and SSE frames; half a surrogate pair, which JSON can spell, any answer.
_ENDPOINT = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,255}")
_OWN_PARAMETERS = frozenset({"ep", "lt", "lwm2m", "b", "Q", "sms"})


@dataclass(frozen=True, slots=True)
class Registration:
    """One registered device. Slim: ten thousand of them are held in memory; links stay text until asked for."""

    id: str
    endpoint: str
    address: str  # host:port as the requests come in from; requests to the device go there
    lifetime: int  # seconds; 0 never expires
    registered_at: float  # seconds since 1970
    updated_at: float
    lwm2m_version: str = "1.0"
    binding: str = "U"
    queue_mode: bool = False
    object_links: str = ""
    root_path: str = "/"
    sms_number: str | None = None
    additional: tuple[tuple[str, str], ...] = ()
    secure: bool = False  # DTLS or OSCORE protects what the device sends
    identity: str | None = None  # under which key, when it does

    @property
    def links(self) -> tuple[Link, ...]:
        """The objects and instances that the device announced."""
        return parse_links(self.object_links)

    @property
    def text_size(self) -> int:
        """Characters that the device had us keep."""
        return len(self.object_links) + sum(len(name) + len(value) for name, value in self.additional)

    @property
    def root(self) -> tuple[str, ...]:
        """The Uri-Path options that stand before every path of the device (Transport 1.1.1, section 6.4.1)."""
        return tuple(part for part in self.root_path.split("/") if part)

    @property
    def is_udp(self) -> bool:
        """Whether the device is reached without a connection or a session (`lwm2m.peers`), so after a restart too."""
        return "://" not in self.address

    @property
    def versions(self) -> tuple[tuple[int, str], ...]:
        """(object, its version), for the objects that were announced with one."""
        if "ver=" not in self.object_links:
            return ()
        prefix = self.root_path.rstrip("/")
        found: dict[int, str] = {}
        for link in self.links:
            version = (link.attribute("ver") or "").strip('"')
            path = _object_path(link.url.removeprefix(prefix) if prefix else link.url)
            if path is not None and path.level == 1 and _OBJECT_VERSION.fullmatch(version):
                found[path.ids[0]] = version
        return tuple(sorted(found.items()))

    @property
    def instances(self) -> dict[int, list[int]]:
        """{object: its instances}, an object announced without instances included."""
        found: dict[int, list[int]] = {}
        prefix = self.root_path.rstrip("/")
        for link in self.links:
            path = _object_path(link.url.removeprefix(prefix) if prefix else link.url)
            if path is not None:
                listed = found.setdefault(path.ids[0], [])
                if path.level == 2 and path.ids[1] not in listed:
                    listed.append(path.ids[1])
        return {number: sorted(found[number]) for number in sorted(found)}

    def expires_at(self, grace: float = 0) -> float | None:
        """Seconds since 1970 after which the device counts as gone, None when never."""
        return self.updated_at + self.lifetime + grace if self.lifetime else None

    def to_json(self) -> dict[str, object]:
        """As a JSON object, so that it outlives the process."""
        return asdict(self) | {"additional": [list(pair) for pair in self.additional]}

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> Self:
        """The inverse of `to_json`.

        Raises:
            BadRequest: the data is not what `to_json` wrote.
        """
        values = dict(data)
        try:
            pairs = values.pop("additional")
            if not isinstance(pairs, list):
                raise BadRequest("additional is a list of pairs")
            additional = tuple((str(name), str(value)) for name, value in pairs)
            return cls(**values, additional=additional)  # type: ignore[arg-type]  # written by to_json
        except (KeyError, TypeError, ValueError) as error:
            raise BadRequest(f"no stored registration: {error}") from error


@dataclass(frozen=True, slots=True)
class RegistrationUpdate:
    """What an Update changes; None keeps what is. The address is always taken from the request."""

    registration_id: str
    address: str
    lifetime: int | None = None
    binding: str | None = None
    queue_mode: bool | None = None
    sms_number: str | None = None
    object_links: str | None = None
    root_path: str | None = None
    additional: tuple[tuple[str, str], ...] = ()


def is_endpoint_name(text: str) -> bool:
    """Whether a device can be called so."""
    return _ENDPOINT.fullmatch(text) is not None


def parse_register(
    query: Sequence[str],
    payload: bytes,
    content_format: int | None,
    *,
    address: str,
    registration_id: str,
    now: float,
) -> Registration:
    """The registration that a POST to /rd asks for.

    Raises:
        BadRequest: the request breaks the protocol (CoAP 4.00).
        UnsupportedVersion: the device speaks a version of LwM2M that is not known (CoAP 4.12).
    """
    parameters = _parameters(query)
    endpoint = _endpoint(parameters)
    version = parameters.get("lwm2m") or "1.0"
    if not _VERSION.fullmatch(version):
        raise UnsupportedVersion(f"LwM2M version {version[:20]!r} is not supported: 1.0, 1.1 and 1.2 are")
    binding = _binding(parameters)
    links, root_path = _objects(payload, content_format)
    return Registration(
        id=registration_id,
        endpoint=endpoint,
        address=address,
        lifetime=_lifetime(parameters, DEFAULT_LIFETIME),
        registered_at=now,
        updated_at=now,
        lwm2m_version=version,
        binding=binding or "U",
        queue_mode=_queue_mode(parameters, binding),
        object_links=links,
        root_path=root_path,
        sms_number=parameters.get("sms") or None,
        additional=_additional(parameters),
    )


def parse_update(
    registration_id: str, query: Sequence[str], payload: bytes, content_format: int | None, *, address: str
) -> RegistrationUpdate:
    """The changes that a POST to /rd/{id} asks for.

    Raises:
        BadRequest: the request breaks the protocol (CoAP 4.00).
    """
    parameters = _parameters(query)
    binding = _binding(parameters)
    links, root_path = _objects(payload, content_format) if payload else (None, None)
    return RegistrationUpdate(
        registration_id=registration_id,
        address=address,
        lifetime=_lifetime(parameters, 0) if "lt" in parameters else None,
        binding=binding,
        queue_mode=_queue_mode(parameters, binding) if binding or "Q" in parameters else None,
        sms_number=parameters.get("sms") or None,
        object_links=links,
        root_path=root_path,
        additional=_additional(parameters),
    )


def parse_bootstrap_request(query: Sequence[str]) -> tuple[str, int | None]:
    """The endpoint name and the preferred content format of a Bootstrap-Request (Core 1.1.1, section 6.1.7.1).

    Raises:
        BadRequest: the request breaks the protocol (CoAP 4.00).
    """
    parameters = _parameters(query)
    preferred = parameters.get("pct")
    if preferred is not None and not re.fullmatch(r"[0-9]{1,5}", preferred):
        raise BadRequest("the preferred content format pct is no number")
    return _endpoint(parameters), None if preferred is None else int(preferred)


def apply_update(registration: Registration, update: RegistrationUpdate, now: float) -> Registration:
    """The registration after an Update."""
    changed = {
        name: value
        for name in ("lifetime", "binding", "queue_mode", "sms_number", "object_links", "root_path")
        if (value := getattr(update, name)) is not None
    }
    additional = tuple((dict(registration.additional) | dict(update.additional)).items())[-MAX_PARAMETERS:]
    return replace(registration, **changed, address=update.address, updated_at=now, additional=additional)


class Registrations:
    """The registered devices, by registration id and by endpoint name. At most one registration per endpoint."""

    def __init__(self, restored: Iterable[Registration] = ()) -> None:
        self._by_id: dict[str, Registration] = {}
        self._by_endpoint: dict[str, Registration] = {}
        self._id_at: dict[str, str] = {}  # the registration that came last from an address
        self.text_size = 0  # of all
        for registration in restored:
            self.register(registration)

    def __len__(self) -> int:
        return len(self._by_id)

    def all(self) -> list[Registration]:
        """Every registration, in order of endpoint name."""
        return sorted(self._by_endpoint.values(), key=lambda registration: registration.endpoint)

    def by_endpoint(self, endpoint: str) -> Registration | None:
        """The registration of a device."""
        return self._by_endpoint.get(endpoint)

    def by_id(self, registration_id: str) -> Registration | None:
        """The registration with this id."""
        return self._by_id.get(registration_id)

    def by_address(self, address: str) -> Registration | None:
        """The registration that came from an address; the last, should several devices share one."""
        return self._by_id.get(self._id_at.get(address, ""))

    def register(self, registration: Registration) -> Registration | None:
        """Take a registration in; returns the one of the same endpoint that it replaces."""
        previous = self._by_endpoint.get(registration.endpoint)
        if previous is not None:
            self._forget(previous)
        self._by_id[registration.id] = registration
        self.text_size += registration.text_size
        self._id_at[registration.address] = registration.id
        self._by_endpoint[registration.endpoint] = registration
        return previous

    def update(self, update: RegistrationUpdate, now: float) -> Registration | None:
        """Apply an Update; None when the id is not known, and the device has to register again (CoAP 4.04)."""
        registration = self._by_id.get(update.registration_id)
        if registration is None:
            return None
        changed = apply_update(registration, update, now)
        self.register(changed)
        return changed

    def remove(self, registration_id: str) -> Registration | None:
        """De-register; None when the id is not known."""
        registration = self._by_id.get(registration_id)
        if registration is not None:
            self._forget(registration)
            del self._by_endpoint[registration.endpoint]
        return registration

    def _forget(self, registration: Registration) -> None:
        del self._by_id[registration.id]
        self.text_size -= registration.text_size
        if self._id_at.get(registration.address) == registration.id:
            del self._id_at[registration.address]

    def expire(self, now: float, grace: float) -> list[Registration]:
        """Remove and return those whose lifetime, and a grace for late Updates, is over."""
        gone = [
            registration
            for registration in self._by_id.values()
            if (limit := registration.expires_at(grace)) is not None and limit <= now
        ]
        for registration in gone:
            self.remove(registration.id)
        return gone


def _parameters(query: Sequence[str]) -> dict[str, str]:
    if len(query) > MAX_PARAMETERS:
        raise BadRequest(f"more than {MAX_PARAMETERS} query parameters")
    parameters: dict[str, str] = {}
    for text in query:
        name, _, value = text.partition("=")
        if name in parameters:
            raise BadRequest(f"the query parameter {name[:20]!r} is there twice")
        parameters[name] = value
    return parameters


def _endpoint(parameters: Mapping[str, str]) -> str:
    endpoint = parameters.get("ep")
    if not endpoint:
        raise BadRequest("the endpoint name is missing: send ?ep=NAME")
    if not is_endpoint_name(endpoint):
        raise BadRequest(f"an endpoint name is 1 to {MAX_ENDPOINT_NAME} printable characters")
    return endpoint


def _lifetime(parameters: Mapping[str, str], default: int) -> int:
    text = parameters.get("lt")
    if text is None:
        return default
    if not _LIFETIME.fullmatch(text) or int(text) > MAX_LIFETIME:
        raise BadRequest(f"the lifetime lt={text[:20]} is no number of seconds up to {MAX_LIFETIME}")
    return int(text)


def _binding(parameters: Mapping[str, str]) -> str | None:
    binding = parameters.get("b")
    if binding is None or binding == "":
        return None
    if not _BINDING.fullmatch(binding):
        raise BadRequest(f"the binding b={binding[:20]} has letters other than U, T, S, N, M, H and Q")
    return binding


def _queue_mode(parameters: Mapping[str, str], binding: str | None) -> bool:
    """1.1 has a parameter Q without a value; 1.0 a letter Q in the binding."""
    return "Q" in parameters or "Q" in (binding or "")


def _additional(parameters: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in parameters.items() if name not in _OWN_PARAMETERS)


def _objects(payload: bytes, content_format: int | None) -> tuple[str, str]:
    """The link text, and the alternate path that prefixes every request to the device."""
    if content_format not in (None, LINK_FORMAT):
        raise BadRequest(f"the object list has content format {content_format}: send link format (40)")
    if len(payload) > MAX_OBJECT_LINKS:
        raise BadRequest(f"the object list is longer than {MAX_OBJECT_LINKS} bytes")
    try:
        text = payload.decode()
        links = parse_links(text)
    except (UnicodeDecodeError, CodecError) as error:
        raise BadRequest(f"the object list is no link format: {error}") from error
    root = next((link.url for link in links if link.attribute("rt") == "oma.lwm2m"), "/")
    if not root.startswith("/") or root.count("/") > 8:
        raise BadRequest("the alternate path is no absolute path")
    return text, root.rstrip("/") or "/"


def _object_path(url: str) -> Path | None:
    """A link's path when it names an object or an instance; devices list other things as well."""
    if not re.fullmatch(r"/[0-9]{1,5}(/[0-9]{1,5})?", url):
        return None
    ids = tuple(int(part) for part in url[1:].split("/"))
    return Path(ids) if max(ids) < 65535 else None
