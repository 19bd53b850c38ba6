"""What the operators that combine or move tensors refuse: with the operator, its index, the tensor, and a way out."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from compiler.compile import compile_model
from compiler.errors import Code, CompileError
from tflite_writer import WrittenOperator, WrittenTensor, write_model

BAD, OPERATOR, TYPE = Code.BAD_MODEL, Code.UNSUPPORTED_OPERATOR, Code.UNSUPPORTED_TYPE


def x(*shape: int, scale: float = 0.1, zero: int = 3, data: np.ndarray | None = None) -> WrittenTensor:
    """An int8 tensor."""
    return WrittenTensor(shape, "int8", [scale], [zero], data=data)


def n(values: object, dtype: type = np.int32) -> WrittenTensor:
    """A constant of numbers."""
    data = np.array(values, dtype)
    return WrittenTensor(list(data.shape), data.dtype.name, data=data)


@dataclass(frozen=True)
class Refused:
    """One operator, after a RESHAPE so that its index is 1; `words` must stand in the message."""

    kind: str
    inputs: Sequence[WrittenTensor]
    outputs: Sequence[WrittenTensor]
    code: Code
    words: str
    options: dict[str, int] = field(default_factory=dict)


FLOAT = WrittenTensor([2, 3], "float32")
EMPTY = WrittenTensor([2, 3], "int8")
PLAIN = WrittenTensor([2], "int32")
CASES = [
    *(Refused(kind, [x(2, 3)], [x(2, 3)], BAD, "1 inputs") for kind in ("SUB", "MUL", "MAXIMUM")),
    *(Refused(kind, [x(2, 3), x(2, 2)], [x(2, 3)], BAD, "int8[2,2] do not broadcast") for kind in ("ADD", "MUL")),
    *(
        Refused(kind, [x(2, 3), x(3)], [x(3)], BAD, "int8[3] should have the shape [2, 3]")
        for kind in ("SUB", "MINIMUM")
    ),
    *(Refused(kind, [x(2, 3), FLOAT], [x(2, 3)], TYPE, "float32[2,3] is not int8") for kind in ("MUL", "MAXIMUM")),
    Refused("MUL", [x(2, 3), EMPTY], [x(2, 3)], TYPE, "int8[2,3] is not quantised"),
    Refused("MUL", [x(2), x(2)], [x(2, scale=1e-13)], BAD, "beyond 32-bit arithmetic"),
    Refused("MUL", [x(2), x(2)], [x(2)], OPERATOR, "fused activation 5", {"FusedActivationFunction": 5}),
    Refused("SUB", [x(2), x(2)], [x(2, scale=1e-8)], BAD, "output scale 1e-08 is too small"),
    Refused("SUB", [x(2), x(2)], [x(2)], OPERATOR, "fused activation 4", {"FusedActivationFunction": 4}),
    Refused("PAD", [x(2), PLAIN], [x(4)], OPERATOR, "int32[2] is computed"),
    Refused("PAD", [x(2), n([[1, 1]], np.int16)], [x(4)], TYPE, "int16[1,2] is not int32"),
    Refused("PAD", [x(2), n([[1, 1], [0, 0]])], [x(4)], BAD, "int32[2,2] should have the shape [1, 2]"),
    Refused("PAD", [x(4), n([[-1, 1]])], [x(4)], BAD, "int32[1,2] holds negative paddings"),
    Refused("PAD", [x(2), n([[1, 1]])], [x(5)], BAD, "int8[5] should have the shape [4]"),
    Refused("PAD", [x(1, 1, 1, 1, 1, 2), n([[0, 0]] * 6)], [x(1, 1, 1, 1, 1, 2)], OPERATOR, "more than 5 dimensions"),
    Refused("PADV2", [x(2), n([[1, 1]])], [x(4)], BAD, "2 inputs"),
    Refused("PADV2", [x(2), n([[1, 1]]), x(2)], [x(4)], BAD, "should hold one value"),
    Refused("PADV2", [x(2), n([[1, 1]]), x(2, data=np.zeros(2, np.int8))], [x(4)], BAD, "should hold one value"),
    Refused("PADV2", [x(2), n([[1, 1]]), x(1, zero=4, data=np.zeros(1, np.int8))], [x(4)], TYPE, "quantised otherwise"),
    Refused("CONCATENATION", [], [x(2)], BAD, "0 inputs"),
    Refused("CONCATENATION", [x(1)] * 11, [x(11)], OPERATOR, "11 inputs into"),
    Refused("CONCATENATION", [x(2), x(2)], [x(4)], BAD, "int8[4] has no dimension 1", {"Axis": 1}),
    Refused("CONCATENATION", [x(2), x(2)], [x(4)], BAD, "int8[4] has no dimension -2", {"Axis": -2}),
    Refused("CONCATENATION", [x(2), x(2)], [x(4)], OPERATOR, "fused activation 1", {"FusedActivationFunction": 1}),
    Refused("CONCATENATION", [x(2), x(2, scale=0.2)], [x(4)], TYPE, "int8[2] is quantised otherwise"),
    Refused("CONCATENATION", [x(2), x(2, zero=4)], [x(4)], TYPE, "int8[2] is quantised otherwise"),
    Refused("CONCATENATION", [x(2), x(2)], [x(5)], BAD, "int8[5] is not as long"),
    Refused("CONCATENATION", [x(1, 2), x(2, 2)], [x(1, 4)], BAD, "int8[2,2] and", {"Axis": 1}),
    Refused("CONCATENATION", [x(1, 2), x(1)], [x(1, 4)], BAD, "int8[1] and", {"Axis": 1}),  # found by fuzzing
    Refused("SPLIT", [n(0), x(4)], [x(2)], BAD, "1 outputs for 2 parts", {"NumSplits": 2}),
    Refused("SPLIT", [n(0), x(4)], [x(1), x(3)], BAD, "int8[1] should have the shape [2]", {"NumSplits": 2}),
    Refused("SPLIT", [n(0), x(5)], [x(2), x(2)], BAD, "int8[5] has no 2 equal parts", {"NumSplits": 2}),
    Refused("SPLIT", [n(1), x(4)], [x(2), x(2)], BAD, "int8[4] has no dimension 1", {"NumSplits": 2}),
    Refused("SPLIT", [n([0, 0]), x(4)], [x(2), x(2)], BAD, "int32[2] should hold one dimension", {"NumSplits": 2}),
    Refused("SPLIT", [x(1), x(4)], [x(2), x(2)], OPERATOR, "int8[1] is computed", {"NumSplits": 2}),
    Refused("BATCH_MATMUL", [x(2, 3), x(2, 3)], [x(2, 3)], BAD, "cannot be multiplied"),
    Refused("BATCH_MATMUL", [x(2, 2, 3), x(3, 3, 2)], [x(3, 2, 2)], BAD, "cannot be multiplied"),
    Refused("BATCH_MATMUL", [x(2, 3), x(3, 2)], [x(3, 3)], BAD, "int8[3,3] should have the shape [2, 2]"),
    Refused("BATCH_MATMUL", [x(3), x(3, 2)], [x(2)], OPERATOR, "int8[3] does not have 2 to 5 dimensions"),
    Refused("BATCH_MATMUL", [x(2, 3), FLOAT], [x(2, 2)], TYPE, "float32[2,3] is not int8"),
    Refused("BATCH_MATMUL", [x(1, 33025), x(33025, 1)], [x(1, 1)], OPERATOR, "adds up 33025 products"),
    Refused("SQUARED_DIFFERENCE", [x(2, 3), x(2, 2)], [x(2, 3)], BAD, "int8[2,2] do not broadcast"),
    Refused("SQUARED_DIFFERENCE", [x(2), x(2)], [x(2, scale=1e-17)], BAD, "beyond 32-bit arithmetic"),
    Refused("ABS", [x(2)], [x(3)], BAD, "int8[3] should have the shape [2]"),
    Refused("ABS", [x(2)], [x(2, scale=1e-12)], BAD, "beyond 32-bit arithmetic"),
    Refused("RSQRT", [x(2)], [x(2)], OPERATOR, "can be negative"),
    Refused("RSQRT", [x(2, zero=-128)], [x(2, scale=1e-9)], BAD, "scales far apart"),
    Refused("SQUARE", [x(2)], [x(2)], OPERATOR, "is computed in int8"),
    Refused("UNPACK", [x(4)], [x()], BAD, "1 outputs for 4 parts", {"Num": 4}),
    Refused("UNPACK", [x(4)], [x(), x()], BAD, "int8[4] does not have 2 parts along dimension 0", {"Num": 2}),
    Refused("UNPACK", [x(2)], [x(), x()], BAD, "int8[2] has no dimension 1", {"Num": 2, "Axis": 1}),
    Refused("UNPACK", [x(2)], [x(1), x(1)], BAD, "int8[1] should have the shape []", {"Num": 2}),
    Refused("PACK", [], [x(1, 2)], BAD, "0 inputs for 1 parts", {"ValuesCount": 1}),
    Refused("PACK", [x(2), x(2)], [x(2, 2)], BAD, "2 inputs for 3 parts", {"ValuesCount": 3}),
    Refused("PACK", [x(2), x(3)], [x(2, 2)], BAD, "int8[3] should have the shape [2]", {"ValuesCount": 2}),
    Refused("PACK", [x(2), x(2)], [x(3, 2)], BAD, "int8[3,2] should have the shape [2, 2]", {"ValuesCount": 2}),
    Refused("PACK", [x(2)], [x(1, 2)], BAD, "int8[1,2] has no dimension 2", {"ValuesCount": 1, "Axis": 2}),
    Refused("EXPAND_DIMS", [x(2), n(0)], [x(1, 3)], BAD, "int8[2] and"),
    Refused("SQUEEZE", [x(1, 2)], [WrittenTensor([2], "int32")], TYPE, "int32[2] is not int8"),
    Refused("SLICE", [x(4), n([0]), n([5])], [x(5)], BAD, "takes 5 from 0 on along dimension 0"),
    Refused("SLICE", [x(4), n([4]), n([0])], [x(1)], BAD, "begins at 4 of the 4"),
    Refused("SLICE", [x(4), n([-1]), n([1])], [x(1)], BAD, "begins at -1 of the 4"),
    Refused("SLICE", [x(4), n([1]), n([-2])], [x(1)], BAD, "takes -2 from 1 on"),
    Refused("SLICE", [x(4), n([1]), n([-1])], [x(2)], BAD, "int8[2] should have the shape [3]"),
    Refused("SLICE", [x(4), PLAIN, n([1])], [x(1)], OPERATOR, "int32[2] is computed"),
    Refused("SLICE", [x(2, 2), n([0]), n([1])], [x(1)], BAD, "int32[1] should have the shape [2]"),
    Refused("SLICE", [x(1, 1, 1, 1, 1, 2), n([0] * 6), n([-1] * 6)], [x(1)], OPERATOR, "more than 5 dimensions"),
    Refused("REVERSE_V2", [x(2, 3), n([0, 1])], [x(2, 3)], OPERATOR, "reverses 2 dimensions"),
    Refused("REVERSE_V2", [x(2, 3), n([2])], [x(2, 3)], BAD, "has no dimension 2"),
    Refused("REVERSE_V2", [x(2, 3), n([0])], [x(3, 2)], BAD, "int8[3,2] should have the shape [2, 3]"),
    Refused("STRIDED_SLICE", [x(4), n([0]), n([2])], [x(2)], BAD, "3 inputs"),
    Refused("STRIDED_SLICE", [x(4), n([0]), n([2]), n([0])], [x(2)], BAD, "stride along dimension 0 is 0"),
    Refused("STRIDED_SLICE", [x(4), n([3]), n([1]), n([1])], [x(2)], BAD, "takes nothing"),
    Refused("STRIDED_SLICE", [x(4), n([9]), n([10]), n([1])], [x()], BAD, "takes nothing", {"ShrinkAxisMask": 1}),
    Refused("STRIDED_SLICE", [x(4), n([3]), n([0]), n([-1])], [x()], BAD, "takes nothing", {"ShrinkAxisMask": 1}),
    Refused("STRIDED_SLICE", [x(4), n([0]), n([2]), n([1])], [x(3)], BAD, "int8[3] should have the shape [2]"),
    Refused("STRIDED_SLICE", [x(4), n([0]), PLAIN, n([1])], [x(2)], OPERATOR, "int32[2] is computed"),
    Refused("STRIDED_SLICE", [x(2, 3), n([0]), n([2]), n([1])], [x(2, 3)], OPERATOR, "its begin, tensor"),
    Refused("STRIDED_SLICE", [x(4), n([0]), n([2]), n([1])], [x(2)], OPERATOR, "ellipsis_mask", {"EllipsisMask": 1}),
    Refused("STRIDED_SLICE", [x(4), n([0]), n([2]), n([1])], [x(2)], OPERATOR, "new_axis_mask", {"NewAxisMask": 1}),
    Refused("STRIDED_SLICE", [x(4), n([0]), n([2]), n([1])], [x(2)], OPERATOR, "its offset", {"Offset": True}),
    Refused(
        "STRIDED_SLICE", [x(1, 1, 1, 1, 2), *[n([0] * 5)] * 3], [x(1, 1, 1, 1, 2)], OPERATOR, "more than 4 dimensions"
    ),
    Refused("TRANSPOSE", [x(2, 3), n([1, 1])], [x(3, 3)], BAD, "[1, 1] does not put the dimensions"),
    Refused("TRANSPOSE", [x(2, 3), n([-1, 0])], [x(3, 2)], BAD, "[-1, 0] does not put the dimensions"),
    Refused("TRANSPOSE", [x(2, 3), n([1])], [x(3, 2)], BAD, "[1] does not put the dimensions"),
    Refused("TRANSPOSE", [x(2, 3), n([1, 0])], [x(2, 3)], BAD, "int8[2,3] should have the shape [3, 2]"),
    Refused("TRANSPOSE", [x(2, 3), PLAIN], [x(3, 2)], OPERATOR, "int32[2] is computed"),
    Refused("TRANSPOSE", [x(1, 1, 1, 1, 1, 2), n(range(6))], [x(1, 1, 1, 1, 1, 2)], OPERATOR, "more than 5 dimensions"),
    *(
        refused
        for kind in ("RESIZE_NEAREST_NEIGHBOR", "RESIZE_BILINEAR")
        for refused in (
            Refused(kind, [x(2, 3, 1), n([3, 5])], [x(3, 5, 1)], BAD, "int8[2,3,1] does not have 4 dimensions"),
            Refused(kind, [x(1, 2, 3, 1), n([3, 5])], [x(1, 3, 6, 1)], BAD, "should have the shape [1, 3, 5, 1]"),
            Refused(kind, [x(1, 2, 3, 1), n([3])], [x(1, 3, 5, 1)], BAD, "int32[1] should have the shape [2]"),
            Refused(kind, [x(1, 2, 3, 1), PLAIN], [x(1, 3, 5, 1)], OPERATOR, "int32[2] is computed"),
            Refused(kind, [x(1, 1, 1, 1), n([1, 40000])], [x(1, 1, 40000, 1)], OPERATOR, "larger than 32767 pixels"),
        )
    ),
    Refused(
        "RESIZE_BILINEAR",
        [x(1, 2, 3, 1), n([3, 5])],
        [x(1, 3, 5, 1)],
        OPERATOR,
        "align_corners and half_pixel_centers together",
        {"AlignCorners": True, "HalfPixelCenters": True},
    ),
    Refused("RESIZE_BILINEAR", [x(1, 1, 1, 1), n([1, 1500])], [x(1, 1, 1500, 1)], OPERATOR, "lead out of the input"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.kind}: {case.words}")
def test_what_would_not_be_exact_is_refused_with_the_operator_the_reason_and_a_way_out(case: Refused) -> None:
    tensors = [x(1, 2), x(2, 1), *case.inputs, *case.outputs]
    operands = [2 + index for index in range(len(case.inputs))]
    targets = [2 + len(case.inputs) + index for index in range(len(case.outputs))]
    operators = [WrittenOperator("RESHAPE", [0], [1]), WrittenOperator(case.kind, operands, targets, case.options)]
    computed = [index for index in operands if tensors[index].data is None]
    with pytest.raises(CompileError) as caught:
        compile_model(write_model(tensors, operators, [0, *computed], [1, *targets]))
    error = caught.value
    assert error.code is case.code
    assert error.message.startswith(f"operator 1 ({case.kind}): ")
    assert case.words in error.message
    assert error.hint
