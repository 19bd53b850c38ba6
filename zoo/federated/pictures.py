"""Pictures of a federation as SVG: how good the model was after each round, and who has samples of what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from xml.sax.saxutils import escape

from zoo.svg import BLUE, GREY, INK, Frame, clip, printable, shade, text

_CURVES = Frame(width=720, height=400)
_MOST_ROWS = 40
"""Labels of a distribution that are drawn; more of them could not be read."""
_COLOURS = (BLUE, INK, GREY, "#c0392b", "#7d5ba6")
_DASHES = ("", "6 3", "2 3", "8 3 2 3", "1 4")


@dataclass(frozen=True)
class Curve:
    """A figure after rounds: pairs of round and value, in the order of rounds."""

    name: str
    points: Sequence[tuple[int, float]]


@dataclass(frozen=True)
class Band:
    """What lies between the lowest and the highest of many: round, lowest, highest."""

    name: str
    points: Sequence[tuple[int, float, float]]


def per_round(curves: Sequence[Curve], *, figure: str = "accuracy", band: Band | None = None) -> str:
    """A line for each curve, over the band; an accuracy goes from 0 to 1, another figure from 0 to its largest value.

    A line is told from the others by its dashes, and each point says its round and value.
    """
    values = [value for curve in curves for _, value in curve.points] + [
        high for *_, high in (band.points if band else ())
    ]
    last = max(
        [number for curve in curves for number, _ in curve.points]
        + [number for number, *_ in (band.points if band else ())],
        default=1,
    )
    last, highest = max(last, 1), 1.0 if figure == "accuracy" else max(values, default=1.0) or 1.0
    every = ceil(last / 10)
    place = _CURVES.scale(0, last, 0, highest)
    parts = [
        _CURVES.title(f"{figure.capitalize()} after each round"),
        *_CURVES.axes(0, last, 0, highest, "round", figure, range(0, last + 1, every)),
    ]
    names: list[tuple[str, str]] = []
    if band is not None and band.points:
        outline = [place(number, high) for number, _, high in band.points]
        outline += [place(number, low) for number, low, _ in reversed(band.points)]
        parts.append(f'<polygon points="{_joined(outline)}" fill="{GREY}" fill-opacity="0.25"/>')
        names.append(
            (f'<rect x="{{x}}" y="{{y}}" width="24" height="8" fill="{GREY}" fill-opacity="0.25"/>', band.name)
        )
    for number, curve in enumerate(curves):
        colour, dashes = _COLOURS[number % len(_COLOURS)], _DASHES[number % len(_DASHES)]
        stroke = f'stroke="{colour}" stroke-width="2" stroke-dasharray="{dashes}"'
        points = [place(*point) for point in curve.points]
        parts.append(f'<polyline points="{_joined(points)}" fill="none" {stroke}/>')
        for (x, y), (round_number, value) in zip(points, curve.points, strict=True):
            parts.append(
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{colour}">'
                f"<title>{escape(curve.name)}, round {round_number}: {value:.4g}</title></circle>"
            )
        names.append((f'<path d="M{{x}} {{middle}}h24" {stroke}/>', curve.name))
    return _CURVES.svg(parts + _legend(names))


def labels_per_client(counts: Sequence[Sequence[int]], labels: Sequence[str]) -> str:
    """A column for each client and a row for each label; the darker, the more samples. `counts` is [client][label]."""
    shown = labels[:_MOST_ROWS]
    frame = Frame(width=720, height=94 + 18 * len(shown), bottom=36)
    largest = max((count for row in counts for count in row), default=0) or 1
    across, down = frame.across / max(len(counts), 1), frame.down / max(len(shown), 1)
    parts = [frame.title(f"Samples of each label at {len(counts)} clients, at most {largest} in a field")]
    for row, label in enumerate(shown):
        y = frame.top + row * down
        parts.append(text(frame.left - 6, y + down / 2 + 4, clip(printable(label)), size=11, anchor="end"))
        for client, of_client in enumerate(counts):
            told = f"client {client + 1}, label {escape(printable(label))}: {of_client[row]}"
            parts.append(
                f'<rect x="{frame.left + client * across:.1f}" y="{y:.1f}" width="{across:.2f}" height="{down:.1f}" '
                f'fill="{shade(of_client[row] / largest)}"><title>{told}</title></rect>'
            )
    right, bottom = frame.left + frame.across, frame.top + frame.down
    parts.append(f'<path d="M{frame.left} {frame.top}H{right}V{bottom:.1f}H{frame.left}Z" fill="none" stroke="{INK}"/>')
    parts.append(text((frame.left + right) / 2, frame.height - 12, "clients", size=12, anchor="middle"))
    return frame.svg(parts)


def _legend(names: Sequence[tuple[str, str]]) -> list[str]:
    """A sample of each line and its name, at the lower right, where a curve that rises is not."""
    parts = []
    for number, (sample, name) in enumerate(reversed(names)):
        y = _CURVES.top + _CURVES.down - 14 - 16 * number
        parts.append(sample.format(x=_CURVES.width - 236, y=y - 8, middle=y - 4))
        parts.append(text(_CURVES.width - 204, y, name, size=12))
    return parts


def _joined(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
