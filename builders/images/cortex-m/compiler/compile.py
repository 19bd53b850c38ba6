"""The passes in their order: parse, fold, fuse, check, lower, plan, emit."""

from collections import Counter
from dataclasses import dataclass

from compiler.check import check
from compiler.emit import constants_bytes, emit
from compiler.fold import fold
from compiler.graph import Graph
from compiler.head import Head, find_head
from compiler.islands import fuse_islands
from compiler.layer import Layer
from compiler.operators import FAMILIES
from compiler.parse import parse
from compiler.plan import Plan, plan


@dataclass(frozen=True, slots=True)
class CompiledModel:
    """The generated sources and the figures that the builder reports."""

    graph: Graph
    layers: tuple[Layer, ...]
    plan: Plan
    sources: dict[str, str]
    constants_bytes: int
    head: Head | None = None

    @property
    def operators(self) -> dict[str, int]:
        """How often each operator occurs, by name."""
        return dict(sorted(Counter(node.kind for node in self.graph.nodes).items()))


def compile_model(data: bytes, *, trainable_head: bool = False) -> CompiledModel:
    """The model of a .tflite file as C; raises CompileError for what cannot be compiled exactly.

    `trainable_head` adds what a device needs to train the last dense layer.
    """
    graph = fuse_islands(fold(parse(data)))
    check(graph)
    layers = tuple(FAMILIES[node.kind].lower(node) for node in graph.nodes)
    head = find_head(graph, layers) if trainable_head else None
    layout = plan(graph, layers, (head.features,) if head else ())
    constants = constants_bytes(layers) + (head.constants_bytes if head else 0)
    return CompiledModel(graph, layers, layout, emit(graph, layers, layout, head), constants, head)
