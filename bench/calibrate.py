"""Measures layers in QEMU and fits the coefficients with which the reference builder estimates what a model costs.

    python -m bench.calibrate [--board BOARD ...] [--optimise LEVEL ...] [--kernel KERNEL ...] [--networks 80] [--check]

Synthetic networks (bench/calibration_models.py) are built with the parameter `profile`, booted under `-icount shift=0`,
and every layer's instructions are held against its kernel's events (compiler/cost_events.py). Non-negative least
squares of the relative error, in which outliers count less, give one coefficient for each event. Measurements are kept
in the temporary folder under the hash of compiler and kernels, so that a run which was stopped goes on. `--kernel` fits
the kernels that it names, from the networks that hold one of them, and leaves all else in the table as it is. `--check`
compares estimate and measurement of models that took no part in the fit: the catalogue, the conformance models, those
with state of the compiler's tests, synthetic networks of other seeds and, when there, ../shared/models and those of
bench/kernels.py. Run it again when kernels, flags or the compiler change.
"""

import argparse
import asyncio
import contextlib
import hashlib
import io
import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

ROOT = Path(__file__).resolve().parents[1]
BUILDER = ROOT / "builders" / "images" / "cortex-m"
sys.path.insert(0, str(BUILDER))

from compiler.compile import CompiledModel, compile_model  # noqa: E402 - the path must be set first
from compiler.cost import RUNTIME, TABLE, code_bytes, estimate  # noqa: E402 - the path must be set first
from compiler.cost_events import counts  # noqa: E402 - the path must be set first
from firmware_builder.alone import pseudo_random_inputs  # noqa: E402 - the path must be set first
from firmware_builder.boards import Board, load_boards  # noqa: E402 - the path must be set first
from firmware_builder.build import Firmware, build  # noqa: E402 - the path must be set first
from firmware_builder.request import Optimise, default_request  # noqa: E402 - the path must be set first

from bench.calibration_models import network  # noqa: E402 - the path must be set first
from builders.conformance import shipped_models  # noqa: E402 - the path must be set first
from edge.mcuboot import HEADER_MAGIC, HEADER_SIZE  # noqa: E402 - the path must be set first
from edge.qemu import MACHINES, QemuBoard  # noqa: E402 - the path must be set first
from edge.report import BootReport  # noqa: E402 - the path must be set first

Array = NDArray[np.float64]
CACHE = Path(tempfile.gettempdir()) / "tinymlaas-calibration"
BOOT_SECONDS = 120.0
TOLERANCE = 0.1
HELD_OUT = (1004, 1007, 1009, 1012)
"""Seeds of networks that only the check sees: rare operators side by side, and chains."""
ROUNDS = 12
USUAL_ERROR = 0.03
"""The relative error from which on a layer counts less in the fit, which takes some rounds to settle."""
FLOOR = 120.0
"""Instructions below which an error is not relative any more: a tick of the boards' timers is 40 of them."""


@dataclass(frozen=True)
class MeasuredLayer:
    """One layer of a model, by its index."""

    index: int
    instructions: float
    code_bytes: int


@dataclass(frozen=True)
class Sample:
    """A measured layer, and what its kernel went through."""

    kernel: str
    counts: tuple[float, ...]
    measured: MeasuredLayer


@dataclass(frozen=True)
class Measured:
    """One measured model; `flash_bytes` is without the golden inputs."""

    layers: list[MeasuredLayer]
    instructions: float
    flash_bytes: int


def _built(
    compiled: CompiledModel, board: Board, optimise: Optimise, golden: list[bytes], folder: Path, *, profile: bool
) -> Firmware:
    request = replace(default_request(board.name, b""), optimise=optimise, profile=profile)
    folder.mkdir()
    with contextlib.redirect_stdout(io.StringIO()):
        return build(compiled, request, board, golden, folder)


def _flash(compiled: CompiledModel, board: Board, optimise: Optimise) -> int:
    """Bytes of the firmware as it is shipped, without golden inputs (with none at all, the model were not linked)."""
    golden = [bytes(sum(tensor.size for tensor in compiled.graph.inputs))]
    with tempfile.TemporaryDirectory(prefix="calibrate-") as temporary:
        image = _built(compiled, board, optimise, golden, Path(temporary) / "build", profile=False).image
    return len(image) - len(golden[0])


def measure(model: bytes, board: Board, optimise: Optimise) -> Measured:
    """Build the profile of a model, boot it, read the report and the symbols' sizes."""
    compiled = compile_model(model, profile=True)
    golden = pseudo_random_inputs(compiled.graph, hashlib.sha256(model).hexdigest())[:1]
    with tempfile.TemporaryDirectory(prefix="calibrate-") as temporary:
        folder = Path(temporary) / "build"
        firmware = _built(compiled, board, optimise, golden, folder, profile=True)
        sizes = _function_sizes(folder / "firmware.elf")
        report = asyncio.run(_boot(firmware.image, board.name, Path(temporary) / "board"))
    per_tick = QemuBoard.instructions_per_second / report.hz
    # Reading the timer and calling by a pointer is in every layer's time, and not in the inference's.
    whole = report.ticks[0] * per_tick
    surplus = max(0.0, sum(layer.ticks for layer in report.layers) * per_tick - whole) / len(report.layers)
    layers = [
        MeasuredLayer(
            layer.index, max(0.0, layer.ticks * per_tick - surplus), sizes[f"layer_{layer.index}_{layer.name.lower()}"]
        )
        for layer in report.layers
    ]
    return Measured(layers, whole, _flash(compile_model(model), board, optimise))


def _function_sizes(elf: Path) -> dict[str, int]:
    listing = subprocess.run(["arm-none-eabi-nm", "-S", str(elf)], check=True, capture_output=True, text=True).stdout
    rows = [line.split() for line in listing.splitlines()]
    return {row[3]: int(row[1], 16) for row in rows if len(row) == 4 and row[2] in "tT"}


async def _boot(payload: bytes, name: str, folder: Path) -> BootReport:
    board = QemuBoard(folder, board=name, boot_deadline=BOOT_SECONDS)
    await board.flash(HEADER_MAGIC.to_bytes(4, "little").ljust(HEADER_SIZE, b"\0") + payload, lambda _done, _all: None)
    try:
        report = await board.boot()
    finally:
        await board.power_off()
    if not isinstance(report, BootReport):
        raise SystemExit(f"{name}: {report.kind.value}: {report.detail}")
    return report


def version() -> str:
    """The hash of what decides about instructions."""
    digest = hashlib.sha256()
    builder = [BUILDER / "firmware_builder" / name for name in ("sources.py", "toolchain.py")]
    folders = (file for name in ("compiler", "kernels", "firmware", "boards") for file in (BUILDER / name).rglob("*.*"))
    for file in sorted([*builder, *folders]):
        if file.suffix in {".py", ".c", ".h", ".json", ".ld"} and not file.name.startswith("cost"):
            digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()[:16]


@dataclass(frozen=True)
class Network:
    """A measured network; `rest_bytes` is its flash without constants."""

    samples: list[Sample]
    rest_bytes: int


def _sampled(job: tuple[Path, Board, Optimise, int]) -> Network:
    """One network, measured or read from the cache; in a process of its own."""
    folder, board, optimise, seed = job
    model = network(seed)
    file = folder / f"{board.name}-{optimise.value}-{hashlib.sha256(model).hexdigest()[:16]}.json"
    if not file.exists():
        measured = measure(model, board, optimise)
        partial = file.with_suffix(".part")
        partial.write_text(json.dumps(asdict(measured)))
        partial.replace(file)
    compiled, known = compile_model(model), json.loads(file.read_text())
    layers = compiled.layers
    found = [MeasuredLayer(**layer) for layer in known["layers"]]
    samples = [Sample(str(layers[each.index].kernel), counts(layers[each.index], board.cpu), each) for each in found]
    return Network(samples, known["flash_bytes"] - compiled.constants_bytes)


def fit(networks: Sequence[Network], kept: dict[str, dict[str, list[float]]]) -> dict[str, dict[str, list[float]]]:
    """For each kernel: its coefficients, the bytes of its code, and how well they fit the layers that were measured.

    What is `kept` stays as it was.
    """
    by_kernel: dict[str, list[Sample]] = defaultdict(list)
    for sample in (sample for each in networks for sample in each.samples):
        if sample.kernel not in kept:
            by_kernel[sample.kernel].append(sample)
    table: dict[str, dict[str, list[float]]] = {}
    for kernel, found in sorted(by_kernel.items()):
        events = np.array([sample.counts for sample in found], dtype=float)
        measured = np.array([sample.measured.instructions for sample in found])
        weights = 1 / (measured + FLOOR)
        coefficients = _coefficients(events, measured, weights)
        errors = np.abs(events @ coefficients - measured) * weights
        code, _ = nnls((events > 0).astype(float), np.array([sample.measured.code_bytes for sample in found], float))
        table[kernel] = {
            "instructions": [float(f"{value:.4g}") for value in coefficients],
            "code_bytes": [float(round(value)) for value in code],
            "layers": [len(found)],
            "error": [round(float(np.median(errors)), 4), round(float(np.quantile(errors, 0.95)), 4)],
        }
    if RUNTIME not in kept:
        table[RUNTIME] = {}
    _fit_shared(networks, table, kept)
    return {**kept, **table}


def _coefficients(events: Array, measured: Array, weights: Array) -> Array:
    """Least squares in which the few layers that come out otherwise, such as copies in place, do not bend the rest."""
    trust = np.ones(len(measured))
    for _ in range(ROUNDS):
        scaled = weights * np.sqrt(trust)
        coefficients, _ = nnls(events * scaled[:, None], measured * scaled)
        errors = np.abs(events @ coefficients - measured) * weights
        trust = np.minimum(1, USUAL_ERROR / np.maximum(errors, USUAL_ERROR))
    return np.asarray(coefficients)


def _fit_shared(
    networks: Sequence[Network], table: dict[str, dict[str, list[float]]], kept: dict[str, dict[str, list[float]]]
) -> None:
    """What is in the flash once: the runtime always, and for each kernel that occurs what its layers share."""
    occurs, rest = [], []
    for each in networks:
        found = {RUNTIME, *(sample.kernel for sample in each.samples)}
        occurs.append([float(name in found) for name in table])
        known = sum(kept[name]["shared_bytes"][0] for name in found if name in kept)
        known += sum(_code(sample, (table | kept)[sample.kernel]) for sample in each.samples)
        rest.append(each.rest_bytes - known)
    shared, _ = nnls(np.array(occurs), np.array(rest, float))
    for name, value in zip(table, shared, strict=True):
        table[name]["shared_bytes"] = [float(round(value))]


def _code(sample: Sample, entry: dict[str, list[float]]) -> float:
    return sum(size for size, count in zip(entry["code_bytes"], sample.counts, strict=True) if count)


def _seeds(networks: int, kernels: frozenset[str]) -> list[int]:
    """All networks, or those that hold one of the kernels."""
    if not kernels:
        return list(range(networks))
    held = {seed: {layer.kernel for layer in compile_model(network(seed)).layers} for seed in range(networks)}
    if missing := kernels.difference(*held.values()):
        raise SystemExit(f"None of {networks} networks holds {', '.join(sorted(missing))}.")
    return [seed for seed, found in held.items() if found & kernels]


def calibrate(boards: list[str], levels: list[str], networks: int, workers: int, kernels: frozenset[str]) -> None:
    """Measure what is missing, fit all kernels or the given ones, and write the table."""
    seeds = _seeds(networks, kernels)
    folder = CACHE / version()
    folder.mkdir(parents=True, exist_ok=True)
    table = json.loads(TABLE.read_text()) if TABLE.exists() else {"processors": {}}
    every = load_boards(BUILDER / "boards")
    with ProcessPoolExecutor(workers, initializer=os.nice, initargs=(5,)) as pool:
        for name in boards:
            for level in levels:
                jobs = [(folder, every[name], Optimise(level), seed) for seed in seeds]
                of_cpu = table["processors"].setdefault(every[name].cpu, {})
                before = of_cpu.get(level, {}) if kernels else {}
                kept = {kernel: entry for kernel, entry in before.items() if kernel not in kernels}
                fitted = fit(list(pool.map(_sampled, jobs)), kept)
                of_cpu[level] = fitted
                for kernel, entry in fitted.items():
                    if kernel not in kept and "error" in entry:
                        print(f"{name:11} {level:9} {kernel:20} {entry['layers']} layers, error {entry['error']}")
                TABLE.write_text(_text(table))


def _text(table: dict[str, dict[str, dict[str, dict[str, object]]]]) -> str:
    """JSON with one kernel a line."""
    lines = ['{"processors": {']
    for last_cpu, (cpu, levels) in _marked(table["processors"]):
        lines.append(f' "{cpu}": {{')
        for last_level, (level, kernels) in _marked(levels):
            lines.append(f'  "{level}": {{')
            for last, (kernel, entry) in _marked(kernels):
                lines.append(f'   "{kernel}": {json.dumps(entry)}{"" if last else ","}')
            lines.append("  }" if last_level else "  },")
        lines.append(" }" if last_cpu else " },")
    return "\n".join([*lines, "}}", ""])


def _marked(items: dict[str, object]) -> Iterable[tuple[bool, tuple[str, object]]]:
    listed = sorted(items.items())
    return ((index == len(listed) - 1, item) for index, item in enumerate(listed))


def models() -> dict[str, bytes]:
    """Models that took no part in the fit."""
    files = [*(ROOT / "zoo" / "catalog").glob("*/*.tflite"), *(ROOT.parent / "shared" / "models").glob("*.tflite")]
    files += (Path(tempfile.gettempdir()) / "tinymlaas-bench-models").glob("*.tflite")
    found = {file.stem: file.read_bytes() for file in sorted(files)}
    files = (ROOT / "tests" / "unit" / "compiler" / "models").glob("*.tflite")
    found |= {f"stateful-{file.stem}": file.read_bytes() for file in sorted(files)}
    found |= {f"synthetic-{seed}": network(seed) for seed in HELD_OUT}
    conformance = shipped_models()
    return {**found, "conformance-dense": conformance.valid.content, "conformance-conv": conformance.other.content}


def check(boards: list[str], levels: list[str]) -> bool:
    """Print estimate over measurement, and how many layers are within a tenth; whether every total is."""
    good = True
    every = load_boards(BUILDER / "boards")
    print(f"{'board':11} {'optimise':9} {'model':24} {'instructions':>26} {'flash':>22} {'layers within a tenth':>22}")
    for name in boards:
        for level in levels:
            board, optimise = every[name], Optimise(level)
            for label, model in models().items():
                measured, compiled = measure(model, board, optimise), compile_model(model)
                costs = estimate(compiled.graph.nodes, compiled.layers, board.cpu, level)
                instructions = sum(cost.instructions for cost in costs) / measured.instructions
                flash = (compiled.constants_bytes + code_bytes(costs, board.cpu, level)) / measured.flash_bytes
                near = sum(
                    abs(cost.instructions - layer.instructions) <= TOLERANCE * layer.instructions
                    for cost, layer in zip(costs, measured.layers, strict=True)
                )
                good = good and abs(instructions - 1) <= TOLERANCE and abs(flash - 1) <= TOLERANCE
                print(
                    f"{name:11} {level:9} {label:24} {measured.instructions / 1e6:10.4f} M, x {instructions:5.3f}"
                    f" {flash:18.3f} {near:9} of {len(costs)}",
                    flush=True,
                )
    return good


def main() -> None:
    """Calibrates, or checks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--board", action="append", choices=sorted(MACHINES))
    parser.add_argument("--optimise", action="append", choices=[level.value for level in Optimise])
    parser.add_argument("--networks", type=int, default=80)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument(
        "--kernel", action="append", default=[], help="fit this kernel, and keep what is known of others"
    )
    parser.add_argument("--check", action="store_true", help="compare estimates with measurements, and change nothing")
    options = parser.parse_args()
    boards = options.board or sorted(MACHINES)
    levels = options.optimise or [level.value for level in Optimise]
    if options.check:
        sys.exit(0 if check(boards, levels) else 1)
    calibrate(boards, levels, options.networks, options.workers, frozenset(options.kernel))


if __name__ == "__main__":
    main()
