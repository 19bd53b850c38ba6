"""Takes a package through receive, verify, flash, boot and verdict, and brings the board back after any interruption.

Each step is in the journal before it begins. The image before is put back whenever the new one does not prove itself.
"""

import asyncio
import logging
import time
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

from edge.acceptance import Verdict, VerdictKind, judge
from edge.errors import FlashError, ImageLostError
from edge.flasher import Flasher
from edge.journal import MAX_ATTEMPTS, Journal, Record, Recovery, Step, decide
from edge.mcuboot import FirmwareImage, ImageRefused, parse, verify
from edge.report import BootOutcome, BootReport
from edge.store import ImageStore
from edge.update_report import UpdateReport
from lwm2m.firmware import UpdateResult

_log = logging.getLogger(__name__)


class Recovered(Enum):
    """What a restart found: nothing to do with an update, a package that waits for Update, or an update just ended."""

    AT_REST = auto()
    DOWNLOADED = auto()


@dataclass(frozen=True, slots=True)
class Running:
    """The accepted image in the slot, and what the board reported when it booted."""

    image: FirmwareImage
    report: BootReport


@dataclass(frozen=True, slots=True)
class _Trial:
    """One flash and boot of an image."""

    verdict: Verdict
    report: BootReport | None
    flash_seconds: float
    boot_seconds: float

    @property
    def proof(self) -> BootReport | None:
        """The report of a board that proved the image; None when it did not."""
        return self.report if self.verdict.passed else None


class Updater:
    """Owns the journal, the image store and the flasher of one board. Methods are not to be called concurrently."""

    def __init__(self, journal: Journal, store: ImageStore, flasher: Flasher, public_key_pem: bytes) -> None:
        self._journal = journal
        self._store = store
        self._flasher = flasher
        self._public_key = public_key_pem
        self.running: Running | None = None
        self.candidate: FirmwareImage | None = None

    @property
    def record(self) -> Record:
        """The journal as it stands."""
        return self._journal.record

    def instructions(self, report: BootReport | None) -> int | None:
        """Instructions of the slowest inference, on a board whose clock tells (see Flasher)."""
        rate = self._flasher.instructions_per_second
        if report is None or rate is None or not report.ticks or report.hz == 0:
            return None
        return max(report.ticks) * rate // report.hz

    async def receive(self, package: Path) -> FirmwareImage:
        """Take over a complete, synced file and verify it; ImageRefused (the journal then remembers the result)."""
        digest = await asyncio.to_thread(self._store.adopt, package)
        self._write(self.record.received(digest))
        return await self._verify_candidate(digest)

    def drop(self, result: int, report: UpdateReport | None = None) -> None:
        """Forget the candidate before anything was flashed."""
        self.candidate = None
        self._write(self.record.dropped(result, report.to_json() if report is not None else ""))

    async def install(self) -> UpdateReport:
        """Flash and boot the candidate, keep it when it proves itself, else put the image before back."""
        candidate = self.candidate
        if candidate is None:
            raise RuntimeError("there is no verified candidate to install")
        self._write(self.record.flashing())
        trial = await self._try(candidate, write=True)
        report = UpdateReport.of(
            candidate,
            trial.verdict,
            trial.report,
            seconds=(trial.flash_seconds, trial.boot_seconds),
            instructions=self.instructions(trial.report),
        )
        if trial.proof is None:
            return await self._revert(report)
        self._write(self.record.accepted(candidate.security_counter, report.result, report.to_json()))
        self.running = Running(candidate, trial.proof)
        self.candidate = None
        return report

    async def recover(self) -> Recovered:
        """After a start: finish or undo what was interrupted, and boot the accepted image."""
        decision = decide(self.record)
        _log.info("recovering step=%s decision=%s", self.record.step.value, decision.name.lower())
        match decision:
            case Recovery.STAY_EMPTY:
                return Recovered.AT_REST
            case Recovery.BOOT_CURRENT:
                await self._boot_current()
                return Recovered.AT_REST
            case Recovery.VERIFY_AGAIN | Recovery.KEEP_CANDIDATE:
                return await self._recover_candidate()
            case Recovery.INSTALL_AGAIN:
                await self._install_again()
                return Recovered.AT_REST
            case Recovery.REVERT:
                await self._revert(self._interrupted_report())
                return Recovered.AT_REST

    async def reset_board(self) -> None:
        """Boot the accepted image again, as a reboot of the device."""
        await self._boot_current()

    async def power_off(self) -> None:
        """Cut the board's power."""
        await self._flasher.power_off()

    async def _verify_candidate(self, digest: str) -> FirmwareImage:
        try:
            content = await asyncio.to_thread(self._store.load, digest)
            self.candidate = verify(
                content,
                self._public_key,
                board=self._flasher.board,
                minimum_counter=self.record.counter,
                slot_size=self._flasher.slot_size,
            )
        except ImageRefused as refusal:
            report = UpdateReport.refused(refusal)
            self._write(self.record.dropped(report.result, report.to_json()))
            raise
        self._write(self.record.verified())
        return self.candidate

    async def _recover_candidate(self) -> Recovered:
        digest = self.record.candidate or ""
        if self.record.current is not None:
            await self._boot_current()
        try:
            self._write(self.record.received(digest))
            await self._verify_candidate(digest)
        except (ImageLostError, ValueError) as error:
            _log.warning("candidate dropped reason=%s", error)
            self._write(self.record.dropped(UpdateResult.INTEGRITY_FAILURE))
        except ImageRefused as refusal:
            _log.warning("candidate refused reason=%s", refusal)
        return Recovered.DOWNLOADED if self.record.step is Step.VERIFIED else Recovered.AT_REST

    async def _install_again(self) -> None:
        try:
            self.candidate = parse(await asyncio.to_thread(self._store.load, self.record.candidate or ""))
        except (ImageLostError, ValueError) as error:
            _log.warning("candidate lost reason=%s", error)
            await self._revert(self._interrupted_report())
        else:
            await self.install()

    async def _try(self, image: FirmwareImage, *, write: bool) -> _Trial:
        started = time.monotonic()
        try:
            if write:
                await self._flasher.flash(image.raw, _log_progress)
        except FlashError as error:
            verdict = Verdict(VerdictKind.NO_REPORT, f"the image could not be written: {error}")
            return _Trial(verdict, None, time.monotonic() - started, 0.0)
        flashed = time.monotonic()
        if self.record.step is Step.FLASHING:
            self._write(self.record.booted())
        outcome: BootOutcome = await self._flasher.boot()
        verdict = judge(image, outcome)
        _log.info("verdict kind=%s reason=%s", verdict.kind.value, verdict.reason)
        report = outcome if isinstance(outcome, BootReport) else None
        return _Trial(verdict, report, flashed - started, time.monotonic() - flashed)

    async def _revert(self, report: UpdateReport) -> UpdateReport:
        self._write(self.record.reverting(report.to_json()))
        self.candidate = None
        await self._restore()
        self._write(self.record.reverted(report.result, report.to_json()))
        return report

    async def _restore(self) -> None:
        """Put the accepted image back and boot it; without one, erase the slot."""
        if self.record.current is None:
            await self._flasher.flash(b"", _log_progress)
            await self._flasher.power_off()
            self.running = None
            return
        await self._boot_current()

    async def _boot_current(self) -> None:
        """Boot the accepted image, written again first when the slot does not hold it; try as often as a new image."""
        if self.record.current is None:
            return
        self.running = None
        try:
            image = parse(await asyncio.to_thread(self._store.load, self.record.current))
        except ImageLostError as error:
            _log.error("accepted image lost, the board stays off until the next update reason=%s", error)
            await self._flasher.power_off()
            return
        for attempt in range(1, MAX_ATTEMPTS + 1):
            trial = await self._try(image, write=attempt > 1 or not await self._flasher.holds(image.raw))
            if trial.proof is not None:
                self.running = Running(image, trial.proof)
                return
            _log.error("accepted image did not prove itself attempt=%d", attempt)

    def _interrupted_report(self) -> UpdateReport:
        if self.record.report:
            return UpdateReport.from_json(self.record.report)
        return UpdateReport.interrupted(f"interrupted {self.record.attempts} times while it was installed")

    def _write(self, record: Record) -> None:
        self._journal.write(record)
        _log.info("journal step=%s candidate=%s", record.step.value, (record.candidate or "-")[:12])
        if record.resting:
            self._store.keep_only(record.images)


def _log_progress(done: int, total: int) -> None:
    _log.debug("flashing done=%d total=%d", done, total)
