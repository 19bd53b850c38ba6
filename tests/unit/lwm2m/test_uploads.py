"""Bodies of many peers in blocks: in order, within bounds, and none kept that nobody goes on with."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm2m.errors import Refused
from lwm2m.messages import Block, Code
from lwm2m.uploads import BodyTooLarge, TransferKey, UploadLimits, Uploads

LIMITS = UploadLimits(bodies=2, body=100, total=150, idle=10.0)
A, B, C = (TransferKey(sender, "its update") for sender in ("a", "b", "c"))


def blocks(body: bytes, exponent: int) -> list[tuple[Block, bytes]]:
    size = 16 << exponent
    starts = range(0, len(body), size)
    return [(Block(at // size, at + size < len(body), exponent), body[at : at + size]) for at in starts]


def code(refused: pytest.ExceptionInfo[Refused]) -> Code:
    return Code(refused.value.code)


@given(st.binary(min_size=1, max_size=100), st.binary(min_size=1, max_size=50), st.sampled_from([0, 1, 2]))
def test_two_bodies_in_turns_arrive_whole(first: bytes, second: bytes, exponent: int) -> None:
    uploads = Uploads(LIMITS)
    uploads.begin(A, 100, len(first), 0.0)
    uploads.begin(B, 100, None, 0.0)
    sent = {A: blocks(first, exponent), B: blocks(second, exponent)}
    whole: dict[TransferKey, bytes | None] = {}
    while any(sent.values()):
        for key, left in sent.items():
            if left:
                whole[key] = uploads.take(key, *left.pop(0), now=1.0)
    assert whole == {A: first, B: second}


def test_a_block_out_of_order_is_4_08_and_the_body_can_go_on() -> None:
    uploads = Uploads(LIMITS)
    uploads.begin(A, 100, None, 0.0)
    assert uploads.take(A, Block(0, True, 0), bytes(16), 0.0) is None
    with pytest.raises(Refused) as refused:
        uploads.take(A, Block(2, True, 0), bytes(16), 0.0)
    assert code(refused) is Code.REQUEST_ENTITY_INCOMPLETE
    assert uploads.take(A, Block(1, False, 0), b"end", 0.0) == bytes(16) + b"end"
    with pytest.raises(Refused) as refused:
        uploads.take(A, Block(2, False, 0), b"end", 0.0)
    assert code(refused) is Code.REQUEST_ENTITY_INCOMPLETE


@pytest.mark.parametrize("size", [0, 15, 17])
def test_a_block_of_another_length_than_it_says_ends_the_body(size: int) -> None:
    uploads = Uploads(LIMITS)
    uploads.begin(A, 100, None, 0.0)
    with pytest.raises(Refused) as refused:
        uploads.take(A, Block(0, True, 0), bytes(size), 0.0)
    assert code(refused) is Code.BAD_REQUEST
    with pytest.raises(Refused) as refused:
        uploads.take(A, Block(0, True, 0), bytes(16), 0.0)
    assert code(refused) is Code.REQUEST_ENTITY_INCOMPLETE


def test_a_body_beyond_its_limit_is_refused_when_it_is_announced_and_when_it_grows() -> None:
    uploads = Uploads(LIMITS)
    with pytest.raises(BodyTooLarge) as too_large:
        uploads.begin(A, 40, 41, 0.0)
    assert too_large.value.limit == 40
    uploads.begin(A, 1000, None, 0.0)
    for number in range(6):
        uploads.take(A, Block(number, True, 0), bytes(16), 0.0)
    with pytest.raises(BodyTooLarge) as too_large:
        uploads.take(A, Block(6, True, 0), bytes(16), 0.0)
    assert too_large.value.limit == LIMITS.body


def test_bodies_at_once_and_their_bytes_are_bounded_and_freed_again() -> None:
    uploads = Uploads(LIMITS)
    uploads.begin(A, 100, None, 0.0)
    uploads.begin(B, 100, None, 0.0)
    with pytest.raises(Refused) as refused:
        uploads.begin(C, 100, None, 0.0)
    assert code(refused) is Code.SERVICE_UNAVAILABLE
    for number in range(5):
        uploads.take(A, Block(number, True, 0), bytes(16), 0.0)
    for number in range(4):
        uploads.take(B, Block(number, True, 0), bytes(16), 0.0)
    with pytest.raises(Refused) as refused:
        uploads.take(B, Block(4, True, 0), bytes(16), 0.0)
    assert code(refused) is Code.SERVICE_UNAVAILABLE
    uploads.begin(B, 100, None, 0.0)
    assert uploads.take(B, None, bytes(60), 0.0) == bytes(60)


def test_a_body_that_nobody_goes_on_with_makes_room() -> None:
    uploads = Uploads(LIMITS)
    uploads.begin(A, 100, None, 0.0)
    uploads.begin(B, 100, None, 5.0)
    uploads.begin(C, 100, None, 10.0)
    with pytest.raises(Refused) as refused:
        uploads.take(A, Block(0, True, 0), bytes(16), 10.0)
    assert code(refused) is Code.REQUEST_ENTITY_INCOMPLETE


def test_a_body_that_begins_again_forgets_what_was_sent_before() -> None:
    uploads = Uploads(LIMITS)
    uploads.begin(A, 100, None, 0.0)
    uploads.take(A, Block(0, True, 0), b"x" * 16, 0.0)
    uploads.begin(A, 100, None, 0.0)
    assert uploads.take(A, Block(0, False, 0), b"y" * 16, 0.0) == b"y" * 16


def test_a_sender_has_one_body_in_progress_however_many_it_begins() -> None:
    uploads = Uploads(LIMITS)
    first, *_, last = [TransferKey("a", f"round {number}") for number in range(5)]
    for number in range(5):
        uploads.begin(TransferKey("a", f"round {number}"), 100, None, 0.0)
    uploads.begin(B, 100, None, 0.0)
    with pytest.raises(Refused) as refused:
        uploads.take(first, Block(0, True, 0), bytes(16), 0.0)
    assert code(refused) is Code.REQUEST_ENTITY_INCOMPLETE
    assert uploads.take(last, None, b"whole", 0.0) == b"whole"


def test_over_tcp_a_message_may_hold_several_blocks() -> None:
    uploads = Uploads(UploadLimits(body=10_000))
    uploads.begin(A, 10_000, None, 0.0)
    assert uploads.take(A, Block(0, True, 7), bytes(3 * 1024), 0.0) is None
    assert uploads.take(A, Block(3, False, 7), bytes(1500), 0.0) == bytes(3 * 1024 + 1500)
    uploads.begin(A, 10_000, None, 0.0)
    with pytest.raises(Refused) as refused:
        uploads.take(A, Block(0, True, 7), bytes(1500), 0.0)
    assert code(refused) is Code.BAD_REQUEST
