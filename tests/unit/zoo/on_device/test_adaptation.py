"""A model that learns where its samples are: what it gains, what it forgets, what stops it, and what a kill costs."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.support.trainable_digits import BATCH, HEAD, WHOLE, write
from zoo.training.errors import DataError
from zoo.training.on_device import samples
from zoo.training.on_device.adaptation import BASE, Adaptations, Adapted, Wish
from zoo.training.on_device.budget import Budget
from zoo.training.on_device.document import TrainableDocument
from zoo.training.on_device.picture import forgetting
from zoo.training.on_device.samples import Samples
from zoo.training.on_device.trainer import LiteRtTrainer

WISH = Wish(epochs=20, learning_rate=0.1)


@pytest.fixture
def document() -> TrainableDocument:
    return TrainableDocument.of_file(WHOLE.read_bytes())


@pytest.fixture
def own(tmp_path: Path, document: TrainableDocument) -> Samples:
    """What this device sees: digits that lie on their side."""
    return samples.load(write(tmp_path / "own.npz", slice(1350, 1797), turned=True), document)


@pytest.fixture
def upright(tmp_path: Path, document: TrainableDocument) -> Samples:
    """What the base was made for."""
    return samples.load(write(tmp_path / "upright.npz", slice(1350, 1797)), document)


def _right(score: object) -> float:
    accuracy = getattr(score, "accuracy", None)
    assert isinstance(accuracy, float)
    return accuracy


def test_003_2_a_device_learns_alone_and_tells_what_it_was_before_and_after(tmp_path: Path, own: Samples) -> None:
    found = Adaptations(WHOLE.read_bytes(), tmp_path / "state").adapt(own, WISH, Budget())
    assert (found.version, found.parent, found.held_out, found.report.samples) == (1, BASE, 89, 358)
    assert found.report.steps == 20 * -(-358 // BATCH)
    assert _right(found.before) < 0.3
    assert _right(found.after) > 0.8


def test_003_3_what_was_learned_is_gone_on_from_and_not_begun_anew(tmp_path: Path, own: Samples) -> None:
    kept = Adaptations(WHOLE.read_bytes(), tmp_path / "state")
    first = kept.adapt(own.part(np.arange(200)), WISH, Budget())
    second = Adaptations(WHOLE.read_bytes(), tmp_path / "state").adapt(own.part(np.arange(200, 447)), WISH, Budget())
    assert (second.version, second.parent) == (2, 1)
    assert _right(second.before) > 0.6, "it begins where the first adaptation ended"
    assert _right(second.before) > _right(first.before) + 0.3
    assert _right(second.after) > _right(second.before)


def test_two_adaptations_in_one_folder_do_not_get_into_each_other_s_way(tmp_path: Path, own: Samples) -> None:
    class Meanwhile(Budget):
        def spend(self) -> str | None:
            if self.steps == 3:
                with pytest.raises(DataError, match="Another adaptation works in"):
                    Adaptations(WHOLE.read_bytes(), tmp_path / "state").adapt(own, WISH, Budget(max_steps=1))
            return super().spend()

    kept = Adaptations(WHOLE.read_bytes(), tmp_path / "state")
    assert kept.adapt(own, WISH, Meanwhile(max_steps=5)).version == 1
    assert kept.adapt(own, WISH, Budget(max_steps=1)).version == 2
    assert kept.numbers == [BASE, 1, 2]


def test_003_4_with_a_frozen_backbone_the_head_alone_learns(tmp_path: Path) -> None:
    model = HEAD.read_bytes()
    trainer = LiteRtTrainer(model)
    assert [(item.name, item.shape) for item in trainer.parameters] == [("head/kernel", (72, 10)), ("head/bias", (10,))]
    assert trainer.document.scope == "head"
    own = samples.load(write(tmp_path / "own.npz", slice(1350, 1797), turned=True), trainer.document)
    found = Adaptations(model, tmp_path / "state").adapt(own, WISH, Budget())
    assert _right(found.before) < 0.3
    assert _right(found.after) > 0.8


def test_003_2_both_versions_are_kept_and_what_was_forgotten_is_shown(
    tmp_path: Path, own: Samples, upright: Samples
) -> None:
    model = WHOLE.read_bytes()
    kept = Adaptations(model, tmp_path / "state")
    kept.adapt(own, WISH, Budget())
    scores = kept.scores([BASE, 1], {"upright": upright, "own": own})
    assert _right(scores[BASE]["upright"]) > 0.85
    assert _right(scores[1]["upright"]) < _right(scores[BASE]["upright"]) - 0.2, "it has forgotten some of them"
    assert _right(scores[1]["own"]) > _right(scores[BASE]["own"]) + 0.5
    drawn = forgetting(["base", "adapted 1"], [scores[BASE], scores[1]])
    for number, name in ((BASE, "base"), (1, "adapted 1")):
        for data in ("upright", "own"):
            assert f"<title>{name}, {data}: {_right(scores[number][data]):.3g}</title>" in drawn
    assert kept.active == 1
    kept.activate(BASE)
    again = Adaptations(model, tmp_path / "state")
    assert again.active == BASE
    assert again.scores([BASE], {"upright": upright})[BASE] == {"upright": scores[BASE]["upright"]}
    with pytest.raises(DataError, match="no version 7 on this device; there are 0, 1"):
        again.activate(7)


class Killed(BaseException):
    """The process is gone: nothing after the instruction runs, and no handler."""


def _killed_after(steps: int) -> Callable[[], str | None]:
    left = iter(range(steps))

    def spend() -> str | None:
        if next(left, None) is None:
            raise Killed
        return None

    return spend


class Mortal(Budget):
    """A budget that kills its process when so many steps were taken."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self._spend = _killed_after(steps)

    def spend(self) -> str | None:
        return self._spend()


@pytest.mark.parametrize("steps", [1, 17, 23, 30])
def test_003_6_a_killed_training_goes_on_and_ends_with_the_bytes_of_one_that_was_not(
    tmp_path: Path, own: Samples, steps: int
) -> None:
    wish = Wish(epochs=2, learning_rate=0.1)
    model = WHOLE.read_bytes()
    undisturbed = Adaptations(model, tmp_path / "undisturbed")
    whole = undisturbed.adapt(own, wish, Budget())
    with pytest.raises(Killed):
        Adaptations(model, tmp_path / "killed").adapt(own, wish, Mortal(steps), checkpoint_seconds=0)
    again = Adaptations(model, tmp_path / "killed")
    assert again.numbers == [BASE]
    budget = Budget()
    found = again.adapt(own, wish, budget, checkpoint_seconds=0)
    assert budget.steps == whole.report.steps, "the steps before the kill were spent too"
    assert found == whole
    for one, other in zip(again.weights(1), undisturbed.weights(1), strict=True):
        np.testing.assert_array_equal(one, other)
    assert not (tmp_path / "killed" / "checkpoint.npz").exists()


def test_003_8_steps_that_run_out_make_a_version_of_what_was_learned(tmp_path: Path, own: Samples) -> None:
    kept = Adaptations(WHOLE.read_bytes(), tmp_path / "state")
    found = kept.adapt(own, WISH, Budget(max_steps=30))
    assert (found.version, found.report.steps, found.report.stopped) == (1, 30, "the budget of 30 steps is spent")
    assert _right(found.after) > _right(found.before)


def test_003_8_a_low_battery_stops_a_training_and_a_full_one_lets_it_go_on(tmp_path: Path, own: Samples) -> None:
    battery = tmp_path / "supply" / "BAT0"
    battery.mkdir(parents=True)
    (battery / "type").write_text("Battery\n")
    (battery / "capacity").write_text("9\n")
    kept = Adaptations(WHOLE.read_bytes(), tmp_path / "state")

    def adapt() -> Adapted:
        return kept.adapt(own, WISH, Budget(battery_min_percent=15, power_supply=battery.parent))

    stopped = adapt()
    assert (stopped.version, stopped.report.steps) == (None, 0)
    assert stopped.report.stopped == "the battery is at 9 %, and training needs 15 %"
    assert (kept.numbers, kept.active) == ([BASE], BASE)
    (battery / "capacity").write_text("90\n")
    assert adapt().version == 1


def test_the_same_call_again_makes_no_second_version(tmp_path: Path, own: Samples) -> None:
    kept = Adaptations(WHOLE.read_bytes(), tmp_path / "state")
    first = kept.adapt(own, WISH, Budget(), parent=BASE)
    kept.activate(BASE)
    assert kept.adapt(own, WISH, Budget(), parent=BASE) == first
    assert (kept.numbers, kept.active) == ([BASE, 1], 1)


def test_a_folder_of_another_model_is_refused_with_what_to_do(tmp_path: Path, own: Samples) -> None:
    Adaptations(WHOLE.read_bytes(), tmp_path / "state").adapt(own, Wish(1, 0.1), Budget())
    other = Adaptations(HEAD.read_bytes(), tmp_path / "state")
    with pytest.raises(DataError) as refused:
        other.adapt(own, Wish(1, 0.1), Budget())
    assert "adapted-1.npz holds no weights of this model" in str(refused.value)


@pytest.mark.parametrize(
    ("arrays", "field", "words"),
    [
        ({"y": np.zeros(3)}, "x", "has no array x"),
        ({"x": np.zeros((0, 8, 8, 1)), "y": np.zeros(0)}, "x", "has no samples"),
        ({"x": np.zeros((3, 8, 8)), "y": np.zeros(3)}, "x", "takes samples of [8, 8, 1]; these are [8, 8]"),
        ({"x": np.full((3, 8, 8, 1), np.nan), "y": np.zeros(3)}, "x", "no numbers"),
        ({"x": np.zeros((3, 8, 8, 1))}, "y", "3 samples and 0 answers"),
        ({"x": np.zeros((3, 8, 8, 1)), "y": np.zeros(2)}, "y", "3 samples and 2 answers"),
        ({"x": np.zeros((3, 8, 8, 1)), "y": np.array([1, 2, 11])}, "y", "the data has 11"),
        ({"x": np.array(["a"])}, "x", "has no array x"),
        ({"x": np.array([{}], dtype=object)}, None, "no .npz file of numbers"),
    ],
)
def test_a_file_of_samples_that_does_not_fit_is_refused_by_its_array(
    tmp_path: Path, document: TrainableDocument, arrays: dict[str, np.ndarray], field: str | None, words: str
) -> None:
    np.savez(tmp_path / "bad.npz", **arrays)  # type: ignore[arg-type]  # the stub takes the names for its own options
    with pytest.raises(DataError) as refused:
        samples.load(tmp_path / "bad.npz", document)
    assert words in str(refused.value)
    assert refused.value.field == field
    assert refused.value.remedy


def test_a_file_that_is_none_or_not_there_is_refused_in_words(tmp_path: Path, document: TrainableDocument) -> None:
    (tmp_path / "text.npz").write_text("x,y\n1,2\n")
    with pytest.raises(DataError, match=r"no \.npz file of numbers"):
        samples.load(tmp_path / "text.npz", document)
    with pytest.raises(DataError, match="No such file"):
        samples.load(tmp_path / "none.npz", document)
