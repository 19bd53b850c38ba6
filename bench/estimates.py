"""Holds estimates against firmware that was booted: every total and every layer of every model, on each board.

    python -m bench.estimates [--board BOARD ...] [--optimise LEVEL ...] [--layers]

The shipped builder is asked as the server asks it: for an estimate, for a build, and for a build with the
parameter `profile`. Both images are booted as the edge agent boots them, and the report's ticks are what is measured.
The models: the catalogue, the conformance models, those with state of the compiler's tests and, when there,
../shared/models and those of bench/kernels.py. A board with the device OS is not booted: of it flash and RAM are
compared. Exits with 1 when anything is more than a tenth off.
"""

import argparse
import asyncio
import hashlib
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from app.services.build_input import NO_VERSION, SOURCE_DATE_EPOCH
from builders.conformance import shipped_models
from builders.contract import (
    Estimate,
    FirmwareVersion,
    GoldenVector,
    ImageKind,
    ModelRef,
    Success,
    Tensor,
    build_request_json,
    golden_json,
)
from builders.docker_runner import DockerRunner
from builders.engine import connect
from builders.image import build_shipped_image
from builders.runner import BuildInput, Order
from edge.mcuboot import HEADER_MAGIC, HEADER_SIZE
from edge.qemu import MACHINES, QemuBoard
from edge.report import BootReport
from zoo.inspect import TensorReport, inspect

ROOT = Path(__file__).resolve().parents[1]
BOARDS = (*MACHINES, "mps2-an385-os", "mps2-an386-os", "mps2-an500-os")
TOLERANCE = 0.1
BOOT_SECONDS = 120.0
RESOLUTION = 16
"""Instructions that a measured layer is good for: the firmware reads a timer of 25 MHz in rounds of some seven."""


def models() -> Iterator[tuple[str, bytes]]:
    """Name and bytes of all that there are."""
    bench_models = Path(tempfile.gettempdir()) / "tinymlaas-bench-models"  # made by bench/kernels.py
    stateful = ROOT / "tests" / "unit" / "compiler" / "models"
    for folder, pattern in (
        (ROOT / "zoo" / "catalog", "*/*.tflite"),
        (ROOT.parent / "shared" / "models", "*.tflite"),
        (bench_models, "*.tflite"),
        (stateful, "*.tflite"),
    ):
        for file in sorted(folder.glob(pattern)):
            yield file.stem, file.read_bytes()
    conformance = shipped_models()
    yield "conformance-dense", conformance.valid.content
    yield "conformance-conv", conformance.other.content


def _tensors(infos: tuple[TensorReport, ...]) -> list[Tensor]:
    return [Tensor(info.name, info.shape, info.dtype, info.scale or 0.0, info.zero_point or 0) for info in infos]


def _bytes(info: TensorReport, seed: bytes) -> bytes:
    return hashlib.shake_256(seed).digest(info.size)


def request(model: bytes, board: str, optimise: str, *, estimate: bool = False, profile: bool = False) -> BuildInput:
    """As the server makes it; the expected outputs are none of the builder's business."""
    report = inspect(model)
    vector = GoldenVector(
        inputs=tuple(_bytes(info, f"{number}".encode()) for number, info in enumerate(report.inputs)),
        outputs=tuple(bytes(info.size) for info in report.outputs),
    )
    return BuildInput(
        model=model,
        build_json=build_request_json(
            model=ModelRef(name="bench", version=1, sha256=hashlib.sha256(model).hexdigest()),
            inputs=_tensors(report.inputs),
            outputs=_tensors(report.outputs),
            board=board,
            parameters={"optimise": optimise, "profile": profile},
            firmware_version=FirmwareVersion.parse(NO_VERSION),
            source_date_epoch=SOURCE_DATE_EPOCH,
            estimate=estimate,
        ),
        golden_json=golden_json([vector]),
    )


def ratio(estimated: float, measured: float) -> float:
    """One over the other; 1 where they are the same as far as can be told."""
    return 1.0 if abs(estimated - measured) <= RESOLUTION else estimated / max(measured, 1.0)


@dataclass(frozen=True)
class Row:
    """Estimate over truth; instructions and layers are empty where nothing was booted."""

    model: str
    board: str
    optimise: str
    flash: float
    ram: float
    instructions: list[float]
    layers: list[tuple[str, float]]

    @property
    def bad(self) -> bool:
        """Anything is more than a tenth off."""
        ratios = [self.flash, self.ram, *self.instructions, *(found for _, found in self.layers)]
        return any(abs(found - 1) > TOLERANCE for found in ratios)

    def __str__(self) -> str:
        shown = [f"{found:.3f}" for found in self.instructions] or ["-"]
        within = sum(abs(found - 1) <= TOLERANCE for _, found in self.layers)
        worst = max((found for _, found in self.layers), key=lambda found: abs(found - 1), default=1.0)
        layers = f"{within:3} of {len(self.layers):3} layers, worst {worst:.3f}" if self.layers else ""
        head = f"{self.model:24} {self.board:14} {self.optimise:9}"
        return f"{head} {self.flash:6.3f} {self.ram:6.3f} {shown[0]:>6}  {layers}"


class Comparison:
    """The shipped builder on one engine."""

    def __init__(self, runner: DockerRunner, image_id: str) -> None:
        self._runner = runner
        self._image_id = image_id

    def row(self, name: str, model: bytes, board: str, optimise: str) -> Row:
        """One model on one board."""
        label = f"{name}-{board}-{optimise}"
        estimate = self._estimate(label, request(model, board, optimise, estimate=True))
        result, firmware = self._build(label, request(model, board, optimise))
        booted = [] if board.endswith("-os") else [boot(firmware, board)]
        ratios, layers = [], []
        told = estimate.performance
        for report in booted:
            per_tick = QemuBoard.instructions_per_second / report.hz
            ratios.append(ratio(told.total.instructions or 0, max(report.ticks) * per_tick))
            _, profile = self._build(label, request(model, board, optimise, profile=True))
            expected = {layer.name: layer.cost.instructions or 0 for layer in told.layers}
            layers = [
                (f"{layer.index} {layer.name}", ratio(expected[f"layer {layer.index}"], layer.ticks * per_tick))
                for layer in boot(profile, board).layers
            ]
        return Row(
            name,
            board,
            optimise,
            estimate.memory.flash_bytes / result.memory.flash_bytes,
            estimate.memory.ram_bytes / result.memory.ram_bytes,
            ratios,
            layers,
        )

    def _estimate(self, job: str, build_input: BuildInput) -> Estimate:
        return self._runner.estimate(Order(f"estimate-{job}", self._image_id, build_input))

    def _build(self, job: str, build_input: BuildInput) -> tuple[Success, bytes]:
        output = self._runner.run(Order(f"build-{job}", self._image_id, build_input))
        [firmware] = (image for image in output.result.images if image.kind is ImageKind.FIRMWARE)
        return output.result, output.files[firmware.file]


def boot(payload: bytes, board: str) -> BootReport:
    """The report of bare firmware."""
    with tempfile.TemporaryDirectory(prefix="bench-estimates-") as temporary:
        return asyncio.run(_boot(payload, board, Path(temporary)))


async def _boot(payload: bytes, name: str, folder: Path) -> BootReport:
    board = QemuBoard(folder, board=name, boot_deadline=BOOT_SECONDS)
    header = HEADER_MAGIC.to_bytes(4, "little").ljust(HEADER_SIZE, b"\0")  # what a signature adds, without one
    try:
        await board.flash(header + payload, lambda _done, _all: None)
        report = await board.boot()
    finally:
        await board.power_off()
    if not isinstance(report, BootReport):
        raise SystemExit(f"{name}: {report.kind.value}: {report.detail}")
    return report


def main() -> None:
    """Prints a row for each model, board and aim."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--board", action="append", choices=BOARDS)
    parser.add_argument("--optimise", action="append", choices=("balanced", "speed", "size"))
    parser.add_argument("--layers", action="store_true", help="also print each layer")
    options = parser.parse_args()
    engine = connect()
    print(f"{'estimate / truth':24} {'board':14} {'optimise':9} {'flash':>6} {'RAM':>6} {'instr.':>6}")
    bad = 0
    try:
        comparison = Comparison(DockerRunner(engine, server_id="bench-estimates"), build_shipped_image(engine, print))
        cases = product(models(), options.board or BOARDS, options.optimise or ("balanced",))
        with ThreadPoolExecutor(2) as pool:
            for row in pool.map(lambda case: comparison.row(*case[0], *case[1:]), cases):
                print(f"{row}{'   OUT OF TOLERANCE' if row.bad else ''}", flush=True)
                bad += row.bad
                for layer, found in row.layers if options.layers else []:
                    print(f"    {layer:30} {found:.3f}")
    finally:
        engine.close()
    print(f"{bad} rows with a figure more than a tenth off" if bad else "every figure is within a tenth")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
