"""The core of the device OS on this machine: images made by hand and signed for real, and the program that runs it."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from builders.contract import ImageKind
from builders.signing import sign_image
from edge.os_board import FIRMWARE_A, FLASH_BYTES, PROVISIONING
from edge.provisioning import Provisioning

HERE = Path(__file__).parent
BUILDER = Path(__file__).parents[3] / "builders" / "images" / "cortex-m"
BOARD = "host-os"
ABI = bytes(range(32))
INPUT_BYTES = 24
VECTORS = 3
FIRST_STATE = 0xA5  # of a simulated model; it counts inferences

_FLASH, _EXEC, _RAM = 0x21000000, 0x20000, 0x20000000
_SLOTS = {"firmware": (_EXEC, _RAM), "model-a": (0x21800200, 0x20200000), "model-b": (0x21900200, 0x20300000)}
_MODEL_IMAGE = struct.Struct("<IHH32s18I32s24s")
_HEAD = struct.Struct("<IIfifi5I")
FEATURE_SCALE, OUTPUT_SCALE = 0.0625, 1 / 256
_LIBRARY = BUILDER / "libraries" / "host" / "libbearssl.a"
_SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")


def missing() -> str | None:
    """Why the program cannot be compiled here."""
    if not _LIBRARY.exists():
        return "needs the device OS's libraries: tools/setup test makes them"
    return None


def compile_core(folder: Path, *, board: str = BOARD, sanitize: bool = True) -> Path:
    """The program of program.c; with sanitizers it is several times slower."""
    target = folder / "core"
    sources = [*sorted((BUILDER / "os" / "core").glob("*.c")), *sorted(HERE.glob("*.c"))]
    sources = [source for source in sources if source.name != "built_in.c"]
    sources += sorted((BUILDER / "os" / "training").glob("*.c"))
    sources += [BUILDER / "os" / "boot" / name for name in ("boot_choose.c", "boot_decide.c")]
    # The simulated board's headers come before the firmware's.
    includes = [HERE, BUILDER / "os", BUILDER / "libraries" / "include", BUILDER / "firmware"]
    subprocess.run(
        [
            *("gcc", "-std=gnu99", "-ffp-contract=off", "-g", "-O2", "-Wall", "-Wextra", "-Werror"),
            f'-DBOARD_NAME="{board}"',
            *(_SANITIZERS if sanitize else ()),
            *(f"-I{folder}" for folder in includes),
            *map(str, sources),
            *(str(_LIBRARY), "-o", str(target)),
        ],
        check=True,
    )
    return target


@dataclass(frozen=True)
class Image:
    """What an image is, and in which ways it is not what it should be."""

    kind: ImageKind = ImageKind.FIRMWARE
    slot: str = "firmware"
    version: str = "2.0.0+0"
    counter: int = 1
    board: str = BOARD
    abi: bytes = ABI
    model: bytes = b"\x5a" * 32
    behaviour: str = "good"
    padding: int = 3000
    signed_slot: str = ""
    raw: bytes = b""
    head_features: int = 0
    """Of a head that can be trained, with as many outputs as the input has bytes."""
    broken_head: bytes = b""
    """In place of what describes it."""

    def payload(self) -> bytes:
        """The simulated program: a header, its tables, golden inputs, and bytes that nobody reads."""
        if self.raw:
            return self.raw
        constants, ram = _SLOTS[self.slot]
        header = constants + (16 if self.kind is ImageKind.FIRMWARE else 0)
        tables = header + _MODEL_IMAGE.size
        golden = tables + 16
        head = self._head_at(header)
        own = self.kind is ImageKind.FIRMWARE
        memory = (0,) * 5 if own else (ram, ram + 16, golden, ram + 16, ram + 4096)
        model_image = _MODEL_IMAGE.pack(
            *(0x4D4C4D54, 3, _MODEL_IMAGE.size, self.abi, *memory, 2048, 1, 1),
            *(tables, tables + 4, tables + 8, tables + 12, golden | 1, golden | 1, VECTORS, golden),
            *(0 if self.head_features else 1, head if self.head_features else 0),
            *(self.model, self.behaviour.encode()),
        )
        table = struct.pack("<4I", ram + 64, INPUT_BYTES, ram + 1024, INPUT_BYTES)
        rest = bytes(value * 7 & 0xFF for value in range(self.padding))
        parts = (model_image, table, *self.inputs(), self._head(ram) if self.head_features else b"", rest)
        return (b"\x00" * 16 if own else b"") + b"".join(parts)

    def head_description(self) -> bytes:
        """What a header says of a head."""
        constants, _ = _SLOTS[self.slot]
        where = self._head_at(constants + (16 if self.kind is ImageKind.FIRMWARE else 0)) + _HEAD.size
        weights = where + 4
        scales = weights + INPUT_BYTES * self.head_features
        return _HEAD.pack(
            *(self.head_features, INPUT_BYTES, FEATURE_SCALE, 0, OUTPUT_SCALE, -128),
            *(1, where, weights, scales, scales + 4 * INPUT_BYTES),
        )

    @staticmethod
    def _head_at(header: int) -> int:
        return header + _MODEL_IMAGE.size + 16 + VECTORS * INPUT_BYTES

    def _head(self, ram: int) -> bytes:
        """The description, where the features lie, and weights: all of them 0 but the biases, which count."""
        return b"".join(
            (
                self.broken_head or self.head_description(),
                struct.pack("<I", ram + 2048),
                bytes(INPUT_BYTES * self.head_features),
                struct.pack(f"<{INPUT_BYTES}f", *[0.5] * INPUT_BYTES),
                struct.pack(f"<{INPUT_BYTES}i", *range(INPUT_BYTES)),
            )
        )

    def inputs(self) -> list[bytes]:
        """The golden inputs."""
        return [bytes((vector * 31 + at) & 0xFF for at in range(INPUT_BYTES)) for vector in range(VECTORS)]

    def outputs(self) -> list[bytes]:
        """What the simulated model makes of them, one after the other from its first state."""
        states = range(FIRST_STATE, FIRST_STATE + VECTORS)
        return [
            bytes(value ^ self.model[0] ^ state for value in vector)
            for vector, state in zip(self.inputs(), states, strict=True)
        ]

    def signed(self, key: ec.EllipticCurvePrivateKey) -> bytes:
        """As the server signs it."""
        return sign_image(
            self.payload(),
            key=key,
            kind=self.kind,
            version=self.version,
            security_counter=self.counter,
            board=self.board,
            model_sha256=self.model,
            golden_outputs=self.outputs(),
            slot=self.signed_slot or self.slot,
            slot_size=0x3E0000 if self.kind is ImageKind.FIRMWARE else 0x100000,
            abi=self.abi,
        )


def a_model(**changes: object) -> Image:
    """A model for slot A."""
    image = Image(kind=ImageKind.MODEL, slot="model-a", model=b"\x77" * 32, padding=2000)
    return replace(image, **changes)  # type: ignore[arg-type] # the fields' types are those of Image


def make_key(secret: int = 1) -> ec.EllipticCurvePrivateKey:
    """A key that is the same each time."""
    return ec.derive_private_key(secret, ec.SECP256R1())


def public_point(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The uncompressed point, as the provisioning page has it."""
    return key.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)


def flash_with(firmware: bytes, key: ec.EllipticCurvePrivateKey, *, confirm_s: int = 20) -> bytes:
    """A flash as it leaves manufacture."""
    page = Provisioning(
        endpoint="board-1",
        server="coap://127.0.0.1:5683",
        board=BOARD,
        signing_key=public_point(key),
        seed=bytes(32),
        confirm_s=confirm_s,
    )
    flash = bytearray(b"\xff" * FLASH_BYTES)
    for at, part in ((FIRMWARE_A, firmware), (PROVISIONING, page.encode())):
        flash[at : at + len(part)] = part
    return bytes(flash)


@dataclass(frozen=True)
class Delivery:
    """What `core deliver` or `core power` said."""

    lines: tuple[str, ...]
    flash: bytes = b""
    """At the end of `core deliver`."""

    def __getitem__(self, name: str) -> str:
        return next(line.removeprefix(f"{name} ") for line in self.lines if line.startswith(f"{name} "))


@dataclass(frozen=True)
class Core:
    """The compiled program, and the folder that its files go to."""

    program: Path
    folder: Path
    key: ec.EllipticCurvePrivateKey

    def _files(self, package: bytes, running: Image | None) -> tuple[str, str]:
        flash, file = self.folder / "flash.bin", self.folder / "package.bin"
        flash.write_bytes(flash_with((running or Image(version="1.0.0+0")).signed(self.key), self.key))
        file.write_bytes(package)
        return str(flash), str(file)

    def deliver(
        self,
        package: bytes,
        target: str = "firmware",
        *,
        running: Image | None = None,
        mute: bool = False,
        worn: int = 0,
        network_fails: int = 0,
        registers_at: int = 3,
        onto: bytes | None = None,
    ) -> Delivery:
        """Give a board one package, and let it end as it will: one fresh from manufacture, or one with this flash.

        To a mute one its server does not answer. A worn one cannot write its boot record: 1 while a firmware is on
        trial, 2 never. Its network starts after that many failures, and it has registered in that turn of the loop.
        """
        flash, file = self._files(package, running)
        if onto is not None:
            Path(flash).write_bytes(onto)
        after = self.folder / "after.bin"
        process = subprocess.run(
            [self.program, "deliver", flash, target, file, str(after)],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env={
                "CORE_WORN": str(worn),
                "CORE_NETWORK_FAILS": str(network_fails),
                "CORE_REGISTERS_AT": str(registers_at),
                **({"CORE_MUTE": "1"} if mute else {}),
            },
        )
        assert process.returncode == 0, process.stdout + process.stderr
        return Delivery(tuple(process.stdout.splitlines()), after.read_bytes())

    def stage(self, flash: bytes, package: bytes, target: str = "firmware") -> bytes:
        """The flash of a board that was given the package and is about to start it, at the reset that comes then."""
        before, file, after = (self.folder / name for name in ("flash.bin", "package.bin", "after.bin"))
        before.write_bytes(flash)
        file.write_bytes(package)
        subprocess.run([self.program, "stage", before, target, file, after], check=True, timeout=120)
        return after.read_bytes()

    def learn(self, flash: bytes, script: Sequence[str]) -> Delivery:
        """One life of a board that trains by a script (learn.c): what it says, and its flash."""
        before, lines, after = (self.folder / name for name in ("flash.bin", "script.txt", "after.bin"))
        before.write_bytes(flash)
        lines.write_text("\n".join(script) + "\n")
        said = self._run("learn", before, lines, after)
        return Delivery(tuple(said.splitlines()), after.read_bytes())

    def learn_with_cuts(self, flash: bytes, script: Sequence[str], *, first: int = 1, step: int = 1) -> list[list[str]]:
        """The same once for each operation that power is lost at: what the lives of each time say, as lines."""
        before, lines = self.folder / "flash.bin", self.folder / "script.txt"
        before.write_bytes(flash)
        lines.write_text("\n".join(script) + "\n")
        said = self._run("learn-power", before, lines, str(first), str(step))
        return [part.splitlines()[1:] for part in said.split("cut ")[1:]]

    def _run(self, *arguments: str | Path) -> str:
        process = subprocess.run([self.program, *arguments], capture_output=True, text=True, timeout=600, check=False)
        assert process.returncode == 0, process.stdout[-3000:] + process.stderr[-3000:]
        return process.stdout

    def cut_power(self, package: bytes, target: str, *, first: int = 1, step: int = 1, second: int = 0) -> Delivery:
        """Run the whole update once for each operation that power is lost at."""
        flash, file = self._files(package, None)
        process = subprocess.run(
            [self.program, "power", flash, target, file, str(first), str(step), str(second)],
            capture_output=True,
            text=True,
            timeout=3600,
            check=False,
        )
        assert process.returncode == 0, process.stdout + process.stderr
        return Delivery(tuple(process.stdout.splitlines()))
