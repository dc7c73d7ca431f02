"""What all our pictures share: colors, sizes, and axes without clutter.

Figures are made as objects; pyplot and its global state are never used.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

DOTS_PER_INCH: Final = 130

INK: Final = "#1d2733"
MUTED: Final = "#66727f"
GRID: Final = "#e6eaee"
PAPER: Final = "#ffffff"
BLUE: Final = "#2b6cb0"
AMBER: Final = "#d07a1f"
"""Blue is validation and what is right, amber is training and what is wrong; apart for all kinds of color vision."""

RIGHT: Final = LinearSegmentedColormap.from_list("right", [PAPER, "#c9ddf0", "#6ba3d6", "#2b6cb0", "#173f6b"])
WRONG: Final = LinearSegmentedColormap.from_list("wrong", [PAPER, "#f7dcbb", "#eaa65c", "#d07a1f", "#86440a"])


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of a size in inches."""
    return Figure(figsize=(width, height), dpi=DOTS_PER_INCH, facecolor=PAPER, layout="constrained")


def save(figure: Figure, path: Path) -> None:
    """Write the figure as PNG, making the folder where it is missing.

    By the canvas itself: `savefig` draws a figure with a layout engine twice.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    FigureCanvasAgg(figure).print_png(path)  # type: ignore[no-untyped-call]  # matplotlib has no type for it


def clear_axes(axes: Axes) -> None:
    """Take away frame, ticks and labels."""
    axes.set_axis_off()


def plain_axes(axes: Axes, title: str) -> None:
    """Give axes a title at the left, a light horizontal grid and no frame but the ground line."""
    axes.set_title(literal(title), loc="left", fontsize=10, color=INK, fontweight="bold", pad=8)
    axes.grid(visible=True, axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=MUTED, labelsize=8, length=0)
    for side in ("top", "left", "right"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(MUTED)


def literal(text: str) -> str:
    """Return text that matplotlib shows as it stands: a dollar sign starts no formula, nothing breaks the line."""
    return re.sub(r"\s+", " ", text).replace("$", r"\$")


def shortened(text: str, longest: int) -> str:
    """Return the text with its tail as an ellipsis where it is longer than `longest` characters."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def row_shares(confusion: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return counts [K, K] as shares of their row; a row without counts stays 0."""
    totals = confusion.sum(axis=1, keepdims=True)
    shares = np.zeros(confusion.shape)
    np.divide(confusion, totals, out=shares, where=totals > 0)
    return shares
