"""Boards under QEMU with the device OS, built with this machine's compiler and signed with a key of the test."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from builders.contract import ImageKind
from builders.signing import sign_image
from edge.os_board import HOST, OsBoard
from edge.provisioning import Provisioning
from tests.support.device_os import BUILDER

BOARD = "mps2-an386-os"
SEED = bytes(range(32))
_OUTPUT = "output="


@dataclass(frozen=True)
class Build:
    """What the builder made for a model, and what its golden vectors give."""

    folder: Path
    model_sha256: bytes
    golden_outputs: tuple[bytes, ...]

    @property
    def abi(self) -> bytes:
        """What firmware and model agree in."""
        return bytes.fromhex(json.loads((self.folder / "result.json").read_text())["model_slot"]["abi"])

    def signed(self, key: ec.EllipticCurvePrivateKey, slot: str, version: str, counter: int = 1) -> bytes:
        """The image for a slot: `firmware`, `model-a` or `model-b`."""
        return sign_image(
            (self.folder / f"{slot}.bin").read_bytes(),
            key=key,
            kind=ImageKind.FIRMWARE if slot == "firmware" else ImageKind.MODEL,
            version=version,
            security_counter=counter,
            board=BOARD,
            model_sha256=self.model_sha256,
            golden_outputs=self.golden_outputs,
            slot=slot,
            slot_size=0x3E0000 if slot == "firmware" else 0x100000,
            abi=self.abi,
        )

    @property
    def bootloader(self) -> bytes:
        """The machine's ROM."""
        return (self.folder / "bootloader.bin").read_bytes()


def build(folder: Path, model: Path) -> Build:
    """Compile; the golden outputs are not known yet."""
    import hashlib

    command = [sys.executable, str(BUILDER / "build.py"), str(model), "--board", BOARD, "-o", str(folder)]
    subprocess.run(command, check=True, stdout=subprocess.PIPE)
    return Build(folder, hashlib.sha256(model.read_bytes()).digest(), ())


async def learn_golden_outputs(made: Build, key: ec.EllipticCurvePrivateKey, folder: Path) -> Build:
    """Run the firmware once: what it computes on its console is what later images promise."""
    board = OsBoard(folder, board=BOARD)
    board.manufacture(made.bootloader, made.signed(key, "firmware", "1.0.0+1"), provisioning(key, "first", 1))
    await board.start()
    try:
        await board.wait_for("@tml ready")
        lines = [line for line in board.console() if line.startswith("@tml golden")]
    finally:
        await board.cut()
    outputs = tuple(bytes.fromhex(line.split(_OUTPUT)[1]) for line in lines)
    return Build(made.folder, made.model_sha256, outputs)


def provisioning(
    key: ec.EllipticCurvePrivateKey, endpoint: str, port: int, psk: bytes | None = None, lifetime: int = 60
) -> Provisioning:
    """A page: over DTLS with a key, with the endpoint as its identity."""
    point = key.public_key().public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    )
    return Provisioning(
        endpoint=endpoint,
        server=f"{'coap' if psk is None else 'coaps'}://{HOST}:{port}",
        board=BOARD,
        signing_key=point,
        seed=SEED,
        identity="" if psk is None else endpoint,
        key=psk or b"",
        lifetime_s=lifetime,
    )
