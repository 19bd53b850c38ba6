"""From sums to output bytes: the members of `struct tml_requantise` and the bias that holds the input's zero point."""

from array import array
from collections.abc import Sequence

from compiler.fixed_point import wrap
from compiler.graph import Node
from compiler.layer import Constant
from compiler.operators.rules import Affine, multiplier

LARGEST_TERM = 255 * 128  # of a sum: an input less its zero point, times a weight


def requantisation(
    node: Node, reals: Sequence[float], target: Affine, limits: tuple[int, int], largest_sum: int
) -> tuple[tuple[tuple[str, int | str], ...], tuple[Constant, ...]]:
    """Parameters and constants for the given real factors, one or one for each channel (kernels/tml_requantise.h).

    `largest_sum` bounds the sums' magnitude.
    """
    low, high = limits
    pairs = [multiplier(node, real) for real in reals]
    amounts = [-shift for _, shift in pairs]
    fast = all(
        factor and amount >= 1 and largest_sum + ((2 * 128 + 1) << (amount - 1)) < 1 << 31
        for (factor, _), amount in zip(pairs, amounts, strict=True)
    )
    same_shift = len(set(amounts)) == 1
    parameters: tuple[tuple[str, int | str], ...] = (
        ("to.multiplier_step", int(len(pairs) > 1)),
        ("to.shift_step", int(not same_shift)),
        ("to.output_offset", target.zero_point),
        ("to.low", low),
        ("to.high", high),
        ("to.plain", int(not fast)),
        ("to.negatives", int(low < target.zero_point)),
    )
    constants = (
        Constant("to.multiplier", "int32_t", [wrap(2 * factor) for factor, _ in pairs]),
        Constant("to.shift", "int8_t", amounts[:1] if same_shift else amounts),
    )
    return parameters, constants


def largest_sum(biases: Sequence[int], terms: int) -> int:
    """A bound of the sums of `terms` products and a bias."""
    return max(map(abs, biases), default=0) + terms * LARGEST_TERM


def folded_bias(biases: Sequence[int], filters: Sequence["array[int]"], source: Affine) -> list[int]:
    """Biases less the zero point times the sum of each filter: kernels then use the input's bytes as they are."""
    return [wrap(bias - source.zero_point * sum(row)) for bias, row in zip(biases, filters, strict=True)]
