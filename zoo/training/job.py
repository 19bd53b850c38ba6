"""What a worker is told and what it leaves behind: plain data, so that the server knows it without TensorFlow."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

JsonObject = dict[str, Any]

JOB, RESULT, ERROR, LOCK = "job.json", "result.json", "error.json", "lock"


@dataclass(frozen=True)
class Parent:
    """The version to start from: paths of its files, and what its lineage says."""

    int8: str
    keras: str | None
    float32: str | None
    recipe: JsonObject
    scaling: dict[str, list[float]] | None
    labels: list[str]


@dataclass(frozen=True)
class Offload:
    """A network as nntrainer has it: the text of its .ini, and the path of its .bin when it starts from one."""

    ini: str
    weights: str | None
    epochs: int
    seed: int
    shuffled: bool


@dataclass(frozen=True)
class Trainable:
    """How a model is to be trained on devices: `scope` is all or head, a step takes `batch` samples."""

    scope: str
    batch: int


@dataclass(frozen=True)
class Federated:
    """The average of a federation: what was trained, the parameters as JSON, and the path of their float32 values."""

    scope: str
    parameters: list[JsonObject]
    weights: str


@dataclass(frozen=True)
class Job:
    """One training. Paths are absolute; the snapshot's file is checked against its hash."""

    kind: str
    snapshot: str
    snapshot_sha256: str
    recipe: JsonObject | None
    parent: Parent | None
    memory_bytes: int
    seconds: int
    offload: Offload | None = None
    trainable: Trainable | None = None
    federated: Federated | None = None

    def key(self) -> str:
        """What a checkpoint belongs to: everything that determines the numbers, and no path or limit."""
        parent, offload = self.parent, self.offload
        determining = [
            self.kind,
            self.snapshot_sha256,
            self.recipe,
            None if parent is None else [Path(parent.keras or parent.int8).name, parent.recipe, parent.scaling],
            None if offload is None else {**asdict(offload), "weights": offload.weights and Path(offload.weights).name},
            None if self.trainable is None else asdict(self.trainable),
            None if self.federated is None else [self.federated.scope, Path(self.federated.weights).name],
        ]
        return hashlib.sha256(json.dumps(determining, sort_keys=True).encode()).hexdigest()

    def to_json(self) -> str:
        """As job.json has it."""
        return json.dumps(asdict(self))

    @classmethod
    def parse(cls, text: str) -> Job:
        """Read job.json."""
        fields = json.loads(text)
        parts = {"parent": Parent, "offload": Offload, "trainable": Trainable, "federated": Federated}
        known = {name: None if fields[name] is None else part(**fields[name]) for name, part in parts.items()}
        return cls(**{**fields, **known})


@dataclass(frozen=True)
class Outcome:
    """What result.json holds. `files` are names in the job's folder by form: int8, float32, keras, ...

    `recipe` is what the model can be trained on with; `comparison` has one row for each form of a quantisation;
    `reference` is what devices are compared with.
    """

    files: dict[str, str]
    recipe: JsonObject | None
    scaling: dict[str, list[float]] | None
    labels: list[str]
    evaluation: JsonObject | None
    comparison: list[JsonObject]
    history: list[JsonObject]
    reference: JsonObject | None = None

    def to_json(self) -> str:
        """As result.json has it."""
        return json.dumps(asdict(self))

    @classmethod
    def parse(cls, text: str) -> Outcome:
        """Read result.json."""
        return cls(**json.loads(text))


@cache
def code_version() -> dict[str, str]:
    """What computes a training here: a hash over the sources that determine numbers, and the library's version."""
    digest = hashlib.sha256()
    folder = Path(__file__).parent
    for path in (*sorted(folder.rglob("*.py")), folder.parent / "convert.py"):
        digest.update(path.read_bytes())
    try:
        tensorflow = version("tensorflow")
    except PackageNotFoundError:
        tensorflow = "not installed"
    return {"training": digest.hexdigest(), "tensorflow": tensorflow}
