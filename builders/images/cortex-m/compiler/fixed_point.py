"""Integer arithmetic of quantised inference, bit for bit as the pinned oracle (tflite-micro) computes it.

Method: Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference"
(2018), with double rounding; exponential and reciprocal after the fixed-point scheme of gemmlowp.
"""

from collections.abc import Callable
from math import copysign, floor, frexp, inf
from struct import pack, unpack

INT32_MAX = (1 << 31) - 1
INT32_MIN = -(1 << 31)


def wrap(value: int) -> int:
    """The value as a two's complement 32-bit register holds it."""
    return ((value + (1 << 31)) & 0xFFFFFFFF) - (1 << 31)


def saturate(value: int) -> int:
    """The value limited to 32 bits."""
    return min(max(value, INT32_MIN), INT32_MAX)


def round_half_away(value: float) -> int:
    """Nearest integer, halves away from zero (C's `round`)."""
    return floor(value + 0.5) if value >= 0 else -floor(-value + 0.5)


def single(value: float) -> float:
    """The nearest float32: what the oracle computes in single precision is rounded so after every operation."""
    try:
        return float(unpack("<f", pack("<f", value))[0])
    except OverflowError:
        return copysign(inf, value)


def quantize_multiplier(real: float) -> tuple[int, int]:
    """(multiplier, shift): real = multiplier / 2**31 * 2**shift, with the multiplier in [2**30, 2**31)."""
    if real == 0.0:
        return 0, 0
    fraction, shift = frexp(real)
    multiplier = round_half_away(fraction * (1 << 31))
    if multiplier == 1 << 31:
        multiplier //= 2
        shift += 1
    return (0, 0) if shift < -31 else (multiplier, shift)


def high_multiply(left: int, right: int) -> int:
    """Twice the high half of the 64-bit product, rounded."""
    return INT32_MAX if left == right == INT32_MIN else (left * right + (1 << 30)) >> 31


def shift_right(value: int, amount: int) -> int:
    """Quotient by 2**amount, halves away from zero."""
    if amount == 0:
        return value
    half = 1 << (amount - 1)
    return (value + half - (1 if value < 0 else 0)) >> amount


def rescale(value: int, multiplier: int, shift: int) -> int:
    """Product value * multiplier / 2**31 * 2**shift with two roundings."""
    return shift_right(high_multiply(wrap(value << max(shift, 0)), multiplier), max(-shift, 0))


def input_radius(integer_bits: int, left_shift: int) -> int:
    """Largest input whose rescaled value still has at most `integer_bits` integer bits."""
    return floor(((1 << integer_bits) - 1) * (1 << (31 - integer_bits)) / (1 << left_shift))


# exp(-2**e) in Q0.31, for e from -2.
_EXP_OF_POWERS = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)
_EXP_OF_MINUS_EIGHTH = 1895147668
_THIRD = 715827883
_QUARTER_EXPONENT = -2


def exp_of_negative(value: int, integer_bits: int) -> int:
    """Exponential of a non-positive fixed-point number with `integer_bits` integer bits; the result is in Q0.31."""
    if value == 0:
        return INT32_MAX
    fraction_bits = 31 - integer_bits
    quarter = 1 << (fraction_bits - 2)
    rest = (value & (quarter - 1)) - quarter
    # Taylor's series about -1/8 for the part in [-1/4, 0).
    x = saturate(rest << integer_bits) + (1 << 28)
    square = high_multiply(x, x)
    cube = high_multiply(square, x)
    fourth = shift_right(high_multiply(square, square), 2)
    tail = shift_right(wrap(high_multiply(wrap(fourth + cube), _THIRD) + square), 1)
    result = wrap(_EXP_OF_MINUS_EIGHTH + high_multiply(_EXP_OF_MINUS_EIGHTH, wrap(x + tail)))
    remainder = wrap(rest - value)
    for exponent, factor in enumerate(_EXP_OF_POWERS, _QUARTER_EXPONENT):
        if exponent < integer_bits and remainder & (1 << (fraction_bits + exponent)):
            result = high_multiply(result, factor)
    return result


def one_over_one_plus(value: int) -> int:
    """1 / (1 + x) for x in [0, 1), both Q0.31."""
    return saturate(_two_over_one_plus(value) << 1)


def one_minus_over_one_plus(value: int) -> int:
    """(1 - x) / (1 + x) for x in [0, 1), both Q0.31."""
    return saturate((_two_over_one_plus(value) - (1 << 29)) << 2)


def _two_over_one_plus(value: int) -> int:
    """2 / (1 + x) in Q2.29 for x in [0, 1) in Q0.31: Newton's iteration on the half denominator."""
    total = value + INT32_MAX
    half_denominator = (total + 1) // 2
    x = wrap(1515870810 + high_multiply(half_denominator, -1010580540))
    for _ in range(3):
        error = wrap((1 << 29) - high_multiply(half_denominator, x))
        x = wrap(x + saturate(high_multiply(x, error) << 2))
    return x


def logistic(value: int, integer_bits: int) -> int:
    """1 / (1 + exp(-x)) in Q0.31 of a fixed-point number with `integer_bits` integer bits."""
    if value == 0:
        return 1 << 30
    positive = one_over_one_plus(exp_of_negative(-abs(value), integer_bits))
    return positive if value > 0 else INT32_MAX - positive


def tanh_of(value: int, integer_bits: int) -> int:
    """tanh(x) in Q0.31 of a fixed-point number with `integer_bits` integer bits."""
    # exp(-2|x|): the same bits, read with one integer bit more.
    positive = one_minus_over_one_plus(exp_of_negative(-abs(value), integer_bits + 1)) if value else 0
    return positive if value >= 0 else -positive


_HALF_SQRT_2 = 1518500250  # Q0.31
_THREE_HALVES = (1 << 28) + (1 << 27)  # Q3.28


def inverse_square_root(value: int) -> tuple[int, int]:
    """(multiplier, shift): 1 / sqrt(value) = multiplier / 2**31 * 2**shift, for a value from 1 to 2**16."""
    if value <= 1:
        return INT32_MAX, 0
    pairs = (31 - value.bit_length()) // 2 - 1
    shift = 11 - pairs
    half = (value << (2 * pairs)) >> 1  # of the input, in Q3.28
    half_half = shift_right(half, 1)
    x = 1 << 28
    for _ in range(5):  # Newton's iteration; products of Q3.28 have 3 bits more to shift for each further factor
        cube = _to_q3(high_multiply(high_multiply(x, x), x), 6)
        x = _to_q3(wrap(high_multiply(_THREE_HALVES, x) - high_multiply(half_half, cube)), 3)
    found = high_multiply(x, _HALF_SQRT_2)
    return (wrap(found << -shift), 0) if shift < 0 else (found, -shift)


def _to_q3(value: int, bits: int) -> int:
    return saturate(value << bits)


def table_of_int8(function: Callable[[int], int]) -> tuple[int, ...]:
    """`function` of every int8, limited to int8, indexed by the input's byte (0, 1, .. 127, -128, .. -1)."""
    return tuple(min(max(function(byte - 256 if byte > 127 else byte), -128), 127) for byte in range(256))
