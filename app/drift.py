"""Listens for what devices tell of their inferences and has it counted, in batches and within bounds."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Self

import structlog

from app.domain.allowance import Allowance
from app.services.drift_actions import DriftActions
from app.services.drift_intake import DriftIntake
from app.services.drift_reading import Reading, readings_of
from lwm2m.bridge import DeviceBridge
from lwm2m.events import Event, Sent

PER_SECOND, BURST = 10.0, 600
"""Inferences of one device that are counted: on average, and at once for one that sends what it has gathered."""
MAX_WAITING = 20_000
MAX_BATCH = 250
GATHER_SECONDS = 0.1
"""Batches are gathered for so long: a transaction for each Send of a large fleet would keep the database busy."""
PAUSE_SECONDS = 2.0
"""Before a batch is tried again that could not be counted, as by a database that is locked."""

_log = structlog.get_logger(__name__)


class DriftKeeper:
    """Listens to the bridge while it is entered; `hear` takes inferences that came in another way."""

    def __init__(
        self,
        bridge: DeviceBridge,
        intake: DriftIntake,
        actions: DriftActions,
        clock: Callable[[], float] = time.monotonic,
        pause: float = PAUSE_SECONDS,
    ) -> None:
        self._bridge = bridge
        self._intake = intake
        self._actions = actions
        self._clock = clock
        self._pause = pause
        self._allowance = Allowance(per_second=PER_SECOND, burst=BURST)
        self._waiting: list[Reading] = []
        self._dropped: Counter[str] = Counter()
        self._there = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._forget = self._bridge.listen(self._heard)
        self._task = asyncio.create_task(self._keep())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._forget()
        self._stopping = True
        self._there.set()
        if self._task is not None:
            await self._task  # not cancelled: the batch in its hands would be lost
        while self._waiting:
            await self._take()

    def hear(self, readings: Sequence[Reading]) -> None:
        """Have inferences of one device counted; returns at once, and what is too much is only counted as such."""
        if not readings:
            return
        endpoint = readings[0].endpoint
        room = max(0, MAX_WAITING - len(self._waiting))
        taken = self._allowance.take(endpoint, min(len(readings), room), self._clock())
        if taken < len(readings):
            self._dropped[endpoint] += len(readings) - taken
        self._waiting += readings[:taken]
        self._there.set()

    def _heard(self, event: Event) -> None:
        if isinstance(event, Sent):
            self.hear(readings_of(event))

    async def _keep(self) -> None:
        await self._act()  # what a process before this one left pending
        while not self._stopping:
            await self._there.wait()
            await asyncio.sleep(0.0 if self._stopping else GATHER_SECONDS)
            await self._take()

    async def _take(self) -> None:
        batch, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
        if not self._waiting:
            self._there.clear()
        if not batch:
            return
        dropped = {endpoint: self._dropped.pop(endpoint, 0) for endpoint in {each.endpoint for each in batch}}
        for again in (True, True, False):
            try:
                raised = await asyncio.to_thread(self._intake.take, batch, dropped)
            except Exception:  # noqa: BLE001 - one bad batch must not end the listening to all others
                _log.exception("what devices inferred was not counted", readings=len(batch), again=again)
            else:
                break
            if again and not self._stopping:
                await asyncio.sleep(self._pause)
        else:
            self._dropped.update(dropped)
            self._dropped.update(each.endpoint for each in batch)
            return
        if raised:
            await self._act()

    async def _act(self) -> None:
        try:
            await asyncio.to_thread(self._actions.carry_out)
        except Exception:  # noqa: BLE001 - they stay pending, and the next alarm or start tries them again
            _log.exception("what is to be done about alarms was not done")
