"""Averages against sums written out by hand, clipping and noise against their bounds, outliers against the median."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from zoo.federated.aggregate import FedAvg, outliers, update_norm
from zoo.federated.errors import ParticipantsError
from zoo.federated.parameters import Parameter, Parameters, Weights

TINY = Parameters([Parameter("kernel", (2, 1)), Parameter("bias", (1,))])
ORIGIN: Weights = (np.zeros((2, 1), np.float32), np.zeros(1, np.float32))


def tiny(first: float, second: float, bias: float) -> Weights:
    return np.array([[first], [second]], np.float32), np.array([bias], np.float32)


def flat(weights: Weights) -> list[float]:
    return [float(value) for array in weights for value in array.ravel()]


def test_002_4_the_average_of_three_clients_is_the_one_worked_out_by_hand() -> None:
    average = FedAvg(TINY, ORIGIN)
    average.add(10, tiny(1.0, 2.0, 0.5))
    average.add(30, tiny(2.0, 0.0, -0.5))
    average.add(60, tiny(-1.0, 4.0, 1.5))
    # kernel[0]: (10 *  1.0 + 30 *  2.0 + 60 * -1.0) / 100 = (10 + 60 -  60) / 100 = 0.1
    # kernel[1]: (10 *  2.0 + 30 *  0.0 + 60 *  4.0) / 100 = (20 +  0 + 240) / 100 = 2.6
    # bias:      (10 *  0.5 + 30 * -0.5 + 60 *  1.5) / 100 = ( 5 - 15 +  90) / 100 = 0.8
    assert flat(average.result()) == [np.float32(0.1), np.float32(2.6), np.float32(0.8)]
    assert average.updates == 3


@settings(max_examples=20)
@given(st.lists(st.integers(1, 10_000), min_size=1, max_size=4), st.integers(0, 2**32), st.floats(1e-6, 1e6))
def test_the_order_of_the_updates_has_no_influence_and_numpy_agrees(
    samples: list[int], seed: int, magnitude: float
) -> None:
    count = 70_000  # more than two blocks, the last one not full
    parameters = Parameters([Parameter("w", (count,))])
    drawn = np.random.default_rng(seed).normal(0, magnitude, (len(samples), count)).astype(np.float32)
    results = []
    for order in (range(len(samples)), reversed(range(len(samples)))):
        average = FedAvg(parameters, (np.zeros(count, np.float32),))
        for index in order:
            average.add(samples[index], (drawn[index],))
        results.append(average.result()[0])
    wanted = np.average(drawn.astype(np.float64), axis=0, weights=samples)
    for result in results:
        np.testing.assert_allclose(result, wanted, rtol=1e-6, atol=1e-6 * magnitude)


def test_many_updates_do_not_wear_the_average_out() -> None:
    average = FedAvg(TINY, ORIGIN)
    for _ in range(20_000):
        average.add(3, tiny(0.1, 0.3, 0.7))  # in float32 the sum of 60,000 times 0.1 would be off in the fourth digit
    assert flat(average.result()) == [np.float32(0.1), np.float32(0.3), np.float32(0.7)]


def test_the_largest_weights_there_are_average_without_overflow() -> None:
    most = float(np.finfo(np.float32).max)
    average = FedAvg(TINY, ORIGIN)
    for _ in range(2):
        average.add(2**32 - 1, tiny(most, -most, most))
    assert flat(average.result()) == [most, -most, most]


def test_an_update_is_drawn_back_to_the_clip_norm_from_the_global_model() -> None:
    start = tiny(1.0, 1.0, 1.0)
    average = FedAvg(TINY, start, clip_norm=2.5)
    average.add(1, tiny(4.0, 5.0, 1.0))  # moved by (3, 4, 0): norm 5, so half of it is left
    assert flat(average.result()) == [2.5, 3.0, 1.0]
    near = FedAvg(TINY, start, clip_norm=5.0)
    near.add(1, tiny(4.0, 5.0, 1.0))
    assert flat(near.result()) == [4.0, 5.0, 1.0]


@given(
    arrays(np.float32, 3, elements=st.floats(-1e6, 1e6, width=32)),
    arrays(np.float32, 3, elements=st.floats(-1e6, 1e6, width=32)),
    st.floats(1e-3, 1e3),
)
def test_no_update_moves_the_average_further_than_the_clip_norm(
    start: np.ndarray, moved: np.ndarray, clip_norm: float
) -> None:
    origin = tiny(*start.tolist())
    average = FedAvg(TINY, origin, clip_norm=clip_norm)
    average.add(1, tiny(*moved.tolist()))
    # The result is rounded to float32: three numbers of up to a million, each by half of its last bit.
    assert update_norm(average.result(), origin) <= clip_norm * (1 + 1e-6) + 3 * 1e6 * 2.0**-24


def test_noise_has_the_deviation_that_was_asked_for_and_the_seed_repeats_it() -> None:
    parameters = Parameters([Parameter("w", (100_000,))])
    start = (np.zeros(100_000, np.float32),)

    def noisy(seed: int | None) -> np.ndarray:
        average = FedAvg(parameters, start, clip_norm=2.0, noise_multiplier=0.5, seed=seed)
        for _ in range(4):
            average.add(1, start)
        return average.result()[0]

    # 0.5 * 2.0 / 4; with 100,000 draws the deviation is found to 1 %.
    assert float(noisy(1).std()) == pytest.approx(0.25, rel=0.01)
    np.testing.assert_array_equal(noisy(1), noisy(1))
    assert not np.array_equal(noisy(1), noisy(2))
    assert not np.array_equal(noisy(None), noisy(None))


def test_with_noise_a_client_cannot_buy_weight_with_samples_it_claims() -> None:
    plain, noisy = FedAvg(TINY, ORIGIN), FedAvg(TINY, ORIGIN, clip_norm=10.0, noise_multiplier=1e-9, seed=1)
    for average in (plain, noisy):
        average.add(1, tiny(1.0, 1.0, 1.0))
        average.add(999_999, tiny(3.0, 3.0, 3.0))
    assert flat(plain.result()) == pytest.approx([3.0, 3.0, 3.0], abs=1e-4)
    assert flat(noisy.result()) == pytest.approx([2.0, 2.0, 2.0], abs=1e-4)


def test_settings_that_make_no_sense_are_refused() -> None:
    for wrong in ({"clip_norm": 0.0}, {"clip_norm": float("nan")}, {"noise_multiplier": 1.0}, {"noise_multiplier": -1}):
        with pytest.raises(ValueError, match=r"noise_multiplier|clip_norm"):
            FedAvg(TINY, ORIGIN, **wrong)  # type: ignore[arg-type]  # each is wrong in another way


def test_an_average_of_nothing_or_of_other_shapes_is_refused() -> None:
    with pytest.raises(ParticipantsError, match="no update"):
        FedAvg(TINY, ORIGIN).result()
    with pytest.raises(ValueError, match="shapes"):
        FedAvg(TINY, ORIGIN).add(1, (np.zeros((1, 2), np.float32), np.zeros(1, np.float32)))
    with pytest.raises(ValueError, match="at least one sample"):
        FedAvg(TINY, ORIGIN).add(0, ORIGIN)


@pytest.mark.parametrize(
    ("norms", "found"),
    [
        ([], ()),
        ([1.0, 1.0, 1e9], ()),  # three are too few to say what is usual
        ([1.0, 1.1, 0.9, 100.0], (3,)),
        ([1.0, 1.0, 1.0, 1.9], ()),  # the others have settled: nobody is punished for moving a little further
        ([1.0, 1.0, 1.0, 2.1], (3,)),
        ([50.0, 1.0, 1.2, 0.8, 1.1, 60.0, 0.9], (0, 5)),
        ([1.0, 1.1, 0.9, 1.0, 0.001], ()),  # moving little does no harm
        ([1.0, 1.1, 0.9, 1.0, float("nan")], (4,)),
        ([0.0, 0.0, 0.0, 0.0], ()),
    ],
)
def test_updates_far_beyond_the_median_are_outliers(norms: list[float], found: tuple[int, ...]) -> None:
    assert outliers(norms, 5.0) == found


@given(st.lists(st.floats(0.5, 2.0), min_size=5, max_size=40), st.integers(1, 4), st.floats(1e3, 1e300))
def test_a_minority_that_scales_its_updates_is_found_whatever_the_others_do(
    honest: list[float], count: int, attack: float
) -> None:
    attackers = min(count, (len(honest) - 1) // 2)
    found = outliers([attack] * attackers + honest, 5.0)
    assert set(range(attackers)) <= set(found)
