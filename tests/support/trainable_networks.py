"""Networks of every layer that can learn on a device, exported, with what Keras makes of one step of each.

A process of its own, `python -m tests.support.trainable_networks FOLDER`: only there TensorFlow is imported. For each
network and scope it writes NAME-SCOPE.tflite and NAME-SCOPE.npz: the samples x and y, their weights each, Keras' loss
and its gradients g000, g001, ...
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

BATCH = 8
CLASSES = 4
SHAPE = (9, 8, 2)

_HEAD: list[dict[str, Any]] = [{"type": "flatten"}, {"type": "dense", "activation": "softmax"}]
_NEW_HEAD: list[dict[str, Any]] = [
    {"type": "dense", "units": 6, "activation": "relu"},
    {"type": "dense", "activation": "softmax"},
]
NETWORKS: dict[str, dict[str, Any]] = {
    "dense": {
        "layers": [
            {"type": "flatten"},
            {"type": "dense", "units": 12, "activation": "relu"},
            {"type": "dropout", "rate": 0.5},
            {"type": "dense", "units": 9, "bias": False},
            {"type": "batch_normalisation"},
            {"type": "activation", "function": "tanh"},
            {"type": "dense", "activation": "softmax"},
        ]
    },
    "convolutions": {
        "layers": [
            {"type": "conv2d", "filters": 5, "kernel": 3, "padding": "same", "stride": [2, 1], "bias": False},
            {"type": "batch_normalisation"},
            {"type": "activation", "function": "relu"},
            {"type": "depthwise_conv2d", "kernel": [3, 2], "stride": 2, "activation": "relu6"},
            {"type": "conv2d", "filters": 6, "kernel": [1, 2], "activation": "sigmoid"},
            {"type": "global_average_pooling2d"},
            {"type": "dense"},
        ],
        "from_logits": True,
    },
    "poolings": {
        "layers": [
            {"type": "max_pooling2d", "pool": 3, "stride": 2, "padding": "same"},
            {"type": "depthwise_conv2d", "kernel": 3, "padding": "same", "bias": False},
            {"type": "average_pooling2d", "pool": [2, 3], "stride": 1, "padding": "same"},
            {"type": "max_pooling2d", "pool": 2},
            *_HEAD,
        ]
    },
    "document-003": {
        "layers": [
            {"type": "flatten"},
            {"type": "dense", "units": 128, "activation": "relu"},
            {"type": "dropout", "rate": 0.2},
            {"type": "dense"},
        ],
        "from_logits": True,
    },
    # Gets the new head behind its frozen layers, goes through its file, and learns as a whole.
    "transferred": {
        "layers": [{"type": "conv2d", "filters": 4, "kernel": 3, "stride": 2, "activation": "relu"}, *_HEAD],
    },
    "regression": {
        "task": "regression",
        "loss": "mean-squared-error",
        "layers": [{"type": "flatten"}, {"type": "dense", "units": 7, "activation": "tanh"}, {"type": "dense"}],
    },
    "absolute": {
        "task": "regression",
        "loss": "mean-absolute-error",
        "layers": [
            {"type": "reshape", "shape": [144]},
            {"type": "dense", "units": 7, "activation": "relu"},
            {"type": "dense"},
        ],
    },
}


def main(folder: Path) -> None:
    """Write every network into the folder."""
    import tensorflow as tf

    from zoo.training import keras_file, network
    from zoo.training.on_device.export import export_trainable
    from zoo.training.recipe import parse_recipe

    defaults = {
        "recipe": 1,
        "task": "classification",
        "optimiser": {"type": "sgd", "rate": 0.1},
        "epochs": 1,
        "batch": BATCH,
    }
    for name, document in NETWORKS.items():
        recipe = parse_recipe({**defaults, **document})
        rng = np.random.default_rng(len(name))
        tf.keras.utils.set_random_seed(1)
        model = network.build(recipe, SHAPE, CLASSES)
        if name == "transferred":
            head = network.with_new_head(parse_recipe({**defaults, "layers": _NEW_HEAD}), model, CLASSES)
            path = folder / "transferred"
            path.write_bytes(keras_file.dump(head))
            model = keras_file.load(path)
            network.thaw(model)
        for variable in model.variables:  # moving averages that are 0 and 1 would hide a mistake
            variable.assign(variable + np.abs(rng.normal(0, 0.2, variable.shape)))
        # Halves are equal often: a maximum then has several candidates, and one alone learns.
        x = np.round(rng.normal(0, 1, (BATCH, *SHAPE)) * 2).astype(np.float32) / 2
        classifies = recipe.task == "classification"
        y = rng.integers(0, CLASSES, BATCH) if classifies else rng.normal(0, 1, (BATCH, CLASSES)).astype(np.float32)
        each = np.array([1, 1, 2, 0, 1, 0.5, 1, 1], np.float32)
        with tf.GradientTape() as tape:
            losses = network.loss(recipe)(y, model(x, training=False))
            loss = tf.reduce_sum(losses * each) / each.sum()
        last = [layer for layer in model.layers if isinstance(layer, tf.keras.layers.Dense)][-1]
        learning = {"all": model.trainable_variables, "head": last.trainable_variables}
        found = dict(zip(learning, tape.gradient(loss, list(learning.values())), strict=True))
        for scope, gradients in found.items():
            data = export_trainable(model, recipe, scope=scope, batch=BATCH)
            (folder / f"{name}-{scope}.tflite").write_bytes(data)
            told = {f"g{place:03d}": np.asarray(gradient) for place, gradient in enumerate(gradients)}
            np.savez(folder / f"{name}-{scope}.npz", x=x, y=y, each=each, loss=np.asarray(loss), **told)  # type: ignore[arg-type]  # the stub takes the names for its own options
    (folder / "refused.json").write_text(json.dumps(_refused(defaults)))


def _refused(defaults: dict[str, Any]) -> dict[str, list[Any]]:
    """Field, message and remedy of every refusal."""
    import tensorflow as tf

    from zoo.training import network
    from zoo.training.errors import RecipeError
    from zoo.training.on_device.export import export_trainable
    from zoo.training.recipe import parse_recipe

    recipe = parse_recipe({**defaults, "layers": _HEAD})
    plain = network.build(recipe, SHAPE, CLASSES)
    bare = parse_recipe({**defaults, "layers": [_HEAD[0], {**_HEAD[1], "bias": False}]})
    inputs = tf.keras.Input((6, 3))
    recurrent = tf.keras.layers.LSTM(4, name="recurrent")(inputs)
    asked: dict[str, tuple[Any, str, int]] = {
        "an-lstm": (tf.keras.Model(inputs, tf.keras.layers.Dense(4, activation="softmax")(recurrent)), "all", BATCH),
        "a-head-without-bias": (network.build(bare, SHAPE, CLASSES), "head", BATCH),
        "a-scope-that-is-none": (plain, "tail", BATCH),
        "no-batch": (plain, "all", 0),
    }
    found: dict[str, list[Any]] = {}
    for name, (model, scope, batch) in asked.items():
        try:
            export_trainable(model, recipe, scope=scope, batch=batch)
        except RecipeError as error:
            found[name] = [error.field, str(error), error.remedy]
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]))
