"""Figures of a build: one form for estimated and measured, and a measurement never pretends to know the layers."""

import pytest

from app.services.build_results import SCALED, measured, performance_json
from builders.contract import Basis, Cost, LayerCost, Performance
from edge.mcuboot import Version
from edge.report import BootReport, LayerTicks

HZ, PER_SECOND = 25_000_000, 1_000_000_000  # 40 instructions a tick
ESTIMATED = performance_json(
    Performance(
        Basis.ESTIMATED,
        Cost(instructions=800, macs=50),
        (
            LayerCost("layer 0", "CONV_2D", Cost(instructions=600, macs=40)),
            LayerCost("layer 2", "ADD", Cost(instructions=200, macs=10)),
        ),
        {"clock": 1.5},
    )
)


def report(*ticks: int, layers: tuple[LayerTicks, ...] = ()) -> BootReport:
    outputs = (b"x",) * len(ticks)
    return BootReport(Version(1, 0, 0, 0), "b", "ab" * 32, "", outputs, ticks, HZ, 1, 1, layers)


def test_the_slowest_inference_counts_and_layers_are_scaled_to_it() -> None:
    found = measured(ESTIMATED, report(20, 25, 22), PER_SECOND)
    assert (found["basis"], found["instructions"], found["macs"]) == ("measured", 1000, 50)
    assert found["layers_basis"] == "estimated"
    assert [layer["instructions"] for layer in found["layers"]] == [750, 250]
    assert found["notes"] == [SCALED]
    assert found["details"] == {"clock": 1.5}


def test_a_profile_gives_the_layers_their_own_instructions_and_keeps_their_macs() -> None:
    layers = (LayerTicks(0, "CONV_2D", 18), LayerTicks(2, "ADD", 7))
    found = measured(ESTIMATED, report(25, layers=layers), PER_SECOND)
    assert found["layers_basis"] == "measured"
    assert [(layer["name"], layer["instructions"], layer["macs"]) for layer in found["layers"]] == [
        ("layer 0", 720, 40),
        ("layer 2", 280, 10),
    ]
    assert found["notes"] == []


def test_a_builder_that_estimates_nothing_still_gets_its_total_measured() -> None:
    found = measured(None, report(25), PER_SECOND)
    assert (found["basis"], found["instructions"], found["layers"], found["macs"]) == ("measured", 1000, [], None)


@pytest.mark.parametrize("value", [None, 0.0])
def test_layers_without_figures_are_left_as_they_are(value: float | None) -> None:
    layers = [{**layer, "instructions": value} for layer in ESTIMATED["layers"]]
    found = measured({**ESTIMATED, "layers": layers}, report(25), PER_SECOND)
    assert [layer["instructions"] for layer in found["layers"]] == [value, value]
    assert found["notes"] == []
