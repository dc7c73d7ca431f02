"""The pictures of a tuning study as PNG files; what the study has nothing of is not drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from matplotlib.ticker import PercentFormatter

from harness.measure.drawing import BLUE, GRID, INK, MUTED, literal, new_figure, plain_axes, save, shortened
from harness.measure.tuning_axes import short_titles
from harness.measure.tuning_history import draw_front, draw_history
from harness.measure.tuning_parallel import draw_parallel, draw_slices

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes

    from harness.contracts import Importances, Tuning

HISTORY, FRONT, PARALLEL, SLICES = "history.png", "pareto.png", "parallel.png", "slices.png"
IMPORTANCES: Final = "importances.png"
PICTURES: Final = (HISTORY, FRONT, PARALLEL, SLICES, IMPORTANCES)
"""File names in the order in which they are looked at."""


def draw_tuning(tuning: Tuning, folder: Path) -> None:
    """Draw history, Pareto front, parallel coordinates, slices and importances into `folder`, where they apply."""
    draw_history(tuning, folder / HISTORY)
    draw_front(tuning, folder / FRONT)
    draw_parallel(tuning, folder / PARALLEL)
    draw_slices(tuning, folder / SLICES)
    draw_importances(tuning, folder / IMPORTANCES)


def draw_importances(tuning: Tuning, path: Path) -> None:
    """Draw each evaluator's shares as bars, the largest first."""
    found = [each for each in tuning.importances if each.shares]
    if not found:
        return
    titles = short_titles(tuning.tune.space)
    figure = new_figure(4.2 * len(found), 0.9 + 0.3 * max(len(each.shares) for each in found))
    for axes, each in zip(figure.subplots(1, len(found), squeeze=False)[0], found, strict=True):
        _draw_shares(axes, each, titles)
    save(figure, path)


def _draw_shares(axes: Axes, found: Importances, titles: dict[str, str]) -> None:
    plain_axes(axes, f"importance by {found.evaluator}")
    axes.grid(visible=False, axis="y")
    axes.grid(visible=True, axis="x", color=GRID, linewidth=0.8)
    rows = range(len(found.shares))
    axes.barh(rows, list(found.shares.values()), height=0.62, color=BLUE)
    for row, share in zip(rows, found.shares.values(), strict=True):
        axes.text(share, row, f" {share * 100:.0f} %", va="center", fontsize=8, color=MUTED)
    names = [literal(shortened(titles.get(path, path), 26)) for path in found.shares]
    axes.set_yticks(rows, names, color=INK)
    axes.invert_yaxis()
    axes.set_xlim(0, max(0.1, *found.shares.values()) * 1.18)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
