"""Runs Vela as a program of its own, which a damaged model may crash, and reads its report."""

import csv
import math
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from contract import Refusal, log

# Board: system configuration and memory mode of Vela's own vela.ini.
ACCELERATORS = {
    "ethos-u55-128": ("Ethos_U55_High_End_Embedded", "Shared_Sram"),
    "ethos-u55-256": ("Ethos_U55_High_End_Embedded", "Shared_Sram"),
    "ethos-u65-256": ("Ethos_U65_Embedded", "Shared_Sram"),
}
_LAYERS = 1000
_LOG_LINES = 400
_KIBIBYTE = 1024
# Columns of the summary that go into the report as they are; Vela gives memory in KiB and traffic in bytes.
_DETAILS = {
    "core_clock": "core_clock_hz",
    "inferences_per_second": "inferences_per_second",
    "sram_total_bytes": "sram_traffic_bytes",
    "off_chip_flash_total_bytes": "flash_traffic_bytes",
    "dram_total_bytes": "dram_traffic_bytes",
    "cycles_npu": "cycles_npu",
    "cycles_sram_access": "cycles_sram_access",
    "cycles_off_chip_flash_access": "cycles_flash_access",
    "total_original_weights": "weights_bytes",
    "total_npu_encoded_weights": "encoded_weights_bytes",
}
_MEMORIES = {
    "sram_memory_used": "sram_bytes",
    "dram_memory_used": "dram_bytes",
    "off_chip_flash_memory_used": "flash_bytes",
}


@dataclass(frozen=True)
class Estimate:
    """What Vela expects: bytes of working memory, and result.json's `performance`."""

    arena_bytes: int
    performance: dict[str, object]


def compile_model(model: bytes, board: str, optimise: str) -> tuple[bytes, Estimate]:
    """The optimised model and its estimate. Raises Refusal."""
    system, memory = ACCELERATORS[board]
    with tempfile.TemporaryDirectory(prefix="vela-") as folder:
        source, out = Path(folder) / "model.tflite", Path(folder) / "out"
        source.write_bytes(model)
        arguments = ["--accelerator-config", board, "--config", "Arm/vela.ini", "--system-config", system]
        arguments += ["--memory-mode", memory, "--optimise", optimise, "--verbose-performance"]
        done = subprocess.run(
            [str(Path(sys.executable).with_name("vela")), *arguments, "--output-dir", str(out), str(source)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        lines = done.stdout.decode("utf-8", "replace").replace(folder, "").splitlines()
        for line in lines[-_LOG_LINES:]:
            log(line)
        optimised = out / "model_vela.tflite"
        if done.returncode != 0 or not optimised.is_file():
            last = next((line for line in reversed(lines) if line.strip()), "")
            raise Refusal(
                "compiler_failed", f"Vela ended with exit code {done.returncode}: {last[:500]}", "Read the build log."
            )
        layers = _read_csv(out / "model_per-layer.csv")
        summary = _read_csv(next(iter(sorted(out.glob("model_summary_*.csv"))), out / "model_summary.csv"))
        return optimised.read_bytes(), _estimate(summary[0], layers)


def _read_csv(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        raise Refusal("compiler_failed", f"Vela wrote no {path.name}", "Read the build log.")
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        raise Refusal("compiler_failed", f"Vela's {path.name} is empty", "Read the build log.")
    return rows


def _estimate(summary: Mapping[str, str], layers: Sequence[Mapping[str, str]]) -> Estimate:
    on_cpu = sorted({layer["Original Operator"] for layer in layers if layer["Target"] != "NPU"})
    if all(layer["Target"] != "NPU" for layer in layers):
        raise Refusal(
            "unsupported_operator",
            f"nothing of this model runs on the NPU: {', '.join(on_cpu)[:500]}",
            "Quantise the model to int8, or take a builder for the processor.",
        )
    details = {name: _number(summary[column]) for column, name in _DETAILS.items() if column in summary}
    memories = {name: _number(summary[column]) * _KIBIBYTE for column, name in _MEMORIES.items() if column in summary}
    performance: dict[str, object] = {
        "basis": "estimated",
        "seconds": _number(summary["inference_time"]),
        "cycles": _number(summary["cycles_total"]),
        "macs": _number(summary["nn_macs"]),
        "details": {
            **details,
            **memories,
            "operators_on_npu": sum(layer["Target"] == "NPU" for layer in layers),
            "operators_on_cpu": sum(layer["Target"] != "NPU" for layer in layers),
        },
        "layers": [
            {
                "name": _line(layer["Name"]),
                "operator": _line(f"{layer['Target']} {layer['NNG Operator']}"),
                "cycles": _number(layer["Op Cycles"]),
                "macs": _number(layer["MAC Count"]),
            }
            for layer in layers[:_LAYERS]
        ],
    }
    if on_cpu:
        log(f"left to the processor: {', '.join(on_cpu)}")
    return Estimate(math.ceil(memories["sram_bytes"] + memories["dram_bytes"]), performance)


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value) or value < 0:
        return 0
    return int(value) if value == int(value) else value


def _line(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text)[:128] or "-"
