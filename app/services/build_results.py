"""Figures of a build as they are stored and shown: one form for what was estimated, built and measured."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from builders.contract import Basis, Cost, Operator, Performance, Success
from edge.report import BootReport

SCALED = (
    "The layers are the builder's estimates, scaled to the measured total; a build with the parameter `profile` has "
    "them measured."
)


def result_json(result: Success) -> dict[str, Any]:
    """What is kept of a result.json."""
    return {
        "memory": asdict(result.memory),
        "operators": operators_json(result.operators),
        "toolchain": dict(result.toolchain),
        "sections": [asdict(section) for section in result.sections],
        "model_slot": asdict(result.model_slot) if result.model_slot else None,
        "performance": performance_json(result.performance) if result.performance else None,
    }


def operators_json(operators: Sequence[Operator]) -> list[dict[str, Any]]:
    """Operators with their counts."""
    return [asdict(operator) for operator in operators]


def performance_json(performance: Performance) -> dict[str, Any]:
    """A builder's figures; the layers are as well founded as the total."""
    return {
        "basis": performance.basis.value,
        **_cost_json(performance.total),
        "layers_basis": performance.basis.value,
        "layers": [
            {"name": layer.name, "operator": layer.operator, **_cost_json(layer.cost)} for layer in performance.layers
        ],
        "details": dict(performance.details),
        "notes": list(performance.notes),
    }


def measured(estimated: dict[str, Any] | None, report: BootReport, instructions_per_second: int) -> dict[str, Any]:
    """The figures after a boot: the slowest inference, and layers by the report, or by the estimate scaled to it."""
    per_tick = instructions_per_second / report.hz
    total = round(max(report.ticks) * per_tick)
    known = estimated or performance_json(Performance(Basis.ESTIMATED, Cost(), (), {}))
    found = {**known, "basis": Basis.MEASURED.value, **_cost_json(Cost(instructions=total, macs=known["macs"]))}
    layers = known["layers"]
    if report.layers:
        names = {layer["name"]: layer for layer in layers}
        found["layers"] = [
            {
                "operator": layer.name,
                **_cost_json(Cost(macs=names.get(f"layer {layer.index}", {}).get("macs"))),
                "name": f"layer {layer.index}",
                "instructions": round(layer.ticks * per_tick),
            }
            for layer in report.layers
        ]
        return {**found, "layers_basis": Basis.MEASURED.value, "notes": []}
    estimates = [layer["instructions"] for layer in layers]
    if layers and all(estimates):
        share = total / sum(estimates)
        found["layers"] = [{**layer, "instructions": round(layer["instructions"] * share)} for layer in layers]
        found["notes"] = [*known["notes"], SCALED]
    return found


def _cost_json(cost: Cost) -> dict[str, float | None]:
    whole = {name: None if value is None else round(value) for name, value in asdict(cost).items()}
    return {**whole, "seconds": cost.seconds}
