"""What a board in a round needs next, by what it says alone."""

import pytest

from app.domain.board_training import BoardState, Step, next_step

IDLE, TRAINING, TRAINED, FAILED = BoardState


@pytest.mark.parametrize(
    ("state", "board_round", "samples", "started", "step"),
    [
        (IDLE, 0, 20, False, Step.START),
        (IDLE, 3, 20, False, Step.START),
        (IDLE, 3, 20, True, Step.START),  # it lost its training and has not registered again yet
        (IDLE, 2, 0, False, Step.WAIT),  # somebody may teach it still
        (TRAINING, 3, 20, True, Step.WAIT),
        (TRAINING, 2, 20, False, Step.WAIT),  # of whichever round: the head can be written when it is done
        (TRAINED, 3, 20, True, Step.COLLECT),
        (TRAINED, 3, 0, False, Step.COLLECT),  # from before the server's restart
        (TRAINED, 2, 20, False, Step.START),
        (TRAINED, 2, 0, False, Step.WAIT),
        (FAILED, 3, 20, True, Step.GIVE_UP),
        (FAILED, 2, 20, False, Step.START),
    ],
)
def test_the_next_step_follows_from_what_the_board_says(
    state: BoardState, board_round: int, samples: int, *, started: bool, step: Step
) -> None:
    assert next_step(state, board_round=board_round, samples=samples, wanted=3, started=started) is step
