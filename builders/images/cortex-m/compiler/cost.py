"""What a model costs before it is built: instructions of each layer, bytes of code, by a table that was measured.

A kernel's work is counted in the events of its loops (windows gathered, groups of a dot product, outputs requantised),
and the instructions are those counts times the coefficients of `cost_table.json`, one set for each processor, aim of
optimisation and kernel. Its code is the sum of a second set, one number for each event that occurs at all.
bench/calibrate.py fits them to layers measured in QEMU, and says in the table how well they fit. A kernel that the
table does not know gets `GENERIC_PER_ELEMENT` instructions for each byte in and out, and the estimate names it.
"""

import contextlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from compiler.graph import Node
from compiler.layer import Layer

GENERIC_PER_ELEMENT = 12.0
GENERIC_CODE_BYTES = 400
TABLE = Path(__file__).with_name("cost_table.json")
WITHOUT_DSP = frozenset({"cortex-m0", "cortex-m0plus", "cortex-m3"})

RUNTIME = "runtime"
"""The entry of `cost_table.json` for what is not the model's: start-up, report, golden run."""

Counts = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class LayerCost:
    """The estimate for one layer that has a kernel; `calibrated` is False where no measurement stands behind it."""

    index: int
    operator: str
    kernel: str
    instructions: float
    macs: int
    code_bytes: float
    calibrated: bool


class _Of:
    """A layer's parameters by name, as numbers."""

    def __init__(self, layer: Layer) -> None:
        self._values = dict(layer.parameters)

    def __call__(self, name: str) -> int:
        value = self._values[name]
        return value if isinstance(value, int) else 0


def _finishing(of: _Of, outputs: int, channels: int) -> Counts:
    """Requantised outputs: all, those that take the long way, that round halves away from zero, that are clamped.

    Then how often a channel's multiplier and shift are loaded, where channels have their own.
    """
    clamped = (of("to.low"), of("to.high")) != (-128, 127)
    own = channels * of("to.multiplier_step"), channels * of("to.shift_step")
    return outputs, outputs * of("to.plain"), outputs * of("to.negatives"), outputs * clamped, *own


def _axis(of: _Of, axis: str, pad: str) -> list[int]:
    """For each window along an axis: how many of its elements lie inside the input."""
    size, out, stride = (of(f"window.{name}_{axis}") for name in ("in", "out", "stride"))
    window, dilation, before = of(f"window.{axis}"), of(f"window.dilation_{axis}"), of(f"window.pad_{pad}")
    return [
        sum(0 <= number * stride - before + place * dilation < size for place in range(window)) for number in range(out)
    ]


def _pixels(of: _Of) -> int:
    return of("window.batches") * of("window.out_height") * of("window.out_width")


def _gathering(of: _Of) -> Counts:
    """How the windows of a convolution are gathered: whole rows widened in place, the others by way of a copy."""
    height, width, channels = of("window.height"), of("window.width"), of("window.in_channels")
    row_bytes, batches = width * channels, of("window.batches")
    tops, lefts = _axis(of, "height", "top"), _axis(of, "width", "left")
    narrow = of("window.dilation_width") == 1
    straight = row_bytes % 4 == 0 and narrow and of("window.dilation_height") == 1
    whole_left = sum(left == width for left in lefts) if narrow else 0
    inside = batches * sum(top == height for top in tops) * whole_left if straight else 0
    staged = batches * len(tops) * len(lefts) - inside
    rows = batches * sum(tops)
    whole = rows * whole_left - (inside * height if straight else 0)
    out = batches * sum(height - top for top in tops) * len(lefts)
    cut = rows * (len(lefts) - whole_left)
    kept = rows * sum(left for left in lefts if not narrow or left != width)
    blank = cut * width - kept
    return (
        inside,
        inside * height,
        inside * height * row_bytes / 4,
        staged,
        staged * of("groups"),
        out,
        out * row_bytes,
        whole,
        whole * (row_bytes // 4),
        whole * (row_bytes % 4),
        cut,
        kept,
        kept * (channels // 4),
        kept * (channels % 4),
        blank,
        blank * channels,
    )


def _convolution(of: _Of, _dsp: bool) -> Counts:
    pixels = _pixels(of)
    fours, rest = divmod(pixels, 4)
    fours += rest == 3
    channels, groups = of("out_channels"), of("groups")
    pairs = -(-channels // 2)
    return (
        1,
        *_gathering(of),
        -(-pixels // 4) * pairs,
        fours * pairs * groups,
        (rest == 2) * pairs * groups,
        (rest == 1) * pairs * groups,
        *_finishing(of, pixels * channels, -(-pixels // 4) * channels),
    )


def _fully_connected(of: _Of, _dsp: bool) -> Counts:
    batches, (groups, tail), (fours, rest) = of("batches"), divmod(of("depth"), 4), divmod(of("units"), 4)
    pairs = -(-rest // 2)
    return (
        1,
        *(batches * fours * each for each in (1, groups, tail > 0, tail)),
        *(batches * pairs * each for each in (1, groups, tail > 0, tail)),
        *_finishing(of, batches * of("units"), batches * of("units")),
    )


def _depthwise_plane(of: _Of, _dsp: bool) -> Counts:
    channels = of("window.batches") * of("out_channels")
    rows, out_rows = of("window.height"), of("window.out_height")
    words = rows * of("pairs")
    one_wide = of("window.stride_width") == 1
    twos = out_rows * (of("window.out_width") // 2) if one_wide else 0
    ones = out_rows * of("window.out_width") - 2 * twos
    filled = min(of("window.in_height"), of("plane_height"))
    return (
        1,
        of("plane_height") * of("plane_width"),
        channels,
        channels * filled,
        channels * filled * of("window.in_width"),
        channels * words,
        channels * out_rows,
        channels * twos,
        channels * twos * rows,
        channels * twos * words,
        channels * ones,
        channels * ones * rows,
        channels * ones * words,
        *_finishing(of, channels * (2 * twos + ones), channels),
    )


def _fours(channels: int, *, joined: bool) -> tuple[int, int]:
    """Channels that go four at a time, and those that go alone."""
    return divmod(channels, 4) if joined else (0, channels)


def _depthwise_taps(of: _Of, dsp: bool) -> Counts:
    pixels, channels = _pixels(of), of("out_channels")
    fours, ones = _fours(channels, joined=dsp and of("channel_multiplier") == 1)
    rows = of("window.batches") * sum(_axis(of, "height", "top")) * of("window.out_width")
    taps = of("window.batches") * sum(_axis(of, "height", "top")) * sum(_axis(of, "width", "left"))
    return (
        1,
        pixels,
        pixels * (of("channel_multiplier") > 1),
        pixels * fours,
        rows * fours,
        taps * fours,
        pixels * ones,
        rows * ones,
        taps * ones,
        *_finishing(of, pixels * channels, pixels * channels),
    )


def _pool(of: _Of, dsp: bool) -> Counts:
    pixels, channels = _pixels(of), of("window.in_channels")
    fours, ones = _fours(channels, joined=dsp)
    rows = of("window.batches") * sum(_axis(of, "height", "top")) * of("window.out_width")
    taps = of("window.batches") * sum(_axis(of, "height", "top")) * sum(_axis(of, "width", "left"))
    # Where no window is cut off, its size is a literal and the loops over it are unrolled.
    whole = taps == pixels * of("window.height") * of("window.width")
    loops = (pixels * fours, rows * fours, taps * fours, pixels * ones, rows * ones, taps * ones)
    none = (0,) * len(loops)
    clamped = pixels * channels * ((of("low"), of("high")) != (-128, 127))
    return 1, pixels, clamped, *(loops if whole else none), *(none if whole else loops)


def _add(of: _Of, _dsp: bool) -> Counts:
    count = of("rows.count") * of("rows.columns")
    return 1, count * (2 - of("halves_1") - of("halves_2")), *_finishing(of, count, 1)


def _mean(of: _Of, _dsp: bool) -> Counts:
    sums = of("outer") * of("inner")
    return 1, sums, sums * of("count")


def _softmax(of: _Of, _dsp: bool) -> Counts:
    return 1, of("rows"), of("rows") * of("depth")


_COUNTS: dict[str, Callable[[_Of, bool], Counts]] = {
    "tml_conv_2d": _convolution,
    "tml_fully_connected": _fully_connected,
    "tml_depthwise_plane": _depthwise_plane,
    "tml_depthwise_taps": _depthwise_taps,
    "tml_average_pool_2d": _pool,
    "tml_max_pool_2d": _pool,
    "tml_add": _add,
    "tml_mean": _mean,
    "tml_softmax": _softmax,
}


def counts(layer: Layer, cpu: str) -> Counts:
    """The events that the layer's kernel goes through; what the coefficients of its kernel are for."""
    count = _COUNTS.get(layer.kernel or "")
    if count is not None:
        # A kernel that has other parameters than it had when this was written: rough figures, and no failed build.
        with contextlib.suppress(KeyError):
            return count(_Of(layer), cpu not in WITHOUT_DSP)
    return (
        1,
        sum(tensor.elements for tensor in layer.inputs if tensor.data is None),
        sum(tensor.elements for tensor in layer.outputs),
    )


_FILTER_AXIS = {"CONV_2D": 0, "FULLY_CONNECTED": 0, "DEPTHWISE_CONV_2D": 3}


def macs(node: Node) -> int:
    """Multiplications of the model's definition, padding included."""
    axis = _FILTER_AXIS.get(node.kind)
    if axis is None:
        return 0
    weights = node.input(1)
    return node.output.elements // weights.shape[axis] * weights.elements


@cache
def _table(path: Path) -> dict[str, dict[str, dict[str, dict[str, list[float]]]]]:
    table: dict[str, dict[str, dict[str, dict[str, list[float]]]]] = json.loads(path.read_text(encoding="ascii"))
    return table


def _known(cpu: str, optimise: str, table: Path) -> dict[str, dict[str, list[float]]]:
    return _table(table)["processors"].get(cpu, {}).get(optimise, {})


def code_bytes(costs: Sequence[LayerCost], cpu: str, optimise: str, table: Path = TABLE) -> float:
    """Flash beside constants and golden inputs: the runtime, what kernels share, and the code of each layer."""
    known = _known(cpu, optimise, table)
    names = {RUNTIME, *(cost.kernel for cost in costs)}
    shared = sum(known[name]["shared_bytes"][0] if name in known else GENERIC_CODE_BYTES for name in names)
    return shared + sum(cost.code_bytes for cost in costs)


def estimate(
    nodes: Sequence[Node], layers: Sequence[Layer], cpu: str, optimise: str, table: Path = TABLE
) -> tuple[LayerCost, ...]:
    """The cost of every layer that has a kernel, in the model's order."""
    known = _known(cpu, optimise, table)
    costs: list[LayerCost] = []
    for index, (node, layer) in enumerate(zip(nodes, layers, strict=True)):
        if layer.kernel is None:
            continue
        found = counts(layer, cpu)
        entry = known.get(layer.kernel)
        if entry is None or len(entry["instructions"]) != len(found):
            instructions, code, calibrated = GENERIC_PER_ELEMENT * sum(found[1:]), float(GENERIC_CODE_BYTES), False
        else:
            instructions = sum(count * each for count, each in zip(found, entry["instructions"], strict=True))
            code = sum(each for count, each in zip(found, entry["code_bytes"], strict=True) if count)
            calibrated = True
        costs.append(LayerCost(index, node.kind, layer.kernel, instructions, macs(node), code, calibrated))
    return tuple(costs)
