"""Multiplications of a model's definition, padding included: the size of a layer, whatever its kernel does."""

from math import isqrt, prod

from compiler.graph import Node

_LSTM_GATES = 4


def macs(node: Node) -> int:
    """Multiply-accumulates of one inference; 0 for what is no convolution or product."""
    match node.kind:
        case "CONV_2D" | "FULLY_CONNECTED":  # weights [out, ..., in]
            return node.output.elements * prod(node.input(1).shape[1:])
        case "BATCH_MATMUL":  # three areas, each side in two of them
            sides = [prod(tensor.shape[-2:]) for tensor in (node.input(0), node.input(1), node.output)]
            return node.output.elements // sides[2] * isqrt(prod(sides))
        case "DEPTHWISE_CONV_2D":  # weights [1, height, width, out]
            return node.output.elements * prod(node.input(1).shape[1:-1])
        case "TRANSPOSE_CONV":  # weights [out, height, width, in]: every input element meets each of them
            return node.input(2).elements * prod(node.input(1).shape[:-1])
        case "UNIDIRECTIONAL_SEQUENCE_LSTM":  # of the input and of the hidden state
            return node.output.elements * _LSTM_GATES * (node.input(1).shape[-1] + node.output.shape[-1])
    return 0
