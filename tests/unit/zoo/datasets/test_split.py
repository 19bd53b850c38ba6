"""The split: shares are kept for every label, groups stay together, and the same seed gives the same split."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from zoo.datasets.errors import BadSplitError
from zoo.datasets.split import Plan, assign
from zoo.datasets.upload import Sample


def samples(count: int, labels: int = 3, groups: int | None = None) -> list[Sample]:
    return [
        Sample(
            f"{number:064x}", f"label {number % labels}", None if groups is None else f"w{number * 7 % groups}", None
        )
        for number in range(count)
    ]


def test_each_part_has_its_share_of_each_label() -> None:
    rows = samples(300)
    split = assign(Plan(train=0.8, validation=0.1, test=0.1), rows)
    for part, expected in (("train", 80), ("validation", 10), ("test", 10)):
        assert Counter(rows[index].label for index in split[part]) == dict.fromkeys(
            ("label 0", "label 1", "label 2"), expected
        )


def test_a_rare_label_is_shared_out_as_well() -> None:
    rows = samples(200, 1) + [Sample(f"f{number:063x}", "rare", None, None) for number in range(10)]
    split = assign(Plan(train=0.6, validation=0.2, test=0.2), rows)
    assert [sum(rows[index].label == "rare" for index in split[part]) for part in ("train", "validation", "test")] == [
        6,
        2,
        2,
    ]


def test_the_parts_are_disjoint_and_hold_everything() -> None:
    split = assign(Plan(), samples(101))
    together = [int(index) for part in split.values() for index in part]
    assert sorted(together) == list(range(101))


def test_the_same_seed_gives_the_same_split_whatever_the_order() -> None:
    rows = samples(60)
    mixed = rows.copy()
    random.Random(4).shuffle(mixed)

    def digests(of: list[Sample], seed: int) -> set[str]:
        return {of[index].sha256 for index in assign(Plan(seed=seed), of)["test"]}

    assert digests(rows, 1) == digests(mixed, 1)
    assert digests(rows, 1) != digests(rows, 2)


def test_a_writer_is_in_one_part_only() -> None:
    rows = samples(260, 2, groups=13)
    split = assign(Plan(), rows)
    writers = {part: {rows[index].origin for index in split[part]} for part in split}
    assert not writers["train"] & writers["test"]
    assert not writers["train"] & writers["validation"]
    assert all(writers.values())
    assert len(split["train"]) == pytest.approx(0.7 * 260, abs=21)
    mixed = assign(Plan(by_group=False), rows)
    assert {rows[index].origin for index in mixed["train"]} & {rows[index].origin for index in mixed["test"]}


def test_equal_samples_are_never_on_both_sides() -> None:
    rows = samples(30) * 3
    split = assign(Plan(), rows)
    assert not {rows[i].sha256 for i in split["train"]} & {rows[i].sha256 for i in split["test"]}


def test_what_the_uploader_put_into_a_part_stays_there() -> None:
    rows = [*samples(20), Sample("e" * 64, "label 0", None, "test"), Sample("f" * 64, "label 0", None, "train")]
    split = assign(Plan(train=1, validation=0, test=0), rows)
    assert split["test"].tolist() == [20]
    assert len(split["train"]) == 21


@pytest.mark.parametrize(
    ("plan", "rows", "problem"),
    [
        (Plan(train=0.5, validation=0.1, test=0.1), samples(10), "do not add up to 1"),
        (Plan(train=0, validation=0.5, test=0.5), samples(10), "nothing to learn from"),
        (Plan(), samples(2), "leave nothing for"),
        (Plan(), samples(30, groups=1), "in 1 groups leave nothing for validation and test"),
    ],
)
def test_a_split_that_cannot_be_made_is_refused(plan: Plan, rows: list[Sample], problem: str) -> None:
    with pytest.raises(BadSplitError, match=problem):
        assign(plan, rows)
