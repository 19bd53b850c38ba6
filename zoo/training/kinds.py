"""The registry of kinds of training: what each needs, and which function of which module carries it out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from zoo.training.job import Outcome
from zoo.training.work import Work

CENTRALISED, TRANSFER, INCREMENTAL = "centralised", "transfer", "incremental"
QUANTISE, EVALUATE, REFERENCE, OFFLOAD, TRAINABLE = "quantise", "evaluate", "reference", "offload", "trainable"
FEDERATION_RESULT = "federation-result"


@dataclass(frozen=True)
class Kind:
    """`module` is imported in the worker alone, and only for its own jobs: most need TensorFlow."""

    module: str
    function: str
    tensorflow: bool = False
    recipe: bool = False
    """A recipe has to be given; otherwise the parent's is taken."""
    parent: bool = False
    """It starts from a version."""
    float_source: bool = False
    """That version must have its Keras form: it was trained here."""
    learns: bool = False
    """It makes epochs, and takes the number of them and a seed."""


KINDS: dict[str, Kind] = {
    CENTRALISED: Kind("zoo.training.learning", "centralised", tensorflow=True, recipe=True, learns=True),
    TRANSFER: Kind(
        "zoo.training.learning", "transfer", tensorflow=True, recipe=True, parent=True, float_source=True, learns=True
    ),
    INCREMENTAL: Kind(
        "zoo.training.learning", "incremental", tensorflow=True, parent=True, float_source=True, learns=True
    ),
    QUANTISE: Kind("zoo.training.quantising", "quantise", tensorflow=True, parent=True, float_source=True),
    EVALUATE: Kind("zoo.training.judging", "evaluate", parent=True),
    REFERENCE: Kind("zoo.training.referring", "refer", parent=True),
    TRAINABLE: Kind("zoo.training.on_device.exporting", "trainable", tensorflow=True, parent=True, float_source=True),
    FEDERATION_RESULT: Kind(
        "zoo.training.federating", "federation_result", tensorflow=True, parent=True, float_source=True
    ),
    OFFLOAD: Kind("zoo.training.offload.learning", "offload", tensorflow=True, learns=True),
}


def carry_out(kind: str, work: Work) -> Outcome:
    """Do what the kind does."""
    function: Callable[[Work], Outcome] = getattr(import_module(KINDS[kind].module), KINDS[kind].function)
    return function(work)
