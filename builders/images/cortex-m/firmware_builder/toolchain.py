"""Runs arm-none-eabi-gcc so that the same sources give the same bytes, and dies with the build."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from compiler.errors import Code, CompileError

from firmware_builder.boards import Board
from firmware_builder.processes import run_all
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
_MEMORIES = {"FLASH": "flash", "RAM": "RAM"}
_SHOWN_OUTPUT = 1500


def runtime_level(optimise: Optimise) -> str:
    """The level at which all but the model is compiled: aims that share it share the objects."""
    return _RUNTIME[optimise]


@dataclass(frozen=True, slots=True)
class Toolchain:
    """gcc and binutils, working in `folder` with relative names only, so that no path reaches the output."""

    folder: Path
    board: Board
    optimise: Optimise

    def version(self) -> str:
        """Version of gcc."""
        return self._run([f"{PREFIX}gcc", "-dumpfullversion"]).strip()

    def build(self, name: str, *options: str) -> bytes:
        """Compiles what is in the folder and links it as bare firmware: what goes into the flash."""
        return self.link(name, self.compile(*options), scripts=("memory.ld", "sections.ld"))

    def compile(self, *options: str) -> list[str]:
        """Compiles every .c of the folder whose object is not there yet; the objects of all, by name."""
        return self.compile_all([source.name for source in sorted(self.folder.glob("*.c"))], *options)

    def compile_all(self, sources: Sequence[str], *options: str) -> list[str]:
        """Compiles those of the files, named from the folder, whose object is not there yet; the objects of all."""
        missing = [source for source in sources if not (self.folder / _object(source)).exists()]
        missing.sort(key=lambda source: source != _MODEL_SOURCE)  # what takes longest comes first
        for source in missing:
            print(f"    {source}", flush=True)
        self._show(*(self._compilation(source, _object(source), options) for source in missing))
        return [_object(source) for source in sources]

    def compile_one(self, source: str, *options: str, target: str) -> str:
        """One file as another object than its own; gives the object's name."""
        print(f"    {target}", flush=True)
        self._show(self._compilation(source, target, options))
        return target

    def _compilation(self, source: str, target: str, options: Sequence[str]) -> list[str]:
        levels = _MODEL if source == _MODEL_SOURCE else _RUNTIME
        arguments = [levels[self.optimise], *_FLAGS, *options, "-c", source, "-o", target]
        return [f"{PREFIX}gcc", *self.board.compiler_flags, *arguments]

    def link(
        self, name: str, objects: Sequence[str], *, scripts: Sequence[str], libraries: Sequence[str] = ()
    ) -> bytes:
        """Links `name`.elf and gives what of it goes into flash, which is `name`.bin as well."""
        script = [f"-Wl,-T,{script}" for script in scripts]
        ends = ["-Wl,--start-group", *libraries, "-lgcc", "-Wl,--end-group", f"-Wl,-Map,{name}.map"]
        arguments = [*_LINK, *script, *objects, *ends, "-o", f"{name}.elf"]
        try:
            self._show([f"{PREFIX}gcc", *self.board.compiler_flags, *arguments])
        except CompileError as error:
            raise self._too_large(name, scripts[0], error.message) or error from error
        self._run([f"{PREFIX}objcopy", "-O", "binary", f"{name}.elf", f"{name}.bin"])
        return (self.folder / f"{name}.bin").read_bytes()

    def _too_large(self, name: str, script: str, output: str) -> CompileError | None:
        """The refusal with numbers, where the linker's output says that a region of the script is too small."""
        overflow = re.search(r"region `(\w+)' overflowed by (\d+) bytes", output)
        region = overflow and re.search(
            rf"^ *{overflow[1]} .*LENGTH = (0x[0-9A-F]+)$", (self.folder / script).read_text("ascii"), re.MULTILINE
        )
        if not overflow or not region:
            return None
        there, what = int(region[1], 16), _MEMORIES.get(overflow[1], overflow[1])
        return CompileError(
            Code.MODEL_TOO_LARGE,
            f"{there + int(overflow[2])} bytes of {what} are needed for {name}; {self.board.name} has {there}",
            "Use a smaller model, fewer golden vectors, or a board with more memory.",
        )

    def _show(self, *commands: Sequence[str]) -> None:
        """Runs them; their warnings are part of the log."""
        if output := self._run(*commands):
            print(output, end="", flush=True)

    def _run(self, *commands: Sequence[str]) -> str:
        """Runs them, some at the same time; what they say."""
        texts = []
        for command, process in zip(commands, run_all(commands, self.folder), strict=True):
            if process.popen.returncode:
                raise _failure(command, process.text())
            texts.append(process.text())
        return "".join(texts)


def _object(source: str) -> str:
    return f"{source.removesuffix('.c')}.o"


def _failure(command: Sequence[str], output: str) -> CompileError:
    if "No space left on device" in output:
        return CompileError(Code.OUTPUT_FULL, "the disk is full while compiling", "Give more temporary space.")
    return CompileError(
        Code.COMPILER_FAILED,
        f"{' '.join(command)[:200]} failed: {output.strip()[-_SHOWN_OUTPUT:]}",
        "This is a defect of the builder; report it with the model.",
    )
