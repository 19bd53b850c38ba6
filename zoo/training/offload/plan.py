"""What a pair of confs asks for: which file is what, which samples train and which validate, and for how long.

datareposrc sends the samples from start-sample-index to stop-sample-index, both included, `epochs` times; of what it
receives tensor_trainer takes num-training-samples and then num-validation-samples for each of its own epochs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoo.datasets.datarepo import Description as Layout
from zoo.datasets.datarepo import Tensor, elements_as, tensors_of_caps
from zoo.datasets.schema import Kind, Schema
from zoo.datasets.snapshot import Part
from zoo.training.offload.conf import PLACEHOLDER, Conf, file_below
from zoo.training.offload.description import Description
from zoo.training.offload.errors import MisfitError, PipelineError
from zoo.training.offload.pipeline import Element, caps_of, parse_pipeline, the_element

REMOTE_PLACEHOLDER = "@REMOTE_APP_RW_PATH@/"
TRAINED = "@TRAINED_MODEL_FILE@"
MAX_EPOCHS = 1000


@dataclass(frozen=True)
class Plan:
    """Files by their names at the sender, and the two elements that say how much is trained."""

    data: str
    layout: str
    ini: str
    weights: str | None
    transferred: tuple[str, ...]
    source: Element
    trainer: Element
    caps: Element | None
    epochs: int
    training: int
    validation: int

    @property
    def files(self) -> tuple[str, ...]:
        """What the sender has to send."""
        return (self.data, self.layout, *self.transferred)


@dataclass(frozen=True, eq=False)
class Selection:
    """Samples to train with: row numbers in the .data, and which tensor is the sample and which its label."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    sample: int
    label: int
    shuffled: bool


def make_plan(sender: Conf, receiver: Conf) -> Plan:
    """Read both pipelines. Raises PipelineError or MisfitError; nothing of them is executed."""
    if sender.topic != receiver.topic or sender.connect_type != receiver.connect_type:
        raise MisfitError("The sender and the receiver have different topics or connect-types.", field="topic")
    sending = parse_pipeline(sender.sender_pipeline or "")
    training = parse_pipeline(sender.pipeline or "")
    source, trainer = the_element(sending, "datareposrc"), the_element(training, "tensor_trainer")
    if trainer.properties.get("framework") != "nntrainer":
        raise PipelineError("tensor_trainer: framework is not nntrainer.", field="framework")
    if trainer.properties.get("model-save-path") != TRAINED:
        raise PipelineError(f"tensor_trainer: model-save-path is not {TRAINED}.", field="model-save-path")
    for name in ("num-inputs", "num-labels"):
        if trainer.whole(name, 1) != 1:
            raise PipelineError(f"tensor_trainer: {name} is not 1; one sample and its label are taken.", field=name)
    load = trainer.properties.get("model-load-path")
    data, layout = _at_sender(source, "location"), _at_sender(source, "json")
    if data == layout or {data, layout} & sender.files.keys():
        raise MisfitError("datareposrc: location and json are one file, or one that is transferred.", field="location")
    epochs = trainer.whole("epochs", 1, least=1)
    if epochs > MAX_EPOCHS:
        raise PipelineError(f"tensor_trainer: epochs is {epochs}; at most {MAX_EPOCHS} are trained.", field="epochs")
    return Plan(
        data=data,
        layout=layout,
        ini=_transferred(sender, trainer.properties.get("model-config", ""), "model-config"),
        weights=None if load is None else _transferred(sender, load, "model-load-path"),
        transferred=tuple(sender.files),
        source=source,
        trainer=trainer,
        caps=caps_of(training),
        epochs=epochs,
        training=trainer.whole("num-training-samples", least=1),
        validation=trainer.whole("num-validation-samples", least=1),
    )


def select(plan: Plan, layout: Layout, network: Description, seed: int) -> Selection:
    """Which samples train and validate. Raises MisfitError when pipelines, data and network do not agree."""
    first = plan.source.whole("start-sample-index", 0)
    last = plan.source.whole("stop-sample-index", layout.total_samples - 1)
    if not first <= last < layout.total_samples:
        raise MisfitError(
            f"datareposrc sends samples {first} to {last}; the .json has {layout.total_samples}.",
            field="stop-sample-index",
        )
    sent, wanted = last - first + 1, plan.training + plan.validation
    passes = plan.source.whole("epochs", 1, least=1)
    if sent * passes < wanted * plan.epochs:
        raise MisfitError(
            f"datareposrc sends {sent} samples {passes} times; tensor_trainer waits for {wanted} in each of "
            f"{plan.epochs} epochs, and would wait for ever.",
            field="num-training-samples",
        )
    if sent != wanted and (plan.epochs > 1 or sent < wanted):
        raise MisfitError(
            f"datareposrc sends {sent} samples in an epoch and tensor_trainer takes {wanted}: every epoch would train "
            "and validate on others.",
            field="num-training-samples",
            remedy="Make num-training-samples + num-validation-samples the number of samples that are sent.",
        )
    sample, label = _sequence(plan.source, layout)
    _check_sizes(plan, layout, network, sample, label)
    shuffled = plan.source.flag("is-shuffle", default=True)
    rows = np.arange(first, last + 1, dtype=np.int64)
    if shuffled:
        # Once: a sample that validates is never trained on.
        rows = np.random.default_rng(seed).permutation(rows)
    return Selection(rows[: plan.training], rows[plan.training : wanted], sample, label, shuffled)


@dataclass(frozen=True, eq=False)
class Samples:
    """The chosen samples as a snapshot's file holds them: rows as Keras sees them, and labels or targets."""

    schema: Schema
    values: NDArray[np.float32]
    y: NDArray[np.int32] | NDArray[np.float32]
    split: dict[Part, NDArray[np.int32]]

    def rows(self) -> Iterator[bytes]:
        """The bytes of each."""
        return (row.tobytes() for row in self.values)


def read_samples(selection: Selection, layout: Layout, network: Description, data: bytes) -> Samples:
    """Take the chosen samples out of the .data. Raises MisfitError for a wrong length, label or value."""
    check_length(layout, len(data))
    records = np.frombuffer(data, np.uint8).reshape(layout.total_samples, layout.sample_size)
    chosen = np.concatenate([selection.train, selection.validation])
    values = elements_as(layout, records[chosen], selection.sample, np.dtype(np.float32))
    answers = elements_as(layout, records[chosen], selection.label, np.dtype(np.float32))
    for array in (values, answers):
        bad = ~np.isfinite(array).all(axis=1)
        if bad.any():
            raise MisfitError(f"Sample {chosen[bad.argmax()]} holds values that are no numbers.", field="data")
    shape = network.input.shape
    if len(shape) == 3:  # from planes to channels beside each other
        height, width, channels = shape
        values = values.reshape(-1, channels, height, width).transpose(0, 2, 3, 1)
    values = np.ascontiguousarray(values.reshape(-1, *shape))
    train, count = len(selection.train), len(chosen)
    rows = np.arange(count, dtype=np.int32)
    split: dict[Part, NDArray[np.int32]] = {"train": rows[:train], "validation": rows[train:], "test": rows[:0]}
    names = tuple(str(number) for number in range(answers.shape[1]))
    kind: Kind = "image" if len(shape) == 3 else "tabular"
    columns = tuple(str(number) for number in range(shape[-1]))
    if network.loss == "mean-squared-error":
        schema = Schema(kind, shape, "float32", columns, targets=tuple(f"target_{name}" for name in names))
        return Samples(schema, values, answers, split)
    good = ((answers == 0) | (answers == 1)).all(axis=1) & (answers.sum(axis=1) == 1)
    if not good.all():
        raise MisfitError(f"The label of sample {chosen[good.argmin()]} is not one-hot.", field="data")
    schema = Schema(kind, shape, "float32", columns, labels=names)
    return Samples(schema, values, answers.argmax(axis=1).astype(np.int32), split)


def check_length(layout: Layout, size: int) -> None:
    """Compare a .data with what its .json promises, before anything is allocated. Raises MisfitError."""
    promised = layout.total_samples * layout.sample_size
    if size != promised:
        raise MisfitError(
            f"The .data has {size} bytes; {layout.total_samples} samples of {layout.sample_size} bytes are {promised}.",
            field="data",
        )


def _check_sizes(plan: Plan, layout: Layout, network: Description, sample: int, label: int) -> None:
    """Element counts are compared and not dimensions: 1:1:10:1 and 10:1:1:1 are the same ten numbers."""
    found = [layout.tensors[index].elements for index in (sample, label)]
    needed = [math.prod(network.input.shape), network.output.shape[0]]
    if found != needed:
        raise MisfitError(
            f"The network takes {needed[0]} values and gives {needed[1]}; a sample has {found}.", field="ini"
        )
    if plan.caps is not None:
        told = _caps_elements(plan.caps)
        if told != found:
            raise MisfitError(
                f"The receiver's caps tell of {told} values; the samples have {found}.", field="dimensions"
            )


def _caps_elements(caps: Element) -> list[int]:
    fields = ", ".join(f"{key}={value}" for key, value in caps.properties.items())
    tensors: tuple[Tensor, ...] = tensors_of_caps(f"{caps.name}, {fields}")
    return [tensor.elements for tensor in tensors]


def _sequence(source: Element, layout: Layout) -> tuple[int, int]:
    """Which tensors are sent, in their order: the sample, then its label."""
    given = source.properties.get("tensors-sequence", ",".join(str(index) for index in range(len(layout.tensors))))
    parts = given.split(",")
    known = {str(index): index for index in range(len(layout.tensors))}
    if len(parts) != 2 or len(set(parts)) != 2 or not set(parts) <= known.keys():
        raise MisfitError(
            f"tensors-sequence {given[:40]} of {len(layout.tensors)} tensors: a sample and its label are needed.",
            field="tensors-sequence",
        )
    return known[parts[0]], known[parts[1]]


def _at_sender(source: Element, key: str) -> str:
    return file_below(source.properties.get(key, ""), PLACEHOLDER, key, PipelineError)


def _transferred(sender: Conf, path: str, key: str) -> str:
    """The sender's file that is written under this path at the receiver."""
    name = file_below(path, REMOTE_PLACEHOLDER, key, PipelineError)
    for file, service in sender.files.items():
        if service.name == name:
            return file
    raise MisfitError(f"{key}: no service of the sender transfers a file with the name {name}.", field=key)
