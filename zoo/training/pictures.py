"""Pictures of an evaluation as SVG: no library, the same bytes for the same figures, readable without colours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from xml.sax.saxutils import escape

JsonObject = dict[str, Any]

WIDTH, HEIGHT = 480, 400
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 40, 52
_BLUE, _RED, _GREY = "#1f6fb4", "#c0392b", "#888"
MAX_MATRIX = 40
"""Labels of a confusion matrix that are drawn; with more of them no number could be read."""


def pictures_of(evaluation: JsonObject) -> dict[str, Callable[[], str]]:
    """What can be drawn of an evaluation, by name."""
    int8, found = evaluation["int8"], dict[str, Callable[[], str]]()
    if "confusion" in int8:
        labels = [_printable(item["label"]) for item in int8["classes"]]
        found["confusion"] = lambda: confusion(int8["confusion"], labels)
        found["calibration"] = lambda: calibration(int8["calibration"])
    if "histogram" in int8:
        series = [("all samples", int8["histogram"], _BLUE)]
        if "abnormal_histogram" in int8:
            series = [("normal", int8["histogram"], _BLUE), ("abnormal", int8["abnormal_histogram"], _RED)]
        what = "Reconstruction error" if evaluation["task"] == "anomaly-detection" else "Error (predicted - true)"
        found["errors"] = lambda: histogram(what, series)
    if evaluation["drift"] is not None:
        drift = evaluation["drift"]["histogram"]
        found["drift"] = lambda: histogram("int8 output - float output", [("all outputs", drift, _BLUE)])
    return found


def confusion(matrix: list[list[int]], labels: list[str]) -> str:
    """Rows are the truth, columns what the model said; the darker, the larger the share of its row."""
    shown = min(len(labels), MAX_MATRIX)
    side = min(WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM)
    step = side / shown
    parts = [_title("Confusion: true label down, predicted label across")]
    if shown < len(labels):
        parts.append(_text(LEFT, HEIGHT - 6, f"the first {shown} of {len(labels)} labels", size=10))
    for row in range(shown):
        total = sum(matrix[row])
        for column in range(shown):
            count = matrix[row][column]
            share = count / total if total else 0.0
            x, y = LEFT + column * step, TOP + row * step
            colour = _shade(share)
            told = f"<title>{escape(labels[row])} as {escape(labels[column])}: {count}</title>"
            parts.append(
                f'<rect x="{x:.1f}" y="{y:.1f}" width="{step:.1f}" height="{step:.1f}" fill="{colour}" '
                f'stroke="#ddd">{told}</rect>'
            )
            if count and step >= 16:
                ink = "#fff" if share > 0.5 else "#222"
                parts.append(_text(x + step / 2, y + step / 2 + 4, str(count), size=11, anchor="middle", colour=ink))
        middle = (row + 0.5) * step
        parts.append(_text(LEFT - 4, TOP + middle + 4, _clip(labels[row]), size=10, anchor="end"))
        if step >= 16:
            parts.append(_text(LEFT + middle, TOP + side + 14, _clip(labels[row], 6), size=10, anchor="middle"))
    return _svg(parts)


def calibration(figures: JsonObject) -> str:
    """Reliability diagram: accuracy over confidence. On the line a model is as good as it says."""
    error = figures["expected_calibration_error"]
    parts = [
        _title(f"Calibration: expected calibration error {error:.3g}"),
        *_axes(0, 1, 0, 1, "confidence", "accuracy"),
    ]
    place = _scale(0, 1, 0, 1)
    (x0, y0), (x1, y1) = place(0, 0), place(1, 1)
    parts.append(
        f'<line x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}" stroke="{_GREY}" stroke-dasharray="4"/>'
    )
    largest = max((item["samples"] for item in figures["bins"]), default=1)
    for item in figures["bins"]:
        x, y = place(item["confidence"], item["accuracy"])
        radius = 3 + 9 * (item["samples"] / largest) ** 0.5
        parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="{_BLUE}" fill-opacity="0.7">'
            f"<title>{item['samples']} samples</title></circle>"
        )
    return _svg(parts)


def histogram(title: str, series: list[tuple[str, JsonObject, str]]) -> str:
    """Counts between edges, one series in front of the other."""
    edges = series[0][1]["edges"]
    highest = max((max(item["counts"]) for _, item, _ in series), default=1) or 1
    low, high = edges[0], edges[-1] if edges[-1] > edges[0] else edges[0] + 1
    parts = [_title(title), *_axes(low, high, 0, highest, "", "count")]
    place = _scale(low, high, 0, highest)
    for number, (name, item, colour) in enumerate(series):
        for left, right, count in zip(item["edges"], item["edges"][1:], item["counts"], strict=False):
            (x0, y0), (x1, base) = place(left, count), place(right, 0)
            parts.append(
                f'<rect x="{x0:.1f}" y="{y0:.1f}" width="{max(x1 - x0, 0.5):.1f}" height="{base - y0:.1f}" '
                f'fill="{colour}" fill-opacity="0.6"><title>{escape(name)}: {count}</title></rect>'
            )
        if len(series) > 1:
            parts.append(_text(WIDTH - RIGHT, TOP + 14 + 16 * number, name, size=12, anchor="end", colour=colour))
    return _svg(parts)


def _axes(x_low: float, x_high: float, y_low: float, y_high: float, x_name: str, y_name: str) -> list[str]:
    place = _scale(x_low, x_high, y_low, y_high)
    (left, bottom), (right, top) = place(x_low, y_low), place(x_high, y_high)
    parts = [f'<path d="M{left:.1f} {top:.1f}V{bottom:.1f}H{right:.1f}" fill="none" stroke="#222"/>']
    for step in range(5):
        x_value, y_value = (low + (high - low) * step / 4 for low, high in ((x_low, x_high), (y_low, y_high)))
        x, _ = place(x_value, y_low)
        _, y = place(x_low, y_value)
        parts.append(_text(x, bottom + 16, f"{x_value:.3g}", size=11, anchor="middle"))
        parts.append(_text(left - 6, y + 4, f"{y_value:.3g}", size=11, anchor="end"))
    parts.append(_text((left + right) / 2, HEIGHT - 10, x_name, size=12, anchor="middle"))
    parts.append(_text(left - 40, top - 8, y_name, size=12))
    return parts


def _scale(x_low: float, x_high: float, y_low: float, y_high: float) -> Callable[[float, float], tuple[float, float]]:
    across, down = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def place(x: float, y: float) -> tuple[float, float]:
        return LEFT + across * (x - x_low) / (x_high - x_low), TOP + down * (y_high - y) / (y_high - y_low)

    return place


def _shade(share: float) -> str:
    """White to the blue of the other pictures."""
    return "#" + "".join(f"{round(255 + (int(_BLUE[i : i + 2], 16) - 255) * share):02x}" for i in (1, 3, 5))


def _printable(label: str) -> str:
    """XML has no place for control characters, escaped or not."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in label)


def _clip(label: str, length: int = 8) -> str:
    return label if len(label) <= length else label[: length - 1] + "…"


def _title(text: str) -> str:
    return _text(WIDTH / 2, 20, text, size=14, anchor="middle")


def _text(x: float, y: float, text: str, *, size: int, anchor: str = "start", colour: str = "#222") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{colour}">{escape(text)}</text>'
    )


def _svg(parts: list[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'font-family="sans-serif"><rect width="100%" height="100%" fill="#fff"/>{"".join(parts)}</svg>\n'
    )
