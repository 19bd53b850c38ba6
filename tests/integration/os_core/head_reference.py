"""The training of a head in NumPy, operation by operation as os/training does it: the same float32 values."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
F = np.float32
_LN2_HIGH, _LN2_LOW, _LOG2_E = F(float.fromhex("0x1.62e4p-1")), F(float.fromhex("0x1.7f7d1cp-20")), F(1.44269502)
_ROOT_OF_2 = F(float.fromhex("0x1.6a09e6p+0"))
_MASK = 0xFFFFFFFF


@dataclass(frozen=True)
class Trained:
    """Parameters, and the mean loss of the last epoch."""

    kernel: Floats
    bias: Floats
    loss: np.float32

    @property
    def bytes(self) -> bytes:
        """As the board has them."""
        return self.kernel.tobytes() + self.bias.tobytes()


def exp(exponent: Floats) -> Floats:
    """Of numbers that are not positive."""
    power = np.trunc(exponent * _LOG2_E - F(0.5)).astype(np.float32)
    rest = exponent - power * _LN2_HIGH - power * _LN2_LOW
    total = np.full_like(rest, F(1) / F(5040))
    for divisor in (720, 120, 24, 6, 2, 1, 1):
        total = total * rest + F(1) / F(divisor)
    return np.where(exponent >= F(-87), np.ldexp(total, power.astype(np.int32)), F(0)).astype(np.float32)


def log(number: np.float32) -> np.float32:
    """Of a number that is at least 1."""
    mantissa, exponent = np.frexp(number)
    rest, power = mantissa * F(2), int(exponent) - 1
    if rest > _ROOT_OF_2:
        rest, power = rest * F(0.5), power + 1
    ratio = (rest - F(1)) / (rest + F(1))
    square = ratio * ratio
    total = F(1) / F(9)
    for divisor in (7, 5, 3, 1):
        total = total * square + F(1) / F(divisor)
    return F(power) * _LN2_HIGH + (F(power) * _LN2_LOW + F(2) * ratio * total)


def in_order(values: Floats) -> np.float32:
    """A sum one after the other."""
    total = F(0)
    for value in values:
        total = total + value
    return total


def logits(kernel: Floats, bias: Floats, features: Floats) -> Floats:
    """One sample's."""
    total = bias.copy()
    for feature, weights in zip(features, kernel, strict=True):
        total = total + feature * weights
    return total


def softmax(values: Floats) -> tuple[Floats, np.float32]:
    """Probabilities, and the logarithm of the sum of the exponentials."""
    largest = values.max()
    parts = exp(values - largest)
    total = in_order(parts)
    return parts / total, largest + log(total)


def order(round_number: int, epoch: int, count: int) -> list[int]:
    """The samples of an epoch, from 0, in their order: Fisher and Yates by xorshift32."""
    state = ((round_number * 0x9E3779B1) ^ ((epoch + 1) * 0x85EBCA6B)) & _MASK or 1
    chosen = list(range(count))
    for last in range(count - 1, 0, -1):
        state ^= state << 13 & _MASK
        state ^= state >> 17
        state ^= state << 5 & _MASK
        other = state % (last + 1)
        chosen[last], chosen[other] = chosen[other], chosen[last]
    return chosen


def train(
    kernel: Floats, bias: Floats, samples: Sequence[tuple[Floats, int]], *, round_number: int, epochs: int, rate: float
) -> Trained:
    """Stochastic gradient descent, one sample a step. Features are real numbers."""
    kernel, bias, step, loss = kernel.copy(), bias.copy(), F(rate), F(0)
    for epoch in range(epochs):
        total = F(0)
        for number in order(round_number, epoch, len(samples)):
            features, label = samples[number]
            found = logits(kernel, bias, features)
            gradient, entropy = softmax(found)
            total = total + (entropy - found[label])
            gradient[label] -= F(1)
            kernel -= (step * features)[:, None] * gradient[None, :]
            bias -= step * gradient
        loss = total / F(len(samples))
    return Trained(kernel, bias, loss)
