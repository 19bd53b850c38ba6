"""The passes in their order: parse, check, lower, plan, emit."""

from collections import Counter
from dataclasses import dataclass

from compiler.check import check
from compiler.emit import constants_bytes, emit
from compiler.graph import Graph
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

    @property
    def operators(self) -> dict[str, int]:
        """How often each operator occurs, by name."""
        return dict(sorted(Counter(node.kind for node in self.graph.nodes).items()))


def compile_model(data: bytes) -> CompiledModel:
    """The model of a .tflite file as C; raises CompileError for what cannot be compiled exactly."""
    graph = parse(data)
    check(graph)
    layers = tuple(FAMILIES[node.kind].lower(node) for node in graph.nodes)
    layout = plan(graph, layers)
    sources = emit(graph, layers, layout)
    return CompiledModel(graph, layers, layout, sources, constants_bytes(layers))
