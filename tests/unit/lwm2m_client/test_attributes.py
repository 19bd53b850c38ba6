"""When an observer is due a notification, as a table."""

import pytest

from lwm2m.client import ClientResource, ObjectInstance, ObjectTree
from lwm2m.client.attributes import Attributes, Last, due
from lwm2m.errors import Refused
from lwm2m.paths import Path
from lwm2m.values import ResourceType

NOW = 100.0


@pytest.mark.parametrize(
    ("attributes", "before", "number", "last_at", "changed", "expected"),
    [
        (Attributes(), 1.0, 2.0, 99.0, True, NOW),
        (Attributes(), 1.0, 1.0, 99.0, False, None),
        (Attributes(), None, None, 99.0, True, NOW),  # a string
        # pmin holds back, pmax brings
        (Attributes(pmin=10), 1.0, 2.0, 99.0, True, 109.0),
        (Attributes(pmin=10), 1.0, 2.0, 80.0, True, NOW),
        (Attributes(pmax=60), 1.0, 1.0, 99.0, False, 159.0),
        (Attributes(pmax=60), 1.0, 1.0, 30.0, False, NOW),
        (Attributes(pmin=10, pmax=60), 1.0, 2.0, 99.0, True, 109.0),
        (Attributes(pmin=10, pmax=60), 1.0, 1.0, 99.0, False, 159.0),
        # thresholds are crossed in both directions
        (Attributes(gt=5), 4.0, 6.0, 0.0, True, NOW),
        (Attributes(gt=5), 6.0, 4.0, 0.0, True, NOW),
        (Attributes(gt=5), 4.0, 5.0, 0.0, True, None),
        (Attributes(gt=5), 6.0, 7.0, 0.0, True, None),
        (Attributes(lt=5), 6.0, 4.0, 0.0, True, NOW),
        (Attributes(lt=5), 4.0, 3.0, 0.0, True, None),
        (Attributes(st=2), 1.0, 3.0, 0.0, True, NOW),
        (Attributes(st=2), 1.0, -1.0, 0.0, True, NOW),
        (Attributes(st=2), 1.0, 2.9, 0.0, True, None),
        (Attributes(gt=5, st=2), 1.0, 3.5, 0.0, True, NOW),
        (Attributes(gt=5, lt=2), 3.0, 4.0, 0.0, True, None),
        # what no threshold wants still comes with pmax
        (Attributes(st=2, pmax=60), 1.0, 2.0, 99.0, True, 159.0),
        (Attributes(gt=5, pmin=10), 4.0, 6.0, 99.0, True, 109.0),
    ],
)
def test_attributes_say_when_to_notify(
    attributes: Attributes, before: float | None, number: float | None, last_at: float, changed: bool,
    expected: float | None,
) -> None:  # fmt: skip
    assert due(attributes, Last(last_at, before), changed=changed, number=number, now=NOW) == expected


def test_the_deeper_level_is_stronger_and_a_pmax_below_pmin_is_ignored() -> None:
    merged = Attributes.merged([{"pmin": "5", "pmax": "60"}, {}, {"pmin": "10", "gt": "1.5"}])
    assert merged == Attributes(pmin=10, pmax=60, gt=1.5)
    ignored = Attributes.merged([{"pmin": "10", "pmax": "5"}])
    assert due(ignored, Last(0, 1.0), changed=False, number=1.0, now=NOW) is None


@pytest.fixture
def tree() -> ObjectTree:
    resources = {5700: ClientResource(ResourceType.FLOAT, read=lambda: 1.5)}
    return ObjectTree((ObjectInstance(3303, 0, resources),))


def test_attributes_are_kept_all_or_none_and_inherited(tree: ObjectTree) -> None:
    tree.set_attributes(Path.of(3303), ["pmin=5", "pmax=50"])
    tree.set_attributes(Path.of(3303, 0, 5700), ["pmin=7", "st=-1.5"])
    assert tree.effective_attributes(Path.of(3303, 0, 5700)) == Attributes(pmin=7, pmax=50, st=-1.5)
    assert tree.effective_attributes(Path.of(3303, 0)) == Attributes(pmin=5, pmax=50)
    with pytest.raises(Refused):
        tree.set_attributes(Path.of(3303, 0, 5700), ["pmin=1", "colour=red"])
    assert tree.effective_attributes(Path.of(3303, 0, 5700)).pmin == 7
    tree.set_attributes(Path.of(3303, 0, 5700), ["pmin"])
    assert tree.effective_attributes(Path.of(3303, 0, 5700)).pmin == 5


@pytest.mark.parametrize("query", ["pmin=-1", "pmin=1e9", "gt=" + "9" * 30, "st=\u0661", "pmin=1=2", "=5"])
def test_a_value_that_is_no_plain_number_is_refused(tree: ObjectTree, query: str) -> None:
    with pytest.raises(Refused):
        tree.set_attributes(Path.of(3303, 0, 5700), [query])


def test_a_threshold_belongs_to_a_resource(tree: ObjectTree) -> None:
    with pytest.raises(Refused):
        tree.set_attributes(Path.of(3303, 0), ["gt=5"])
