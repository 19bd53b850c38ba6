"""The network side of the device OS as a Linux program with sanitizers, over a core that keeps its slots in memory."""

import subprocess
from pathlib import Path

HERE = Path(__file__).parent
BUILDER = Path(__file__).parents[3] / "builders" / "images" / "cortex-m"
OS = BUILDER / "os"
LIBRARIES = BUILDER / "libraries"
_FLAGS = (
    "-std=c99",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-g",
    "-O1",
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=all",
    "-DMBEDTLS_CONFIG_FILE=<mbedtls_config.h>",
)
# The core is in memory, but that of the training is the real one.
_CORE = (
    *(HERE / "core_memory.c", HERE / "training_memory.c"),
    *(OS / "core" / name for name in ("crc32.c", "flash.c", "record.c")),
)


def missing() -> str | None:
    """Why nothing can be compiled here."""
    if not (LIBRARIES / "host" / "libmbedtls.a").exists():
        return "needs the device OS's libraries: tools/setup test makes them"
    return None


def compile_device(folder: Path) -> Path:
    """The program of device.c."""
    sources = [HERE / "device.c", *sorted((OS / "net").glob("*.c")), OS / "port" / "datagram_host.c"]
    return _compile(folder / "device", sources, [str(LIBRARIES / "host" / "libmbedtls.a")])


def compile_fuzzer(folder: Path) -> Path:
    """The program of fuzz.c: link and random numbers are its own."""
    return _compile(folder / "fuzz", [HERE / "fuzz.c"], [])


def _compile(target: Path, sources: list[Path], libraries: list[str]) -> Path:
    includes = [f"-I{OS}", f"-I{OS / 'port'}", f"-I{HERE}", f"-I{LIBRARIES / 'include'}"]
    shared = [source for name in ("lwm2m", "federation", "training") for source in sorted((OS / name).glob("*.c"))]
    files = [str(each) for each in (*sources, *_CORE, *shared)]
    bearssl = str(LIBRARIES / "host" / "libbearssl.a")
    subprocess.run(["gcc", *_FLAGS, *includes, *files, *libraries, bearssl, "-o", str(target)], check=True)
    return target
