"""Samples dealt out to clients: each to one, nobody without, unequal as asked."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from zoo.federated.errors import ParticipantsError
from zoo.federated.splits import by_label, by_writer, contiguous_writers, evenly

LABELS = np.repeat(np.arange(10), 100)


def labels_held(parts: list[NDArray[np.int64]]) -> float:
    """How many labels make up nine tenths of a client's samples, in the mean over the clients."""
    needed = []
    for part in parts:
        shares = np.sort(np.bincount(LABELS[part], minlength=10))[::-1].cumsum() / len(part)
        needed.append(int(np.searchsorted(shares, 0.9)) + 1)
    return float(np.mean(needed))


@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=60),
    st.integers(1, 60),
    st.sampled_from([0.001, 0.3, 1.0, 1000.0]),
    st.integers(0, 2**32),
)
def test_every_sample_goes_to_one_client_and_no_client_is_without(
    labels: list[int], clients: int, alpha: float, seed: int
) -> None:
    given_labels = np.array(labels, np.int64)
    if clients > len(labels):
        with pytest.raises(ParticipantsError, match=f"{len(labels)} samples"):
            by_label(given_labels, clients, alpha, seed)
        return
    for parts in (by_label(given_labels, clients, alpha, seed), evenly(len(labels), clients, seed)):
        assert len(parts) == clients
        assert all(len(part) for part in parts)
        assert sorted(np.concatenate(parts).tolist()) == list(range(len(labels)))


def test_the_smaller_alpha_the_fewer_labels_a_client_has() -> None:
    assert labels_held(by_label(LABELS, 10, 0.05, 1)) < 2.5
    assert 2.5 < labels_held(by_label(LABELS, 10, 0.3, 1)) < 6
    assert labels_held(by_label(LABELS, 10, 1000, 1)) == 9
    assert labels_held(evenly(len(LABELS), 10, 1)) > 8


def test_the_seed_decides_who_gets_what() -> None:
    first, again, other = (by_label(LABELS, 10, 0.3, seed) for seed in (1, 1, 2))
    assert all(np.array_equal(one, two) for one, two in zip(first, again, strict=True))
    assert any(not np.array_equal(one, two) for one, two in zip(first, other, strict=True))


def test_a_writer_is_at_one_client_and_writers_stand_one_after_the_other() -> None:
    writers = contiguous_writers(1797, 13)
    assert (writers[0], writers[-1], len(np.unique(writers))) == (0, 12, 13)
    assert {int(count) for count in np.bincount(writers)} == {138, 139}
    assert (np.diff(writers) >= 0).all()
    parts = by_writer(writers, 5)
    held = [set(writers[part].tolist()) for part in parts]
    assert sorted(writer for of_client in held for writer in of_client) == list(range(13))
    assert {len(of_client) for of_client in held} == {2, 3}


def test_more_clients_than_writers_are_refused_with_what_would_go() -> None:
    with pytest.raises(ParticipantsError, match="13 writers, and 14") as caught:
        by_writer(contiguous_writers(1797, 13), 14)
    assert "at most 13 clients" in caught.value.remedy
