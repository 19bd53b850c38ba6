"""What a layer's kernel goes through: the events of its loops, which compiler/cost.py multiplies by what each costs.

Windows gathered, groups of a dot product, outputs requantised, blocks copied: all follow from the layer's parameters.
"""

import contextlib
from collections import Counter
from collections.abc import Callable, Iterable

from compiler.layer import Layer

WITHOUT_DSP = frozenset({"cortex-m0", "cortex-m0plus", "cortex-m3"})
SINGLE_LOADS = frozenset({1, 2, 4})
WRITTEN_OUT_BYTES = 64  # of a memcpy of constant size: what gcc writes out
FILLED_IN_BYTES = 32  # of a memset of constant size: the same

Counts = tuple[float, ...]


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


def _row_walk(of: _Of) -> Counts:
    """Rows of a walk over one or two tensors, and how often a loop around the innermost ends and begins again."""
    turns, carries = of("rows.count"), 0
    for level in range(of("rows.loops") - 1, 0, -1):
        turns //= of(f"rows.sizes[{level}]")
        carries += turns
    return of("rows.count"), carries


def _calls(times: int, size: int) -> Counts:
    """Copies or fills by a function of the runtime: calls, words, single bytes."""
    return times, times * (size // 4), times * (size % 4)


def _copied(times: int, size: int) -> Counts:
    """Copies by memcpy of a constant size: one load and store, several by fours and by ones, a loop, and calls."""
    spread = size <= 32 or (size % 4 == 0 and size <= 48) or size == WRITTEN_OUT_BYTES
    kind = (size in SINGLE_LOADS, spread, size < WRITTEN_OUT_BYTES, True).index(True)
    single, several, looped, called = (times * (kind == each) for each in range(4))
    quads, rest = divmod(-(-size // 4), 4)
    return single, several, several * quads, several * rest, looped, looped * (size // 4), *_calls(called, size)


def _moved(times: int, size: int) -> Counts:
    """Copies by memmove of a constant size; whether one of eight bytes is written out depends on the processor."""
    single = size in SINGLE_LOADS
    return times * single, times * (size == 8), *_calls(times * (not single and size != 8), size)


def _filled(times: int, size: int, *, constant: bool) -> Counts:
    """Fills by memset: those that are written out and their words, and calls."""
    inline = constant and 0 < size <= FILLED_IN_BYTES
    return times * inline, times * inline * -(-size // 4), *_calls(times * (not inline and size > 0), size)


def _summed(counts: Iterable[Counts]) -> Counts:
    return tuple(map(sum, zip(*counts, strict=True)))


def _multiply(of: _Of, _dsp: bool) -> Counts:
    count = of("rows.count") * of("rows.columns")
    apart = of("rows.step_1") == of("rows.step_2") == 1
    return 1, *_row_walk(of), count * (not apart), *_finishing(of, count, 1)


def _extremes(of: _Of, dsp: bool) -> Counts:
    rows, columns = of("rows.count"), of("rows.columns")
    joined = dsp and of("largest") == of("rows.step_1") == of("rows.step_2") == 1
    fours, ones = divmod(columns, 4) if joined else (0, columns)
    repeats = not (of("rows.step_1") and of("rows.step_2"))
    return 1, *_row_walk(of), rows * fours, rows * ones * (not repeats), rows * ones * repeats


def _copy_blocks(of: _Of, _dsp: bool) -> Counts:
    return 1, *_row_walk(of), *_moved(of("rows.count") * of("rows.columns"), of("block"))


def _pad(of: _Of, _dsp: bool) -> Counts:
    """A gap follows each block: the one of the loop that turns, the trail at the very end."""
    blocks, loops = of("blocks"), of("loops")
    turns, carries, gaps = 1, 0, [(1, of("lead")), (1, of("trail"))]
    for level in range(loops):
        carries += turns * (level > 0)
        gaps.append((turns * (of(f"sizes[{level}]") - 1), of(f"gaps[{level}]")))
        turns *= of(f"sizes[{level}]")
    # Of several loops the gap is a variable, but for the lead.
    filled = _summed(
        _filled(times, size, constant=loops <= 1 or number == 0) for number, (times, size) in enumerate(gaps)
    )
    # A single block may lie where it belongs already: that is for the plan to say.
    alone = blocks == 1
    single, several = blocks * (loops <= 1), blocks * (loops > 1)
    return 1, single, several, carries, *filled, alone * (of("block") // 4), *_moved(blocks * (not alone), of("block"))


def _concatenate(layer: Layer) -> Counts:
    """Parts are copied, but for those that the plan may have had computed in their place."""
    widths = {constant.field: constant.values for constant in layer.constants}["widths"]
    rows = _Of(layer)("rows")
    free = [rows == 1 and tensor.data is None for tensor in layer.inputs]
    parts = [(here, *_copied(rows * (not here), width)) for here, width in zip(free, widths, strict=True)]
    return 1, len(widths), *_summed(parts)


def _split(of: _Of, _dsp: bool) -> Counts:
    return 1, of("parts"), *_copied(of("rows") * of("parts"), of("width"))


def _resize_nearest(of: _Of, _dsp: bool) -> Counts:
    rows = of("size.batches") * of("size.out_height")
    pixels = rows * of("size.out_width")
    return 1, rows, *_moved(pixels, of("size.channels"))


def _resize_bilinear(of: _Of, _dsp: bool) -> Counts:
    """Where the input has one row or column, there is less to mix."""
    rows, channels = of("size.batches") * of("size.out_height"), of("size.channels")
    pixels = rows * of("size.out_width")
    work = pixels, pixels * channels
    kinds = channels == 1, channels > 1 and 1 in (of("size.in_height"), of("size.in_width"))
    chosen = kinds.index(True) if True in kinds else len(kinds)
    return 1, rows, *(each * (kind == chosen) for kind in range(len(kinds) + 1) for each in work)


def _prelu(of: _Of, _dsp: bool) -> Counts:
    outer = of("sizes[0]") * of("sizes[1]") * of("sizes[2]")
    return 1, outer, outer * of("sizes[3]")


def _variable(of: _Of, _dsp: bool) -> Counts:
    words, tail = divmod(of("bytes"), 4)
    return 1, words, tail


def _dots(times: int, depth: int, channels: int) -> Counts:
    """Dot products of bytes, by four filters and by two: calls, groups of four, ragged ends."""
    (groups, tail), (fours, rest) = divmod(depth, 4), divmod(channels, 4)
    calls = times * fours, times * -(-rest // 2)
    return tuple(call * each for call in calls for each in (1, groups, tail > 0, tail))


def _reach(of: _Of, axis: str, pad: str) -> Counter[tuple[int, int]]:
    """How many output rows or columns have so many taps, so many of them inside the input."""
    window, stride, size = of(axis), of(f"stride_{axis}"), of(f"in_{axis}")
    found: Counter[tuple[int, int]] = Counter()
    for number in range(of(f"out_{axis}")):
        at, phase = divmod(number + of(f"pad_{pad}"), stride)
        taps = len(range(phase, window, stride))
        found[taps, max(0, min(taps, at + 1) - max(0, at - size + 1))] += 1
    return found


def _transpose_conv(of: _Of, _dsp: bool) -> Counts:
    channels, depth = of("out_channels"), of("in_channels")
    rows, columns = _reach(of, "height", "top"), _reach(of, "width", "left")
    batches = of("batches")
    parts = []
    for (high, inside), row_count in rows.items():
        for (wide, kept), column_count in columns.items():
            pixels = batches * row_count * column_count
            whole = pixels * inside * (kept == wide)
            single = pixels * inside * kept * (kept != wide)
            blank = pixels * high * wide - whole * wide - single
            row_bytes = wide * depth
            gathered = whole, whole * (row_bytes // 4), whole * (row_bytes % 4), single, blank
            parts.append((pixels, pixels * high, *gathered, *_dots(pixels, high * wide * depth, channels)))
    gathered = _summed(parts)
    pixels = gathered[0]
    single = gathered[5] + gathered[6]
    return (
        1,
        batches * of("out_height"),
        *gathered,
        single * (depth // 4),
        single * (depth % 4),
        *_finishing(of, pixels * channels, pixels * channels),
    )


def _lstm(of: _Of, _dsp: bool) -> Counts:
    steps, units = of("batches") * of("steps"), of("units")
    products = _summed(_dots(4 * steps, depth, units) for depth in (of("depth"), units))
    return 1, of("batches"), steps, steps * units, *products


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
    "tml_multiply": _multiply,
    "tml_extremes": _extremes,
    "tml_copy_blocks": _copy_blocks,
    "tml_pad": _pad,
    "tml_split": _split,
    "tml_resize_nearest": _resize_nearest,
    "tml_resize_bilinear": _resize_bilinear,
    "tml_prelu": _prelu,
    "tml_transpose_conv": _transpose_conv,
    "tml_lstm": _lstm,
    "tml_read_variable": _variable,
    "tml_assign_variable": _variable,
}


def counts(layer: Layer, cpu: str) -> Counts:
    """The events that the layer's kernel goes through; what the coefficients of its kernel are for."""
    # A kernel that has other parameters than it had when this was written: rough figures, and no failed build.
    with contextlib.suppress(KeyError):
        if layer.kernel == "tml_concatenate":
            return _concatenate(layer)
        if count := _COUNTS.get(layer.kernel or ""):
            return count(_Of(layer), cpu not in WITHOUT_DSP)
    return (
        1,
        sum(tensor.elements for tensor in layer.inputs if tensor.data is None),
        sum(tensor.elements for tensor in layer.outputs),
    )
