"""One errand to one board over LwM2M: a round's head there and its update back, or the average of what has finished."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from app.domain.board_training import BoardState, Step, next_step
from app.domain.federation import Action
from app.errors import AppError
from app.services.federation_errands import BoardErrands, Errand
from app.services.federation_intake import Assignment, FederationIntake
from app.services.training_board import TRAINING, TrainingBoard
from lwm2m.bridge import DeviceBridge
from lwm2m.errors import Lwm2mError, Rejected
from lwm2m.messages import Code
from zoo.federated.errors import Refusal

_log = structlog.get_logger(__name__)

STATE = TRAINING / 0
MAX_STARTS = 5
"""How often a board that loses what it was given gets it again: each time may wear its flash."""
_PASSING = frozenset({Code.METHOD_NOT_ALLOWED, Code.REQUEST_ENTITY_INCOMPLETE, Code.TOO_MANY_REQUESTS})
"""Refusals of this moment; 4.05 is what a board answers while it counts, or when its samples have gone meanwhile."""
_OVER = frozenset({Refusal.STALE_ROUND, Refusal.NOT_OPEN, Refusal.DUPLICATE, Refusal.NOT_SELECTED})


@dataclass(frozen=True, slots=True)
class VisitTiming:
    """Seconds between two looks at a board that trains, and after failures, from the first on twice as long each.

    The board's contact or notification cuts every one short.
    """

    poll: float = 2.0
    first_pause: float = 1.0
    most_pause: float = 60.0


class GivenUp(Exception):
    """The board does not do what the errand asks; the text says why. The errand is not tried again."""


class BoardVisit:
    """`run` until the errand is done. Whatever was begun before, by this process or another, is taken up."""

    def __init__(
        self, errand: Errand, errands: BoardErrands, intake: FederationIntake, bridge: DeviceBridge, timing: VisitTiming
    ) -> None:
        self.errand = errand
        self._errands = errands
        self._intake = intake
        self._bridge = bridge
        self._board = TrainingBoard(bridge, errand.endpoint)
        self._timing = timing
        self._news = asyncio.Event()
        self._assignment: Assignment | None = None
        self._started = False
        self._starts = 0
        self._told: set[str] = set()
        self._brought = False

    def heard(self, *, registered: bool) -> None:
        """The board made contact; after a registration what it was told may be lost."""
        self._started = self._started and not registered
        self._news.set()

    async def run(self) -> None:
        """Until it is done, or the round's deadline has passed. Raises GivenUp."""
        errand = self.errand
        if errand.deadline_at is None:
            await self._repeat(self._bring_average)
            return
        left = (errand.deadline_at - datetime.now(UTC)).total_seconds()
        try:
            async with asyncio.timeout(left):
                await self._repeat(self._advance)
        except TimeoutError:
            _log.info("a board was too late", endpoint=errand.endpoint, round=errand.round)

    async def _repeat(self, advance: Callable[[], Awaitable[bool]]) -> None:
        """Until `advance` says that it is done; between two, what the board's answers suggest."""
        failures = 0
        while True:
            self._news.clear()
            try:
                if await advance():
                    return
                failures = 0
            except Rejected as refusal:
                if refusal.code >> 5 == Code.BAD_REQUEST >> 5 and refusal.code not in _PASSING:
                    raise GivenUp(str(refusal)) from refusal
                failures += 1
                if failures > 1:
                    await self._wait_for("refusal", f"The board refuses for now: {refusal}.")
            except Lwm2mError as error:
                failures += 1
                if failures > 1:  # one request that gets lost is nothing to tell
                    await self._wait_for("contact", f"The board is not reached: {error}.")
            except AppError as error:
                if error.slug in _OVER:
                    return
                raise GivenUp(f"{error.slug}: {error.detail}") from error
            pause = self._timing.poll
            if failures:
                pause = min(self._timing.first_pause * 2.0 ** min(failures - 1, 10), self._timing.most_pause)
            # Not wait_for: before Python 3.12 it loses a cancellation that comes together with the event.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._news.wait()

    async def _advance(self) -> bool:
        """One look at the board, and what follows from it; whether nothing is left to do."""
        errand = self.errand
        if self._assignment is None:
            self._assignment = await asyncio.to_thread(self._intake.assignment, errand.federation_id, errand.client)
        wanted = self._assignment
        if wanted.action is not Action.TRAIN or wanted.round != errand.round or wanted.base is None:
            return True
        report = await self._board.report()
        step = next_step(
            report.state,
            board_round=report.round,
            samples=report.samples,
            wanted=errand.round,
            started=self._started,
        )
        match step:
            case Step.GIVE_UP:
                raise GivenUp(f"The board failed to train: {report.error or 'it does not say why'}.")
            case Step.COLLECT:
                if await self._collect(wanted.base):
                    return True
                await self._start(wanted)
            case Step.START:
                await self._start(wanted)
            case Step.WAIT if report.samples == 0:
                sentence = "The board holds no labelled samples: teach it some (tinymlaas devices teach)."
                await self._wait_for("samples", sentence)
        return False

    async def _start(self, wanted: Assignment) -> None:
        """Give the board the head and let it train."""
        if self._starts >= MAX_STARTS:
            raise GivenUp(f"The board lost its training {MAX_STARTS} times.")
        errand, settings = self.errand, wanted.training or {}
        document = await asyncio.to_thread(self._intake.model, errand.federation_id, errand.client, errand.round)
        await self._board.write_head(document)
        await self._observe()
        await self._board.train(errand.round, settings["epochs"], settings["learning_rate"])
        self._starts += 1
        self._started = True

    async def _collect(self, base: bytes) -> bool:
        """Hand over the update that the board holds; False when it is not one of this round."""
        errand = self.errand
        body = await self._board.update()
        if base not in body:  # of a round with the same number in another federation
            return False
        await asyncio.to_thread(self._intake.submit, errand.federation_id, errand.client, errand.round, body)
        return True

    async def _wait_for(self, what: str, sentence: str) -> None:
        """Tell it once: the board may come back, or learn something, and is then asked again."""
        if what not in self._told:
            self._told.add(what)
            await asyncio.to_thread(self._errands.waits, self.errand, sentence)

    async def _bring_average(self) -> bool:
        """Give the board the average, and see that it answers with it, from its flash."""
        errand = self.errand
        sha256 = await asyncio.to_thread(self._errands.average_sha256, errand)
        if sha256 is None:
            return True
        report = await self._board.report()
        if report.state is BoardState.TRAINING:  # or it writes what it was given to its flash
            return False
        if report.state is BoardState.FAILED and self._brought:
            raise GivenUp(f"The board failed to take the average: {report.error or 'it does not say why'}.")
        if not self._brought:
            if self._starts >= MAX_STARTS:
                raise GivenUp(f"The board lost the average {MAX_STARTS} times.")
            document = await asyncio.to_thread(self._intake.average, errand.federation_id, errand.client)
            await self._board.write_head(document)
            await self._observe()
            await self._board.use(trained=True)
            self._starts += 1
            self._brought = True
            return False
        if report.state is not BoardState.IDLE or not report.uses or report.round != errand.round:
            self._brought = False  # it lost power before it was in the flash
            return False
        await asyncio.to_thread(self._errands.delivered, errand, sha256)
        with contextlib.suppress(Lwm2mError):
            await self._bridge.cancel_observe(errand.endpoint, STATE, active=True)
        return True

    async def _observe(self) -> None:
        with contextlib.suppress(Lwm2mError):  # a look now and then finds it, too
            await self._bridge.observe(self.errand.endpoint, STATE)
