"""The head of a classifier, its last dense layer, as a device needs it to train that layer by itself."""

from collections.abc import Sequence
from dataclasses import dataclass

from compiler.errors import Code, CompileError
from compiler.graph import Graph, Node, Tensor
from compiler.layer import Layer
from compiler.operators.family import options_of
from compiler.operators.fully_connected import FullyConnectedOptions
from compiler.operators.rules import affine, biases, constant, weight_scales
from compiler.operators.softmax import SoftmaxOptions

# As in os/core/model_image.h: what the device has room for.
MAX_PARAMETERS = 8000
MAX_OUTPUTS = 256
_HINT = (
    "A head that a device trains is a FULLY_CONNECTED without an activation, alone or with a SOFTMAX behind it, at the "
    "end of a classifier. Build without trainable_head, or use a model that ends so."
)


@dataclass(frozen=True, slots=True)
class Head:
    """What the head reads (`features`), its int8 weights by output, and how the output tensor is quantised.

    A weight is `scales[output]` times what is stored; a bias `features_scale * scales[output]` times.
    """

    features: Tensor
    features_scale: float
    features_zero_point: int
    weights: Sequence[int]
    scales: Sequence[float]
    bias: Sequence[int]
    softmax: bool
    output_scale: float
    output_zero_point: int

    @property
    def outputs(self) -> int:
        """Classes."""
        return len(self.scales)

    @property
    def constants_bytes(self) -> int:
        """What it adds to the model's section."""
        return len(self.weights) + 8 * self.outputs


def find_head(graph: Graph, layers: Sequence[Layer]) -> Head:
    """The head of a graph that was checked; refuses one that cannot be trained, by the operator that is in the way."""
    for node, layer in zip(graph.nodes, layers, strict=True):
        if layer.states:
            raise _refusal(node, "it remembers what came before, so that its features are not those of one sample")
    last = graph.nodes[-1]
    softmax = last.kind == "SOFTMAX"
    dense = _producer(graph, last.input(0)) if softmax else last
    if dense is None or dense.kind != "FULLY_CONNECTED":
        raise _refusal(dense or last, "it is not the last FULLY_CONNECTED of a classifier")
    if len(graph.outputs) != 1 or graph.outputs[0].index != last.output.index:
        raise _refusal(last, "it does not give the model's only output")
    if softmax and options_of(last, SoftmaxOptions).beta != 1.0:
        raise _refusal(last, "its beta is not 1")
    return _read(dense, last, softmax=softmax)


def _producer(graph: Graph, tensor: Tensor) -> Node | None:
    return next((node for node in graph.nodes if tensor.index in {output.index for output in node.outputs}), None)


def _read(dense: Node, last: Node, *, softmax: bool) -> Head:
    weights, data = constant(dense, 1)
    outputs, features = weights.shape
    if options_of(dense, FullyConnectedOptions).activation != 0:
        raise _refusal(dense, "it has an activation of its own")
    if dense.output.elements != outputs or dense.input(0).data is not None:
        raise _refusal(dense, "it is not given one vector of features")
    if not 2 <= outputs <= MAX_OUTPUTS:
        raise _refusal(dense, f"it has {outputs} outputs; labels need 2 to {MAX_OUTPUTS}")
    if outputs * (features + 1) > MAX_PARAMETERS:
        raise CompileError(
            Code.MODEL_TOO_LARGE,
            f"{dense.label}: its {outputs * (features + 1)} parameters are too many for a head that is trained on the "
            f"device, which holds {MAX_PARAMETERS}",
            "Give the layer fewer features, by pooling before it, or build without trainable_head.",
        )
    source, target = affine(dense, dense.input(0)), affine(last, last.output)
    scales = weight_scales(dense, weights, 0)
    return Head(
        features=dense.input(0),
        features_scale=source.scale,
        features_zero_point=source.zero_point,
        weights=list(data.cast("b")),
        scales=scales if len(scales) == outputs else scales * outputs,
        bias=biases(dense, 2, outputs),
        softmax=softmax,
        output_scale=target.scale,
        output_zero_point=target.zero_point,
    )


def _refusal(node: Node, why: str) -> CompileError:
    return node.refusal(Code.UNSUPPORTED_OPERATOR, f"the head cannot be trained on the device: {why}", _HINT)
