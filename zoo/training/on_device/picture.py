"""The base and what was learned on a device, side by side on each set of samples, as SVG: gained here, lost there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

from zoo import svg
from zoo.training.on_device.trainer import Score

_COLOURS = (svg.GREY, svg.BLUE, svg.RED)
MAX_VERSIONS = len(_COLOURS)


def forgetting(names: Sequence[str], scores: Sequence[Mapping[str, Score]]) -> str:
    """One group of bars for each set of samples, one bar for each version; `names` are the versions'.

    All scores are of the same model: its accuracy, or the mean absolute error of a regression.
    """
    shown = list(zip(names, scores, _COLOURS, strict=False))
    sets = list(scores[0])
    classifies = next(iter(scores[0].values())).accuracy is not None
    highest = 1.0 if classifies else max(item.figure for row in scores for item in row.values()) or 1.0
    frame = svg.Frame()
    what = "Accuracy of each version on each set of samples" if classifies else "Mean absolute error of each version"
    place = frame.scale(0, len(sets), 0, highest)
    (start, base), (end, _) = place(0, 0), place(len(sets), 0)
    parts = [frame.title(what), f'<path d="M{start:.1f} {base:.1f}H{end:.1f}" fill="none" stroke="{svg.INK}"/>']
    width = 0.8 / len(shown)
    for number, data in enumerate(sets):
        for slot, (name, row, colour) in enumerate(shown):
            (left, top), (right, bottom) = (
                place(number + 0.1 + slot * width, row[data].figure),
                place(number + 0.1 + (slot + 1) * width, 0),
            )
            told = f"{row[data].figure:.3g}"
            parts.append(
                f'<rect x="{left:.1f}" y="{top:.1f}" width="{right - left - 4:.1f}" height="{bottom - top:.1f}" '
                f'fill="{colour}"><title>{escape(name)}, {escape(data)}: {told}</title></rect>'
            )
            parts.append(svg.text((left + right) / 2 - 2, top - 4, told, size=11, anchor="middle"))
        parts.append(svg.text(place(number + 0.5, 0)[0], frame.height - 34, data, size=12, anchor="middle"))
    for slot, (name, _, colour) in enumerate(shown):
        parts.append(
            svg.text(frame.left + 130 * slot, frame.height - 10, f"\N{BLACK SQUARE} {name}", size=12, colour=colour)
        )
    return frame.svg(parts)
