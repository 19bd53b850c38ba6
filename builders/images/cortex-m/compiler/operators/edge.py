"""QUANTIZE and DEQUANTIZE: between float32 at the graph's edges and int8, and between int8 scales."""

from struct import pack, unpack

from compiler.errors import Code
from compiler.fixed_point import rescale, table_of_int8
from compiler.graph import DType, Node
from compiler.layer import Below, Layer
from compiler.operators.elementwise import FloatStep, float_table
from compiler.operators.family import Family
from compiler.operators.lookup import lookup_layer
from compiler.operators.rules import affine, multiplier, require_arity, require_computed, require_shape, require_type


def check_quantize(node: Node) -> None:
    """Refuses everything but float32 or int8 to int8."""
    require_arity(node, 1, 1)
    require_computed(node, 0)
    require_type(node, node.input(0), DType.FLOAT32, DType.INT8)
    require_type(node, node.output, DType.INT8)
    require_shape(node, node.output, node.input(0).shape)
    affine(node, node.output)
    if node.input(0).dtype is DType.INT8:
        multiplier(node, affine(node, node.input(0)).scale / affine(node, node.output).scale)


def lower_quantize(node: Node) -> Layer:
    """The call of `tml_quantize`, or of `tml_lookup` from int8."""
    target = affine(node, node.output)
    if isinstance(node.options, FloatStep):
        return lookup_layer(node, float_table(node, node.options))
    if node.input(0).dtype is DType.INT8:
        source = affine(node, node.input(0))
        value, shift = multiplier(node, source.scale / target.scale)
        return lookup_layer(
            node,
            table_of_int8(lambda stored: rescale(stored - source.zero_point, value, shift) + target.zero_point),
        )
    return _float_layer(node, "tml_quantize", target.scale, target.zero_point)


def check_dequantize(node: Node) -> None:
    """Refuses everything but int8 to float32."""
    require_arity(node, 1, 1)
    require_computed(node, 0)
    require_type(node, node.input(0), DType.INT8)
    require_type(node, node.output, DType.FLOAT32)
    require_shape(node, node.output, node.input(0).shape)
    affine(node, node.input(0))


def lower_dequantize(node: Node) -> Layer:
    """The call of `tml_dequantize`."""
    source = affine(node, node.input(0))
    return _float_layer(node, "tml_dequantize", source.scale, source.zero_point)


def _float_layer(node: Node, kernel: str, scale: float, zero_point: int) -> Layer:
    return Layer(
        kernel=kernel,
        struct="tml_edge_layer",
        parameters=(("count", node.output.elements), ("scale", c_float(node, scale)), ("zero_point", zero_point)),
        constants=(),
        inputs=(node.input(0),),
        output=node.output,
        # Four bytes become one, or one becomes four: then the output must stay below what is still to be read.
        overlaps=(Below(max(0, node.output.size - node.input(0).size)),),
    )


def c_float(node: Node, value: float) -> str:
    """A C literal with exactly this float32 value: nine digits name every float."""
    literal = f"{value:.9g}"
    if unpack("<f", pack("<f", float(literal)))[0] != value:
        raise node.refusal(Code.INTERNAL, f"{value!r} is not a float32", "Report this.")
    return (literal if "." in literal or "e" in literal else literal + ".0") + "f"


QUANTIZE = Family("QUANTIZE", None, check_quantize, lower_quantize)
DEQUANTIZE = Family("DEQUANTIZE", None, check_dequantize, lower_dequantize)
