"""Keeps every federation going while the server runs: a task for each, awake when something came or a deadline is."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from math import isinf
from typing import Protocol, Self

import structlog
from starlette.concurrency import run_in_threadpool

from app.services.federation_bell import FederationBell

_log = structlog.get_logger(__name__)

MAX_FAILURES = 5
"""Steps in a row that broke off before a federation is given up; between them passes 1 s, 2 s, 4 s, 8 s."""


class Steps(Protocol):
    """What there is to do for federations, as `FederationRounds` does it; called from threads."""

    def clear_up(self) -> None:
        """Do what a process that died left undone about federations that have ended."""
        ...

    def alive(self) -> list[str]:
        """The federations that there is work for, now or later."""
        ...

    def advance(self, federation_id: str, /) -> float | None:
        """Do the next step. Seconds until there is another one; None when there is none, until it is started."""
        ...

    def fail(self, federation_id: str, /) -> None:
        """End a federation that broke off again and again."""
        ...


class FederationKeeper:
    """An asynchronous context manager. What it finds in the database when it begins, it carries on with."""

    def __init__(
        self, steps: Steps, bell: FederationBell, pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._steps = steps
        self._bell = bell
        self._pause = pause
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._watch: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._bell.hang(asyncio.get_running_loop())
        await run_in_threadpool(self._steps.clear_up)
        self._watch = asyncio.create_task(self._watching())
        return self

    async def __aexit__(self, *_: object) -> None:
        tasks = [*self._tasks.values(), *([self._watch] if self._watch is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _watching(self) -> None:
        """See to it that each federation with work has its task."""
        with self._bell.listening() as heard:
            while True:
                heard.clear()
                try:
                    alive = await run_in_threadpool(self._steps.alive)
                except Exception as error:  # noqa: BLE001 - as below; there is one watch for all of them
                    _log.error("federations were not looked for; it is tried again", exc_info=error)
                    await self._pause(1)
                    continue
                for federation_id in alive:
                    if federation_id not in self._tasks:
                        self._tasks[federation_id] = asyncio.create_task(self._kept(federation_id, heard))
                await heard.wait()

    async def _kept(self, federation_id: str, watch: asyncio.Event) -> None:
        try:
            await self._keep(federation_id)
        finally:
            del self._tasks[federation_id]
            watch.set()  # a start that this task has just missed begins another one

    async def _keep(self, federation_id: str) -> None:
        """One federation, until there is no more work for it."""
        failures = 0
        with self._bell.listening(federation_id) as heard:
            while failures < MAX_FAILURES:
                heard.clear()
                try:
                    seconds = await run_in_threadpool(self._steps.advance, federation_id)
                except Exception as error:  # noqa: BLE001 - a full disk now is no reason to lose a federation of weeks
                    _log.error("a step of a federation broke off", federation=federation_id, exc_info=error)
                    failures += 1
                    await self._pause(2 ** (failures - 1))
                    continue
                failures = 0
                if seconds is None:
                    return
                if seconds > 0:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(heard.wait(), None if isinf(seconds) else seconds)
        await run_in_threadpool(self._steps.fail, federation_id)
