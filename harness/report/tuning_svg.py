"""Marks, rulers and frames of the charts of a search, as SVG text that stays small with many trials."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from harness.measure.drawing import shortened
from harness.measure.tuning_axes import Axis

SHAPES: Final[Mapping[str, str]] = {
    "complete": "h0",
    "duplicate": "m-3.5 0a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0-7 0",
    "infeasible": "m0-4l4 4-4 4-4-4z",
    "pruned": "m-3-3l6 6m0-6l-6 6",
    "failed": "m-4-3.5h8l-4 7z",
    "front": "m-3.5-3.5h7v7h-7z",
    "start": "m-5-5h10v10h-10z",
    "winner": "m0-7.5l2.2 4.6 5 .7-3.6 3.5.9 5-4.5-2.4-4.5 2.4.9-5-3.6-3.5 5-.7z",
}
"""Relative path of each kind of mark around its place: told apart without color."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A chart's size and its margins in SVG units; places in [0, 1] run to the right and upwards."""

    width: float
    height: float
    left: float = 44
    right: float = 10
    top: float = 10
    bottom: float = 24

    def x(self, place: float) -> float:
        """Return the horizontal coordinate of a place, held within a little more than the frame."""
        return self.left + (self.width - self.left - self.right) * min(1.02, max(-0.02, place))

    def y(self, place: float) -> float:
        """Return the vertical coordinate of a place; what lies outside stands at the edge."""
        return self.height - self.bottom - (self.height - self.top - self.bottom) * min(1.0, max(0.0, place))

    def svg(self, label: str, parts: Iterable[Markup], css: str = "") -> Markup:
        """Return the whole picture; the label says in words what it shows."""
        head = '<svg class="{}" viewBox="0 0 {:g} {:g}" role="img" aria-label="{}">'
        return Markup(head).format(css, self.width, self.height, label) + Markup("").join(parts) + Markup("</svg>")

    def grid(self, axis: Axis) -> Markup:
        """Return level lines with their values at the left."""
        line = Markup('<path class="grid" d="M{:g} {:.1f}H{:g}"/><text class="y" x="{:g}" y="{:.1f}">{}</text>')
        ends = self.left, self.width - self.right
        drawn = ((self.y(place), text) for place, text in axis.ticks)
        return Markup("").join(line.format(ends[0], y, ends[1], ends[0] - 5, y + 3.5, text) for y, text in drawn)

    def ground(self, axis: Axis, longest: int = 14) -> Markup:
        """Return the axis' values below the frame."""
        below = Markup('<text x="{:.1f}" y="{:g}">{}</text>')
        y = self.height - self.bottom + 16
        return Markup("").join(below.format(self.x(at), y, shortened(text, longest)) for at, text in axis.ticks)


def marks(kind: str, points: Sequence[tuple[float, float]]) -> Markup:
    """Return all marks of a kind as one path; nothing of no points."""
    if not points:
        return Markup("")
    text = "".join(f"M{x:.1f} {y:.1f}{SHAPES[kind]}" for x, y in points)
    return Markup('<path class="mark {}" d="{}"/>').format(kind, text)


def steps(css: str, points: Sequence[tuple[float, float]], end: float | None = None) -> Markup:
    """Return a line that keeps its height until the next point, and to `end`."""
    if not points:
        return Markup("")
    first, *rest = points
    text = f"M{first[0]:.1f} {first[1]:.1f}" + "".join(f"H{x:.1f}V{y:.1f}" for x, y in rest)
    return Markup('<path class="{}" d="{}"/>').format(css, text if end is None else f"{text}H{end:.1f}")


def lines(css: str, polylines: Iterable[Sequence[tuple[float, float]]]) -> Markup:
    """Return polylines of one look as one path."""
    text = "".join("M" + "L".join(f"{x:.0f} {y:.1f}" for x, y in points) for points in polylines)
    return Markup('<path class="{}" d="{}"/>').format(css, text) if text else Markup("")


def legend(entries: Mapping[str, str]) -> Markup:
    """Return what each kind of mark means; kinds without a shape are lines."""
    icon = Markup('<span><svg viewBox="-8 -8 16 16" aria-hidden="true"><path class="{}" d="{}"/></svg>{}</span>')
    shown = []
    for kind, text in entries.items():
        css, path = (f"mark {kind}", f"M0 0{SHAPES[kind]}") if kind in SHAPES else (kind, "M-8 0H8")
        shown.append(icon.format(css, path, text))
    return Markup('<p class="legend">{}</p>').format(Markup("").join(shown))


def scrolled(picture: Markup, least: float, name: str) -> Markup:
    """Return a picture that is never narrower than `least` pixels: a narrow screen scrolls it."""
    inner = Markup('<div style="min-width:{:.0f}px">{}</div>').format(least, picture)
    return Markup('<div class="scroll" role="region" aria-label="{}" tabindex="0">{}</div>').format(name, inner)
