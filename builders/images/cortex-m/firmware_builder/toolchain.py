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

    def build(self) -> None:
        """Compiles and links firmware.elf and firmware.bin."""
        self.link("firmware", self.compile(), scripts=("memory.ld", "sections.ld"))

    def compile(self, *options: str) -> list[str]:
        """Compiles every .c of the folder whose object is not there yet; the objects of all, by name."""
        sources = [source.name for source in sorted(self.folder.glob("*.c"))]
        for source in sources:
            if not (self.folder / source).with_suffix(".o").exists():
                self.compile_one(source, *options)
        return [f"{source.removesuffix('.c')}.o" for source in sources]

    def compile_one(self, source: str, *options: str, target: str | None = None) -> str:
        """One file, named from the folder; gives the object's name."""
        print(f"    {target or source}", flush=True)
        target = target or f"{source.removesuffix('.c')}.o"
        levels = _MODEL if source == _MODEL_SOURCE else _RUNTIME
        self._gcc([levels[self.optimise], *_FLAGS, *options, "-c", source, "-o", target])
        return target

    def link(
        self, name: str, objects: Sequence[str], *, scripts: Sequence[str], libraries: Sequence[str] = ()
    ) -> bytes:
        """Links `name`.elf and gives what of it goes into flash, which is `name`.bin as well."""
        script = [f"-Wl,-T,{script}" for script in scripts]
        ends = ["-Wl,--start-group", *libraries, "-lgcc", "-Wl,--end-group", f"-Wl,-Map,{name}.map"]
        self._gcc([*_LINK, *script, *objects, *ends, "-o", f"{name}.elf"])
        self._run([f"{PREFIX}objcopy", "-O", "binary", f"{name}.elf", f"{name}.bin"])
        return (self.folder / f"{name}.bin").read_bytes()

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
            f"the image does not fit: {overflow[1]} overflows by {overflow[2]} bytes",
            "Use a smaller model, fewer golden vectors, or a board with more memory.",
        )
    if "No space left on device" in output:
        return CompileError(Code.OUTPUT_FULL, "the disk is full while compiling", "Give more temporary space.")
    return CompileError(
        Code.COMPILER_FAILED,
        f"{' '.join(command)[:200]} failed: {output.strip()[-_SHOWN_OUTPUT:]}",
        "This is a defect of the builder; report it with the model.",
    )
