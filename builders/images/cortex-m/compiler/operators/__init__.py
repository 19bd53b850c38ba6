"""The registry of operators: to support one more, write its family and list it here."""

from compiler.operators.add import ADD
from compiler.operators.convolution import CONV_2D
from compiler.operators.depthwise import DEPTHWISE_CONV_2D
from compiler.operators.edge import DEQUANTIZE, QUANTIZE
from compiler.operators.family import Family
from compiler.operators.fully_connected import FULLY_CONNECTED
from compiler.operators.logistic import LOGISTIC
from compiler.operators.mean import MEAN
from compiler.operators.pooling import AVERAGE_POOL_2D, MAX_POOL_2D
from compiler.operators.reshape import RESHAPE
from compiler.operators.softmax import SOFTMAX

FAMILIES: dict[str, Family] = {
    family.kind: family
    for family in (
        ADD,
        AVERAGE_POOL_2D,
        CONV_2D,
        DEPTHWISE_CONV_2D,
        DEQUANTIZE,
        FULLY_CONNECTED,
        LOGISTIC,
        MAX_POOL_2D,
        MEAN,
        QUANTIZE,
        RESHAPE,
        SOFTMAX,
    )
}
