"""Every state of the journal has one recovery, every step its predecessors, and a damaged file is refused."""

from pathlib import Path

import pytest

from edge.errors import ImageLostError, JournalError
from edge.journal import MAX_ATTEMPTS, Journal, Record, Recovery, Step, decide
from edge.store import ImageStore
from edge.update_report import UpdateReport

OLD, NEW = "a" * 64, "b" * 64


@pytest.mark.parametrize(
    ("record", "recovery"),
    [
        (Record(), Recovery.STAY_EMPTY),
        (Record(Step.IDLE, current=OLD), Recovery.BOOT_CURRENT),
        (Record(Step.ACCEPTED, current=OLD), Recovery.BOOT_CURRENT),
        (Record(Step.REVERTED, current=OLD), Recovery.BOOT_CURRENT),
        (Record(Step.REVERTED), Recovery.STAY_EMPTY),
        (Record(Step.RECEIVED, candidate=NEW), Recovery.VERIFY_AGAIN),
        (Record(Step.VERIFIED, current=OLD, candidate=NEW), Recovery.KEEP_CANDIDATE),
        (Record(Step.FLASHING, current=OLD, candidate=NEW, attempts=1), Recovery.INSTALL_AGAIN),
        (Record(Step.BOOTED, current=OLD, candidate=NEW, attempts=2), Recovery.INSTALL_AGAIN),
        (Record(Step.FLASHING, current=OLD, candidate=NEW, attempts=MAX_ATTEMPTS), Recovery.REVERT),
        (Record(Step.BOOTED, candidate=NEW, attempts=MAX_ATTEMPTS), Recovery.REVERT),
        (Record(Step.REVERTING, current=OLD, candidate=NEW, attempts=1), Recovery.REVERT),
    ],
)
def test_each_state_has_its_recovery(record: Record, recovery: Recovery) -> None:
    assert decide(record) is recovery


def test_an_accepted_update_keeps_both_images_and_raises_the_counter() -> None:
    record = Record(Step.IDLE, current=OLD, counter=3).received(NEW).verified().flashing().booted()
    accepted = record.accepted(5, 1, "{}")
    assert (accepted.current, accepted.previous, accepted.candidate) == (NEW, OLD, None)
    assert (accepted.counter, accepted.result, accepted.step) == (5, 1, Step.ACCEPTED)
    assert accepted.images == {NEW, OLD}


def test_a_reverted_update_keeps_the_current_image_and_the_counter() -> None:
    record = Record(Step.IDLE, current=OLD, counter=3).received(NEW).verified().flashing().booted()
    reverted = record.reverting("why").reverted(8, "why")
    assert (reverted.current, reverted.candidate, reverted.counter) == (OLD, None, 3)
    assert (reverted.result, reverted.report, reverted.step) == (8, "why", Step.REVERTED)


@pytest.mark.parametrize(
    "skip",
    [
        lambda: Record().verified(),
        lambda: Record().flashing(),
        lambda: Record(Step.RECEIVED).flashing(),
        lambda: Record(Step.FLASHING).accepted(1, 1, ""),
        lambda: Record(Step.FLASHING).dropped(0),
        lambda: Record(Step.REVERTING).flashing(),
        lambda: Record(Step.BOOTED).reverted(8, ""),
        lambda: Record(Step.FLASHING).received(NEW),
    ],
)
def test_a_step_cannot_be_skipped(skip: object) -> None:
    with pytest.raises(JournalError):
        skip()  # type: ignore[operator] # parametrized callables


def test_the_record_is_read_back_as_written(tmp_path: Path) -> None:
    path = tmp_path / "journal.json"
    record = Record(Step.VERIFIED, OLD, None, NEW, 9, 2, 1, '{"a": "\u00e9"}')
    Journal(path).write(record)
    assert Journal(path).record == record
    assert [each.name for each in tmp_path.iterdir()] == ["journal.json"]


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"step": "dancing"}', '{"step": "idle", "more": 1}', "null"])
def test_a_damaged_journal_is_refused_and_not_guessed_at(tmp_path: Path, text: str) -> None:
    path = tmp_path / "journal.json"
    path.write_text(text)
    with pytest.raises(JournalError):
        Journal(path)


def test_the_store_gives_back_only_what_fits_its_name(tmp_path: Path) -> None:
    store = ImageStore(tmp_path / "images")
    package = tmp_path / "package"
    package.write_bytes(b"content")
    digest = store.adopt(package)
    assert store.load(digest) == b"content"
    assert not package.exists()
    next((tmp_path / "images").iterdir()).write_bytes(b"tampered")
    with pytest.raises(ImageLostError, match="damaged"):
        store.load(digest)
    store.keep_only(set())
    with pytest.raises(ImageLostError, match="no image"):
        store.load(digest)


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "A" * 64, "a" * 63])
def test_the_store_takes_no_name_but_a_digest(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="SHA-256"):
        ImageStore(tmp_path).load(name)


def test_a_report_survives_its_json() -> None:
    report = UpdateReport("wrong-output", "why", 8, "1.0.0+1", 1, 2, 0.5, 0.25, 400, "aa", "bb", ("00", "01"))
    assert UpdateReport.from_json(report.to_json()) == report
    assert UpdateReport.from_json(UpdateReport.interrupted("x").to_json()) == UpdateReport.interrupted("x")
