"""nntrainer's model description (.ini) as a network: layers in order with their shapes, an optimiser, and a rate.

Shapes are those of Keras, (height, width, channels) or (values,). `order` of a flat tensor says which of Keras' values
stands at each place of nntrainer's, which flattens channel by channel. Source: nntrainer, docs/configuration-ini.md.
"""

from __future__ import annotations

import configparser
import math
from dataclasses import dataclass

from zoo.training.offload.errors import DescriptionError
from zoo.training.offload.layers import LAYERS, Layer, Tensor
from zoo.training.offload.section import Section

MAX_INI_BYTES = 64 * 1024
MAX_LAYERS = 64
MAX_PARAMETERS = 4_000_000
MAX_ACTIVATIONS = 4_000_000

_RESERVED = {"model", "optimizer", "learningratescheduler", "train_set", "valid_set", "test_set", "dataset"}
_LOSSES = {"cross": "cross-entropy", "mse": "mean-squared-error"}


@dataclass(frozen=True)
class Optimiser:
    """`type` is adam or sgd."""

    type: str
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-7


@dataclass(frozen=True)
class Rate:
    """A learning rate over the steps: constant, exponential (decay), or by steps (`rates[i]` up to `iterations[i]`)."""

    type: str
    rate: float
    decay_steps: int = 0
    decay_rate: float = 0.0
    iterations: tuple[int, ...] = ()
    rates: tuple[float, ...] = ()


@dataclass(frozen=True)
class Description:
    """A network that can be trained. `layers` begins with the input."""

    loss: str
    epochs: int
    batch: int
    optimiser: Optimiser
    rate: Rate
    layers: tuple[Layer, ...]

    @property
    def input(self) -> Tensor:
        """Of one sample."""
        return self.layers[0].output

    @property
    def output(self) -> Tensor:
        """Of the last layer."""
        return self.layers[-1].output

    @property
    def parameters(self) -> int:
        """Numbers in every weight, trained or not."""
        return sum(math.prod(weight.stored) for layer in self.layers for weight in layer.weights)


def parse_description(data: bytes) -> Description:
    """Read an .ini. Raises DescriptionError that names the section."""
    sections = _sections(data)
    given = {name.lower(): section for name, section in sections.items() if name.lower() in _RESERVED}
    network = _layers([section for name, section in sections.items() if name.lower() not in _RESERVED])
    model = given.get("model", Section("Model", {}))
    model.only("type", "epochs", "loss", "batch_size", "save_path", "name")
    if model.text("type", "NeuralNetwork").lower() != "neuralnetwork":
        raise model.error("type", "only NeuralNetwork is trained")
    loss = model.choice("loss", tuple(_LOSSES))
    found = Description(
        loss=_LOSSES[loss],
        epochs=model.whole("epochs", 1, least=1, most=1000),
        batch=model.whole("batch_size", 1, least=1, most=4096),
        optimiser=_optimiser(given.get("optimizer")),
        rate=_rate(given.get("learningratescheduler"), given.get("optimizer")),
        layers=network,
    )
    if found.output.order is None:
        raise DescriptionError(f"[{network[-1].name}]: the network ends with an image; end with values.", field="ini")
    if loss == "cross" and network[-1].activation != "softmax":
        raise DescriptionError(f"[{network[-1].name}]: loss cross needs a last activation of softmax.", field="ini")
    return found


def _sections(data: bytes) -> dict[str, Section]:
    if len(data) > MAX_INI_BYTES:
        raise DescriptionError(f"The .ini has {len(data)} bytes; {MAX_INI_BYTES} are read.")
    parser = configparser.ConfigParser(inline_comment_prefixes=("#", ";"), interpolation=None, strict=True)
    try:
        parser.read_string(data.decode("utf-8"), source="the .ini")
    except (configparser.Error, UnicodeDecodeError) as error:
        raise DescriptionError(f"The .ini cannot be read: {' '.join(str(error).split())[:300]}.") from error
    return {name: Section(name, dict(parser[name])) for name in parser.sections()}


def _layers(sections: list[Section]) -> tuple[Layer, ...]:
    if not 2 <= len(sections) <= MAX_LAYERS:
        raise DescriptionError(f"The .ini has {len(sections)} layers; 2 to {MAX_LAYERS} are taken.")
    made: dict[str, Layer] = {}
    for section in sections:
        kind = section.text("type").lower()
        if kind not in LAYERS:
            raise section.error("type", f"{kind[:40]!r} is not supported; there are {', '.join(LAYERS)}")
        if (kind == "input") != (not made):
            raise section.error("type", "the first layer, and no other, is the input")
        before = _inputs(section, made)
        layer = LAYERS[kind](section, before)
        if section.name.lower() in made:
            raise section.error("type", "another section has this name")
        made[section.name.lower()] = layer
        if math.prod(layer.output.shape) > MAX_ACTIVATIONS:
            raise section.error("type", f"its output has more than {MAX_ACTIVATIONS} values")
        if sum(math.prod(weight.stored) for item in made.values() for weight in item.weights) > MAX_PARAMETERS:
            raise section.error("type", f"the network has more than {MAX_PARAMETERS} parameters up to here")
    used = {name for layer in made.values() for name in layer.inputs}
    loose = [layer.name for layer in list(made.values())[:-1] if layer.name not in used]
    if loose:
        raise DescriptionError(f"[{loose[0]}]: no layer takes its output.", field="ini")
    return tuple(made.values())


def _inputs(section: Section, made: dict[str, Layer]) -> tuple[Layer, ...]:
    if not made:
        return ()
    if "input_layers" not in section.options:
        return (list(made.values())[-1],)
    names = [name.strip() for name in section.text("input_layers").split(",")]
    for name in names:
        if name.lower() not in made:
            raise section.error("input_layers", f"no section above is called {name[:60]!r}")
    return tuple(made[name.lower()] for name in names)


def _optimiser(section: Section | None) -> Optimiser:
    if section is None:
        raise DescriptionError("The .ini has no section [Optimizer].", field="ini")
    section.only("type", "beta1", "beta2", "epsilon", "learning_rate")
    kind = section.choice("type", ("adam", "sgd"))
    return Optimiser(
        kind,
        section.number("beta1", 0.9, _is_share),
        section.number("beta2", 0.999, _is_share),
        section.number("epsilon", 1e-7, lambda value: 0 < value < 1),
    )


def _rate(section: Section | None, optimiser: Section | None) -> Rate:
    """From its own section, or as older files have it from that of the optimiser."""
    schedule = section or Section("LearningRateScheduler", {"type": "constant"})
    schedule.only("type", "learning_rate", "decay_steps", "decay_rate", "iteration")
    kind = schedule.choice("type", ("constant", "exponential", "step"))
    if kind == "step":
        return _steps(schedule)
    given = schedule if "learning_rate" in schedule.options or optimiser is None else optimiser
    rate = given.number("learning_rate", None, _is_rate)
    if kind == "constant":
        return Rate(kind, rate)
    steps = schedule.whole("decay_steps", least=1, most=10**9)
    return Rate(kind, rate, steps, schedule.number("decay_rate", None, lambda value: 0 < value <= 1))


def _steps(section: Section) -> Rate:
    iterations, rates = section.numbers("iteration"), section.numbers("learning_rate")
    if len(rates) != len(iterations) + 1 or list(iterations) != sorted(set(iterations)):
        raise section.error("iteration", "it needs growing numbers, and learning_rate one value more than there are")
    if not all(_is_rate(value) for value in rates) or not all(value >= 1 for value in iterations):
        raise section.error("learning_rate", "a rate is above 0 and at most 10, an iteration at least 1")
    return Rate("step", rates[0], iterations=tuple(int(value) for value in iterations), rates=rates)


def _is_rate(value: float) -> bool:
    return 0 < value <= 10


def _is_share(value: float) -> bool:
    return 0 <= value < 1
