"""Kernels stay inside their tensors: all bytes between the tensors are poisoned under AddressSanitizer."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
from compiler.emit import emit
from compiler.operators import FAMILIES
from compiler.parse import parse
from compiler.plan import Plan
from host_model import FLAGS, IMAGE, VARIANTS
from random_chains import LAYERS, random_chain
from random_operators import RANDOM, RandomGraph
from tflite_writer import WrittenOperator, WrittenTensor, write_model

SANITIZED = ("-g", "-O1", "-fsanitize=address,bounds,shift,alignment", "-fno-sanitize-recover=all")
KINDS = ["CONV_2D", "DEPTHWISE_CONV_2D", "AVERAGE_POOL_2D", "MAX_POOL_2D"]
SIZE = 5
SHAPES = [
    (1, 3, 1, 0),
    (3, 2, 2, 0),
    (5, 4, 1, 0),
    (7, 1, 3, 1),
    (4, 3, 2, 1),
    (8, 5, 1, 0),
]  # channels, window, stride, padding
APART = 16384  # from one tensor to the next


def window_model(kind: str, channels: int, window: int, stride: int, padding: int) -> bytes:
    """One operator on [1, 5, 5, channels]."""
    size = -(-SIZE // stride) if padding == 0 else -(-(SIZE - window + 1) // stride)
    shape = {
        "CONV_2D": [3, window, window, channels],
        "DEPTHWISE_CONV_2D": [1, window, window, channels],
    }.get(kind)
    out = 3 if kind == "CONV_2D" else channels
    tensors = [WrittenTensor([1, SIZE, SIZE, channels], "int8", [0.1], [3])]
    if shape is not None:
        tensors.append(WrittenTensor(shape, "int8", [0.1], [0], data=np.full(shape, 100, np.int8)))
    tensors.append(WrittenTensor([1, size, size, out], "int8", [0.1], [3]))
    options = {"Padding": padding, "StrideW": stride, "StrideH": stride}
    if shape is None:
        options |= {"FilterWidth": window, "FilterHeight": window}
    operands = list(range(len(tensors) - 1))
    return write_model(tensors, [WrittenOperator(kind, operands, [len(operands)], options)], [0], [len(operands)])


def poisoned_program(model: bytes) -> dict[str, str]:
    """The model's sources with its tensors far apart, and a main that poisons what lies between."""
    graph = parse(model)
    layers = [FAMILIES[node.kind].lower(node) for node in graph.nodes]
    sizes = {t.index: t.size for layer in layers for t in (*layer.inputs, *layer.outputs) if t.data is None}
    places = {index: number * APART for number, index in enumerate(sizes)}
    scratch = {number: (len(places) + number) * APART for number in range(len(layers))}
    used = [(places[index], size) for index, size in sizes.items()]
    used += [(scratch[number], layer.scratch_bytes) for number, layer in enumerate(layers)]
    assert all(size < APART for _, size in used)
    layout = Plan(places, scratch, len(used) * APART)
    poison = [f"    __asan_poison_memory_region(arena + {at + size}, {APART - size});" for at, size in used]
    main = [
        '#include "model.h"',
        "#include <sanitizer/asan_interface.h>",
        "int main(void)",
        "{",
        f"    char *arena = (char *)model_inputs[0] - {places[graph.inputs[0].index]};",
        *poison,
        "    return model_invoke();",
        "}",
        "",
    ]
    return {**emit(graph, layers, layout), "main.c": "\n".join(main)}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("variant", list(VARIANTS))
@pytest.mark.usefixtures("host_models")
def test_windows_at_the_edges_read_and_write_only_their_tensors(kind: str, variant: str, tmp_path: Path) -> None:
    kernel = tmp_path / "dot.o"
    flags = (*FLAGS, *SANITIZED, *VARIANTS[variant])
    subprocess.run(["gcc", *flags, "-c", str(IMAGE / "kernels" / "tml_dot.c"), "-o", str(kernel)], check=True)
    for shape in SHAPES:
        for name, text in poisoned_program(window_model(kind, *shape)).items():
            (tmp_path / name).write_text(text)
        subprocess.run(["gcc", *flags, "model.c", "main.c", str(kernel), "-o", "program"], cwd=tmp_path, check=True)
        ran = subprocess.run([str(tmp_path / "program")], capture_output=True, text=True, check=False)
        assert ran.returncode == 0, f"channels, window, stride, padding {shape}: {ran.stderr[-2000:]}"


@pytest.mark.parametrize("variant", list(VARIANTS))
@pytest.mark.usefixtures("host_models")
def test_operators_that_combine_or_move_tensors_read_and_write_only_their_tensors(variant: str, tmp_path: Path) -> None:
    graph = RandomGraph(np.random.default_rng(0))
    for kind in (*RANDOM, *RANDOM):
        RANDOM[kind](graph, kind)
        graph.outputs.append(graph.operators[-1].outputs[0])
    for name, text in poisoned_program(graph.write()).items():
        (tmp_path / name).write_text(text)
    kernels = [str(file) for file in (IMAGE / "kernels").glob("*.c")]
    flags = (*FLAGS, *SANITIZED, *VARIANTS[variant])
    subprocess.run(["gcc", *flags, "model.c", "main.c", *kernels, "-o", "program"], cwd=tmp_path, check=True)
    ran = subprocess.run([str(tmp_path / "program")], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]


@pytest.mark.parametrize("variant", list(VARIANTS))
@pytest.mark.usefixtures("host_models")
def test_activations_recurrence_and_state_read_and_write_only_their_tensors(variant: str, tmp_path: Path) -> None:
    for name, text in poisoned_program(random_chain(2, tuple(LAYERS))[0]).items():
        (tmp_path / name).write_text(text)
    kernels = [str(file) for file in (IMAGE / "kernels").glob("*.c")]
    flags = (*FLAGS, *SANITIZED, *VARIANTS[variant])
    subprocess.run(["gcc", *flags, "model.c", "main.c", *kernels, "-o", "program"], cwd=tmp_path, check=True)
    ran = subprocess.run([str(tmp_path / "program")], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
