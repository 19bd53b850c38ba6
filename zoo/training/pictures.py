"""Pictures of an evaluation as SVG."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from xml.sax.saxutils import escape

from zoo.svg import BLUE, GREY, INK, RED, Frame, clip, printable, shade, text

JsonObject = dict[str, Any]

_FRAME = Frame()
MAX_MATRIX = 40
"""Labels of a confusion matrix that are drawn; with more of them no number could be read."""


def pictures_of(evaluation: JsonObject) -> dict[str, Callable[[], str]]:
    """What can be drawn of an evaluation, by name."""
    int8, found = evaluation["int8"], dict[str, Callable[[], str]]()
    if "confusion" in int8:
        labels = [printable(item["label"]) for item in int8["classes"]]
        found["confusion"] = lambda: confusion(int8["confusion"], labels)
        found["calibration"] = lambda: calibration(int8["calibration"])
    if "histogram" in int8:
        series = [("all samples", int8["histogram"], BLUE)]
        if "abnormal_histogram" in int8:
            series = [("normal", int8["histogram"], BLUE), ("abnormal", int8["abnormal_histogram"], RED)]
        what = "Reconstruction error" if evaluation["task"] == "anomaly-detection" else "Error (predicted - true)"
        found["errors"] = lambda: histogram(what, series)
    if evaluation["drift"] is not None:
        drift = evaluation["drift"]["histogram"]
        found["drift"] = lambda: histogram("int8 output - float output", [("all outputs", drift, BLUE)])
    return found


def confusion(matrix: list[list[int]], labels: list[str]) -> str:
    """Rows are the truth, columns what the model said; the darker, the larger the share of its row."""
    shown = min(len(labels), MAX_MATRIX)
    side = min(_FRAME.across, _FRAME.down)
    step = side / shown
    parts = [_FRAME.title("Confusion: true label down, predicted label across")]
    if shown < len(labels):
        parts.append(text(_FRAME.left, _FRAME.height - 6, f"the first {shown} of {len(labels)} labels", size=10))
    for row in range(shown):
        total = sum(matrix[row])
        for column in range(shown):
            count = matrix[row][column]
            share = count / total if total else 0.0
            x, y = _FRAME.left + column * step, _FRAME.top + row * step
            colour = shade(share)
            told = f"<title>{escape(labels[row])} as {escape(labels[column])}: {count}</title>"
            parts.append(
                f'<rect x="{x:.1f}" y="{y:.1f}" width="{step:.1f}" height="{step:.1f}" fill="{colour}" '
                f'stroke="#ddd">{told}</rect>'
            )
            if count and step >= 16:
                ink = "#fff" if share > 0.5 else INK
                parts.append(text(x + step / 2, y + step / 2 + 4, str(count), size=11, anchor="middle", colour=ink))
        middle = (row + 0.5) * step
        parts.append(text(_FRAME.left - 4, _FRAME.top + middle + 4, clip(labels[row]), size=10, anchor="end"))
        if step >= 16:
            parts.append(
                text(_FRAME.left + middle, _FRAME.top + side + 14, clip(labels[row], 6), size=10, anchor="middle")
            )
    return _FRAME.svg(parts)


def calibration(figures: JsonObject) -> str:
    """Reliability diagram: accuracy over confidence. On the line a model is as good as it says."""
    error = figures["expected_calibration_error"]
    parts = [
        _FRAME.title(f"Calibration: expected calibration error {error:.3g}"),
        *_FRAME.axes(0, 1, 0, 1, "confidence", "accuracy"),
    ]
    place = _FRAME.scale(0, 1, 0, 1)
    (x0, y0), (x1, y1) = place(0, 0), place(1, 1)
    parts.append(
        f'<line x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}" stroke="{GREY}" stroke-dasharray="4"/>'
    )
    largest = max((item["samples"] for item in figures["bins"]), default=1)
    for item in figures["bins"]:
        x, y = place(item["confidence"], item["accuracy"])
        radius = 3 + 9 * (item["samples"] / largest) ** 0.5
        parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="{BLUE}" fill-opacity="0.7">'
            f"<title>{item['samples']} samples</title></circle>"
        )
    return _FRAME.svg(parts)


def histogram(title: str, series: list[tuple[str, JsonObject, str]]) -> str:
    """Counts between edges, one series in front of the other."""
    edges = series[0][1]["edges"]
    highest = max((max(item["counts"]) for _, item, _ in series), default=1) or 1
    low, high = edges[0], edges[-1] if edges[-1] > edges[0] else edges[0] + 1
    parts = [_FRAME.title(title), *_FRAME.axes(low, high, 0, highest, "", "count")]
    place = _FRAME.scale(low, high, 0, highest)
    for number, (name, item, colour) in enumerate(series):
        for left, right, count in zip(item["edges"], item["edges"][1:], item["counts"], strict=False):
            (x0, y0), (x1, base) = place(left, count), place(right, 0)
            parts.append(
                f'<rect x="{x0:.1f}" y="{y0:.1f}" width="{max(x1 - x0, 0.5):.1f}" height="{base - y0:.1f}" '
                f'fill="{colour}" fill-opacity="0.6"><title>{escape(name)}: {count}</title></rect>'
            )
        if len(series) > 1:
            parts.append(
                text(
                    _FRAME.width - _FRAME.right,
                    _FRAME.top + 14 + 16 * number,
                    name,
                    size=12,
                    anchor="end",
                    colour=colour,
                )
            )
    return _FRAME.svg(parts)
