"""Requests that arrive block by block, put together in bounded memory: aiocoap's own holds whatever anybody begins."""

import asyncio
from hashlib import sha256
from typing import Any

import aiocoap
import aiocoap.error
from aiocoap.blockwise import ContinueException, _extract_block_key
from aiocoap.numbers.codes import Code as CoapCode

from lwm2m.errors import Refused
from lwm2m.messages import Block
from lwm2m.uploads import TransferKey, UploadLimits, Uploads

MAX_BODY = 128 * 1024  # bytes of one block-wise request; the largest is a registration's object list
# Of a thousand devices that register at one time; what nobody goes on with makes room as aiocoap's own would.
LIMITS = UploadLimits(bodies=1024, body=MAX_BODY, total=32 << 20, idle=93.0)


class RefusedBlock(aiocoap.error.RenderableError):  # type: ignore[misc]  # aiocoap has no types
    """A block that is not taken: aiocoap makes the answer of it."""

    def __init__(self, refusal: Refused) -> None:
        super().__init__(refusal.diagnostic)
        self._refusal = refusal

    def to_message(self) -> Any:
        """The answer."""
        return aiocoap.Message(code=CoapCode(self._refusal.code), payload=self._refusal.diagnostic.encode())


class Assembly:
    """Stands in for aiocoap's `Block1Spool`."""

    def __init__(self, limits: UploadLimits = LIMITS) -> None:
        self._limits = limits
        self._uploads = Uploads(limits)

    def feed_and_take(self, request: Any) -> Any:
        """The whole request after its last block; one that came in one piece as it is.

        Raises:
            ContinueException: more blocks are to come (2.31).
            RefusedBlock: 4.08 for one out of order, 4.13 for a body too long, 5.03 when too much is held.
        """
        option = request.opt.block1
        if option is None:
            return request
        # By the whole request, so that a gateway may register several devices from its address at one time.
        key = TransferKey(sha256(repr(_extract_block_key(request)).encode()).hexdigest(), "")
        block = Block(option.block_number, bool(option.more), option.size_exponent)
        now = asyncio.get_running_loop().time()
        try:
            if block.number == 0:
                self._uploads.begin(key, self._limits.body, request.opt.size1, now)
            body = self._uploads.take(key, block, request.payload, now)
        except Refused as refusal:
            raise RefusedBlock(refusal) from refusal
        if body is None:
            raise ContinueException(option)
        request.payload = body
        return request
