"""What a worker is told and what it leaves behind: plain data, so that the server knows it without TensorFlow."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

JsonObject = dict[str, Any]

JOB, RESULT, ERROR, LOCK = "job.json", "result.json", "error.json", "lock"

CENTRALISED, TRANSFER, INCREMENTAL = "centralised", "transfer", "incremental"
QUANTISE, EVALUATE = "quantise", "evaluate"


@dataclass(frozen=True)
class KindNeeds:
    """What a kind of job has to be given, and whether it makes a model."""

    recipe: bool
    parent: bool
    """A version to start from."""
    float_source: bool
    """The parent must have its Keras form: it was trained here."""
    epochs: bool
    """It learns, so it can be told for how long."""


KINDS: dict[str, KindNeeds] = {
    CENTRALISED: KindNeeds(recipe=True, parent=False, float_source=False, epochs=True),
    TRANSFER: KindNeeds(recipe=True, parent=True, float_source=True, epochs=True),
    INCREMENTAL: KindNeeds(recipe=False, parent=True, float_source=True, epochs=True),
    QUANTISE: KindNeeds(recipe=False, parent=True, float_source=True, epochs=False),
    EVALUATE: KindNeeds(recipe=False, parent=True, float_source=False, epochs=False),
}
"""Every kind of job; `zoo.training.kinds.CARRIED_OUT_BY` has the function of each."""


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
class Job:
    """One training. Paths are absolute; the snapshot's file is checked against its hash."""

    kind: str
    snapshot: str
    snapshot_sha256: str
    recipe: JsonObject | None
    parent: Parent | None
    memory_bytes: int
    seconds: int

    def key(self) -> str:
        """What a checkpoint belongs to: everything that determines the numbers, and no path or limit."""
        parent = self.parent
        determining = [
            self.kind,
            self.snapshot_sha256,
            self.recipe,
            None if parent is None else [Path(parent.keras or parent.int8).name, parent.recipe, parent.scaling],
        ]
        return hashlib.sha256(json.dumps(determining, sort_keys=True).encode()).hexdigest()

    def to_json(self) -> str:
        """As job.json has it."""
        return json.dumps(asdict(self))

    @classmethod
    def parse(cls, text: str) -> Job:
        """Read job.json."""
        fields = json.loads(text)
        parent = fields["parent"]
        return cls(**{**fields, "parent": None if parent is None else Parent(**parent)})


@dataclass(frozen=True)
class Outcome:
    """What result.json holds. `files` are names in the job's folder by form: int8, float32, keras, ...

    `recipe` is what the model can be trained on with; `comparison` has one row for each form of a quantisation.
    """

    files: dict[str, str]
    recipe: JsonObject | None
    scaling: dict[str, list[float]] | None
    labels: list[str]
    evaluation: JsonObject | None
    comparison: list[JsonObject]
    history: list[JsonObject]

    def to_json(self) -> str:
        """As result.json has it."""
        return json.dumps(asdict(self))

    @classmethod
    def parse(cls, text: str) -> Outcome:
        """Read result.json."""
        return cls(**json.loads(text))
