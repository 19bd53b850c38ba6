"""Deals samples out to clients as life does: each has its own labels, and its own number of samples."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zoo.federated.errors import ParticipantsError

Integers = NDArray[np.int64]

DIGITS_WRITERS = 13
"""Who wrote scikit-learn's digits: its description counts 13, and the order of the samples changes writer by writer."""


def by_label(labels: Integers, clients: int, alpha: float, seed: int) -> list[Integers]:
    """The places of each client's samples: every label is dealt out by a Dirichlet(alpha) of its own (Hsu et al. 2019).

    The smaller alpha, the fewer labels a client has; with a large one all have of all. Each sample goes to one client,
    and no client is without: one that would be is given a sample of the client that has most. Raises ParticipantsError.
    """
    if alpha <= 0:
        raise ValueError(f"alpha is {alpha}; it is above 0")
    _enough(len(labels), clients)
    rng = np.random.default_rng(seed)
    dealt: list[list[Integers]] = [[] for _ in range(clients)]
    for label in np.unique(labels):
        places = rng.permutation(np.flatnonzero(labels == label))
        shares = rng.dirichlet(np.full(clients, alpha))
        cuts = np.round(np.cumsum(shares)[:-1] * len(places)).astype(np.int64)
        for client, part in enumerate(np.split(places, cuts)):
            dealt[client].append(part)
    return _none_empty([np.sort(np.concatenate(parts)) for parts in dealt])


def by_writer(writers: Integers, clients: int) -> list[Integers]:
    """The places of each client's samples: a client has one writer's or several writers', and shares none with others.

    Raises ParticipantsError when there are fewer writers than clients.
    """
    names = np.unique(writers)
    if not 1 <= clients <= len(names):
        raise ParticipantsError(
            f"The samples come from {len(names)} writers, and {clients} clients are asked for.",
            f"Ask for at most {len(names)} clients, or deal the samples out by label.",
        )
    return [np.flatnonzero(np.isin(writers, names[client::clients])) for client in range(clients)]


def contiguous_writers(samples: int, writers: int) -> Integers:
    """The writer of each sample where the samples stand writer by writer, as many of each."""
    return np.arange(samples, dtype=np.int64) * writers // samples


def evenly(samples: int, clients: int, seed: int) -> list[Integers]:
    """The places of each client's samples, drawn alike for all: what federated learning would wish for."""
    _enough(samples, clients)
    return [np.sort(part) for part in np.array_split(np.random.default_rng(seed).permutation(samples), clients)]


def _enough(samples: int, clients: int) -> None:
    if not 1 <= clients <= samples:
        raise ParticipantsError(
            f"{samples} samples cannot be dealt out to {clients} clients.", "Ask for fewer clients, at least one."
        )


def _none_empty(parts: list[Integers]) -> list[Integers]:
    for client in range(len(parts)):
        if not len(parts[client]):
            richest = max(range(len(parts)), key=lambda other: len(parts[other]))
            parts[client], parts[richest] = parts[richest][:1], parts[richest][1:]
    return parts
