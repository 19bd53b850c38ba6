"""Reads as much of a .tflite file as a builder has to know: that it is whole, and which operators it uses.

A model comes from a stranger, so every offset is checked against the file before it is followed. Standard library only.
The format is TensorFlow Lite's schema.fbs, as a FlatBuffer.
"""

import struct
from collections import Counter
from collections.abc import Iterator

from contract import Refusal

_EXPORT_AGAIN = "Export the model again with the TensorFlow Lite converter."
_CUSTOM = 32
_MAX_NAME = 120
_MAX_TENSOR_BYTES = 1 << 30
# Bytes of an element by the number of its type; types that are not here have 8 at most.
_TYPE_BYTES = {0: 4, 1: 2, 2: 4, 3: 1, 6: 1, 7: 2, 9: 1, 15: 4, 16: 2}
# The names of builtin operators in the order of their numbers in the schema.
_NAMES_TEXT = """
ADD AVERAGE_POOL_2D CONCATENATION CONV_2D DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE EMBEDDING_LOOKUP FLOOR
FULLY_CONNECTED HASHTABLE_LOOKUP L2_NORMALIZATION L2_POOL_2D LOCAL_RESPONSE_NORMALIZATION LOGISTIC
LSH_PROJECTION LSTM MAX_POOL_2D MUL RELU RELU_N1_TO_1 RELU6 RESHAPE RESIZE_BILINEAR RNN SOFTMAX SPACE_TO_DEPTH
SVDF TANH CONCAT_EMBEDDINGS SKIP_GRAM CALL CUSTOM EMBEDDING_LOOKUP_SPARSE PAD UNIDIRECTIONAL_SEQUENCE_RNN GATHER
BATCH_TO_SPACE_ND SPACE_TO_BATCH_ND TRANSPOSE MEAN SUB DIV SQUEEZE UNIDIRECTIONAL_SEQUENCE_LSTM STRIDED_SLICE
BIDIRECTIONAL_SEQUENCE_RNN EXP TOPK_V2 SPLIT LOG_SOFTMAX DELEGATE BIDIRECTIONAL_SEQUENCE_LSTM CAST PRELU MAXIMUM
ARG_MAX MINIMUM LESS NEG PADV2 GREATER GREATER_EQUAL LESS_EQUAL SELECT SLICE SIN TRANSPOSE_CONV SPARSE_TO_DENSE
TILE EXPAND_DIMS EQUAL NOT_EQUAL LOG SUM SQRT RSQRT SHAPE POW ARG_MIN FAKE_QUANT REDUCE_PROD REDUCE_MAX PACK
LOGICAL_OR ONE_HOT LOGICAL_AND LOGICAL_NOT UNPACK REDUCE_MIN FLOOR_DIV REDUCE_ANY SQUARE ZEROS_LIKE FILL
FLOOR_MOD RANGE RESIZE_NEAREST_NEIGHBOR LEAKY_RELU SQUARED_DIFFERENCE MIRROR_PAD ABS SPLIT_V UNIQUE CEIL
REVERSE_V2 ADD_N GATHER_ND COS WHERE RANK ELU REVERSE_SEQUENCE MATRIX_DIAG QUANTIZE MATRIX_SET_DIAG ROUND
HARD_SWISH IF WHILE NON_MAX_SUPPRESSION_V4 NON_MAX_SUPPRESSION_V5 SCATTER_ND SELECT_V2 DENSIFY SEGMENT_SUM
BATCH_MATMUL PLACEHOLDER_FOR_GREATER_OP_CODES CUMSUM CALL_ONCE BROADCAST_TO RFFT2D CONV_3D IMAG REAL COMPLEX_ABS
HASHTABLE HASHTABLE_FIND HASHTABLE_IMPORT HASHTABLE_SIZE REDUCE_ALL CONV_3D_TRANSPOSE VAR_HANDLE READ_VARIABLE
ASSIGN_VARIABLE BROADCAST_ARGS RANDOM_STANDARD_NORMAL BUCKETIZE RANDOM_UNIFORM MULTINOMIAL GELU
DYNAMIC_UPDATE_SLICE RELU_0_TO_1 UNSORTED_SEGMENT_PROD UNSORTED_SEGMENT_MAX UNSORTED_SEGMENT_SUM ATAN2
UNSORTED_SEGMENT_MIN SIGN BITCAST BITWISE_XOR RIGHT_SHIFT STABLEHLO_LOGISTIC STABLEHLO_ADD STABLEHLO_DIVIDE
STABLEHLO_MULTIPLY STABLEHLO_MAXIMUM STABLEHLO_RESHAPE STABLEHLO_CLAMP STABLEHLO_CONCATENATE
STABLEHLO_BROADCAST_IN_DIM STABLEHLO_CONVOLUTION STABLEHLO_SLICE STABLEHLO_CUSTOM_CALL STABLEHLO_REDUCE
STABLEHLO_ABS STABLEHLO_AND STABLEHLO_COSINE STABLEHLO_EXPONENTIAL STABLEHLO_FLOOR STABLEHLO_LOG
STABLEHLO_MINIMUM STABLEHLO_NEGATE STABLEHLO_OR STABLEHLO_POWER STABLEHLO_REMAINDER STABLEHLO_RSQRT
STABLEHLO_SELECT STABLEHLO_SUBTRACT STABLEHLO_TANH STABLEHLO_SCATTER STABLEHLO_COMPARE STABLEHLO_CONVERT
STABLEHLO_DYNAMIC_SLICE STABLEHLO_DYNAMIC_UPDATE_SLICE STABLEHLO_PAD STABLEHLO_IOTA STABLEHLO_DOT_GENERAL
STABLEHLO_REDUCE_WINDOW STABLEHLO_SORT STABLEHLO_WHILE STABLEHLO_GATHER STABLEHLO_TRANSPOSE DILATE
STABLEHLO_RNG_BIT_GENERATOR REDUCE_WINDOW STABLEHLO_COMPOSITE STABLEHLO_SHIFT_LEFT STABLEHLO_CBRT
"""
_NAMES = tuple(_NAMES_TEXT.split())


def read_operators(data: bytes) -> dict[str, int]:
    """How often the model uses each operator; a custom one is "CUSTOM name". Raises Refusal for a damaged file."""
    if data[4:8] != b"TFL3":
        raise _bad("the file does not carry the identifier TFL3")
    file = _File(data)
    model = file.u32(0)
    codes = [_operator_name(file, code) for code in file.tables(model, 1)]
    for buffer in file.tables(model, 4):
        file.vector(buffer, 0, 1)
    used: Counter[str] = Counter()
    for subgraph in file.tables(model, 2):
        tensors = sum(1 for _ in file.tables(subgraph, 0))
        for field in (1, 2):
            begin, count = file.vector(subgraph, field, 4)
            if any(file.u32(begin + 4 * index) >= tensors for index in range(count)):
                raise _bad("an input or output is no tensor of the model")
        for operator in file.tables(subgraph, 3):
            at = file.field(operator, 0)
            index = file.u32(at) if at else 0
            if index >= len(codes):
                raise _bad(f"an operator has the code {index} of {len(codes)}")
            used[codes[index]] += 1
    if not used:
        raise _bad("the model has no operators")
    return dict(sorted(used.items()))


def activation_bytes(data: bytes) -> int:
    """The bytes of all tensors that are no constants: more than any planner needs. For a file that was read before."""
    file = _File(data)
    model = file.u32(0)
    constant = [file.vector(buffer, 0, 1)[1] > 0 for buffer in file.tables(model, 4)]
    total = 0
    for subgraph in file.tables(model, 2):
        for tensor in file.tables(subgraph, 0):
            kind, buffer = file.field(tensor, 1), file.field(tensor, 2)
            number = file.u32(buffer) if buffer else 0
            if number >= len(constant):
                raise _bad(f"a tensor has the buffer {number} of {len(constant)}")
            if not constant[number]:
                total += _tensor_bytes(file, tensor, file.u8(kind) if kind else 0)
    return total


def _tensor_bytes(file: "_File", tensor: int, kind: int) -> int:
    begin, count = file.vector(tensor, 0, 4)
    size = _TYPE_BYTES.get(kind, 8)
    for index in range(count):
        length = file.i32(begin + 4 * index)
        if length < 1:
            raise _bad(f"a tensor has the length {length} in one dimension")
        size *= length
        if size > _MAX_TENSOR_BYTES:
            raise _bad(f"a tensor has more than {_MAX_TENSOR_BYTES} bytes")
    return size


def _bad(message: str) -> Refusal:
    return Refusal("bad_model", message, _EXPORT_AGAIN)


def _operator_name(file: "_File", code: int) -> str:
    old, new = file.field(code, 0), file.field(code, 3)
    number = max(file.u8(old) if old else 0, file.u32(new) if new else 0)
    if number == _CUSTOM:
        begin, count = file.vector(code, 1, 1)
        name = file.bytes(begin, min(count, _MAX_NAME)).decode("utf-8", "replace")
        return f"CUSTOM {''.join(letter if letter.isprintable() else '?' for letter in name)}"
    if number >= len(_NAMES):
        raise Refusal("unsupported_operator", f"operator number {number} is unknown", "Use an older converter.")
    return _NAMES[number]


class _File:
    """A FlatBuffer; positions are absolute, and 0 stands for a field that is not there."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def bytes(self, at: int, count: int) -> bytes:
        if at < 0 or count < 0 or at + count > len(self._data):
            raise _bad(f"offset {at} points outside the file of {len(self._data)} bytes")
        return self._data[at : at + count]

    def u8(self, at: int) -> int:
        return self.bytes(at, 1)[0]

    def u16(self, at: int) -> int:
        return int(struct.unpack("<H", self.bytes(at, 2))[0])

    def u32(self, at: int) -> int:
        return int(struct.unpack("<I", self.bytes(at, 4))[0])

    def i32(self, at: int) -> int:
        return int(struct.unpack("<i", self.bytes(at, 4))[0])

    def field(self, table: int, index: int) -> int:
        vtable = table - self.i32(table)
        entry = 4 + 2 * index
        offset = self.u16(vtable + entry) if entry + 2 <= self.u16(vtable) else 0
        return table + offset if offset else 0

    def vector(self, table: int, index: int, item_bytes: int) -> tuple[int, int]:
        """Where a vector's first item is, and how many there are; all of them are inside the file."""
        at = self.field(table, index)
        if not at:
            return 0, 0
        vector = at + self.u32(at)
        count = self.u32(vector)
        self.bytes(vector + 4, count * item_bytes)
        return vector + 4, count

    def tables(self, table: int, index: int) -> Iterator[int]:
        begin, count = self.vector(table, index, 4)
        for at in range(begin, begin + 4 * count, 4):
            yield at + self.u32(at)
