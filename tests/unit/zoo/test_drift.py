"""Statistics of drift: as computed by hand, hardly ever above a limit by chance, and above it when something drifts."""

import json
import math

import numpy as np
import pytest
from numpy.typing import NDArray

from zoo.drift import (
    CONFIDENCE_EDGES,
    MIN_VALUES,
    Comparison,
    Distribution,
    Limits,
    Reference,
    compare,
    observe,
)

HARDLY = Limits(psi=0.001, distance=0.001)  # nothing but chance sets the threshold


def _classes(*counts: int) -> dict[str, Distribution]:
    return {"classes": Distribution(counts)}


def _values(values: NDArray[np.float64], edges: tuple[float, ...]) -> dict[str, Distribution]:
    return {"output": Distribution.of_values(values, edges)}


def test_the_population_stability_index_is_that_of_a_computation_by_hand() -> None:
    [found] = compare(_classes(50, 50), _classes(80, 20), Limits())
    p, q = np.array([50.5, 50.5]) / 101, np.array([80.5, 20.5]) / 101
    assert found.value == pytest.approx(float(((q - p) * np.log(q / p)).sum()))
    assert (found.statistic, found.method, found.samples) == ("classes", "psi", 100)


def test_the_distance_is_the_largest_gap_of_the_cumulated_shares() -> None:
    edges = (0.25, 0.5, 0.75)
    known = {"output": Distribution((25, 25, 25, 25), edges)}
    seen = {"output": Distribution((10, 15, 25, 50), edges)}
    [found] = compare(known, seen, Limits())
    assert (found.method, found.value) == ("ks", pytest.approx(0.25))
    assert found.threshold == pytest.approx(math.sqrt(math.log(2000) / 2 * (1 / 100 + 1 / 100)))


def test_a_limit_of_action_counts_once_chance_is_smaller() -> None:
    [small] = compare(_classes(30, 30), _classes(30, 30), Limits(psi=0.25))
    [large] = compare(_classes(5000, 5000), _classes(500, 500), Limits(psi=0.25))
    assert small.threshold > large.threshold == 0.25


def test_a_class_that_never_came_before_has_an_index_and_no_infinity() -> None:
    [found] = compare(_classes(100, 100, 0), _classes(50, 50, 100), Limits())
    assert 1 < found.value < 10
    # A class that nobody ever saw is no bin: it neither adds to the value nor to what chance may do.
    assert compare(_classes(90, 110, 0), _classes(60, 40, 0), HARDLY) == compare(
        _classes(90, 110), _classes(60, 40), HARDLY
    )


def test_too_few_values_are_not_compared() -> None:
    assert compare(_classes(500, 500), _classes(MIN_VALUES - 1, 0), Limits()) == ()
    assert compare(_classes(MIN_VALUES - 1, 0), _classes(500, 500), Limits()) == ()
    assert compare(_classes(500, 500), {}, Limits()) == ()


@pytest.mark.parametrize(
    ("shares", "reference", "window"),
    [
        ([0.1] * 10, 268, 200),
        ([0.1] * 10, 268, 40),
        ([0.7, 0.2, 0.05, 0.02, 0.01, 0.01, 0.01], 500, 100),
        ([0.95, 0.05], 300, 200),
        ([0.025] * 40, 1000, 200),
    ],
)
def test_without_drift_classes_are_above_the_threshold_about_as_often_as_the_significance_says(
    shares: list[float], reference: int, window: int
) -> None:
    rng = np.random.default_rng(7)
    limits = Limits(psi=0.001, significance=0.01)
    rounds = 3000
    above = 0
    for _ in range(rounds):
        known = _classes(*rng.multinomial(reference, shares).tolist())
        [found] = compare(known, _classes(*rng.multinomial(window, shares).tolist()), limits)
        above += found.value > found.threshold
    # 30 of 3000 are expected; six deviations more would be 63.
    assert above < 63


def test_without_drift_values_are_above_the_threshold_no_more_often_than_the_significance_says() -> None:
    rng = np.random.default_rng(8)
    limits = Limits(distance=0.001, significance=0.01)
    above = 0
    for _ in range(3000):
        known = Distribution.of_quantiles(rng.gamma(2, size=268))
        assert known.edges is not None
        [found] = compare({"output": known}, _values(rng.gamma(2, size=100), known.edges), limits)
        above += found.value > found.threshold
    assert above < 63


@pytest.mark.parametrize("samples", [100, 200])
def test_a_shift_by_a_deviation_is_above_the_threshold_in_nearly_every_window(samples: int) -> None:
    rng = np.random.default_rng(9)
    found = []
    for _ in range(200):
        known = Distribution.of_quantiles(rng.normal(size=268))
        assert known.edges is not None
        found += compare({"output": known}, _values(rng.normal(1, size=samples), known.edges), Limits())
    assert np.mean([item.value > item.threshold for item in found]) > 0.98


def test_values_counted_one_by_one_are_those_counted_at_once() -> None:
    values = np.random.default_rng(3).uniform(0, 1, 50)
    values[0] = CONFIDENCE_EDGES[3]  # on an edge
    at_once = Distribution.of_values(values, CONFIDENCE_EDGES)
    one_by_one = at_once.emptied()
    for value in values:
        one_by_one = one_by_one.with_value(float(value))
    assert one_by_one.counts == at_once.counts
    assert (one_by_one.mean, one_by_one.deviation) == pytest.approx((values.mean(), values.std()))
    assert at_once.emptied().mean is None


def test_quantiles_of_values_that_are_all_the_same_are_one_bin_that_can_be_compared() -> None:
    known = Distribution.of_quantiles(np.full(100, 0.5))
    assert known.edges == (0.5,)
    [found] = compare({"output": known}, _values(np.full(50, 0.5), known.edges), Limits())
    assert found.value == 0


@pytest.mark.parametrize("from_logits", [False, True])
def test_an_output_becomes_a_class_and_a_confidence(from_logits: bool) -> None:
    bins = {"classes": Distribution((0, 0, 0)), "confidence": Distribution.of_values(np.empty(0), CONFIDENCE_EDGES)}
    reference = Reference("classification", from_logits, ("a", "b", "c"), "test", 0, bins)
    shares = np.array([0.2, 0.5, 0.3])
    found = observe(reference, np.log(shares) if from_logits else shares, input_mean=0.4)
    assert found == {"classes": 1, "confidence": pytest.approx(0.5)}  # no reference for the input: it is left out
    # An int8 softmax may round everything to zero.
    assert observe(reference, np.zeros(3))["confidence"] == pytest.approx(1 / 3)


def test_any_other_output_becomes_its_mean_and_inputs_count_where_there_is_a_reference() -> None:
    bins = {name: Distribution((0, 0), (0.0,)) for name in ("output", "input_mean")}
    reference = Reference("regression", False, (), "test", 0, bins)
    found = observe(reference, np.array([1.0, 3.0]), input_mean=0.4, input_deviation=0.1)
    assert found == {"output": 2.0, "input_mean": 0.4}
    assert json.loads(json.dumps(reference.to_json())) == reference.to_json() | {
        "labels": [],
        "distributions": {name: {"counts": [0, 0], "edges": [0.0], "total": 0.0, "squares": 0.0} for name in bins},
    }
    assert Reference.of_json(json.loads(json.dumps(reference.to_json()))) == reference


def test_a_ratio_is_above_one_where_the_value_is_above_its_threshold() -> None:
    assert Comparison("classes", "psi", 0.5, 0.25, 100).ratio == 2
