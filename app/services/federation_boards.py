"""The courier of boards: sends a visit to each board that a round waits for, or that is owed an average."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable
from typing import Self

import structlog

from app.services.board_visit import BoardVisit, GivenUp, VisitTiming
from app.services.federation_bell import FederationBell
from app.services.federation_errands import BoardErrands, Errand
from app.services.federation_intake import FederationIntake
from app.services.training_board import TRAINING
from lwm2m.bridge import DeviceBridge
from lwm2m.events import Awake, Event, Notification, Registered, Updated

_log = structlog.get_logger(__name__)

LOOK_SECONDS = 10.0
"""Between two looks at the database; a change of a federation cuts it short."""
TRIES = 5
"""Of an errand that breaks off in the server itself, as by a database that is locked; a look lies between two."""


class BoardCourier:
    """Runs while it is entered. Everything that must outlive the process is in the database and on the boards.

    A board has one visit at a time, which ends with its errand: when the update is there, or the round is over.
    """

    def __init__(
        self,
        errands: BoardErrands,
        intake: FederationIntake,
        bridge: DeviceBridge,
        bell: FederationBell,
        timing: VisitTiming | None = None,
        look: float = LOOK_SECONDS,
    ) -> None:
        self._errands = errands
        self._intake = intake
        self._bridge = bridge
        self._bell = bell
        self._timing = timing or VisitTiming()
        self._look = look
        self._visits: dict[str, tuple[BoardVisit, asyncio.Task[None]]] = {}
        self._ended: set[Errand] = set()  # whatever came of them, in this process
        self._broken: Counter[Errand] = Counter()
        self._forget: Callable[[], None] = lambda: None
        self._rounds: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._forget = self._bridge.listen(self._heard)
        self._rounds = asyncio.create_task(self._go_round(), name="courier of boards")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._forget()
        tasks = [task for _, task in self._visits.values()]
        if self._rounds is not None:
            tasks.append(self._rounds)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _go_round(self) -> None:
        with self._bell.listening() as self._changed:
            while True:
                self._changed.clear()
                try:
                    self._dispatch(await asyncio.to_thread(self._errands.open))
                except Exception:  # noqa: BLE001 - a database that fails once must not end the courier
                    _log.exception("what boards are owed is not known")
                # Not wait_for: before Python 3.12 it loses a cancellation that comes together with the event.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._look):
                        await self._changed.wait()

    def _dispatch(self, errands: list[Errand]) -> None:
        wanted = {each.endpoint: each for each in errands}
        self._ended &= set(errands)
        self._broken = Counter({errand: times for errand, times in self._broken.items() if errand in errands})
        for endpoint, (visit, task) in self._visits.items():
            if visit.errand != wanted.get(endpoint):
                task.cancel()
        for endpoint, errand in wanted.items():
            if endpoint not in self._visits and errand not in self._ended:
                visit = BoardVisit(errand, self._errands, self._intake, self._bridge, self._timing)
                self._visits[endpoint] = visit, asyncio.create_task(self._run(visit), name=f"visit to {endpoint}")

    async def _run(self, visit: BoardVisit) -> None:
        errand = visit.errand
        try:
            await visit.run()
            self._ended.add(errand)
        except GivenUp as given_up:
            self._ended.add(errand)
            await self._tell(errand, str(given_up))
        except Exception:  # noqa: BLE001 - one board's errand must not end the others'
            _log.exception("a visit broke off", endpoint=errand.endpoint, federation=errand.federation_id)
            self._broken[errand] += 1
            if self._broken[errand] < TRIES:
                await asyncio.sleep(self._look)
            else:
                self._ended.add(errand)
                await self._tell(errand, "The server failed; its log says why.")
        finally:
            del self._visits[errand.endpoint]
            self._changed.set()  # the board may be owed something else now

    async def _tell(self, errand: Errand, reason: str) -> None:
        _log.warning("a board does not take part", endpoint=errand.endpoint, round=errand.round, reason=reason)
        try:
            await asyncio.to_thread(self._errands.gave_up, errand, reason)
        except Exception:  # noqa: BLE001 - what is not written down is in the log, and the courier goes on
            _log.exception("why a board does not take part is not written down", endpoint=errand.endpoint)

    def _heard(self, event: Event) -> None:
        match event:
            case Registered(registration) | Updated(registration):
                endpoint = registration.endpoint
            case Awake(endpoint):
                pass
            case Notification(endpoint, path) if TRAINING.contains(path):
                pass
            case _:
                return
        if endpoint in self._visits:
            self._visits[endpoint][0].heard(registered=isinstance(event, Registered))
