"""A federation's life, and what a client is told in it."""

from itertools import product

import pytest

from app.domain.federation import ENDED, Action, FederationState, action_of, may_become

S = FederationState
STEPS = [
    (S.PREPARING, S.ENROLLING),
    (S.ENROLLING, S.RUNNING),
    (S.RUNNING, S.FINISHING),
    (S.FINISHING, S.FINISHED),
]


@pytest.mark.parametrize(("before", "after"), list(product(S, S)))
def test_a_federation_goes_forwards_or_ends(before: FederationState, after: FederationState) -> None:
    ends_early = before not in ENDED and after in {S.FAILED, S.CANCELLED}
    assert may_become(before, after) == ((before, after) in STEPS or ends_early)


@pytest.mark.parametrize(
    ("state", "asked", "answered", "action"),
    [
        (S.PREPARING, False, False, Action.WAIT),
        (S.ENROLLING, False, False, Action.WAIT),
        (S.RUNNING, False, False, Action.WAIT),
        (S.RUNNING, True, False, Action.TRAIN),
        (S.RUNNING, True, True, Action.WAIT),
        (S.FINISHING, True, False, Action.DONE),
        (S.FINISHED, False, False, Action.DONE),
        (S.FAILED, False, False, Action.DONE),
        (S.CANCELLED, True, False, Action.DONE),
    ],
)
def test_a_client_trains_when_an_open_round_waits_for_it(
    state: FederationState, asked: bool, answered: bool, action: Action
) -> None:
    assert action_of(state, asked=asked, answered=answered) == action
