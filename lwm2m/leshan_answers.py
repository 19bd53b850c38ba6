"""Answers that come late: requests for sleeping devices, matched with the events by which Leshan answers them."""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping

from lwm2m.errors import DeviceTimeout

MAX_EARLY = 256  # answers that came before the reply to their request was read


class DelayedAnswers:
    """Waits for REQUEST_RESPONSE events by request id.

    Leshan keeps one request for each registration and drops it without a word when a later one comes or when the
    registration ends: whoever waits needs a deadline of his own.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, tuple[str, asyncio.Future[object]]] = {}
        self._early: OrderedDict[str, object] = OrderedDict()

    async def wait(self, request_id: str, endpoint: str) -> object:
        """The `response` of the event for this request, without a deadline.

        Raises:
            DeviceTimeout: the device's registration ended, and the request with it.
        """
        if request_id in self._early:
            return self._early.pop(request_id)
        answer: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self._waiting[request_id] = endpoint, answer
        try:
            return await answer
        finally:
            del self._waiting[request_id]

    def answered(self, data: Mapping[str, object]) -> None:
        """A REQUEST_RESPONSE event. It may overtake the reply to the request that it answers."""
        request_id = str(data.get("requestId"))
        _, answer = self._waiting.get(request_id, (None, None))
        if answer is not None:
            if not answer.done():
                answer.set_result(data.get("response"))
            return
        self._early[request_id] = data.get("response")
        while len(self._early) > MAX_EARLY:
            self._early.popitem(last=False)

    def lost(self, endpoint: str) -> None:
        """The registration of a device ended: nobody will answer what waited for it."""
        for owner, answer in self._waiting.values():
            if owner == endpoint and not answer.done():
                answer.set_exception(
                    DeviceTimeout(f"the registration of {endpoint} ended while a request waited for it to wake up")
                )
