"""Rules that operator families share: arity, types, quantisation, fused activations, window geometry."""

from dataclasses import dataclass
from enum import Enum
from math import isfinite
from struct import pack, unpack

from compiler.errors import Code
from compiler.fixed_point import quantize_multiplier, round_half_away
from compiler.graph import DType, Node, Tensor
from compiler.layer import Constant

EXPORT_HINT = "Export the model again with the TensorFlow Lite converter."
QUANTISE_HINT = "Convert with full-integer quantisation: int8 weights and activations, with a representative dataset."
LARGEST_SHIFT = 30  # to the left, of an int32
MAX_STRIDE = 1 << 16
MAX_REACH = 1 << 20  # of a dilated window: positions stay far inside 32 bits


def require_arity(node: Node, fewest: int, most: int) -> None:
    """Between `fewest` and `most` inputs (the first `fewest` present) and one output."""
    if not fewest <= len(node.inputs) <= most or len(node.outputs) != 1:
        raise node.refusal(
            Code.BAD_MODEL, f"it has {len(node.inputs)} inputs and {len(node.outputs)} outputs", EXPORT_HINT
        )
    for position in range(fewest):
        node.input(position)


def require_type(node: Node, tensor: Tensor, *allowed: DType) -> None:
    """The tensor's element type is one of `allowed`."""
    if tensor.dtype not in allowed:
        names = " or ".join(dtype.label for dtype in allowed)
        raise node.refusal(Code.UNSUPPORTED_TYPE, f"{tensor.label} is not {names}", QUANTISE_HINT)


def require_rank(node: Node, tensor: Tensor, rank: int) -> None:
    """The tensor has `rank` dimensions."""
    if len(tensor.shape) != rank:
        raise node.refusal(Code.BAD_MODEL, f"{tensor.label} does not have {rank} dimensions", EXPORT_HINT)


def require_rank_up_to(node: Node, tensor: Tensor, most: int) -> None:
    """The tensor has no more dimensions than the oracle takes."""
    if len(tensor.shape) > most:
        raise node.refusal(
            Code.UNSUPPORTED_OPERATOR,
            f"{tensor.label} has more than {most} dimensions",
            "Reshape to fewer dimensions first.",
        )


def require_shape(node: Node, tensor: Tensor, shape: tuple[int, ...]) -> None:
    """The tensor has exactly this shape."""
    if tensor.shape != shape:
        raise node.refusal(Code.BAD_MODEL, f"{tensor.label} should have the shape {list(shape)}", EXPORT_HINT)


def constant(node: Node, position: int) -> tuple[Tensor, memoryview]:
    """An input that must be a constant, and its bytes."""
    tensor = node.input(position)
    if tensor.data is None:
        raise node.refusal(
            Code.UNSUPPORTED_OPERATOR, f"{tensor.label} is computed; a constant is supported", "Freeze the weights."
        )
    return tensor, tensor.data


def require_computed(node: Node, position: int) -> None:
    """The input is not a constant."""
    if node.input(position).data is not None:
        raise node.refusal(
            Code.UNSUPPORTED_OPERATOR, f"{node.input(position).label} is a constant", "Fold constants before exporting."
        )


@dataclass(frozen=True, slots=True)
class Affine:
    """Scale and zero point of a tensor quantised as a whole."""

    scale: float
    zero_point: int


def affine(node: Node, tensor: Tensor) -> Affine:
    """The per-tensor quantisation of an int8 (or uint8) tensor."""
    quantization = tensor.quantization
    if quantization is None:
        raise node.refusal(Code.UNSUPPORTED_TYPE, f"{tensor.label} is not quantised", QUANTISE_HINT)
    if len(quantization.scales) != 1:
        raise node.refusal(
            Code.UNSUPPORTED_TYPE,
            f"{tensor.label} is quantised per channel; activations are quantised per tensor",
            QUANTISE_HINT,
        )
    low, high = (0, 255) if tensor.dtype is DType.UINT8 else (-128, 127)
    zero_point = quantization.zero_points[0]
    if not low <= zero_point <= high:
        raise node.refusal(Code.BAD_MODEL, f"{tensor.label} has the zero point {zero_point}", EXPORT_HINT)
    return Affine(quantization.scales[0], zero_point)


def weight_scales(node: Node, weights: Tensor, axis: int) -> tuple[float, ...]:
    """One scale, or one per output channel along `axis`; symmetric, as the int8 specification demands."""
    quantization = weights.quantization
    if quantization is None:
        raise node.refusal(Code.UNSUPPORTED_TYPE, f"{weights.label} is not quantised", QUANTISE_HINT)
    if any(quantization.zero_points):
        raise node.refusal(
            Code.UNSUPPORTED_TYPE, f"{weights.label} has a zero point other than 0", "Use symmetric int8 weights."
        )
    count = len(quantization.scales)
    if count > 1 and (count != weights.shape[axis] or quantization.axis != axis):
        raise node.refusal(
            Code.BAD_MODEL,
            f"{weights.label} has {count} scales along dimension {quantization.axis}",
            EXPORT_HINT,
        )
    return quantization.scales


def biases(node: Node, position: int, channels: int) -> tuple[int, ...]:
    """The int32 biases, or zeros where the operator has none."""
    if position >= len(node.inputs) or node.inputs[position] is None:
        return (0,) * channels
    tensor, data = constant(node, position)
    require_type(node, tensor, DType.INT32)
    require_shape(node, tensor, (channels,))
    return unpack(f"<{channels}i", data)


def output_multipliers(node: Node, reals: list[float]) -> tuple[Constant, Constant]:
    """The constants `multiplier` and `shift` for the given real factors, one or one per channel."""
    pairs = [multiplier(node, real) for real in reals]
    return (
        Constant("multiplier", "int32_t", [pair[0] for pair in pairs]),
        Constant("shift", "int8_t", [pair[1] for pair in pairs]),
    )


def multiplier(node: Node, real: float) -> tuple[int, int]:
    """quantize_multiplier within the range that kernels can shift by."""
    value, shift = quantize_multiplier(real) if isfinite(real) else (0, LARGEST_SHIFT + 1)
    if shift > LARGEST_SHIFT:
        raise node.refusal(Code.BAD_MODEL, f"its scales combine to {real:g}, beyond 32-bit arithmetic", EXPORT_HINT)
    return value, shift


class Activation(Enum):
    """Fused activations of the schema with their real bounds."""

    NONE = (0, None, None)
    RELU = (1, 0.0, None)
    RELU_N1_TO_1 = (2, -1.0, 1.0)
    RELU6 = (3, 0.0, 6.0)

    @property
    def number(self) -> int:
        """Value of `ActivationFunctionType` in the schema."""
        return self.value[0]

    @property
    def bounds(self) -> tuple[float | None, float | None]:
        """Lowest and highest real output."""
        return self.value[1], self.value[2]


_ACTIVATIONS = {activation.number: activation for activation in Activation}


def activation_range(node: Node, number: int, output: Affine) -> tuple[int, int]:
    """The int8 limits of a fused activation, in the output's quantisation."""
    if number not in _ACTIVATIONS:
        raise node.refusal(
            Code.UNSUPPORTED_OPERATOR,
            f"the fused activation {number} is not supported",
            "Use none, RELU, RELU6 or RELU_N1_TO_1.",
        )
    low, high = _ACTIVATIONS[number].bounds
    return (
        -128 if low is None else max(-128, _quantized(node, low, output)),
        127 if high is None else min(127, _quantized(node, high, output)),
    )


def _quantized(node: Node, real: float, output: Affine) -> int:
    # float32 division, as the oracle does it; a double holds the quotient of two floats closely enough to round once.
    quotient = real / output.scale
    if abs(quotient) >= 1 << 31:
        raise node.refusal(Code.BAD_MODEL, f"its output scale {output.scale:g} is too small", EXPORT_HINT)
    (single,) = unpack("<f", pack("<f", quotient))
    return output.zero_point + round_half_away(single)


class Padding(Enum):
    """Padding of the schema."""

    SAME = 0
    VALID = 1


def padding(node: Node, number: int) -> Padding:
    """The padding with that number."""
    if number not in (0, 1):
        raise node.refusal(Code.BAD_MODEL, f"the padding {number} is unknown", EXPORT_HINT)
    return Padding(number)


@dataclass(frozen=True, slots=True)
class Axis:
    """A sliding window along one dimension: sizes in elements, `before` is the padding ahead of the input."""

    size_in: int
    size_out: int
    window: int
    stride: int
    dilation: int
    before: int


def window_axis(node: Node, size_in: int, window: int, stride: int, dilation: int, pad: Padding) -> Axis:
    """Output size and leading padding (tensorflow.org/api_docs/python/tf/nn, "SAME" and "VALID")."""
    if not (1 <= stride <= MAX_STRIDE and 1 <= dilation <= MAX_STRIDE and 1 <= window <= MAX_STRIDE):
        raise node.refusal(
            Code.BAD_MODEL, f"window {window}, stride {stride} and dilation {dilation} cannot be used", EXPORT_HINT
        )
    reach = (window - 1) * dilation + 1
    size_out = -(-size_in // stride) if pad is Padding.SAME else -(-(size_in - reach + 1) // stride)
    if size_out < 1 or reach > MAX_REACH:
        raise node.refusal(Code.BAD_MODEL, f"a window of {reach} does not fit an input of {size_in}", EXPORT_HINT)
    before = max(0, (size_out - 1) * stride + reach - size_in) // 2
    return Axis(size_in, size_out, window, stride, dilation, before)


def axis_of(node: Node, tensor: Tensor, axis: int) -> int:
    """A dimension of the tensor, counted from the end where negative."""
    rank = len(tensor.shape)
    if not -rank <= axis < rank:
        raise node.refusal(Code.BAD_MODEL, f"{tensor.label} has no dimension {axis}", EXPORT_HINT)
    return axis % rank
