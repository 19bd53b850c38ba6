"""Real firmware with the device OS, made by the builder of this tree, and what its golden vectors must give."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from builders.contract import FirmwareVersion, ImageKind, ModelRef, Tensor, build_request_json, golden_json
from builders.signing import sign_image
from edge.provisioning import Provisioning
from tests.support.os_core import BUILDER, public_point
from zoo.inspect import TensorReport
from zoo.oracle import probe

BOARD = "mps2-an386-os"
ZOO = Path(__file__).parents[3] / "zoo" / "catalog"
VECTORS = 4


@dataclass(frozen=True)
class Build:
    """The folder that the builder wrote, and what the oracle says."""

    folder: Path
    board: str
    model_sha256: bytes
    golden_outputs: tuple[bytes, ...]

    @property
    def result(self) -> dict[str, object]:
        """result.json."""
        document: dict[str, object] = json.loads((self.folder / "result.json").read_text())
        return document

    @property
    def abi(self) -> bytes:
        """What firmware and models agree in."""
        model_slot = self.result["model_slot"]
        assert isinstance(model_slot, dict)
        return bytes.fromhex(model_slot["abi"])

    @property
    def bootloader(self) -> bytes:
        """The machine's ROM."""
        return (self.folder / "bootloader.bin").read_bytes()

    def payload(self, slot: str = "firmware") -> bytes:
        """The unsigned image for a slot."""
        return (self.folder / f"{slot}.bin").read_bytes()

    def signed(
        self,
        key: ec.EllipticCurvePrivateKey,
        slot: str = "firmware",
        version: str = "1.0.0+0",
        *,
        counter: int = 1,
        payload: bytes | None = None,
        golden_outputs: tuple[bytes, ...] | None = None,
    ) -> bytes:
        """As the server signs it."""
        return sign_image(
            payload or self.payload(slot),
            key=key,
            kind=ImageKind.FIRMWARE if slot == "firmware" else ImageKind.MODEL,
            version=version,
            security_counter=counter,
            board=self.board,
            model_sha256=self.model_sha256,
            golden_outputs=golden_outputs or self.golden_outputs,
            slot=slot,
            slot_size=0x3E0000 if slot == "firmware" else 0x100000,
            abi=self.abi,
        )


def build(folder: Path, name: str, *, board: str = BOARD, version: str = "1.0.0+0") -> Build:
    """Build a model of the zoo as the server has it built."""
    model = (ZOO / name / f"{name}.tflite").read_bytes()
    digest = hashlib.sha256(model)
    probed = probe(model, count=VECTORS)
    source, out = folder / "in", folder / "out"
    source.mkdir(parents=True)
    out.mkdir()
    (source / "model.tflite").write_bytes(model)
    request = build_request_json(
        model=ModelRef(name, 1, digest.hexdigest()),
        inputs=[_tensor(tensor) for tensor in probed.report.inputs],
        outputs=[_tensor(tensor) for tensor in probed.report.outputs],
        board=board,
        parameters={},
        firmware_version=FirmwareVersion.parse(version),
        source_date_epoch=1767225600,
    )
    (source / "build.json").write_bytes(request)
    (source / "golden.json").write_bytes(golden_json(probed.vectors))
    command = [sys.executable, "-B", str(BUILDER / "build.py"), "--in", str(source), "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    outputs = tuple(b"".join(vector.outputs) for vector in probed.vectors)
    return Build(out, board, digest.digest(), outputs)


def _tensor(report: TensorReport) -> Tensor:
    return Tensor(report.name, report.shape, report.dtype, report.scale or 0, report.zero_point or 0)


def provisioning(
    key: ec.EllipticCurvePrivateKey, server: str, *, board: str = BOARD, endpoint: str = "board-1", **changes: int
) -> Provisioning:
    """A page without secrets."""
    return Provisioning(
        endpoint=endpoint,
        server=server,
        board=board,
        signing_key=public_point(key),
        seed=bytes(range(32)),
        **changes,
    )
