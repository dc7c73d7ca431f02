"""Small pictures in a grid with captions: what pictures of a network's inside have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from matplotlib.collections import LineCollection

from harness.measure.drawing import INK, MUTED, clear_axes, literal, new_figure, save

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

PITCH: Final = 1.06
"""From one tile to the next, in tiles."""
LINE: Final = 0.17
"""Height of a line of text, in tiles."""


@dataclass(frozen=True, slots=True)
class Strokes:
    """Lines over a tile: `ends` [S, 2, 2] (line, end, x and y in [0, 1] of the tile), RGBA `colors` [S, 4]."""

    ends: NDArray[np.floating]
    colors: NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Tile:
    """RGB in [0, 1], [H, W, 3], with a line of text below it, empty for none, in a color."""

    pixels: NDArray[np.floating]
    text: str = ""
    color: str = INK
    strokes: Strokes | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """Tiles side by side, below a line of text where there is one."""

    tiles: Sequence[Tile]
    heading: str = ""


def draw_rows(title: str, rows: Sequence[Row], path: Path, tile_inches: float = 1.0) -> None:
    """Draw rows of tiles as PNG, each tile's longer side 1 tile; nothing is smoothed."""
    columns = max(len(row.tiles) for row in rows)
    height = sum(map(_height, rows))
    figure = new_figure(PITCH * columns * tile_inches + 0.1, height * tile_inches + 0.35)
    axes = figure.subplots()
    clear_axes(axes)
    axes.set_title(literal(title), loc="left", fontsize=9, color=MUTED)
    top = 0.0
    for row in rows:
        _draw_row(axes, row, top)
        top += _height(row)
    axes.set(xlim=(-0.02, PITCH * columns - 0.04), ylim=(height, -0.02), aspect="equal")
    save(figure, path)


def as_rgb(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return an image [H, W, C] (C 1 or 3) as RGB in [0, 1]."""
    return np.repeat(image, 3, axis=2) / 255 if image.shape[2] == 1 else image / 255


def _height(row: Row) -> float:
    texts = any(tile.text for tile in row.tiles)
    return PITCH + (LINE if texts else 0) + (1.3 * LINE if row.heading else 0)


def _draw_row(axes: Axes, row: Row, top: float) -> None:
    if row.heading:
        axes.text(0, top + 0.05, literal(row.heading), fontsize=8, color=MUTED, va="top")
        top += 1.3 * LINE
    for order, tile in enumerate(row.tiles):
        left = order * PITCH
        height, width = (side / max(tile.pixels.shape[:2]) for side in tile.pixels.shape[:2])
        axes.imshow(tile.pixels, extent=(left, left + width, top + height, top), interpolation="nearest")
        if tile.strokes is not None:
            ends = tile.strokes.ends * (width, height) + (left, top)
            axes.add_collection(LineCollection(list(ends), colors=tile.strokes.colors, linewidths=1.0))
        if tile.text:
            axes.text(left, top + height + 0.03, literal(tile.text), fontsize=7.5, color=tile.color, va="top")
