"""A device's window against the reference as SVG: a panel for each statistic, shares side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

from zoo.drift import CLASSES, STATISTICS, Comparison, Distribution

COLUMNS, PANEL_WIDTH, PANEL_HEIGHT, GAP, HEAD = 2, 460, 250, 24, 56
MAX_BARS = 32
"""Of classes: those with the largest shares; bins are always fewer."""
_LEFT, _TOP, _BOTTOM = 44, 44, 40
_REFERENCE, _WINDOW, _INK, _GREY = "#1f6fb4", "#d1603d", "#222", "#888"
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
        _text(GAP, 24, title, size=16),
        _key(GAP, 44, _REFERENCE, "reference (left)"),
        _key(GAP + 160, 44, _WINDOW, "window (right)"),
    ]
    found = {item.statistic: item for item in comparisons}
    for place, name in enumerate(shown):
        x = GAP + place % COLUMNS * (PANEL_WIDTH + GAP)
        y = HEAD + place // COLUMNS * (PANEL_HEIGHT + GAP)
        panel = _panel(name, reference[name], window[name], found.get(name), labels)
        parts.append(f'<g transform="translate({x} {y})">{panel}</g>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'font-family="sans-serif" role="img"><title>{escape(_printable(title))}</title>'
        f'<rect width="100%" height="100%" fill="#fff"/>{"".join(parts)}</svg>\n'
    )


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
    parts = [_text(0, 16, _NAMES[name], size=13), _text(0, 32, _told(found), size=11, colour=_GREY)]
    parts.append(f'<path d="M{_LEFT} {_TOP}V{base}H{PANEL_WIDTH}" fill="none" stroke="{_INK}"/>')
    parts.append(_text(_LEFT - 6, _TOP + 8, f"{highest:.0%}", size=10, anchor="end"))
    for place, index in enumerate(bins):
        left = _LEFT + place * step
        what = _bin(name, reference, index, labels)
        for offset, share, colour in ((0.1, p[index], _REFERENCE), (0.5, q[index], _WINDOW)):
            parts.append(
                f'<rect x="{left + offset * step:.1f}" y="{base - share * scale:.1f}" width="{0.4 * step:.1f}" '
                f'height="{share * scale:.1f}" fill="{colour}"><title>{escape(_printable(what))}: {share:.1%}</title>'
                "</rect>"
            )
        if place % math.ceil(len(bins) / 12) == 0:
            parts.append(_text(left + step / 2, base + 14, _clip(what), size=9, anchor="middle"))
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


def _key(x: float, y: float, colour: str, text: str) -> str:
    return f'<rect x="{x}" y="{y - 10}" width="12" height="12" fill="{colour}"/>{_text(x + 18, y, text, size=12)}'


def _text(x: float, y: float, text: str, *, size: int, anchor: str = "start", colour: str = _INK) -> str:
    told = escape(_printable(text))
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{colour}">{told}</text>'


def _printable(text: str) -> str:
    """XML has no place for control characters, escaped or not."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def _clip(text: str, length: int = 8) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
