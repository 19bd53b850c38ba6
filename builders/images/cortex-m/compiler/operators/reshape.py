"""RESHAPE, EXPAND_DIMS and SQUEEZE: the same bytes under another shape; no code, no copy."""

from compiler.errors import Code
from compiler.graph import Node
from compiler.layer import Layer
from compiler.operators.family import Family
from compiler.operators.rules import EXPORT_HINT, require_arity, require_computed, require_type


def check(node: Node) -> None:
    """Refuses a change of size or type; the target shape is the output's, which the file stores."""
    require_arity(node, 1, 2)
    require_computed(node, 0)
    require_type(node, node.output, node.input(0).dtype)
    if node.input(0).elements != node.output.elements:
        raise node.refusal(Code.BAD_MODEL, f"{node.input(0).label} and {node.output.label} differ in size", EXPORT_HINT)


def lower(node: Node) -> Layer:
    """A layer without a kernel."""
    return Layer(None, "", (), (), (node.input(0),), node.output)


RESHAPE = Family("RESHAPE", None, check, lower)
EXPAND_DIMS = Family("EXPAND_DIMS", None, check, lower)
SQUEEZE = Family("SQUEEZE", None, check, lower)
