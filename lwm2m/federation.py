"""Federated learning over CoAP: what to do, the global model block by block, and updates block by block.

    GET  /fed/{id}/assignment?token=T              2.05, CBOR
    GET  /fed/{id}/rounds/{n}/model?token=T&form=F  2.05, CBOR (Block2); form is float32, float16 or int8
    POST /fed/{id}/rounds/{n}/updates?token=T       2.04, CBOR (Block1)

What is refused has a sentence in its payload: 4.00 what cannot be read, 4.01 the token, 4.03 a client that is not
selected, 4.04, 4.08 a block out of order, 4.09 a round, base or client that does not fit, 4.13 with the largest size,
4.15, 4.22, 4.29 a source that asks too often, 5.03 while others send.
"""

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol
from weakref import WeakValueDictionary

import cbor2

from lwm2m.codecs import ContentFormat
from lwm2m.errors import Refused
from lwm2m.messages import Block, Code, Method, Reply, Request
from lwm2m.packages import serve_blocks
from lwm2m.peers import parse_peer
from lwm2m.transports.limits import SourceRate
from lwm2m.uploads import BodyTooLarge, TransferKey, UploadLimits, Uploads

PREFIX = "fed"
FORMS = ("float32", "float16", "int8")
_MAX_NAME = 64  # characters of a federation's id
_MAX_TOKEN = 128
_MAX_ROUND = 1_000_000
_MAX_DIAGNOSTIC = 512  # characters: with its options it stays in a datagram
_QUERY = {"assignment": {"token"}, "model": {"token", "form"}, "updates": {"token"}}
_METHODS = {"assignment": Method.GET, "model": Method.GET, "updates": Method.POST}


class Intake(Protocol):
    """The federations, as their clients see them. Every method raises `Refused` with the code to answer with."""

    async def assignment(self, federation: str, token: str) -> Mapping[str, object]:
        """What the client is to do now: numbers, texts and maps of them; paths are those below /fed."""

    async def model(self, federation: str, token: str, round_number: int, form: str) -> bytes:
        """The global model of a round as a CBOR document."""

    async def admit(self, federation: str, token: str, round_number: int, announced: int | None) -> int:
        """How many bytes an update of the client may have; called before the first byte is kept.

        `announced` is how many are to come, when the client says so.
        """

    async def submit(self, federation: str, token: str, round_number: int, body: bytes) -> Mapping[str, object]:
        """Take an update; what to answer."""


@dataclass(frozen=True, slots=True)
class FederationLimits:
    """Bounds of a `FederationSite`. Bytes, seconds and counts.

    `models` is what downloads in progress hold in memory together: the one unused for longest is encoded anew if its
    client comes back.
    """

    uploads: UploadLimits = field(default_factory=UploadLimits)
    models: int = 16 << 20
    downloads: int = 256
    idle: float = 120.0
    requests_per_second: float = 20.0
    requests_at_once: int = 200
    asking: int = 8


class _Model:
    """Implements `Package` on bytes in memory."""

    __slots__ = ("__weakref__", "_data", "etag")

    def __init__(self, data: bytes, etag: bytes) -> None:
        self._data = data
        self.etag = etag

    @property
    def size(self) -> int:
        return len(self._data)

    async def read(self, offset: int, length: int) -> bytes:
        return self._data[offset : offset + length]


@dataclass(slots=True)
class _Download:
    model: _Model
    at: float


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request as it was understood. `key` names the transfer that a block belongs to; no token is read from it."""

    federation: str
    what: str
    token: str = field(repr=False)
    round_number: int
    form: str
    key: TransferKey = field(init=False)

    def __post_init__(self) -> None:
        sender = hashlib.sha256(f"{self.federation}\n{self.token}".encode()).hexdigest()
        object.__setattr__(self, "key", TransferKey(sender, f"{self.what} {self.round_number} {self.form}"))


class FederationSite:
    """Answers what is below /fed, on every port of the server. A token is never logged, and kept only as a hash.

    The intake is asked once for a transfer and not for each block; requests that reach it are counted by source.
    """

    def __init__(
        self,
        intake: Intake,
        limits: FederationLimits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._intake = intake
        self._limits = limits or FederationLimits()
        self._clock = clock
        self._rate = SourceRate(self._limits.requests_per_second, self._limits.requests_at_once)
        self._asking = asyncio.Semaphore(self._limits.asking)
        self._uploads = Uploads(self._limits.uploads)
        self._downloads: OrderedDict[TransferKey, _Download] = OrderedDict()
        self._models: WeakValueDictionary[bytes, _Model] = WeakValueDictionary()

    async def answer(self, peer: str, request: Request) -> Reply:
        """The answer to a request whose path begins with /fed."""
        try:
            asked = _read(request)
            match asked.what:
                case "assignment":
                    return await self._assign(peer, asked, request)
                case "model":
                    return await self._serve(peer, asked, request)
                case _:
                    return await self._take(peer, asked, request)
        except Refused as refusal:
            size1 = refusal.limit if isinstance(refusal, BodyTooLarge) else None
            return Reply(refusal.code, payload=refusal.diagnostic[:_MAX_DIAGNOSTIC].encode(), size1=size1)

    async def _assign(self, peer: str, asked: _Asked, request: Request) -> Reply:
        self._count(peer)
        async with self._asking:
            data = cbor2.dumps(dict(await self._intake.assignment(asked.federation, asked.token)))
        return await serve_blocks(_Model(data, _etag(data)), request, ContentFormat.CBOR)

    async def _serve(self, peer: str, asked: _Asked, request: Request) -> Reply:
        now = self._clock()
        download = self._downloads.get(asked.key)
        first = request.block2 is None or request.block2.number == 0
        if download is None or first or now - download.at > self._limits.idle:
            self._count(peer)
            async with self._asking:
                data = await self._intake.model(asked.federation, asked.token, asked.round_number, asked.form)
            download = self._keep(asked.key, data, now)
        download.at = now
        self._downloads.move_to_end(asked.key)
        return await serve_blocks(download.model, request, ContentFormat.CBOR)

    def _keep(self, key: TransferKey, data: bytes, now: float) -> _Download:
        """A download of a model that others may be fetching too."""
        if len(data) > self._limits.models:
            raise Refused(Code.NOT_ACCEPTABLE, f"the model has {len(data)} bytes: take a smaller form, or HTTP")
        etag = _etag(data)
        model = self._models.get(etag)
        if model is None:
            model = self._models[etag] = _Model(data, etag)
        self._downloads.pop(key, None)
        download = self._downloads[key] = _Download(model, now)
        while len(self._downloads) > self._limits.downloads or self._held() > self._limits.models:
            self._downloads.popitem(last=False)
        return download

    def _held(self) -> int:
        return sum({each.model.etag: each.model.size for each in self._downloads.values()}.values())

    async def _take(self, peer: str, asked: _Asked, request: Request) -> Reply:
        if request.content_format != ContentFormat.CBOR:
            raise Refused(Code.UNSUPPORTED_CONTENT_FORMAT, "an update is application/cbor: content format 60")
        block = request.block1
        if block is None or block.number == 0:
            await self._admit(peer, asked, request, block)
        body = self._uploads.take(asked.key, block, request.payload, self._clock())
        if body is None:
            return Reply(Code.CONTINUE, block1=block)
        async with self._asking:
            accepted = await self._intake.submit(asked.federation, asked.token, asked.round_number, body)
        payload = cbor2.dumps(dict(accepted))
        return Reply(Code.CHANGED, payload=payload, content_format=ContentFormat.CBOR, block1=block)

    async def _admit(self, peer: str, asked: _Asked, request: Request, block: Block | None) -> None:
        """Ask before the first byte is kept, so that no stranger's body is."""
        self._count(peer)
        announced = request.size1 if block is not None else len(request.payload)
        async with self._asking:
            limit = await self._intake.admit(asked.federation, asked.token, asked.round_number, announced)
        self._uploads.begin(asked.key, limit, announced, self._clock())

    def _count(self, peer: str) -> None:
        if not self._rate.allows(parse_peer(peer).host, self._clock()):
            raise Refused(Code.TOO_MANY_REQUESTS, "this address asks too often: wait a second between requests")


def _read(request: Request) -> _Asked:
    match request.path:
        case (_, federation, "assignment"):
            what, number = "assignment", 0
        case (_, federation, "rounds", digits, ("model" | "updates") as what) if digits.isascii() and digits.isdigit():
            number = int(digits) if len(digits) <= len(str(_MAX_ROUND)) else _MAX_ROUND + 1
        case _:
            raise Refused(Code.NOT_FOUND, "there is /fed/{id}/assignment, and /fed/{id}/rounds/{n}/model and /updates")
    if not 0 < len(federation) <= _MAX_NAME or number > _MAX_ROUND:
        raise Refused(Code.NOT_FOUND, "there is no such federation or round")
    if request.method != _METHODS[what]:
        raise Refused(Code.METHOD_NOT_ALLOWED, f"{what}: use {_METHODS[what].name}")
    query = _query(request, _QUERY[what])
    form = query.get("form", FORMS[0])
    if form not in FORMS:
        raise Refused(Code.BAD_REQUEST, f"form is one of {', '.join(FORMS)}")
    token = query.get("token", "")
    if not 0 < len(token) <= _MAX_TOKEN:
        raise Refused(Code.UNAUTHORIZED, "the client's token is missing: ?token=...")
    return _Asked(federation, what, token, number, form)


def _query(request: Request, known: set[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in request.query:
        name, _, value = each.partition("=")
        if name not in known or name in found:
            raise Refused(Code.BAD_REQUEST, f"the query takes once each: {', '.join(sorted(known))}")
        found[name] = value
    return found


def _etag(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()[:8]
