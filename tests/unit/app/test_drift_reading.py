"""What is an inference in a Send, and what is left out: a device may send anything."""

import math

import pytest

from app.services.drift_reading import MAX_OUTPUT_BYTES, Reading, readings_of
from lwm2m.events import Sample, Sent
from lwm2m.nodes import Instance, Node, Resource
from lwm2m.paths import Path
from lwm2m.values import ResourceType, Value

KINDS = {bytes: ResourceType.OPAQUE, int: ResourceType.INTEGER, float: ResourceType.FLOAT, str: ResourceType.STRING}
OUTPUT, SEQUENCE, MEAN, DEVIATION = (f"/26242/0/{number}" for number in (1, 2, 4, 5))


def _sent(*samples: dict[str, Value]) -> Sent:
    def nodes(values: dict[str, Value]) -> dict[Path, Node]:
        paths = {Path.parse(path): value for path, value in values.items()}
        return {
            path: Resource(path.ids[-1], KINDS.get(type(value), ResourceType.BOOLEAN), value)
            for path, value in paths.items()
        }

    return Sent("board-1", tuple(Sample(float(at), nodes(values)) for at, values in enumerate(samples)))


def test_every_output_with_its_number_is_an_inference_in_the_order_of_time() -> None:
    sent = _sent({OUTPUT: b"\x01", SEQUENCE: 1}, {"/3303/0/5700": 20.5}, {OUTPUT: b"\x02", SEQUENCE: 2, MEAN: 0.5})
    assert readings_of(sent) == [Reading("board-1", b"\x01", 1), Reading("board-1", b"\x02", 2, input_mean=0.5)]


def test_a_device_may_send_the_whole_instance() -> None:
    resources = (Resource(1, ResourceType.OPAQUE, b"\x07"), Resource(2, ResourceType.INTEGER, 3))
    sample = Sample(None, {Path.of(26242, 0): Instance(0, resources)})
    assert readings_of(Sent("board-1", (sample,))) == [Reading("board-1", b"\x07", 3)]


@pytest.mark.parametrize(
    "values",
    [
        {OUTPUT: b"\x01"},
        {SEQUENCE: 1},
        {OUTPUT: b"", SEQUENCE: 1},
        {OUTPUT: "text", SEQUENCE: 1},
        {OUTPUT: bytes(MAX_OUTPUT_BYTES + 1), SEQUENCE: 1},
        {OUTPUT: b"\x01", SEQUENCE: 0},
        {OUTPUT: b"\x01", SEQUENCE: -5},
        {OUTPUT: b"\x01", SEQUENCE: 1 << 31},
        {OUTPUT: b"\x01", SEQUENCE: True},
        {OUTPUT: b"\x01", SEQUENCE: 1.0},
    ],
)
def test_what_is_no_inference_is_left_out(values: dict[str, Value]) -> None:
    assert readings_of(_sent(values)) == []


@pytest.mark.parametrize("mean", [math.nan, math.inf, 1e39, "0.5", True])
def test_moments_that_are_no_finite_numbers_are_left_out_and_the_inference_stays(mean: Value) -> None:
    sent = _sent({OUTPUT: b"\x01", SEQUENCE: 1, MEAN: mean, DEVIATION: 2})
    assert readings_of(sent) == [Reading("board-1", b"\x01", 1, input_deviation=2.0)]
