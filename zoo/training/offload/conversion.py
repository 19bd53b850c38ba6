"""A network of nntrainer as a recipe, where a recipe can say the same."""

from __future__ import annotations

from zoo.training.job import JsonObject
from zoo.training.offload.description import Description, Optimiser
from zoo.training.offload.layers import Layer
from zoo.training.recipe import CLASSIFICATION, CROSS_ENTROPY, REGRESSION, Recipe, parse_recipe
from zoo.training.recipe import Optimiser as RecipeOptimiser

_DEFAULTS = {"kernel_initializer": "glorot_uniform", "bias_initializer": "zeros"}


def to_recipe(network: Description, *, epochs: int, seed: int) -> JsonObject | None:
    """The recipe that trains the same network the same way; None when there is something it cannot say."""
    rate, adam = network.rate, Optimiser("adam")
    if rate.type != "constant" or network.optimiser not in {adam, Optimiser("sgd")}:
        return None
    layers: list[JsonObject] = []
    for before, layer in zip(network.layers, network.layers[1:], strict=False):
        made = _layer(layer) if layer.inputs == (before.name,) else None
        if made is None:
            return None
        layers.append(made)
    if layers[-1]["type"] != "dense":
        return None
    del layers[-1]["units"]  # one for each label
    document: JsonObject = {
        "recipe": 1,
        "description": "The network of an nntrainer .ini.",
        "task": _task(network),
        "layers": layers,
        "optimiser": {"type": network.optimiser.type, "rate": rate.rate},
        "epochs": epochs,
        "batch": network.batch,
        "seed": seed,
    }
    parse_recipe(document)
    return document


def as_recipe(network: Description, *, epochs: int, seed: int) -> Recipe:
    """What the loop and the evaluation need to know of a network that they do not build themselves."""
    return Recipe(
        task=_task(network),
        layers=(),
        loss=network.loss,
        from_logits=False,
        optimiser=RecipeOptimiser(network.optimiser.type, network.rate.rate, 0.0, "constant"),
        epochs=epochs,
        batch=network.batch,
        seed=seed,
        normal=None,
        standardise=False,
        standardise_target=False,
        augmentation=(),
        patience=None,
        representative_samples=400,
        document={},
    )


def _task(network: Description) -> str:
    return CLASSIFICATION if network.loss == CROSS_ENTROPY else REGRESSION


def _layer(layer: Layer) -> JsonObject | None:
    """One layer of a recipe; None for what it cannot say."""
    given = dict(layer.options)
    if any(given.get(name, default) != default for name, default in _DEFAULTS.items()) or given.get("pads"):
        return None
    learnt: JsonObject = {} if given.get("use_bias", True) else {"bias": False}
    if given.get("activation", "linear") != "linear":
        learnt["activation"] = given["activation"]
    match layer.type:
        case "conv2d":
            window = {"kernel": _size(given["kernel_size"]), "stride": _size(given["strides"])}
            return {"type": "conv2d", "filters": given["filters"], **window, "padding": given["padding"], **learnt}
        case "pooling2d" if given["pooling"] in {"max", "average"}:
            window = {"pool": _size(given["pool_size"]), "stride": _size(given["strides"])}
            return {"type": f"{given['pooling']}_pooling2d", **window, "padding": given["padding"]}
        case "pooling2d" if given["pooling"] == "global_average":
            return {"type": "global_average_pooling2d"}
        case "flatten":
            return {"type": "flatten"}
        case "fully_connected":
            return {"type": "dense", "units": given["units"], **learnt}
        case "activation":
            return {"type": "activation", "function": given["activation"]}
        case "dropout":
            return {"type": "dropout", "rate": given["rate"]}
    return None


def _size(pair: object) -> object:
    assert isinstance(pair, tuple)  # noqa: S101 - `layers` makes pairs; this is for the type checker
    return pair[0] if pair[0] == pair[1] else list(pair)
