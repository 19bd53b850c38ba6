"""Signed firmware for the emulated board, made with the Arm compiler and imgtool, and a board folder with a comma."""

import struct
import subprocess
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from imgtool.main import imgtool

from edge.qemu import QemuBoard

FIRMWARE = Path(__file__).parent / "firmware"
MODEL = "5a" * 32
GOLDEN = (bytes(range(4)), bytes(range(16, 20)))
BEHAVIOURS = ("GOOD", "HANG", "HARD_FAULT", "WRONG_BYTE", "LOCKUP", "NOISE")

Build = Callable[..., bytes]


@dataclass(frozen=True)
class Keys:
    private: Path
    public: Path

    @property
    def public_pem(self) -> bytes:
        return self.public.read_bytes()


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    folder = tmp_path_factory.mktemp("keys")
    key = ec.generate_private_key(ec.SECP256R1())
    keys = Keys(folder / "private.pem", folder / "public.pem")
    keys.private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    keys.public.write_bytes(
        key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return keys


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory, keys: Keys) -> Build:
    """build(version, behaviour="GOOD", counter=1, pad=0) gives a signed image; `pad` bytes make it larger."""
    folder = tmp_path_factory.mktemp("firmware")
    made: dict[tuple[str, str, int, int], bytes] = {}

    def make(version: str, behaviour: str = "GOOD", counter: int = 1, pad: int = 0) -> bytes:
        wanted = (version, behaviour, counter, pad)
        if wanted not in made:
            payload = _compile(folder, version, behaviour) + bytes(pad)
            made[wanted] = _sign(folder, keys, payload, version, counter)
        return made[wanted]

    return make


@pytest.fixture
async def board(tmp_path: Path) -> AsyncIterator[QemuBoard]:
    board = QemuBoard(tmp_path / "a,comma", boot_deadline=5)
    yield board
    await board.power_off()


def _compile(folder: Path, version: str, behaviour: str) -> bytes:
    elf, binary = folder / "firmware.elf", folder / "firmware.bin"
    flags = ["-mcpu=cortex-m4", "-mthumb", "-O1", "-ffreestanding", "-nostdlib", "-Wall", "-Wextra", "-Werror"]
    flags += [f'-DVERSION="{version}"', f'-DMODEL="{MODEL}"', f"-DBEHAVIOUR={behaviour}", "-Wl,--build-id=none"]
    source, script = FIRMWARE / "firmware.c", FIRMWARE / "board.ld"
    subprocess.run(["arm-none-eabi-gcc", *flags, "-T", str(script), str(source), "-lgcc", "-o", str(elf)], check=True)
    subprocess.run(["arm-none-eabi-objcopy", "-O", "binary", str(elf), str(binary)], check=True)
    return binary.read_bytes()


def _sign(folder: Path, keys: Keys, payload: bytes, version: str, counter: int) -> bytes:
    source, target = folder / "payload.bin", folder / "signed.bin"
    source.write_bytes(payload)
    golden = struct.pack("<HI", len(GOLDEN), len(GOLDEN[0])) + b"".join(GOLDEN)
    arguments = ["sign", "-v", version, "-H", "0x200", "--pad-header", "-S", hex(4 << 20), "--align", "1"]
    arguments += ["-s", str(counter), "-k", str(keys.private)]
    for tag, content in {0xA0: b"mps2-an386", 0xA1: bytes.fromhex(MODEL), 0xA2: golden}.items():
        tlv = folder / f"tlv-{tag:x}.bin"
        tlv.write_bytes(content)
        arguments += ["--custom-tlv-file", hex(tag), str(tlv)]
    imgtool.main([*arguments, str(source), str(target)], standalone_mode=False)
    return target.read_bytes()
