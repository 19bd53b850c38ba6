"""Boards under QEMU with the device OS, built with this machine's compiler and signed with a key of the test."""

import hashlib
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tflite_micro
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from builders.contract import ImageKind
from builders.signing import sign_image
from edge.os_board import HOST
from edge.provisioning import Provisioning
from tests.support.device_os import BUILDER

BOARD = "mps2-an386-os"
SEED = bytes(range(32))
VECTORS = 4


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


def build(folder: Path, model: Path, *options: str) -> Build:
    """Compile, with the golden inputs that the builder makes up where it is given none."""
    builder = [sys.executable, "-B", str(BUILDER / "build.py")]
    command = [*builder, str(model), "--board", BOARD, "-o", str(folder), *options]
    subprocess.run(command, check=True, stdout=subprocess.PIPE)
    content = model.read_bytes()
    oracle = Oracle(content)
    name = hashlib.sha256(content)
    inputs = [
        hashlib.shake_256(f"{name.hexdigest()}/{each}/0".encode()).digest(oracle.bytes) for each in range(VECTORS)
    ]
    return Build(folder, name.digest(), tuple(map(oracle.output, inputs)))


class Oracle:
    """What tflite-micro computes."""

    def __init__(self, model: bytes) -> None:
        self._interpreter = tflite_micro.runtime.Interpreter.from_bytes(model)
        self._shape = self._interpreter.get_input_details(0)["shape"]
        self.bytes = int(np.prod(self._shape))

    def output(self, values: bytes) -> bytes:
        """The output of an int8 input."""
        self._interpreter.set_input(np.frombuffer(values, np.int8).reshape(self._shape), 0)
        self._interpreter.invoke()
        return bytes(self._interpreter.get_output(0).tobytes())


def provisioning(
    key: ec.EllipticCurvePrivateKey,
    endpoint: str,
    port: int,
    psk: bytes | None = None,
    lifetime: int = 60,
    period_us: int = 100_000,
) -> Provisioning:
    """A page: over DTLS with a key, with the endpoint as its identity."""
    point = key.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    return Provisioning(
        endpoint=endpoint,
        server=f"{'coap' if psk is None else 'coaps'}://{HOST}:{port}",
        board=BOARD,
        signing_key=point,
        seed=SEED,
        identity="" if psk is None else endpoint,
        key=psk or b"",
        lifetime_s=lifetime,
        period_us=period_us,
    )
