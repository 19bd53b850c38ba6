"""A dataset in one picture, as SVG: how many samples of each label, and what some of them look like."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import numpy as np
from numpy.typing import NDArray

from zoo.datasets.images import CHANNELS, png
from zoo.datasets.schema import Schema
from zoo.datasets.statistics import FeatureStatistics

MAX_EXAMPLES = 24
MAX_BARS = 30
_WIDTH = 960
_MARGIN = 24
_BAR_HEIGHT = 18
_COLUMNS = 6
_TILE = 144
_COLOURS = ("#3b6fb6", "#d1603d", "#4f9d69", "#8a5ea8", "#b8912b", "#5d7a87")
_MAX_POINTS = 400
_MAX_LINES = 6
_MAX_THUMBNAIL = 128


@dataclass(frozen=True)
class Example:
    """A sample to be shown."""

    label: str | None
    values: NDArray[Any]


def picture(
    title: str,
    schema: Schema,
    label_counts: Mapping[str, int],
    examples: Sequence[Example],
    features: Sequence[FeatureStatistics],
) -> str:
    """The SVG: a bar for each label, then a grid of images, traces of series, or a histogram of each column.

    Every text of a stranger is escaped, and nothing in it is a link or a script.
    """
    total = sum(label_counts.values())
    parts = [_text(_MARGIN, 34, f"{title}: {total:,} samples of {'x'.join(map(str, schema.shape))}", size=20)]
    y = 60
    bars = sorted(label_counts.items(), key=lambda item: -item[1])[:MAX_BARS]
    for label, count in bars:
        parts += _bar(y, label, count, bars[0][1])
        y += _BAR_HEIGHT + 4
    if len(label_counts) > len(bars):
        parts.append(_text(_MARGIN, y + 14, f"and {len(label_counts) - len(bars)} labels more"))
        y += _BAR_HEIGHT
    y += 24
    if schema.kind == "tabular":
        tiles = [_histogram(feature) for feature in features[:MAX_EXAMPLES]]
    elif schema.kind == "image" and len(schema.shape) == 3 and schema.shape[2] in CHANNELS:
        tiles = [_image(example) for example in examples[:MAX_EXAMPLES]]
    else:
        tiles = [_traces(example) for example in examples[:MAX_EXAMPLES]]
    for place, tile in enumerate(tiles):
        left = _MARGIN + place % _COLUMNS * (_TILE + 8)
        top = y + place // _COLUMNS * (_TILE + 24)
        parts.append(f'<g transform="translate({left} {top})">{tile}</g>')
    height = y + math.ceil(len(tiles) / _COLUMNS) * (_TILE + 24) + _MARGIN
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" viewBox="0 0 {_WIDTH} {height}" '
        f'font-family="sans-serif" font-size="12" role="img" aria-label={quoteattr(title)}>'
        f'<rect width="100%" height="100%" fill="#fff"/>{"".join(parts)}</svg>\n'
    )


def _bar(y: int, label: str, count: int, longest: int) -> list[str]:
    length = 600 * count / longest
    return [
        _text(_MARGIN, y + 13, label[:24]),
        f'<rect x="{_MARGIN + 180}" y="{y}" width="{length:.1f}" height="{_BAR_HEIGHT}" fill="{_COLOURS[0]}"/>',
        _text(_MARGIN + 188 + length, y + 13, f"{count:,}"),
    ]


def _image(example: Example) -> str:
    pixels = example.values
    if pixels.dtype != np.uint8:
        low, high = float(pixels.min()), float(pixels.max())
        pixels = ((pixels.astype(np.float64) - low) / ((high - low) or 1.0) * 255).astype(np.uint8)
    step = math.ceil(max(pixels.shape[:2]) / _MAX_THUMBNAIL)
    data = base64.b64encode(png(np.ascontiguousarray(pixels[::step, ::step]))).decode()
    return _caption(example.label) + (
        f'<image width="{_TILE}" height="{_TILE}" style="image-rendering:pixelated" '
        f'href="data:image/png;base64,{data}"/>'
    )


def _traces(example: Example) -> str:
    values = example.values.reshape(len(example.values), -1).astype(np.float64)
    step = math.ceil(len(values) / _MAX_POINTS)
    shown = values[::step, :_MAX_LINES]
    low, high = float(shown.min()), float(shown.max())
    lines = []
    for line in range(shown.shape[1]):
        points = " ".join(
            f"{place * _TILE / max(1, len(shown) - 1):.1f},{_TILE - (value - low) / ((high - low) or 1.0) * _TILE:.1f}"
            for place, value in enumerate(shown[:, line])
        )
        colour = _COLOURS[line % len(_COLOURS)]
        lines.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1"/>')
    return _caption(example.label) + _frame() + "".join(lines)


def _histogram(feature: FeatureStatistics) -> str:
    highest, width = max(feature.histogram) or 1, _TILE / len(feature.histogram)
    bars = "".join(
        f'<rect x="{place * width:.1f}" y="{_TILE - count / highest * _TILE:.1f}" width="{width:.1f}" '
        f'height="{count / highest * _TILE:.1f}" fill="{_COLOURS[0]}"/>'
        for place, count in enumerate(feature.histogram)
    )
    return _caption(f"{feature.name[:12]} {feature.minimum:.3g}..{feature.maximum:.3g}") + _frame() + bars


def _frame() -> str:
    return f'<rect width="{_TILE}" height="{_TILE}" fill="none" stroke="#ccc"/>'


def _caption(text: str | None) -> str:
    return _text(0, _TILE + 14, text[:24]) if text else ""


def _text(x: float, y: float, text: str, *, size: int = 12) -> str:
    return f'<text x="{x:.1f}" y="{y}" font-size="{size}">{escape(text)}</text>'
