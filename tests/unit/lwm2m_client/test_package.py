"""Blocks are taken in order and within bounds, and the schedule keeps a device registered without a stampede."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm2m.client.package import Package
from lwm2m.client.schedule import BACKOFF_CAP, backoff, update_interval
from lwm2m.errors import Refused
from lwm2m.messages import Block, Code


class Collector:
    """A sink in memory."""

    limit = 100

    def __init__(self) -> None:
        self.data = b""
        self.completed = False

    def begin(self, first: bytes, *, more: bool) -> None:  # noqa: ARG002 - the protocol's signature
        self.data = b""

    def block(self, data: bytes) -> None:
        self.data += data

    async def complete(self) -> None:
        self.completed = True

    def abandon(self) -> None:
        self.data = b""


def start(announced: int | None = None) -> tuple[Collector, Package]:
    sink = Collector()
    return sink, Package.start(sink, "peer", b"", more=True, announced=announced)


@given(st.binary(max_size=100))
def test_the_blocks_of_a_package_add_up_to_it(content: bytes) -> None:
    sink, package = start(len(content))
    for number, offset in enumerate(range(0, max(len(content), 1), 16)):
        package.take(content[offset : offset + 16], Block(number, offset + 16 < len(content), 0))
    assert sink.data == content


@pytest.mark.parametrize(
    ("blocks", "code"),
    [
        ([(0, True, 16), (2, True, 16)], Code.REQUEST_ENTITY_INCOMPLETE),
        ([(1, True, 16)], Code.REQUEST_ENTITY_INCOMPLETE),
        ([(0, True, 16), (0, True, 16)], Code.REQUEST_ENTITY_INCOMPLETE),
        ([(0, True, 15)], Code.BAD_REQUEST),
        ([(0, False, 17)], Code.BAD_REQUEST),
        ([(number, True, 16) for number in range(7)], Code.REQUEST_ENTITY_TOO_LARGE),
    ],
)
def test_what_is_out_of_order_or_out_of_bounds_is_refused(blocks: list[tuple[int, bool, int]], code: Code) -> None:
    _, package = start()
    *good, (number, more, size) = blocks
    for earlier, earlier_more, earlier_size in good:
        package.take(bytes(earlier_size), Block(earlier, earlier_more, 0))
    with pytest.raises(Refused) as caught:
        package.take(bytes(size), Block(number, more, 0))
    assert caught.value.code == code


def test_an_announced_size_beyond_the_limit_is_refused_before_the_first_byte() -> None:
    with pytest.raises(Refused) as caught:
        start(announced=101)
    assert caught.value.code == Code.REQUEST_ENTITY_TOO_LARGE


def test_blocks_may_shrink_on_the_way() -> None:
    sink, package = start()
    package.take(bytes(32), Block(0, more=True, exponent=1))
    package.take(bytes(16), Block(2, more=True, exponent=0))
    package.take(b"end", Block(3, more=False, exponent=0))
    assert len(sink.data) == 51


@pytest.mark.parametrize(("lifetime", "seconds"), [(60, 20), (3, 1), (86400, 240)])
def test_updates_come_well_within_the_lifetime_and_before_a_nat_forgets(lifetime: int, seconds: float) -> None:
    assert update_interval(lifetime) == seconds


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_the_wait_grows_is_jittered_and_capped(attempt: int, chance: float) -> None:
    assert 0 <= backoff(attempt, chance) <= min(BACKOFF_CAP, 2.0 ** min(attempt, 16))
