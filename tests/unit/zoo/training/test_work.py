"""What a job starts from is checked before it costs anything."""

from pathlib import Path

import pytest

from zoo.generators import data_of
from zoo.training.errors import DataError, RecipeError
from zoo.training.job import Parent
from zoo.training.kinds import KINDS
from zoo.training.work import Work


def _work(labels: list[str], folder: Path) -> Work:
    parent = Parent("int8", None, None, {}, None, labels)
    return Work(data_of("wine-mlp"), None, parent, folder, "key", lambda _: None)


def test_data_with_other_labels_than_the_parents_is_told_to_use_transfer(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="knows the labels a, b; the data set has cultivar 1") as refused:
        _work(["a", "b"], tmp_path).require_labels_of_parent()
    assert "transfer" in refused.value.remedy
    _work(["cultivar 1", "cultivar 2", "cultivar 3"], tmp_path).require_labels_of_parent()
    _work([], tmp_path).require_labels_of_parent()  # an upload says nothing of its labels


def test_a_parent_without_a_recipe_leaves_no_recipe(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="no parent that has one"):
        _ = _work([], tmp_path).asked


def test_every_kind_that_starts_from_a_float_source_has_a_parent() -> None:
    assert all(kind.parent for kind in KINDS.values() if kind.float_source)
