"""The CoAP site of a simulated device: answers as its fault has it."""

import asyncio
import random
from collections.abc import Callable
from typing import Any

from lwm2m.client.site import DeviceSite
from lwm2m.client.tree import ObjectTree
from lwm2m.codecs import ContentFormat
from lwm2m.messages import Code
from lwm2m.simulator.faults import Fault

SLOW_SECONDS = 0.25
LATE_SECONDS = 12.0
LATE_EVERY = 5
_FORMATS = (ContentFormat.TLV, ContentFormat.SENML_CBOR, ContentFormat.SENML_JSON, ContentFormat.CBOR)


class FaultySite(DeviceSite):
    """`block_arrived` hears the number of each pushed firmware block before it is taken."""

    def __init__(
        self, tree: ObjectTree, fault: Fault | None, chance: random.Random, block_arrived: Callable[[int], None]
    ) -> None:
        super().__init__(tree)
        self._fault = fault
        self._chance = chance
        self._block_arrived = block_arrived
        self._answered = 0

    async def render(self, request: Any) -> Any:
        """The library's answer, spoiled."""
        self._answered += 1
        if self._fault is Fault.SLOW:
            await asyncio.sleep(SLOW_SECONDS)
        elif self._fault is Fault.LATE and self._answered % LATE_EVERY == 0:
            await asyncio.sleep(LATE_SECONDS)
        elif self._fault is Fault.WRONG_FORMAT and str(request.code) == "GET" and _wants_values(request):
            request.opt.accept = int(ContentFormat.TLV)
        if request.opt.block1 is not None and tuple(request.opt.uri_path) == ("5", "0", "0"):
            self._block_arrived(request.opt.block1.block_number)
        answer = await super().render(request)
        if self._fault is Fault.GARBAGE and int(answer.code) == Code.CONTENT and _wants_values(request):
            answer.payload = self._chance.randbytes(self._chance.randrange(1, 48))
            answer.opt.content_format = int(self._chance.choice(_FORMATS))
        return answer


def _wants_values(request: Any) -> bool:
    return bool(request.opt.accept != ContentFormat.LINK)
