"""The confusion matrix as a picture: what is right in blue, what is wrong in amber."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from harness.measure.drawing import INK, MUTED, PAPER, RIGHT, WRONG, literal, new_figure, row_shares, save, shortened

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

COUNTS_UP_TO: Final = 12
PERCENT_UP_TO: Final = 26
NAMES_UP_TO: Final = 200


def draw_confusion(confusion: NDArray[np.int64], classes: Sequence[str], path: Path) -> None:
    """Draw counts [K, K] (row = true class, column = predicted class) as PNG.

    Cells show percent of the row and, up to 12 classes, the count; with more than 26 classes color alone speaks.
    """
    size = len(classes)
    side = float(np.clip(1.6 + 0.56 * size, 4.2, 11.0))
    figure = new_figure(side, side)
    axes = figure.subplots()
    shares = row_shares(confusion)
    axes.imshow(colors_of(shares), interpolation="nearest")
    _name_axes(axes, classes)
    _separate(axes, size)
    if size <= PERCENT_UP_TO:
        _write_cells(axes, confusion, shares)
    save(figure, path)


def colors_of(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return RGBA colors [K, K, 4] in [0, 1] of row shares [K, K].

    The square root of a share is what is shown, so that an error of 1 % can be seen beside a class that is 95 % right.
    """
    strength = np.sqrt(shares)
    colors = WRONG(strength)
    diagonal = np.arange(len(shares))
    colors[diagonal, diagonal] = RIGHT(strength[diagonal, diagonal] * 0.85)
    return np.asarray(colors, dtype=np.float64)


def _name_axes(axes: Axes, classes: Sequence[str]) -> None:
    size = len(classes)
    axes.set_xlabel(f"predicted class{_legend(size)}", color=MUTED, fontsize=9)
    axes.set_ylabel("true class", color=MUTED, fontsize=9)
    axes.tick_params(colors=INK, length=0, labelsize=float(np.clip(560 / size / 1.25, 4.2, 8.5)))
    if size > NAMES_UP_TO:
        return
    names = [literal(shortened(name, 18)) for name in classes]
    axes.set_xticks(range(size), names, rotation=45 if size <= PERCENT_UP_TO else 90)
    for label in axes.get_xticklabels() if size <= PERCENT_UP_TO else ():
        label.set(ha="right", rotation_mode="anchor")
    axes.set_yticks(range(size), names)


def _legend(size: int) -> str:
    if size <= COUNTS_UP_TO:
        return "   (percent of the true class, count below)"
    return "   (percent of the true class)" if size <= PERCENT_UP_TO else ""


def _separate(axes: Axes, size: int) -> None:
    """Put thin lines between cells; between tens of classes where there are many."""
    axes.spines[:].set_visible(False)
    step = 1 if size <= PERCENT_UP_TO else 10
    for place in np.arange(0, size + 1, step) - 0.5:
        axes.axhline(place, color="#dfe4e9", linewidth=0.6)
        axes.axvline(place, color="#dfe4e9", linewidth=0.6)


def _write_cells(axes: Axes, confusion: NDArray[np.int64], shares: NDArray[np.float64]) -> None:
    with_counts = len(confusion) <= COUNTS_UP_TO
    text: dict[str, Any] = {"ha": "center", "va": "center", "in_layout": False}  # measuring each for nothing takes long
    font = 8.5 if with_counts else float(np.clip(150 / len(confusion), 5, 8))
    for row, column in np.argwhere(confusion > 0):
        share = shares[row, column]
        color = PAPER if share > (0.35 if row == column else 0.3) else INK
        rise = 0.12 if with_counts else 0
        axes.text(column, row - rise, percent_text(share), **text, color=color, fontsize=font)
        if with_counts:
            count = f"{confusion[row, column]:,}"
            axes.text(column, row + 0.24, count, **text, color=color, fontsize=font * 0.68, alpha=0.8)


def percent_text(share: float) -> str:
    """Return a share as whole percent, never hiding what is there or what is missing.

    >>> [percent_text(share) for share in (0.001, 0.034, 0.999, 1.0)]
    ['<1', '3', '>99', '100']
    """
    if 0 < share < 0.01:
        return "<1"
    return ">99" if 0.99 < share < 1 else f"{share * 100:.0f}"
