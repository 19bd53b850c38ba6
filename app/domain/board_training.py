"""What a board that takes part in a round needs next, from what it says of itself alone: no memory can be wrong."""

from enum import IntEnum, StrEnum


class BoardState(IntEnum):
    """What a board that trains shows (/26243/0/0)."""

    IDLE = 0
    TRAINING = 1
    TRAINED = 2
    FAILED = 3


class Step(StrEnum):
    """What to do with a board."""

    START = "start"
    """Give it the round's head and let it train."""
    WAIT = "wait"
    """It trains; or it has nothing to learn from, and may be taught still."""
    COLLECT = "collect"
    """Its update is there."""
    GIVE_UP = "give_up"
    """It failed at this round."""


def next_step(state: BoardState, *, board_round: int, samples: int, wanted: int, started: bool) -> Step:
    """The next step for round `wanted`; `started` is whether the board was told to train it and has not rebooted since.

    A board that rebooted, trained for another round or failed at another one begins; one whose update is there from
    before the server's restart is not asked twice.
    """
    if state is BoardState.TRAINING:
        return Step.WAIT
    if state is BoardState.TRAINED and board_round == wanted:
        return Step.COLLECT
    if state is BoardState.FAILED and started:
        return Step.GIVE_UP
    return Step.START if samples else Step.WAIT
