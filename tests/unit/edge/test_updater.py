"""An update is accepted or undone, whenever the power is cut, and what runs in the end is always an accepted image."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge.errors import FlashError
from edge.flasher import Progress
from edge.journal import Journal, Record, Step
from edge.mcuboot import FirmwareImage, ImageRefused, Refusal, parse
from edge.report import BootFailure, BootFailureKind, BootOutcome, BootReport
from edge.store import ImageStore
from edge.update_report import UpdateReport
from edge.updater import Recovered, Updater

Build = Callable[..., bytes]


class PowerCut(BaseException):
    """The machine is gone: nothing of the agent's code may run on."""


class MemoryBoard:
    """A board whose flash is a bytes object; it runs what its slot holds, honestly, or as `behaviour` says."""

    board = "mps2-an386"
    slot_size = 4 << 20
    instructions_per_second = 1_000_000_000

    def __init__(self) -> None:
        self.slot = b""
        self.powered = False
        self.behaviour: dict[bytes, BootOutcome] = {}
        self.unwritable: set[bytes] = set()
        self.cut_after: int | None = None

    def _count(self) -> None:
        if self.cut_after is not None:
            self.cut_after -= 1
            if self.cut_after < 0:
                raise PowerCut

    async def flash(self, image: bytes, progress: Progress) -> None:
        self.powered = False
        self.slot = image[: len(image) // 2]
        self._count()
        if image in self.unwritable:
            raise FlashError("worn out")
        self.slot = image
        progress(len(image), len(image))
        self._count()

    async def holds(self, image: bytes) -> bool:
        return self.slot == image

    async def boot(self) -> BootOutcome:
        self._count()
        if not self.slot:
            return BootFailure(BootFailureKind.NO_IMAGE, "empty")
        outcome = self.behaviour.get(self.slot) or report_of(parse(self.slot))
        self.powered = isinstance(outcome, BootReport)
        self._count()
        return outcome

    async def power_off(self) -> None:
        self.powered = False


class CutJournal(Journal):
    """Cuts the power before or after the n-th write."""

    def __init__(self, path: Path, cut_after: int | None = None) -> None:
        super().__init__(path)
        self.cut_after = cut_after

    def write(self, record: Record) -> None:
        if self.cut_after is not None:
            self.cut_after -= 1
            if self.cut_after == -1:
                raise PowerCut
        super().write(record)


def report_of(image: FirmwareImage, **changes: Any) -> BootReport:
    fields: dict[str, Any] = {
        "version": image.version,
        "board": image.board,
        "model_sha256": image.model_sha256,
        "abi": "",
        "outputs": image.golden_outputs,
        "ticks": (10, 20),
        "hz": 25_000_000,
        "arena": 64,
        "stack": 0,
    }
    return BootReport(**{**fields, **changes})


@pytest.fixture(scope="session")
def build(sign: Any, key: Any, recipe: Any) -> Build:
    return lambda **changes: bytes(sign(key, recipe(**changes)))


@pytest.fixture
def board() -> MemoryBoard:
    return MemoryBoard()


@pytest.fixture
def agent(tmp_path: Path, board: MemoryBoard, key: Any) -> Callable[..., Updater]:
    """A newly started agent over the same disk and board."""

    def start(cut_after: int | None = None) -> Updater:
        journal = CutJournal(tmp_path / "journal.json", cut_after)
        return Updater(journal, ImageStore(tmp_path / "images"), board, key.public_pem)

    return start


def package(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "package.part"
    path.write_bytes(content)
    return path


async def update(updater: Updater, tmp_path: Path, content: bytes) -> UpdateReport:
    await updater.receive(package(tmp_path, content))
    return await updater.install()


async def test_a_good_image_is_accepted_and_runs(
    agent: Callable[..., Updater], board: MemoryBoard, build: Build, tmp_path: Path
) -> None:
    updater, image = agent(), build()
    report = await update(updater, tmp_path, image)
    assert (report.verdict, report.result, report.instructions) == ("passed", 1, 800)
    assert report.outputs == ("010203", "040506")
    assert board.slot == image
    assert board.powered
    assert updater.running is not None
    assert updater.running.image.raw == image
    assert updater.record.step is Step.ACCEPTED
    assert updater.record.counter == 7


async def test_an_image_with_a_wrong_output_is_replaced_by_the_one_before(
    agent: Callable[..., Updater], board: MemoryBoard, build: Build, tmp_path: Path
) -> None:
    updater, old, new = agent(), build(), build(version="2.0.0")
    await update(updater, tmp_path, old)
    board.behaviour[new] = report_of(parse(new), outputs=(b"\x01\x02\x03", b"\x04\x05\x07"))
    report = await update(updater, tmp_path, new)
    assert (report.verdict, report.result, report.vector, report.byte) == ("wrong-output", 8, 1, 2)
    assert report.expected_sha256 != report.received_sha256
    assert board.slot == old
    assert board.powered
    assert updater.running is not None
    assert str(updater.running.report.version) == "1.2.3+4"
    assert updater.record.step is Step.REVERTED


async def test_the_first_image_ever_leaves_the_slot_empty_when_it_fails(
    agent: Callable[..., Updater], board: MemoryBoard, build: Build, tmp_path: Path
) -> None:
    image = build()
    board.behaviour[image] = BootFailure(BootFailureKind.HANG, "nothing came")
    updater = agent()
    report = await update(updater, tmp_path, image)
    assert report.result == 8
    assert "hang" in report.reason
    assert board.slot == b""
    assert updater.running is None
    assert not board.powered


async def test_a_slot_that_cannot_be_written_fails_the_update(
    agent: Callable[..., Updater], board: MemoryBoard, build: Build, tmp_path: Path
) -> None:
    updater, old, new = agent(), build(), build(version="2.0.0")
    await update(updater, tmp_path, old)
    board.unwritable.add(new)
    report = await update(updater, tmp_path, new)
    assert (report.result, report.verdict) == (8, "no-report")
    assert "worn out" in report.reason
    assert board.slot == old


async def test_an_older_security_counter_is_refused_after_a_newer_was_accepted(
    agent: Callable[..., Updater], build: Build, tmp_path: Path
) -> None:
    updater = agent()
    await update(updater, tmp_path, build(counter=9))
    with pytest.raises(ImageRefused) as caught:
        await updater.receive(package(tmp_path, build(counter=8, version="3.0.0")))
    assert caught.value.reason is Refusal.OLDER_COUNTER
    assert (updater.record.result, updater.record.candidate) == (8, None)
    assert "older-security-counter" in UpdateReport.from_json(updater.record.report).reason


async def test_a_restart_boots_the_accepted_image_and_repairs_a_foreign_slot(
    agent: Callable[..., Updater], board: MemoryBoard, build: Build, tmp_path: Path
) -> None:
    image = build()
    await update(agent(), tmp_path, image)
    board.slot = b"something else"
    updater = agent()
    assert await updater.recover() is Recovered.AT_REST
    assert board.slot == image
    assert board.powered
    assert updater.record.result == 1


async def test_a_verified_package_waits_across_a_restart(
    agent: Callable[..., Updater], build: Build, tmp_path: Path
) -> None:
    await agent().receive(package(tmp_path, build()))
    updater = agent()
    assert await updater.recover() is Recovered.DOWNLOADED
    assert (await updater.install()).result == 1


async def test_a_lost_accepted_image_leaves_the_board_off_and_updatable(
    agent: Callable[..., Updater], board: MemoryBoard, build: Build, tmp_path: Path
) -> None:
    await update(agent(), tmp_path, build())
    for file in (tmp_path / "images").iterdir():
        file.unlink()
    updater = agent()
    await updater.recover()
    assert updater.running is None
    assert not board.powered
    assert (await update(updater, tmp_path, build(version="2.0.0"))).result == 1


@pytest.mark.parametrize("good", [True, False])
@pytest.mark.parametrize("fresh", [True, False])
@pytest.mark.parametrize("where", ["journal", "board"])
@pytest.mark.parametrize("moment", range(9))
async def test_a_power_cut_at_any_moment_ends_with_an_accepted_image_or_an_empty_slot(
    agent: Callable[..., Updater],
    board: MemoryBoard,
    build: Build,
    tmp_path: Path,
    moment: int,
    where: str,
    fresh: bool,
    good: bool,
) -> None:
    old, new = build(), build(version="2.0.0")
    if not good:
        board.behaviour[new] = BootFailure(BootFailureKind.CRASH, "hard fault")
    if not fresh:
        await update(agent(), tmp_path, old)
    cut_journal, board.cut_after = (moment, None) if where == "journal" else (None, moment)
    try:
        await update(agent(cut_journal), tmp_path, new)
    except PowerCut:
        board.powered = False
    board.cut_after = None
    updater = agent()
    await updater.recover()
    assert updater.record.step in (Step.IDLE, Step.VERIFIED, Step.ACCEPTED, Step.REVERTED)
    accepted = updater.record.current
    if accepted is None:
        assert not board.powered
        assert board.slot == b""
    else:
        assert board.powered
        assert board.slot in ((old, new) if good else (old,))
        assert updater.running is not None
        assert updater.running.image.raw == board.slot


async def test_an_image_that_is_interrupted_too_often_is_given_up(
    agent: Callable[..., Updater], board: MemoryBoard, build: Build, tmp_path: Path
) -> None:
    old, new = build(), build(version="2.0.0")
    await update(agent(), tmp_path, old)
    board.cut_after = 2
    with pytest.raises(PowerCut):
        await update(agent(), tmp_path, new)
    for _ in range(2):
        board.cut_after = 2
        with pytest.raises(PowerCut):
            await agent().recover()
    board.cut_after = None
    updater = agent()
    await updater.recover()
    assert board.slot == old
    assert updater.record.result == 8
    assert "interrupted 3 times" in updater.record.report
