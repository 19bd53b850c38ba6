"""Runs arm-none-eabi-gcc so that the same sources give the same bytes, and dies with the build."""

import os
import re
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from compiler.errors import Code, CompileError

from firmware_builder.boards import Board
from firmware_builder.request import Optimise

PREFIX = "arm-none-eabi-"
# What pays for each: -O3 for the model costs 1 % of flash more than -O2 and saves up to 3 % of the instructions.
_RUNTIME = {Optimise.BALANCED: "-O2", Optimise.SPEED: "-O2", Optimise.SIZE: "-Os"}
_MODEL = {Optimise.BALANCED: "-O2", Optimise.SPEED: "-O3", Optimise.SIZE: "-Os"}
_MODEL_SOURCE = "model.c"
_FLAGS = (
    "-std=c99",
    "-ffreestanding",
    "-fwrapv",  # the kernels' arithmetic wraps, as the oracle's does
    "-ffunction-sections",
    "-fdata-sections",
    "-fno-unwind-tables",
    "-fno-asynchronous-unwind-tables",
    "-fno-tree-loop-distribute-patterns",  # no loop becomes a call of the function it is in (memory.c)
    "-fno-ident",
    "-frandom-seed=tml",
    "-Wall",
    "-Wextra",
)
_LINK = (
    "-nostdlib",
    "-Wl,--gc-sections",
    "-Wl,--build-id=none",
    "-Wl,--no-warn-rwx-segments",
    "-Wl,-T,memory.ld",
    "-Wl,-T,sections.ld",
)
_SHOWN_OUTPUT = 1500


@dataclass(frozen=True, slots=True)
class Toolchain:
    """gcc and binutils, working in `folder` with relative names only, so that no path reaches the output."""

    folder: Path
    board: Board
    optimise: Optimise

    def version(self) -> str:
        """Version of gcc."""
        return self._run([f"{PREFIX}gcc", "-dumpfullversion"]).strip()

    def compile(self) -> list[str]:
        """Compiles every .c of the folder whose object is not there yet; the objects of all, by name."""
        objects: list[str] = []
        for source in sorted(self.folder.glob("*.c")):
            target = f"{source.stem}.o"
            objects.append(target)
            if (self.folder / target).exists():
                continue
            print(f"    {source.name}", flush=True)
            levels = _MODEL if source.name == _MODEL_SOURCE else _RUNTIME
            self._gcc([levels[self.optimise], *_FLAGS, "-c", source.name, "-o", target])
        return objects

    def build(self) -> None:
        """Compiles and links firmware.elf and firmware.bin."""
        objects = self.compile()
        self._gcc([*_LINK, *objects, "-lgcc", "-o", "firmware.elf"])
        self._run([f"{PREFIX}objcopy", "-O", "binary", "firmware.elf", "firmware.bin"])

    def _gcc(self, arguments: Sequence[str]) -> None:
        self._run([f"{PREFIX}gcc", *self.board.compiler_flags, *arguments])

    def _run(self, command: Sequence[str]) -> str:
        environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TMPDIR": str(self.folder)}
        try:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                start_new_session=True,  # a group of its own: gcc's children end with it
            )
        except FileNotFoundError as error:
            raise CompileError(
                Code.COMPILER_FAILED, f"{command[0]} is not on the PATH", "Install gcc-arm-none-eabi."
            ) from error
        try:
            output, _ = process.communicate()
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
        if process.returncode:
            raise _failure(command, output)
        if output and command[1] != "-dumpfullversion":
            print(output, end="", flush=True)
        return output


def _failure(command: Sequence[str], output: str) -> CompileError:
    overflow = re.search(r"region `(\w+)' overflowed by (\d+) bytes", output)
    if overflow:
        return CompileError(
            Code.MODEL_TOO_LARGE,
            f"the firmware does not fit: {overflow[1]} overflows by {overflow[2]} bytes",
            "Use a smaller model, fewer golden vectors, or a board with more memory.",
        )
    if "No space left on device" in output:
        return CompileError(Code.OUTPUT_FULL, "the disk is full while compiling", "Give more temporary space.")
    return CompileError(
        Code.COMPILER_FAILED,
        f"{' '.join(command)[:200]} failed: {output.strip()[-_SHOWN_OUTPUT:]}",
        "This is a defect of the builder; report it with the model.",
    )
