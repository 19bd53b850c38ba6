"""What the demo proves: that a board computed, byte for byte, what the oracle on this side computes."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from rich.table import Table
from rich.text import Text

from app.cli.errors import EndedBadly
from app.cli.output import Cell, cell
from app.contract.models import Build, InferenceFigures, Update

MAX_OUTPUTS = 64
MAX_OUTPUT_CHARACTERS = 64 * 1024


@dataclass(frozen=True)
class Proof:
    """One model on one board: `expected` outputs are of the oracle, `received` ones of the board's own report.

    A report that is too large for the outputs themselves carries their digest only; then `received` is None.
    """

    build: Build
    update: Update
    expected: tuple[bytes, ...]
    received: tuple[bytes, ...] | None
    received_sha256: str | None
    instructions: int | None

    @classmethod
    def of(cls, build: Build, update: Update, expected: Sequence[bytes]) -> Self:
        """Read the board's report. Raises EndedBadly when it is not one."""
        report = update.report or {}
        digest, instructions = report.get("received_sha256"), report.get("instructions")
        return cls(
            build=build,
            update=update,
            expected=tuple(expected),
            received=_outputs(report.get("outputs")),
            received_sha256=digest if isinstance(digest, str) else None,
            instructions=instructions if isinstance(instructions, int) else None,
        )

    @property
    def agreed(self) -> bool:
        """Whether every byte is as expected."""
        if self.received is not None:
            return self.received == self.expected
        return self.received_sha256 == _sha256(self.expected)

    def to_json(self) -> dict[str, object]:
        """For a program."""
        return {
            "model": self.build.model,
            "version": self.build.version,
            "board": self.build.board,
            "artifact_sha256": self.build.artifact_sha256,
            "memory": self.build.memory.model_dump() if self.build.memory else None,
            "build_seconds": self.build.seconds,
            "kind": self.update.kind,
            "slot": self.update.slot,
            "delivery": self.update.delivery,
            "delivery_seconds": self.update.delivery_seconds,
            "instructions": self.instructions,
            "inference": self.update.inference.model_dump() if self.update.inference else None,
            "expected": [output.hex() for output in self.expected],
            "received": [output.hex() for output in self.received] if self.received is not None else None,
            "received_sha256": self.received_sha256,
            "agreed": self.agreed,
        }


def summary(proofs: Sequence[Proof]) -> Table:
    """One column for each model, one line for each measurement."""
    made = Table(box=None, show_header=False, pad_edge=False, padding=(0, 3, 0, 0))
    made.add_column(style="bold", no_wrap=True)
    for _ in proofs:
        made.add_column(overflow="fold")
    columns = [_column(proof) for proof in proofs]
    for name in columns[0]:
        made.add_row(name, *(cell(column[name]) for column in columns))
    return made


def _column(proof: Proof) -> dict[str, Cell]:
    build, update, memory = proof.build, proof.update, proof.build.memory
    delivered = update.delivery_seconds
    received = proof.received_sha256 if proof.received is None else _sha256(proof.received)
    return {
        "Model": Text(f"{build.model}@{build.version}", style="bold"),
        "Board": build.board,
        "Flash": f"{memory.flash_bytes:,} bytes" if memory else None,
        "RAM": f"{memory.ram_bytes:,} bytes" if memory else None,
        "Instructions": f"{proof.instructions:,} per inference" if proof.instructions is not None else None,
        "Build": f"{build.seconds:.1f} s" if build.seconds is not None else None,
        "Update": f"{update.kind.upper()} into slot {update.slot}",
        "Delivery": f"{delivered:.1f} s by {update.delivery}" if delivered is not None else None,
        "Longest gap": _gap(update.inference),
        "Golden outputs": f"{len(proof.expected)} vectors, {sum(map(len, proof.expected)):,} bytes",
        "  expected": _shown(proof.expected, _sha256(proof.expected)),
        "  received": _shown(proof.received, received),
        "  agree": Text("in every byte", style="green") if proof.agreed else Text("NO", style="bold red"),
    }


def _gap(figures: InferenceFigures | None) -> str | None:
    """How long no inference ran while the model was swapped, measured in inferences."""
    if figures is None or figures.inference_ticks == 0:
        return None
    ratio = figures.longest_gap_ticks / figures.inference_ticks
    return f"{ratio:.2f} inferences, {figures.longest_gap_ticks:,} ticks, in {figures.inferences:,} inferences"


def _shown(outputs: tuple[bytes, ...] | None, sha256: str | None) -> str | None:
    """The first bytes, and the digest of all."""
    if sha256 is None:
        return None
    begin = f"{b''.join(outputs)[:4].hex(' ')} .. " if outputs else ""
    return f"{begin}sha256 {sha256[:8]}"


def _sha256(outputs: Sequence[bytes]) -> str:
    return hashlib.sha256(b"".join(outputs)).hexdigest()


def _outputs(stated: object) -> tuple[bytes, ...] | None:
    if stated is None:
        return None
    if not isinstance(stated, list) or len(stated) > MAX_OUTPUTS:
        raise EndedBadly("The board's report holds no list of outputs.")
    try:
        return tuple(bytes.fromhex(item[:MAX_OUTPUT_CHARACTERS]) for item in stated)
    except (TypeError, ValueError) as error:
        raise EndedBadly("The board's report holds outputs that are not in hex.") from error
