"""The performance that a builder may report beside what it built."""

from __future__ import annotations

import json

import pytest

from builders.contract import Basis, Cost, LayerCost, Performance, Success, parse_result
from builders.errors import BadResultError

RESULT: dict[str, object] = {
    "contract": 1,
    "status": "succeeded",
    "images": [
        {
            "kind": "model",
            "file": "model.tar",
            "format": "tar",
            "sha256": "0" * 64,
            "load_address": 0,
            "version": "1.0.0+0",
        }
    ],
    "sections": [],
    "memory": {"flash_bytes": 1, "ram_bytes": 1, "arena_bytes": 1},
    "operators": [],
    "toolchain": {},
}


def parsed(performance: object) -> Performance | None:
    result = parse_result(json.dumps({**RESULT, "performance": performance}).encode())
    assert isinstance(result, Success)
    return result.performance


def test_a_result_without_it_has_none() -> None:
    result = parse_result(json.dumps(RESULT).encode())
    assert isinstance(result, Success)
    assert result.performance is None


def test_totals_layers_and_details_are_read() -> None:
    performance = parsed(
        {
            "basis": "measured",
            "instructions": 7_700_000,
            "details": {"clock_hz": 25e6},
            "layers": [{"name": "a", "operator": "CONV_2D", "instructions": 7_700_000, "macs": 5}],
        }
    )
    cost = Cost(instructions=7_700_000)
    layer = LayerCost("a", "CONV_2D", Cost(instructions=7_700_000, macs=5))
    assert performance == Performance(Basis.MEASURED, cost, (layer,), {"clock_hz": 25e6})


@pytest.mark.parametrize(
    "performance",
    [
        {},
        {"basis": "guessed"},
        {"basis": "measured", "macs": -1},
        {"basis": "measured", "seconds": "1"},
        {"basis": "measured", "watts": 1},
        {"basis": "measured", "layers": [{"name": "a"}]},
        {"basis": "measured", "details": {"clock": "25 MHz"}},
    ],
)
def test_anything_else_is_no_result(performance: object) -> None:
    with pytest.raises(BadResultError):
        parsed(performance)
