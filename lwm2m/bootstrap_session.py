"""One bootstrap session: delete what was, write what shall be, and tell the device that this was all."""

# ruff: noqa: ASYNC109 - a deadline is part of a CoAP exchange: retransmissions are planned by it

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from lwm2m.answers import plain_response
from lwm2m.bootstrap_store import BootstrapConfig
from lwm2m.codecs import ContentFormat, encode
from lwm2m.errors import Lwm2mError
from lwm2m.messages import CoapEndpoint, Code, Method, Request, is_success
from lwm2m.paths import Path

REQUEST_TIMEOUT = 60.0  # seconds for one request
# In the order in which they are taken for a device that names none: every device knows TLV.
_FORMATS = frozenset(
    {
        ContentFormat.TLV,
        ContentFormat.SENML_CBOR,
        ContentFormat.SENML_JSON,
        ContentFormat.LWM2M_CBOR,
        ContentFormat.JSON,
    }
)
_OPTIONAL = frozenset({Code.NOT_FOUND})  # what is not there need not be deleted


class SessionState(StrEnum):
    """How far a session is."""

    STARTED = "started"
    DELETED = "deleted"
    WRITTEN = "written"
    FINISHED = "finished"
    FAILED = "failed"

    @property
    def is_final(self) -> bool:
        """Whether nothing comes after it."""
        return self in (SessionState.FINISHED, SessionState.FAILED)


@dataclass(frozen=True, slots=True)
class Session:
    """A device that asked for its configuration."""

    id: str
    endpoint: str
    address: str
    preferred_format: int | None
    started_at: float  # seconds since 1970

    @property
    def content_format(self) -> int:
        """The format to write in: what the device prefers, where we can, or TLV."""
        wanted = self.preferred_format
        return wanted if wanted is not None and wanted in _FORMATS else ContentFormat.TLV


@dataclass(frozen=True, slots=True)
class SessionEvent:
    """A step of a session. `path` is what was deleted or written; `reason` says why it failed."""

    session: Session
    state: SessionState
    path: Path | None = None
    reason: str = ""


SessionListener = Callable[[SessionEvent], None]


async def carry_out(
    coap: CoapEndpoint, session: Session, config: BootstrapConfig, timeout: float, publish: SessionListener
) -> None:
    """Delete, write and finish. A device that refuses a part is not told to finish: it asks again by itself."""
    try:
        async with asyncio.timeout(timeout):
            for path in config.deletes:
                await _delete(coap, session, path)
                publish(SessionEvent(session, SessionState.DELETED, path))
            for path, instance in config.ordered():
                payload = encode(path, instance, session.content_format)
                request = Request(Method.PUT, path.segments, content_format=session.content_format, payload=payload)
                await _send(coap, session, request, f"write {path}")
                publish(SessionEvent(session, SessionState.WRITTEN, path))
            await _send(coap, session, Request(Method.POST, ("bs",)), "finish")
    except TimeoutError as error:
        reason = str(error) or f"the session took longer than {timeout:g} s"
        publish(SessionEvent(session, SessionState.FAILED, reason=reason))
    except Lwm2mError as error:
        publish(SessionEvent(session, SessionState.FAILED, reason=str(error)))
    else:
        publish(SessionEvent(session, SessionState.FINISHED))


async def _delete(coap: CoapEndpoint, session: Session, path: Path) -> None:
    request = Request(Method.DELETE, path.segments)
    reply = await coap.request(session.address, request, REQUEST_TIMEOUT)
    if reply.code not in _OPTIONAL:
        _require(reply.code, plain_response(reply).diagnostic, f"delete {path}")


async def _send(coap: CoapEndpoint, session: Session, request: Request, what: str) -> None:
    reply = await coap.request(session.address, request, REQUEST_TIMEOUT)
    _require(reply.code, plain_response(reply).diagnostic, what)


def _require(code: int, diagnostic: str, what: str) -> None:
    if not is_success(code):
        raise SessionRefused(what, code, diagnostic)


class SessionRefused(Lwm2mError):
    """The device refused a part of its configuration: its diagnostic text, when it sent one, says why."""

    slug = "bootstrap-refused"

    def __init__(self, what: str, code: int, diagnostic: str) -> None:
        text = f"the device refused to {what}: {code >> 5}.{code & 31:02d}"
        super().__init__(f"{text}: {diagnostic}" if diagnostic else text)
