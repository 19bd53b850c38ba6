"""What can be wrong with a model or with the values given to one; and the root of every error under `zoo/`.

ZooError                      code                raised by
├─ ModelError
│  ├─ ModelTooLargeError      model_too_large     inspect
│  ├─ NotTfliteError          not_tflite          inspect
│  ├─ ModelTruncatedError     model_truncated     inspect: an offset points past the end of the file
│  ├─ ModelMalformedError     model_malformed     inspect: the parts contradict each other
│  ├─ UnsupportedModelError   unsupported_model   inspect, predict: well formed, but nothing here runs such a model
│  ├─ FloatModelError         float_model         require_int8
│  ├─ OracleFailedError       oracle_failed       oracle: the interpreter refused the model, crashed or met its limits
│  ├─ BadInputError           bad_input           predict
│  └─ NoSuchModelError        no_such_model       cards
├─ DatasetError               zoo.datasets.errors
├─ TrainingError              zoo.training.errors
│  └─ OffloadError            zoo.training.offload.errors
└─ FederatedError             zoo.federated.errors

Nothing here knows HTTP: the server maps a code to a status.
"""

from __future__ import annotations

from typing import ClassVar


class ZooError(Exception):
    """The root: a slug for machines, a sentence and a remedy for people, and the field at fault where there is one."""

    code: str
    default_remedy: ClassVar[str] = ""
    default_field: ClassVar[str | None] = None

    def __init__(self, detail: str, remedy: str | None = None, *, field: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.remedy = self.default_remedy if remedy is None else remedy
        self.field = self.default_field if field is None else field


class ModelError(ZooError):
    """A model, or what is given to one."""


class ModelTooLargeError(ModelError):
    """The file is larger than any board here could hold."""

    code = "model_too_large"
    default_remedy = "Prune the model or quantise it to int8, then upload the smaller file."


class NotTfliteError(ModelError):
    """The bytes are no TensorFlow Lite FlatBuffer."""

    code = "not_tflite"
    default_remedy = "Upload a .tflite file, as tf.lite.TFLiteConverter writes it."


class ModelTruncatedError(ModelError):
    """An offset in the file points past its end."""

    code = "model_truncated"
    default_remedy = (
        "Upload the file again: part of it seems to be missing. Compare its size and sha256 with the original."
    )


class ModelMalformedError(ModelError):
    """The file is complete but contradicts itself."""

    code = "model_malformed"
    default_remedy = "Convert the model again with a current TensorFlow Lite converter."


class UnsupportedModelError(ModelError):
    """A well-formed model of a kind that is not run here."""

    code = "unsupported_model"
    default_remedy = "Convert the model with built-in operators only, fixed shapes and one subgraph."


class FloatModelError(ModelError):
    """The model computes in floating point."""

    code = "float_model"
    default_remedy = (
        "Quantise it to int8: set converter.optimizations = [tf.lite.Optimize.DEFAULT], a representative_dataset, "
        "target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8] and int8 inference_input_type and "
        "inference_output_type."
    )


class OracleFailedError(ModelError):
    """The reference interpreter could not run the model."""

    code = "oracle_failed"
    default_remedy = "Run the model with the tflite-micro package from PyPI: it must load and invoke there."


class BadInputError(ModelError):
    """The values given to a model do not fit its input."""

    code = "bad_input"
    default_field = "body"
    default_remedy = "Send one nested list per instance, in the shape of the model's input without its batch dimension."


class NoSuchModelError(ModelError):
    """The catalogue holds no model of that name."""

    code = "no_such_model"
    default_remedy = "List the catalogue and use one of its names."
