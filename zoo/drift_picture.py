"""A device's window against the reference as SVG: a panel for each statistic, shares side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

from zoo.drift import CLASSES, STATISTICS, Comparison, Distribution
from zoo.svg import BLUE, GREY, INK, RED, Frame, clip, printable, text

COLUMNS, PANEL_WIDTH, PANEL_HEIGHT, GAP, HEAD = 2, 460, 250, 24, 56
MAX_BARS = 32
"""Of classes: those with the largest shares; bins are always fewer."""
_LEFT, _TOP, _BOTTOM = 44, 44, 40
_NAMES = {
    "classes": "Predicted classes",
    "confidence": "Confidence",
    "output": "Output",
    "input_mean": "Mean of an input",
    "input_deviation": "Deviation of an input",
}


def picture(
    title: str,
    reference: Mapping[str, Distribution],
    window: Mapping[str, Distribution],
    comparisons: Sequence[Comparison],
    labels: Sequence[str],
) -> str:
    """The SVG; it is readable without colours: of each pair of bars the left one is the reference."""
    shown = [name for name in STATISTICS if name in reference and name in window and window[name].size]
    rows = max(1, math.ceil(len(shown) / COLUMNS))
    width, height = COLUMNS * (PANEL_WIDTH + GAP) + GAP, HEAD + rows * (PANEL_HEIGHT + GAP)
    parts = [
        text(GAP, 24, printable(title), size=16),
        _key(GAP, 44, BLUE, "reference (left)"),
        _key(GAP + 160, 44, RED, "window (right)"),
    ]
    found = {item.statistic: item for item in comparisons}
    for place, name in enumerate(shown):
        x = GAP + place % COLUMNS * (PANEL_WIDTH + GAP)
        y = HEAD + place // COLUMNS * (PANEL_HEIGHT + GAP)
        panel = _panel(name, reference[name], window[name], found.get(name), labels)
        parts.append(f'<g transform="translate({x} {y})">{panel}</g>')
    return Frame(width, height).svg(parts)


def _panel(
    name: str, reference: Distribution, window: Distribution, found: Comparison | None, labels: Sequence[str]
) -> str:
    p, q = _shares(reference), _shares(window)
    bins = list(range(len(p)))
    if len(bins) > MAX_BARS:
        bins = sorted(sorted(bins, key=lambda index: -max(p[index], q[index]))[:MAX_BARS])
    highest = max(*p, *q)
    base, step = PANEL_HEIGHT - _BOTTOM, (PANEL_WIDTH - _LEFT) / len(bins)
    scale = (base - _TOP) / highest
    parts = [text(0, 16, _NAMES[name], size=13), text(0, 32, _told(found), size=11, colour=GREY)]
    parts.append(f'<path d="M{_LEFT} {_TOP}V{base}H{PANEL_WIDTH}" fill="none" stroke="{INK}"/>')
    parts.append(text(_LEFT - 6, _TOP + 8, f"{highest:.0%}", size=10, anchor="end"))
    for place, index in enumerate(bins):
        left = _LEFT + place * step
        what = _bin(name, reference, index, labels)
        for offset, share, colour in ((0.1, p[index], BLUE), (0.5, q[index], RED)):
            parts.append(
                f'<rect x="{left + offset * step:.1f}" y="{base - share * scale:.1f}" width="{0.4 * step:.1f}" '
                f'height="{share * scale:.1f}" fill="{colour}"><title>{escape(printable(what))}: {share:.1%}</title>'
                "</rect>"
            )
        if place % math.ceil(len(bins) / 12) == 0:
            parts.append(text(left + step / 2, base + 14, clip(printable(what)), size=9, anchor="middle"))
    return "".join(parts)


def _shares(distribution: Distribution) -> list[float]:
    return [count / max(1, distribution.size) for count in distribution.counts]


def _told(found: Comparison | None) -> str:
    if found is None:
        return "not compared yet: too few values"
    method = {"psi": "population stability index", "ks": "largest gap of the cumulated shares"}[found.method]
    verdict = "drifts" if found.value > found.threshold else "as before"
    return f"{method} {found.value:.3g}, limit {found.threshold:.3g}: {verdict}"


def _bin(name: str, reference: Distribution, index: int, labels: Sequence[str]) -> str:
    if name == CLASSES or reference.edges is None:
        return labels[index] if index < len(labels) else str(index)
    edges = reference.edges
    if not edges:
        return "all"
    return f"< {edges[0]:.3g}" if index == 0 else f"≥ {edges[index - 1]:.3g}"


def _key(x: float, y: float, colour: str, what: str) -> str:
    return f'<rect x="{x}" y="{y - 10}" width="12" height="12" fill="{colour}"/>{text(x + 18, y, what, size=12)}'
