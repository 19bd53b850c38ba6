"""UNIDIRECTIONAL_SEQUENCE_LSTM with int8 activations and a 16-bit cell; its state outlives the inference."""

from array import array
from dataclasses import dataclass
from math import exp, frexp

from compiler.errors import Code
from compiler.flatbuffer import Table
from compiler.graph import DType, Node, Tensor
from compiler.layer import Constant, Layer, State
from compiler.operators.family import Family, OptionsReader, options_of
from compiler.operators.filters import even, paired, rows_of
from compiler.operators.requantise import folded_bias
from compiler.operators.rules import (
    EXPORT_HINT,
    Affine,
    affine,
    biases,
    constant,
    multiplier,
    require_arity,
    require_rank,
    require_shape,
    require_type,
    weight_scales,
)

OPERANDS = 24
GATES = ("input_gate", "forget_gate", "cell_gate", "output_gate")  # in the order of the operands
WEIGHTS, RECURRENT, BIASES = 1, 5, 12  # first operand of each kind
HIDDEN, CELL = 18, 19
# Operands of variants that the oracle does not know either.
VARIANTS = {**dict.fromkeys((9, 10, 11), "peepholes"), 16: "a projection", 17: "a projection"} | dict.fromkeys(
    (20, 21, 22, 23), "layer normalisation"
)
TANH = 4  # ActivationFunctionType
GATE_SCALE = 2.0**-12  # of a gate before its activation
UNIT_SCALE = 2.0**-15  # of a gate after it, and of tanh of the cell
CELL_POWERS = range(-16, 1)
INT16_LIMIT = 1 << 15
TABLE_STEP = 24  # entries of the table of sigmoid for a step of 1


@dataclass(frozen=True, slots=True)
class LstmOptions:
    """UnidirectionalSequenceLSTMOptions of the schema."""

    activation: int
    cell_clip: float
    time_major: bool
    diagonal: bool


def _read(table: Table) -> LstmOptions:
    return LstmOptions(
        activation=table.integer(0, "b"),
        cell_clip=table.real(1),
        time_major=table.integer(3, "B") != 0,
        diagonal=table.integer(5, "B") != 0,
    )


def check(node: Node) -> None:
    """Refuses everything but the plain LSTM of int8 with constant weights."""
    if len(node.inputs) != OPERANDS:
        raise node.refusal(Code.BAD_MODEL, f"it has {len(node.inputs)} inputs", EXPORT_HINT)
    require_arity(node, 1, OPERANDS)
    _check_variant(node)
    source, hidden, cell = node.input(0), node.input(HIDDEN), node.input(CELL)
    for tensor in (source, node.output):
        require_type(node, tensor, DType.INT8)
        require_rank(node, tensor, 3)
    require_type(node, hidden, DType.INT8)
    require_type(node, cell, DType.INT16)
    first, second, depth = source.shape
    units = node.output.shape[2]
    require_shape(node, node.output, (first, second, units))
    for tensor in (hidden, cell):
        _check_state(node, tensor, (second if options_of(node, LstmOptions).time_major else first) * units)
    for gate in range(len(GATES)):
        for position, columns in ((WEIGHTS + gate, depth), (RECURRENT + gate, units)):
            weights, _ = constant(node, position)
            require_type(node, weights, DType.INT8)
            require_shape(node, weights, (units, columns))
            if len(weight_scales(node, weights, 0)) != 1:
                raise node.refusal(
                    Code.UNSUPPORTED_TYPE, f"{weights.label} is quantised per channel", "Quantise it per tensor."
                )
        biases(node, BIASES + gate, units)
        _factors(node, gate)
    _cell_power(node)
    multiplier(node, UNIT_SCALE * UNIT_SCALE / affine(node, hidden).scale)


def _check_variant(node: Node) -> None:
    options = options_of(node, LstmOptions)
    variant = next((name for place, name in VARIANTS.items() if node.inputs[place] is not None), None)
    if any(node.inputs[place] is None for place in (WEIGHTS, RECURRENT, BIASES)):
        variant = "a coupled input gate"
    if options.diagonal:
        variant = "diagonal recurrent weights"
    if variant is not None:
        raise node.refusal(Code.UNSUPPORTED_OPERATOR, f"it has {variant}", "Use a plain LSTM layer.")
    if options.activation != TANH or not options.cell_clip >= 0:
        raise node.refusal(
            Code.UNSUPPORTED_OPERATOR,
            f"its activation is number {options.activation} and its cell clip {options.cell_clip:g}",
            "Use tanh, and a cell clip that is not negative.",
        )


def _check_state(node: Node, tensor: Tensor, elements: int) -> None:
    if not tensor.is_variable:
        raise node.refusal(Code.BAD_MODEL, f"its state {tensor.label} is no variable", EXPORT_HINT)
    if tensor.elements != elements:
        raise node.refusal(Code.BAD_MODEL, f"its state {tensor.label} does not have {elements} elements", EXPORT_HINT)
    quantization = tensor.quantization
    if quantization is None or len(quantization.scales) != 1:
        raise node.refusal(Code.UNSUPPORTED_TYPE, f"its state {tensor.label} has no scale", EXPORT_HINT)


def _cell_power(node: Node) -> int:
    """The cell's scale as a power of two."""
    cell = node.input(CELL)
    quantization = cell.quantization
    if quantization is not None and quantization.zero_points == (0,):
        fraction, exponent = frexp(quantization.scales[0])
        if fraction == 0.5 and exponent - 1 in CELL_POWERS:
            return exponent - 1
    raise node.refusal(
        Code.UNSUPPORTED_TYPE,
        f"the scale of {cell.label} is not a power of two from 2^{CELL_POWERS[0]} to 1 with zero point 0",
        EXPORT_HINT,
    )


def _factors(node: Node, gate: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """From the sums over the input, and over the hidden state, to the gate's scale."""
    weights, recurrent = node.input(WEIGHTS + gate), node.input(RECURRENT + gate)
    return (
        multiplier(node, affine(node, node.input(0)).scale * weight_scales(node, weights, 0)[0] / GATE_SCALE),
        multiplier(node, affine(node, node.input(HIDDEN)).scale * weight_scales(node, recurrent, 0)[0] / GATE_SCALE),
    )


def sigmoid_table() -> list[int]:
    """sigmoid(x) in Q0.16 for x = 0, 1/24, .. 255/24, raised by half of what a chord lies below the curve at the most.

    Straight lines between the entries then err as much above as below. tanh(x) is 2 sigmoid(2x) - 1.
    """
    table: list[int] = []
    for index in range(256):
        value = 1 / (1 + exp(-index / TABLE_STEP))
        curvature = value * (1 - value) * (1 - 2 * value)
        table.append(round((1 << 16) * (value - curvature / (16 * TABLE_STEP**2))))
    table[-1] = (1 << 16) - 1  # where the kernel's saturation goes on
    return table


def _gate(node: Node, gate: int, units: int) -> tuple[list[tuple[str, int | str]], list[Constant]]:
    """Parameters and constants of `struct tml_lstm_gate`; the zero points are folded into the biases."""
    name = GATES[gate]
    parameters: list[tuple[str, int | str]] = []
    constants: list[Constant] = []

    def add(kind: str, position: int, bias: tuple[int, ...], source: Affine, factor: tuple[int, int]) -> None:
        filters: list[array[int]] = rows_of(constant(node, position)[1], units)
        constants.append(Constant(f"{name}.{kind}_weights", "int8_t", paired(filters)))
        constants.append(Constant(f"{name}.{kind}_bias", "int32_t", even(folded_bias(bias, filters, source))))
        parameters.extend(((f"{name}.{kind}_multiplier", factor[0]), (f"{name}.{kind}_shift", factor[1])))

    on_input, on_hidden = _factors(node, gate)
    add("input", WEIGHTS + gate, biases(node, BIASES + gate, units), affine(node, node.input(0)), on_input)
    add("hidden", RECURRENT + gate, (0,) * units, affine(node, node.input(HIDDEN)), on_hidden)
    return parameters, constants


def lower(node: Node) -> Layer:
    """The call of `tml_lstm`."""
    options = options_of(node, LstmOptions)
    first, second, depth = node.input(0).shape
    steps, batches = (first, second) if options.time_major else (second, first)
    units = node.output.shape[2]
    hidden = affine(node, node.input(HIDDEN))
    power = _cell_power(node)
    # As in the oracle: cut to whole steps of the cell; one step past the range where there is no clip.
    clip = int(min(options.cell_clip / 2.0**power, INT16_LIMIT - 1)) if options.cell_clip > 0 else INT16_LIMIT
    to_forget = multiplier(node, UNIT_SCALE)
    to_cell = multiplier(node, UNIT_SCALE * UNIT_SCALE / 2.0**power)
    to_hidden = multiplier(node, UNIT_SCALE * UNIT_SCALE / hidden.scale)
    # Three quarters of the table's step, times the cell's scale beside that of a gate.
    raise_by = power + 12
    parameters: list[tuple[str, int | str]] = [
        ("batches", batches),
        ("steps", steps),
        ("depth", depth),
        ("units", units),
        ("batch_stride", 1 if options.time_major else steps),
        ("step_stride", batches if options.time_major else 1),
        ("forget_multiplier", to_forget[0]),
        ("forget_shift", to_forget[1]),
        ("cell_multiplier", to_cell[0]),
        ("cell_shift", to_cell[1]),
        ("cell_clip", clip),
        ("tanh_multiplier", 3 << max(raise_by, 0)),
        ("tanh_shift", max(-raise_by, 0)),
        ("hidden_multiplier", to_hidden[0]),
        ("hidden_shift", to_hidden[1]),
        ("hidden_zero", hidden.zero_point),
    ]
    constants = [Constant("sigmoid", "uint16_t", sigmoid_table())]
    for gate in range(len(GATES)):
        more, arrays = _gate(node, gate, units)
        parameters += more
        constants += arrays
    states = (node.input(HIDDEN), node.input(CELL))
    return Layer(
        kernel="tml_lstm",
        struct="tml_lstm_layer",
        parameters=tuple(parameters),
        constants=tuple(constants),
        inputs=(node.input(0),),
        output=node.output,
        header="tml_lstm.h",
        states=(
            State(f"state_{states[0].index}", "int8_t", states[0].elements, fill=hidden.zero_point & 0xFF),
            State(f"state_{states[1].index}", "int16_t", states[1].elements),
        ),
    )


UNIDIRECTIONAL_SEQUENCE_LSTM = Family(
    "UNIDIRECTIONAL_SEQUENCE_LSTM", OptionsReader(71, _read), check, lower, state_inputs=(HIDDEN, CELL)
)
