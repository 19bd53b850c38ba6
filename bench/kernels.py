"""Instructions, flash and RAM of five models' firmware, beside TensorFlow Lite Micro with CMSIS-NN at -O2.

    python bench/kernels.py [--board mps2-an386] [--optimise balanced] [--layers]
    python bench/kernels.py --board mps3-an547 --cpu cortex-m55+nomve    # what the vectors of Cortex-M55 are worth

Firmware is built by the reference builder and counted in QEMU (`-icount shift=0`: one instruction is one nanosecond);
its outputs are compared with the tflite-micro interpreter. Models of MLPerf Tiny that lie in ../shared/models are taken
as they are; the others are made by bench/kernel_models.py and kept in the temporary folder.
"""

import argparse
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tflite_micro

ROOT = Path(__file__).resolve().parents[1]
IMAGE = ROOT / "builders" / "images" / "cortex-m"
SHARED = ROOT.parent / "shared" / "models"
CACHE = Path(tempfile.gettempdir()) / "tinymlaas-bench-models"
HEADER = 0x200
FLASH = 16 * 1024 * 1024
BOOT_SECONDS = 120
VECTORS = 2
RESET_VECTOR = {"mps2-an505": 0x10000000}
# Its memory file would be 2 GiB of DDR: the payload is loaded into the code SRAM instead.
LOADED = {"mps3-an547": 0x01000000}
BOARDS = ("mps2-an385", "mps2-an386", "mps2-an500", "mps2-an505", *LOADED)


@dataclass(frozen=True)
class Reference:
    """TFLM of 2026-08-20 with CMSIS-NN of 2026-07-15 at -O2 on Cortex-M4: bytes are those of the whole program."""

    instructions: float
    flash: int
    arena: int


MODELS = {
    "kws_ref_model": Reference(7.70e6, 143_300, 22_800),
    "mobilenet-v1-0.25": Reference(24.1e6, 422_600, 100_700),
    "resnet-8": Reference(29.9e6, 182_800, 55_000),
    "ad01_int8": Reference(0.583e6, 313_700, 2_580),
    "wakeword": Reference(2.23e6, 160_700, 16_600),
}


@dataclass(frozen=True)
class Measured:
    """One model's firmware. RAM is the arena with all scratch; flash is without the golden vectors."""

    instructions: float
    flash: int
    arena: int
    exact: bool
    layers: list[tuple[str, str, float]]


def models() -> dict[str, Path]:
    """The files, made where they are missing."""
    found = {name: SHARED / f"{name}.tflite" for name in MODELS}
    found = {name: path if path.exists() else CACHE / path.name for name, path in found.items()}
    missing = [name for name, path in found.items() if not path.exists() and path.parent == CACHE]
    made = [name for name in missing if name in {"resnet-8", "mobilenet-v1-0.25", "wakeword"}]
    if made:
        CACHE.mkdir(exist_ok=True)
        print(f"making {', '.join(made)} with TensorFlow", file=sys.stderr)
        subprocess.run(
            [sys.executable, "-m", "bench.kernel_models", str(CACHE), *made], check=True, cwd=ROOT, capture_output=True
        )
    return {name: path for name, path in found.items() if path.exists()}


def builder_for(cpu: str, board: str, folder: Path) -> Path:
    """A copy of the builder that compiles the board's firmware for another processor."""
    image = folder / "image"
    shutil.copytree(IMAGE, image)
    file = image / "boards" / f"{board}.json"
    described = json.loads(file.read_text())
    others = [flag for flag in described["compiler_flags"] if not flag.startswith("-mcpu=")]
    file.write_text(json.dumps(described | {"compiler_flags": [f"-mcpu={cpu}", *others]}))
    return image / "build.py"


def measure(model: bytes, board: str, optimise: str, builder: Path) -> Measured:
    """Build, boot and compare."""
    with tempfile.TemporaryDirectory(prefix="bench-kernels-") as temporary:
        folder = Path(temporary)
        expected = _request(model, board, optimise, folder)
        built = subprocess.run(
            [sys.executable, "-B", str(builder), "--in", temporary, "--out", temporary],
            check=False,
            capture_output=True,
            text=True,
        )
        if built.returncode:
            raise SystemExit(built.stdout)
        result = json.loads((folder / "result.json").read_text())
        lines = _boot((folder / "firmware.bin").read_bytes(), board, folder)
    golden = [line for line in lines if line["kind"] == "golden"]
    # A tick is 10^9 / hz instructions: under -icount shift=0 an instruction takes a nanosecond.
    per_tick = 1e9 / int(lines[-1]["hz"])
    sections = {section["name"]: section["size"] for section in result["sections"]}
    return Measured(
        instructions=max(int(line["ticks"]) for line in golden) * per_tick,
        flash=result["memory"]["flash_bytes"] - sections[".golden"],
        arena=result["memory"]["arena_bytes"],
        exact=[line["output"] for line in golden] == expected,
        layers=[(each["name"], each["operator"], each["instructions"]) for each in result["performance"]["layers"]],
    )


def _request(model: bytes, board: str, optimise: str, folder: Path) -> list[str]:
    """Writes the builder's input; returns the outputs that the oracle expects."""
    interpreter = tflite_micro.runtime.Interpreter.from_bytes(model)
    source, target = interpreter.get_input_details(0), interpreter.get_output_details(0)
    rng = np.random.default_rng(1)
    vectors: list[dict[str, list[str]]] = []
    for _ in range(VECTORS):
        values = rng.integers(-128, 128, source["shape"]).astype(np.int8)
        interpreter.set_input(values, 0)
        interpreter.invoke()
        vectors.append({"inputs": [values.tobytes().hex()], "outputs": [interpreter.get_output(0).tobytes().hex()]})

    def tensor(details: dict[str, object]) -> dict[str, object]:
        shape = np.asarray(details["shape"]).tolist()
        return {"name": "x", "shape": shape, "dtype": "int8", "scale": 1.0, "zero_point": 0}

    described = {
        "contract": 1,
        "model": {
            "name": "model",
            "version": 1,
            "sha256": hashlib.sha256(model).hexdigest(),
            "file": "model.tflite",
        },
        "tensors": {"inputs": [tensor(source)], "outputs": [tensor(target)]},
        "board": board,
        "parameters": {"optimise": optimise},
        "firmware_version": "1.0.0+0",
        "source_date_epoch": 0,
    }
    (folder / "model.tflite").write_bytes(model)
    (folder / "build.json").write_text(json.dumps(described))
    (folder / "golden.json").write_text(json.dumps({"contract": 1, "tolerance": 0, "vectors": vectors}))
    return [vector["outputs"][0] for vector in vectors]


def _boot(payload: bytes, board: str, folder: Path) -> list[dict[str, str]]:
    flash, alias, uart = folder / "flash.bin", folder / "alias.bin", folder / "uart.txt"
    with flash.open("wb") as stream:
        if board not in LOADED:
            stream.truncate(FLASH)
            stream.seek(HEADER)
        stream.write(payload)
    if board in LOADED:
        machine = ["-M", board, "-device", f"loader,file={flash},addr={LOADED[board] + HEADER:#x},force-raw=on"]
    else:
        backend = f"memory-backend-file,id=flash,size=16M,mem-path={flash},share=on"
        machine = ["-object", backend, "-M", f"{board},memory-backend=flash"]
    alias.write_bytes(payload[:8])
    process = subprocess.Popen(
        [
            "qemu-system-arm",
            *machine,
            *("-device", f"loader,file={alias},addr={RESET_VECTOR.get(board, 0):#x},force-raw=on"),
            *("-nographic", "-monitor", "none", "-serial", f"file:{uart}", "-icount", "shift=0", "-nic", "none"),
        ],
        stdin=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + BOOT_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            text = uart.read_text("ascii") if uart.exists() else ""
            if re.search(r"^@tml (ready|fault) .*\n", text, re.MULTILINE):
                return [_fields(line) for line in text.splitlines() if line.startswith("@tml ")]
            time.sleep(0.05)
    finally:
        process.kill()
        process.wait()
    raise SystemExit(f"{board} did not report in {BOOT_SECONDS} s")


def _fields(line: str) -> dict[str, str]:
    _, kind, *pairs = line.split(" ")
    return {"kind": kind, **dict(pair.split("=", 1) for pair in pairs)}


def main() -> None:
    """Prints the table; exits with 1 when a firmware is not exact."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--board", choices=BOARDS, default="mps2-an386")
    parser.add_argument("--optimise", choices=("balanced", "speed", "size"), default="balanced")
    parser.add_argument("--cpu", help="another processor than the board's, as gcc's -mcpu names it")
    parser.add_argument("--layers", action="store_true", help="also print each layer")
    options = parser.parse_args()
    print(
        f"{options.board}, optimise={options.optimise}; in brackets: the share of TFLM with CMSIS-NN -O2 on Cortex-M4"
    )
    print(f"{'model':20} {'instructions':>20} {'flash bytes':>18} {'arena bytes':>16}  exact")
    with tempfile.TemporaryDirectory(prefix="bench-builder-") as folder:
        builder = builder_for(options.cpu, options.board, Path(folder)) if options.cpu else IMAGE / "build.py"
        exact = _table(options, builder)
    sys.exit(0 if exact else 1)


def _table(options: argparse.Namespace, builder: Path) -> bool:
    """A row for each model; whether all are exact."""
    exact = True
    for name, path in models().items():
        measured = measure(path.read_bytes(), options.board, options.optimise, builder)
        reference = MODELS[name]
        exact = exact and measured.exact
        print(
            f"{name:20} {measured.instructions / 1e6:11.3f} M ({measured.instructions / reference.instructions:4.2f})"
            f" {measured.flash:11} ({measured.flash / reference.flash:4.2f})"
            f" {measured.arena:9} ({measured.arena / reference.arena:4.2f})  {'yes' if measured.exact else 'NO'}"
        )
        for layer, kind, instructions in measured.layers if options.layers else []:
            print(f"    {layer:9} {kind:22} {instructions:12.0f}")
    return exact


if __name__ == "__main__":
    main()
