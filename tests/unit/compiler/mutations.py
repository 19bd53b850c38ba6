"""Broken .tflite files: valid models in which a seed changes bits, lengths, offsets, shapes, operands or constants."""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from random_chains import random_chain
from random_operators import RANDOM, random_operators

ROOT = Path(__file__).parents[3]
FOLDERS = (
    ROOT / "zoo" / "catalog",
    ROOT / "builders" / "conformance" / "models",
    Path(__file__).parent / "models",
)
SMALL_DATA = 64  # bytes of a constant that is likelier to hold axes or sizes than weights

# Table of the schema: slot -> what its field is. Letters are struct's; `[x]` a vector of x.
_SCHEMA: dict[str, dict[int, str]] = {
    "Model": {0: "I", 1: "[OperatorCode]", 2: "[SubGraph]", 4: "[Buffer]"},
    "OperatorCode": {0: "b", 1: "[c]", 3: "i"},
    "SubGraph": {0: "[Tensor]", 1: "[index]", 2: "[index]", 3: "[Operator]"},
    "Tensor": {0: "[shape]", 1: "b", 2: "I", 3: "[c]", 4: "Quantization", 5: "B", 6: "Options"},
    "Quantization": {2: "[scale]", 3: "[q]", 6: "i"},
    "Operator": {0: "I", 1: "[index]", 2: "[index]", 3: "B", 4: "Options"},
    "Buffer": {0: "[data]", 1: "Q", 2: "Q"},
    "Options": dict.fromkeys(range(8), "i"),
}
_WIDTHS = {"b": 1, "B": 1, "c": 1, "data": 1, "i": 4, "I": 4, "index": 4, "shape": 4, "scale": 4, "q": 8, "Q": 8}


@dataclass(frozen=True)
class Spot:
    """A value of the file: what it is, where, and its bytes."""

    kind: str
    position: int
    width: int


def spots(model: bytes) -> list[Spot]:
    """Every value of a valid model that a mutation may aim at."""
    found: list[Spot] = []

    def word(position: int) -> int:
        return int(struct.unpack_from("<I", model, position)[0])

    def table(name: str, at: int) -> None:
        vtable = at - int(struct.unpack_from("<i", model, at)[0])
        found.append(Spot("offset", at, 4))
        size = int(struct.unpack_from("<H", model, vtable)[0])
        for slot, kind in _SCHEMA[name].items():
            entry = vtable + 4 + 2 * slot
            if entry + 2 > vtable + size:
                continue
            found.append(Spot("entry", entry, 2))
            offset = int(struct.unpack_from("<H", model, entry)[0])
            if offset:
                field(kind, at + offset)

    def field(kind: str, at: int) -> None:
        if kind in _SCHEMA:
            found.append(Spot("offset", at, 4))
            table(kind, at + word(at))
        elif kind.startswith("["):
            found.append(Spot("offset", at, 4))
            vector(kind[1:-1], at + word(at))
        else:
            found.append(Spot("scalar", at, _WIDTHS[kind]))

    def vector(item: str, at: int) -> None:
        count = word(at)
        found.append(Spot("length", at, 4))
        if item in _SCHEMA:
            for index in range(count):
                field(item, at + 4 + 4 * index)
        elif item == "data":
            # The first bytes alone where the constant is large: weights may hold anything.
            kind = "data" if count <= SMALL_DATA else "weights"
            found.extend(Spot(kind, at + 4 + index, 1) for index in range(min(count, SMALL_DATA)))
        else:
            width = _WIDTHS[item]
            found.extend(Spot(item, at + 4 + width * index, width) for index in range(count))

    table("Model", word(0))
    return found


@dataclass(frozen=True)
class Base:
    """A valid model and what is in it."""

    name: str
    model: bytes
    spots: Sequence[Spot]

    def of(self, *kinds: str) -> list[Spot]:
        """The spots of some kinds."""
        return [spot for spot in self.spots if spot.kind in kinds]


def bases(*more: Path) -> list[Base]:
    """The models of the repository and of more folders, and random ones that hold every operator that moves tensors."""
    found = [
        (file.name, file.read_bytes()) for folder in (*FOLDERS, *more) for file in sorted(folder.rglob("*.tflite"))
    ]
    found += [(kind, random_operators(kind, 1, 2)[0]) for kind in RANDOM]
    found += [(f"chain {seed}", random_chain(seed)[0]) for seed in range(12)]
    return [Base(name, model, spots(model)) for name, model in found]


_HUGE = (0, 1, 2, 255, 1 << 15, 1 << 16, 1 << 20, 1 << 24, (1 << 24) + 1, (1 << 31) - 1, 1 << 31, (1 << 32) - 1)


def _set(data: bytearray, spot: Spot, value: int) -> None:
    data[spot.position : spot.position + spot.width] = (value % (1 << 8 * spot.width)).to_bytes(spot.width, "little")


def _flip(random: Random, data: bytearray, _: Base) -> None:
    for _bit in range(random.randint(1, 8)):
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)


def _truncate(random: Random, data: bytearray, _: Base) -> None:
    del data[random.randint(0, len(data)) :]


def _huge_dimension(random: Random, data: bytearray, base: Base) -> None:
    shapes = base.of("shape")
    for _ in range(random.randint(1, 4)):
        _set(data, random.choice(shapes), random.choice(_HUGE))


def _other_length(random: Random, data: bytearray, base: Base) -> None:
    spot = random.choice(base.of("length"))
    _set(data, spot, random.choice([random.choice(_HUGE), random.randrange(80), len(data) - spot.position]))


def _other_operand(random: Random, data: bytearray, base: Base) -> None:
    """Cycles, tensors written twice or never, inputs and outputs that are one."""
    indexes = base.of("index")
    for _ in range(random.randint(1, 3)):
        _set(data, random.choice(indexes), random.randint(-1, len(indexes)))


def _other_offset(random: Random, data: bytearray, base: Base) -> None:
    """Tables and vectors that overlap, contain themselves, or lie outside."""
    offsets = base.of("offset", "entry")
    spot, target = random.choice(offsets), random.choice(base.spots)
    _set(
        data, spot, random.choice([target.position - spot.position, random.choice(_HUGE), random.randrange(len(data))])
    )


def _shared_buffer(random: Random, data: bytearray, base: Base) -> None:
    """Scalars of the size of buffer numbers and operator codes, exchanged."""
    one, other = random.choice(base.of("scalar")), random.choice(base.of("scalar"))
    _set(data, one, int.from_bytes(base.model[other.position : other.position + other.width], "little"))


def _random_values(random: Random, data: bytearray, base: Base) -> None:
    chosen = base.of("scalar", "index", "shape", "scale", "q", "data")
    for _ in range(random.randint(1, 6)):
        spot = random.choice(chosen)
        _set(data, spot, random.choice([random.randrange(12), -random.randrange(12), random.getrandbits(64)]))


def _random_constant(random: Random, data: bytearray, base: Base) -> None:
    """Axes, sizes, paddings and orders that mean something else."""
    for _ in range(random.randint(1, 4)):
        spot = random.choice(base.of("data", "weights") or base.of("shape"))
        _set(data, spot, random.choice([random.randrange(8), 0xFF, 0x7F, random.getrandbits(8)]))


def _moved_bytes(random: Random, data: bytearray, _: Base) -> None:
    length = random.randint(1, 64)
    source, target = random.randrange(len(data)), random.randrange(len(data))
    data[target : target + length] = data[source : source + length]


MUTATIONS: dict[str, Callable[[Random, bytearray, Base], None]] = {
    "flipped bits": _flip,
    "truncated": _truncate,
    "huge dimensions": _huge_dimension,
    "other lengths": _other_length,
    "other operands, cycles": _other_operand,
    "other offsets, overlaps": _other_offset,
    "exchanged numbers": _shared_buffer,
    "random values": _random_values,
    "random constants": _random_constant,
    "moved bytes": _moved_bytes,
}


def mutant(seed: int, among: Sequence[Base]) -> tuple[str, bytes]:
    """The first mutation's name and the file: a function of the seed and the models."""
    random = Random(seed)
    base = among[seed % len(among)]
    data = bytearray(base.model)
    names = [random.choice(list(MUTATIONS))]
    while random.random() < 0.3:
        names.append(random.choice(list(MUTATIONS)))
    for name in sorted(names, key=lambda name: name == "truncated"):  # spots must still be there for the others
        MUTATIONS[name](random, data, base)
    return names[0], bytes(data)
