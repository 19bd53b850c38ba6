"""Makes the trainable .tflite file of a network: four signatures, built-in operators, checked at once. TensorFlow."""

from __future__ import annotations

import tempfile
from collections import Counter
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema
from tensorflow.lite.tools import flatbuffer_utils

from zoo.training.errors import RecipeError, TrainingError
from zoo.training.on_device.chain import Chain, chain_of
from zoo.training.on_device.document import BUFFER, SCOPES, TrainableDocument
from zoo.training.on_device.trainer import LiteRtTrainer
from zoo.training.recipe import CLASSIFICATION, Recipe

MAX_BATCH = 1024
_TOLERANCE = 1e-4
"""Of the largest output: the order of additions differs between Keras and LiteRT, and nothing else."""


class ExportError(TrainingError):
    """The file does not compute what the network computes. It is not given out."""

    code = "export_failed"
    default_remedy = "Report it with the recipe; scope head may work."


def export_trainable(
    model: Any,
    recipe: Recipe,
    *,
    scope: str,
    batch: int,
    scaling: dict[str, list[float]] | None = None,
    labels: tuple[str, ...] = (),
) -> bytes:
    """The file of a Keras network that was trained by `recipe`; its document is inside (`TrainableDocument.of_file`).

    Raises RecipeError for a network, a scope or a batch that does not go, ExportError when the file's own answers are
    not those of `model`.
    """
    if scope not in SCOPES:
        raise RecipeError(f"There is no scope {scope!r}.", field="scope", remedy=f"Take {' or '.join(SCOPES)}.")
    if not 1 <= batch <= MAX_BATCH:
        raise RecipeError(f"A batch of {batch} samples.", field="batch", remedy=f"Take 1 to {MAX_BATCH}.")
    chain = chain_of(model, scope, batch)
    if recipe.task == CLASSIFICATION and chain.ends_with_softmax == recipe.from_logits:
        raise RecipeError(
            "The network ends neither with softmax nor with the logits that its recipe speaks of.", field="scope"
        )
    document = TrainableDocument(
        parameters=chain.parameters,
        input_shape=tuple(model.input_shape[1:]),
        outputs=int(model.output_shape[-1]),
        batch=batch,
        task=recipe.task,
        loss=recipe.loss,
        from_logits=recipe.from_logits,
        scope=scope,
        layers=tuple(chain.layers),
        labels=labels,
        scaling=scaling,
    )
    data = _with_document(_converted(_Trainable(chain, document)), document)
    _check(data, model, document)
    return data


class _Trainable(tf.Module):  # type: ignore[misc]  # TensorFlow has no types
    """The four functions over one set of variables. Their first argument has to be called self."""

    def __init__(self, chain: Chain, document: TrainableDocument) -> None:
        super().__init__(name="trainable")
        self._chain, self._document = chain, document
        self._variables = chain.variables

    def signatures(self) -> dict[str, Any]:
        """By name, with shapes fixed to the batch."""
        batch, floats = self._document.batch, tf.float32
        x = tf.TensorSpec([batch, *self._document.input_shape], floats, name="x")
        y = tf.TensorSpec([batch, self._document.outputs], floats, name="y")
        each = tf.TensorSpec([batch], floats, name="sample_weight")
        rate = tf.TensorSpec([], floats, name="learning_rate")
        weights = [
            tf.TensorSpec(variable.shape, floats, name=name)
            for name, variable in zip(self._document.weight_names, self._variables, strict=True)
        ]
        return {
            "train": tf.function(self.train).get_concrete_function(x, y, each, rate),
            "infer": tf.function(self.infer).get_concrete_function(x),
            "get_weights": tf.function(self.get_weights).get_concrete_function(),
            "set_weights": tf.function(self.set_weights).get_concrete_function(*weights),
        }

    def train(self, x: Any, y: Any, sample_weight: Any, learning_rate: Any) -> dict[str, Any]:
        """One step of gradient descent on the weighted mean of the samples' losses."""
        outputs, backs = self._forward(x)
        losses, gradient = _loss(self._document.loss, outputs, y)
        share = sample_weight / tf.maximum(tf.reduce_sum(sample_weight), 1e-9)
        gradient *= tf.reshape(share, [-1, 1])
        steps: list[tuple[Any, Any]] = []
        for operation, back in reversed(backs):
            gradient, found = back(gradient)
            steps += zip(operation.weights, found, strict=True)
        for variable, slope in steps:
            variable.assign(variable.read_value() - learning_rate * slope)
        return {"loss": tf.reduce_sum(losses * share)}

    def infer(self, x: Any) -> dict[str, Any]:
        """What the network answers: probabilities where it ends with softmax, logits or values otherwise."""
        outputs, _ = self._forward(x)
        return {"output": tf.nn.softmax(outputs) if self._chain.ends_with_softmax else tf.identity(outputs)}

    def get_weights(self) -> dict[str, Any]:
        """Every parameter."""
        names = self._document.weight_names
        return {name: variable.read_value() for name, variable in zip(names, self._variables, strict=True)}

    def set_weights(self, *weights: Any) -> dict[str, Any]:
        """Replace every parameter."""
        for variable, value in zip(self._variables, weights, strict=True):
            variable.assign(value)
        return {"done": tf.constant(1.0)}

    def _forward(self, x: Any) -> tuple[Any, list[tuple[Any, Any]]]:
        if self._chain.frozen is not None:
            x = self._chain.frozen(x)
        backs = []
        for operation in self._chain.operations:
            x, back = operation.forward(x)
            backs.append((operation, back))
        return x, backs


def _loss(name: str, outputs: Any, wanted: Any) -> tuple[Any, Any]:
    """Each sample's loss, and its gradient by the outputs (logits, for the cross entropy)."""
    if name == "cross-entropy":
        logarithms = tf.nn.log_softmax(outputs)
        return -tf.reduce_sum(wanted * logarithms, -1), tf.nn.softmax(outputs) - wanted
    error, share = outputs - wanted, 1.0 / outputs.shape[-1]
    if name == "mean-squared-error":
        return tf.reduce_mean(error * error, -1), 2 * share * error
    direction = tf.cast(error > 0, tf.float32) - tf.cast(error < 0, tf.float32)
    return tf.reduce_mean(tf.abs(error), -1), share * direction


def _converted(module: _Trainable) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder, signatures=module.signatures())
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        converter.experimental_enable_resource_variables = True
        return bytes(converter.convert())


def _with_document(data: bytes, document: TrainableDocument) -> bytes:
    """The document as a buffer of the file that its metadata names."""
    file = flatbuffer_utils.read_model_from_bytearray(bytearray(data))
    _check_operators(file, len(document.parameters))
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data = np.frombuffer(document.to_bytes(), np.uint8)
    file.buffers.append(buffer)
    entry.name, entry.buffer = BUFFER, len(file.buffers) - 1
    file.metadata = [*(file.metadata or []), entry]
    return bytes(flatbuffer_utils.convert_object_to_bytearray(file))


def _check_operators(file: Any, parameters: int) -> None:
    """Built-in operators alone, and each variable initialised: one that is not reads as anything, without an error."""
    names = {number: name for name, number in vars(schema.BuiltinOperator).items() if name.isupper()}
    numbers = [max(code.builtinCode, code.deprecatedBuiltinCode) for code in file.operatorCodes]
    custom = [code.customCode for code in file.operatorCodes if code.customCode]
    if custom:
        raise ExportError(f"The file needs operators that LiteRT does not ship: {custom}.")
    initialising = {
        operator.builtinOptions.initSubgraphIndex
        for graph in file.subgraphs
        for operator in graph.operators
        if names[numbers[operator.opcodeIndex]] == "CALL_ONCE"
    }
    assigned = Counter(
        names[numbers[operator.opcodeIndex]] for index in initialising for operator in file.subgraphs[index].operators
    )["ASSIGN_VARIABLE"]
    if assigned != parameters:
        raise ExportError(f"The file gives {assigned} of {parameters} variables their first value.")


def _check(data: bytes, model: Any, document: TrainableDocument) -> None:
    """The fresh file answers as the network does, and goes on doing so with its own weights set anew."""
    trainer = LiteRtTrainer(data)
    shape = (2 * document.batch, *document.input_shape)
    samples = np.random.default_rng(1).uniform(-1, 1, shape).astype(np.float32)
    wanted = np.asarray(model(samples, training=False)).reshape(len(samples), -1)
    for what in ("fresh", "with its weights set anew"):
        found = trainer.infer(samples)
        far = float(np.abs(found - wanted).max()) / max(1.0, float(np.abs(wanted).max()))
        if not far < _TOLERANCE:
            raise ExportError(f"The file, {what}, is {far:.2g} away from the network.")
        trainer.set_weights(trainer.get_weights())
