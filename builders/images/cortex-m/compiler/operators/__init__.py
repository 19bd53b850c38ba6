"""The registry of operators: to support one more, write its family and list it here."""

from compiler.operators.add import ADD, SUB
from compiler.operators.concatenation import CONCATENATION, PACK
from compiler.operators.convolution import CONV_2D
from compiler.operators.depthwise import DEPTHWISE_CONV_2D
from compiler.operators.edge import DEQUANTIZE, QUANTIZE
from compiler.operators.elementwise import ABS, ELU, NEG, RSQRT, SQUARE
from compiler.operators.extremes import MAXIMUM, MINIMUM
from compiler.operators.family import Family
from compiler.operators.fully_connected import FULLY_CONNECTED
from compiler.operators.hard_swish import HARD_SWISH
from compiler.operators.logistic import LOGISTIC
from compiler.operators.lstm import UNIDIRECTIONAL_SEQUENCE_LSTM
from compiler.operators.matmul import BATCH_MATMUL
from compiler.operators.mean import MEAN, SUM
from compiler.operators.multiply import MUL
from compiler.operators.pad import PAD, PADV2
from compiler.operators.pooling import AVERAGE_POOL_2D, MAX_POOL_2D
from compiler.operators.prelu import PRELU
from compiler.operators.reduce_max import REDUCE_MAX
from compiler.operators.relu import LEAKY_RELU, RELU, RELU6
from compiler.operators.reshape import EXPAND_DIMS, RESHAPE, SQUEEZE
from compiler.operators.resize import RESIZE_BILINEAR, RESIZE_NEAREST_NEIGHBOR
from compiler.operators.reverse import REVERSE_V2
from compiler.operators.slice import SLICE
from compiler.operators.softmax import SOFTMAX
from compiler.operators.split import SPLIT, UNPACK
from compiler.operators.squared_difference import SQUARED_DIFFERENCE
from compiler.operators.strided_slice import STRIDED_SLICE
from compiler.operators.tanh import TANH
from compiler.operators.transpose import TRANSPOSE
from compiler.operators.transpose_conv import TRANSPOSE_CONV
from compiler.operators.variables import ASSIGN_VARIABLE, CALL_ONCE, READ_VARIABLE, VAR_HANDLE

FAMILIES: dict[str, Family] = {
    family.kind: family
    for family in (
        ABS,
        ADD,
        ASSIGN_VARIABLE,
        AVERAGE_POOL_2D,
        BATCH_MATMUL,
        CALL_ONCE,
        CONCATENATION,
        CONV_2D,
        DEPTHWISE_CONV_2D,
        DEQUANTIZE,
        ELU,
        EXPAND_DIMS,
        FULLY_CONNECTED,
        HARD_SWISH,
        LEAKY_RELU,
        LOGISTIC,
        MAXIMUM,
        MAX_POOL_2D,
        MEAN,
        MINIMUM,
        MUL,
        NEG,
        PACK,
        PAD,
        PADV2,
        PRELU,
        QUANTIZE,
        READ_VARIABLE,
        REDUCE_MAX,
        RELU,
        RELU6,
        RESHAPE,
        RESIZE_BILINEAR,
        RESIZE_NEAREST_NEIGHBOR,
        REVERSE_V2,
        RSQRT,
        SLICE,
        SOFTMAX,
        SPLIT,
        SQUARE,
        SQUARED_DIFFERENCE,
        SQUEEZE,
        STRIDED_SLICE,
        SUB,
        SUM,
        TANH,
        TRANSPOSE,
        TRANSPOSE_CONV,
        UNIDIRECTIONAL_SEQUENCE_LSTM,
        UNPACK,
        VAR_HANDLE,
    )
}
