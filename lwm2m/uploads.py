"""Bodies that arrive block by block (Block1, RFC 7959) from many peers at once, held in memory within bounds."""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import NamedTuple

from lwm2m.errors import Refused
from lwm2m.messages import BERT, Block, Code


class BodyTooLarge(Refused):
    """The body is longer than `limit` bytes."""

    def __init__(self, limit: int, diagnostic: str | None = None) -> None:
        super().__init__(Code.REQUEST_ENTITY_TOO_LARGE, diagnostic or f"at most {limit} bytes are taken")
        self.limit = limit


def require_next(block: Block, size: int, received: int) -> None:
    """A payload of `size` bytes is the next after `received` bytes, and as long as its block option says.

    Raises:
        Refused: 4.08 when it is another one, 4.00 when its length is wrong.
    """
    if block.number * block.size != received:
        raise Refused(Code.REQUEST_ENTITY_INCOMPLETE, f"{received} bytes have arrived in order")
    several = block.exponent == BERT
    if (size > block.size and not several) or (block.more and (size == 0 or size % block.size != 0)):
        raise Refused(Code.BAD_REQUEST, "the payload is not as long as its block option says")


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """How much is held: bodies at once, bytes of one and of all, and seconds between two blocks of one."""

    bodies: int = 16
    body: int = 4 << 20
    total: int = 16 << 20
    idle: float = 120.0


class TransferKey(NamedTuple):
    """Whose body it is, and which one. A sender has one upload in progress."""

    sender: str
    body: str


@dataclass(slots=True)
class _Upload:
    limit: int
    at: float
    data: bytearray = field(default_factory=bytearray)


class Uploads:
    """Bodies in progress by key, the one heard of longest ago first. Times are of any clock that does not go back."""

    def __init__(self, limits: UploadLimits) -> None:
        self._limits = limits
        self._uploads: OrderedDict[TransferKey, _Upload] = OrderedDict()
        self._held = 0

    def begin(self, key: TransferKey, limit: int, announced: int | None, now: float) -> None:
        """A body of at most `limit` bytes begins; another one of its sender is forgotten.

        Raises:
            BodyTooLarge: it announces more.
            Refused: 5.03 when there are too many others.
        """
        for other in [each for each in self._uploads if each.sender == key.sender]:
            self.forget(other)
        limit = min(limit, self._limits.body)
        if announced is not None and announced > limit:
            raise BodyTooLarge(limit)
        self._drop_idle(now)
        if len(self._uploads) >= self._limits.bodies:
            raise Refused(Code.SERVICE_UNAVAILABLE, f"{len(self._uploads)} others are sending: try again later")
        self._uploads[key] = _Upload(limit, now)

    def take(self, key: TransferKey, block: Block | None, payload: bytes, now: float) -> bytes | None:
        """The next block; the whole body after the last. A refusal other than 4.08 ends the body.

        Raises:
            BodyTooLarge: it grows beyond its limit.
            Refused: 4.08 when the block is not the next one of a body in progress, 4.00 when its length is wrong,
                5.03 when all bodies together grow too large.
        """
        upload = self._uploads.get(key)
        if upload is None:
            raise Refused(Code.REQUEST_ENTITY_INCOMPLETE, "this block belongs to no body in progress: begin again")
        try:
            self._require_room(upload, block, len(payload))
        except Refused as refusal:
            if refusal.code != Code.REQUEST_ENTITY_INCOMPLETE:
                self.forget(key)
            raise
        upload.data += payload
        upload.at = now
        self._held += len(payload)
        self._uploads.move_to_end(key)
        if block is not None and block.more:
            return None
        self.forget(key)
        return bytes(upload.data)

    def forget(self, key: TransferKey) -> None:
        """Drop a body in progress, if there is one."""
        upload = self._uploads.pop(key, None)
        if upload is not None:
            self._held -= len(upload.data)

    def _require_room(self, upload: _Upload, block: Block | None, size: int) -> None:
        if block is not None:
            require_next(block, size, len(upload.data))
        if len(upload.data) + size > upload.limit:
            raise BodyTooLarge(upload.limit)
        if self._held + size > self._limits.total:
            raise Refused(Code.SERVICE_UNAVAILABLE, "others are sending as much as is held: try again later")

    def _drop_idle(self, now: float) -> None:
        while self._uploads:
            key, oldest = next(iter(self._uploads.items()))
            if now - oldest.at < self._limits.idle:
                return
            self.forget(key)
