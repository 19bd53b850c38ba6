"""Pieces of SVG pictures: no library, the same bytes for the same figures, readable without colours."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

BLUE, RED, GREY, INK = "#1f6fb4", "#c0392b", "#888", "#222"

Place = Callable[[float, float], tuple[float, float]]
"""From a value on either axis to a point of the picture."""


@dataclass(frozen=True)
class Frame:
    """A picture's size, and the margins around what is plotted in it."""

    width: int = 480
    height: int = 400
    left: int = 64
    right: int = 16
    top: int = 40
    bottom: int = 52

    @property
    def across(self) -> int:
        """The width of what is plotted."""
        return self.width - self.left - self.right

    @property
    def down(self) -> int:
        """The height of what is plotted."""
        return self.height - self.top - self.bottom

    def scale(self, x_low: float, x_high: float, y_low: float, y_high: float) -> Place:
        """Where values are; none of the two ranges is empty."""

        def place(x: float, y: float) -> tuple[float, float]:
            return (
                self.left + self.across * (x - x_low) / (x_high - x_low),
                self.top + self.down * (y_high - y) / (y_high - y_low),
            )

        return place

    def axes(
        self,
        x_low: float,
        x_high: float,
        y_low: float,
        y_high: float,
        x_name: str,
        y_name: str,
        x_values: Sequence[float] = (),
    ) -> list[str]:
        """Both axes with five values each; along x with `x_values`, when they are given."""
        place = self.scale(x_low, x_high, y_low, y_high)
        (left, bottom), (right, top) = place(x_low, y_low), place(x_high, y_high)
        parts = [f'<path d="M{left:.1f} {top:.1f}V{bottom:.1f}H{right:.1f}" fill="none" stroke="{INK}"/>']
        parts += [
            text(place(value, y_low)[0], bottom + 16, f"{value:.3g}", size=11, anchor="middle")
            for value in x_values or _quarters(x_low, x_high)
        ]
        parts += [
            text(left - 6, place(x_low, value)[1] + 4, f"{value:.3g}", size=11, anchor="end")
            for value in _quarters(y_low, y_high)
        ]
        parts.append(text((left + right) / 2, self.height - 10, x_name, size=12, anchor="middle"))
        parts.append(text(left - 40, top - 8, y_name, size=12))
        return parts

    def title(self, what: str) -> str:
        """The picture's heading."""
        return text(self.width / 2, 20, what, size=14, anchor="middle")

    def svg(self, parts: Iterable[str]) -> str:
        """The whole picture."""
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" width="{self.width}" '
            f'height="{self.height}" font-family="sans-serif"><rect width="100%" height="100%" fill="#fff"/>'
            f"{''.join(parts)}</svg>\n"
        )


def text(x: float, y: float, what: str, *, size: int, anchor: str = "start", colour: str = INK) -> str:
    """A line of text; `anchor` says which part of it is at x."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{colour}">{escape(what)}</text>'
    )


def _quarters(low: float, high: float) -> list[float]:
    return [low + (high - low) * step / 4 for step in range(5)]


def shade(share: float, colour: str = BLUE) -> str:
    """White to a colour."""
    return "#" + "".join(f"{round(255 + (int(colour[i : i + 2], 16) - 255) * share):02x}" for i in (1, 3, 5))


def printable(label: str) -> str:
    """XML has no place for control characters, escaped or not."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in label)


def clip(label: str, length: int = 8) -> str:
    """So much of a label as fits."""
    return label if len(label) <= length else label[: length - 1] + "…"
