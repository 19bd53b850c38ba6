"""The container's entry point: the full form by the server, the simple form on a partner's desk."""

import argparse
import signal
import sys
import tempfile
import traceback
from pathlib import Path
from types import FrameType

from compiler.compile import compile_model
from compiler.errors import Code, CompileError
from compiler.parse import MAX_MODEL_BYTES

from firmware_builder.alone import choose_output, find_model, pseudo_random_inputs
from firmware_builder.boards import check_trains, find_board, load_boards
from firmware_builder.build import build, check_size
from firmware_builder.image import IMAGE
from firmware_builder.parts import table
from firmware_builder.request import (
    MODEL_FILE,
    check_tensors,
    default_request,
    read_file,
    read_golden_inputs,
    read_request,
)
from firmware_builder.result import RESULT_FILE, write_estimate, write_failure, write_success

EXIT_CANCELLED = 128 + signal.SIGTERM
ALONE_BOARD = "mps2-an386"


class Cancelled(BaseException):
    """SIGTERM arrived."""


def _cancel(_number: int, _frame: FrameType | None) -> None:
    raise Cancelled


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="cortex-m", description=__doc__)
    parser.add_argument("model", nargs="?", help="a model file, for the simple form")
    parser.add_argument("-o", "--out", type=Path, help="output folder (default /out)")
    parser.add_argument("--in", dest="folder", type=Path, default=Path("/in"), help="input folder (default /in)")
    parser.add_argument("--board", default=ALONE_BOARD, help="board, for the simple form")
    parser.add_argument(
        "--trainable-head", action="store_true", help="the device can train the last layer, for the simple form"
    )
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """0 when result.json says succeeded, 1 when it says failed, 143 after SIGTERM."""
    signal.signal(signal.SIGTERM, _cancel)
    try:
        options = _options(arguments)
        usual = Path("/out")
        out = (options.out or usual) if options.model is None else choose_output(options.out, usual)
        return _run(options, out)
    except Cancelled:
        print("cancelled", flush=True)
        return EXIT_CANCELLED


def _run(options: argparse.Namespace, out: Path) -> int:
    try:
        _build(options, out)
    except CompileError as error:
        return _failed(out, error)
    except Exception as error:  # noqa: BLE001 - the last resort: the server learns of every defect as a result
        traceback.print_exc(file=sys.stdout)
        return _failed(
            out,
            CompileError(Code.INTERNAL, f"{type(error).__name__}: {error}", "Report it with the model and the log."),
        )
    return 0


def _failed(out: Path, error: CompileError) -> int:
    print(f"failed: {error}", flush=True)
    try:
        write_failure(out, error)
    except (CompileError, OSError) as unwritten:
        print(f"result.json could not be written: {unwritten}", flush=True)
    return 1


def _build(options: argparse.Namespace, out: Path) -> None:
    alone = options.model is not None
    folder: Path = options.folder
    if not alone and not folder.is_dir():
        raise CompileError(
            Code.BAD_REQUEST, f"there is no input folder {folder}", "To build alone: docker run IMAGE mnist.tflite"
        )
    path = find_model(options.model, (folder, IMAGE / "samples")) if alone else folder / MODEL_FILE
    print(f"[1/5] reading {path.name}", flush=True)
    model = read_file(path, MAX_MODEL_BYTES)
    request = (
        default_request(options.board, model, trainable_head=options.trainable_head)
        if alone
        else read_request(folder, model)
    )
    boards = load_boards(IMAGE / "boards")
    board = find_board(boards, request.board)
    check_trains(boards, board, trainable_head=request.trainable_head)
    print(f"[2/5] compiling the model {request.model_sha256[:12]} ({len(model)} bytes)", flush=True)
    compiled = compile_model(model, trainable_head=request.trainable_head)
    check_tensors(request, compiled.graph)
    print(f"      {len(compiled.graph.nodes)} layers, arena {compiled.plan.arena_bytes} bytes", flush=True)
    print("[3/5] golden vectors", flush=True)
    golden = (
        pseudo_random_inputs(compiled.graph, request.model_sha256)
        if alone
        else read_golden_inputs(folder, compiled.graph)
    )
    check_size(compiled, board, golden)
    print(f"[4/5] building the firmware for {board.name}", flush=True)
    with tempfile.TemporaryDirectory(prefix="build-", dir=_temporary(out)) as temporary:
        firmware = build(compiled, request, board, golden, Path(temporary))
    for line in table(firmware.parts):
        print(f"      {line}", flush=True)
    flash, ram = len(firmware.image), firmware.bytes_in(board.ram_address, board.ram_bytes)
    files = [] if request.estimate else [image.file for image in firmware.images]
    print(f"[5/5] writing {', '.join([*files, RESULT_FILE])}", flush=True)
    if request.estimate:
        write_estimate(out, firmware, board)
        print(f"estimated: {flash} bytes of flash, {ram} of RAM", flush=True)
    else:
        write_success(out, firmware, request, board)
        print(f"succeeded: {out / files[0]}, {flash} bytes of flash, {ram} of RAM", flush=True)


def _temporary(out: Path) -> Path | None:
    """The system's temporary folder, or the output folder where the root is read-only and there is none."""
    try:
        tempfile.gettempdir()
    except FileNotFoundError:
        return out
    return None
