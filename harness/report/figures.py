"""Pictures for papers and for Markdown: files beside the report, charts as SVG."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from harness.measure.confusion import COUNTS_UP_TO
from harness.measure.drawing import (
    AMBER,
    BLUE,
    GRID,
    INK,
    MUTED,
    PAPER,
    literal,
    new_figure,
    plain_axes,
    save,
    shortened,
)
from harness.report.blocks import Block, Charts, Fold, Group, Images
from harness.report.chart_files import Panel, write_charts
from harness.report.compose import Report
from harness.report.confusion_chart import confusion_chart
from harness.report.insight_figures import INSIGHT, Drawn, draw_cost, draw_errors_of, draw_time_curves
from harness.report.strips import shown_metric, span_of
from harness.report.tuning_files import write_pictures
from harness.report.variants import TEST, Variant
from harness.words import spread_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

OURS: Final = ("results.png", "curves-*", "confusion-*", "inside-*", "ablation-*", *INSIGHT)
"""Names of all that is drawn, by this version and by earlier ones."""
MOST_ROWS: Final = 60
"""A higher picture nobody can take in."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Paths relative to the report's folder; confusions and tuning studies in the order of the report's."""

    results: str | None
    confusions: tuple[str, ...]
    tuning: tuple[tuple[str, ...], ...] = ()
    errors: tuple[tuple[Drawn, ...], ...] = ()
    cost: tuple[Drawn, ...] = ()
    over_time: tuple[Drawn, ...] = ()


def draw_figures(report: Report, folder: Path) -> Figures:
    """Draw all pictures into `folder`/figures, in place of those of an earlier report."""
    figures = folder / "figures"
    for path in [path for pattern in OURS for path in figures.glob(pattern)]:
        path.unlink()
    confusions = _file_names("confusion", [each.variant.name for each in report.confusions])
    for name, matrix in zip(confusions, report.confusions, strict=True):
        counts = ", count below" if len(matrix.classes) <= COUNTS_UP_TO else ""
        title = f"{matrix.variant.name}, {matrix.split} images: percent of the true class{counts}"
        write_charts(title, [Panel(confusion_chart(matrix))], folder / name)
    tuning = write_pictures(report.tuning, folder)
    insight = (
        draw_errors_of(report.errors, folder),
        draw_cost(report.cost, folder),
    )
    over_time = draw_time_curves(report.cost, folder)
    return Figures(_draw_results(report.variants, folder), confusions, tuning, *insight, over_time)


def write_pictures_of(blocks: Sequence[Block], folder: Path) -> None:
    """Write the pictures and charts of blocks into `folder`/figures, as Markdown refers to them."""
    for block in blocks:
        if isinstance(block, Charts):
            for chart in block.charts:
                (folder / "figures").mkdir(parents=True, exist_ok=True)
                (folder / "figures" / f"{chart.name}.svg").write_text(chart.svg(), encoding="utf-8", newline="\n")
        elif isinstance(block, Images):
            for each in (block.sheet,) if block.sheet is not None else block.pictures:
                (folder / "figures").mkdir(parents=True, exist_ok=True)
                (folder / "figures" / each.name).write_bytes(each.file)
        elif isinstance(block, Group | Fold):
            write_pictures_of(block.blocks, folder)


def _file_names(kind: str, names: Sequence[str]) -> tuple[str, ...]:
    """Return a file name for each variant: its name where that can be one, numbered where two would be the same."""
    taken: dict[str, None] = {}
    for name in names:
        plain = re.sub(r"[^a-z0-9._=]+", "-", name.casefold()).strip("-.") or "variant"
        choices = [plain, *(f"{plain}-{number}" for number in range(2, len(names) + 2))]
        taken[next(choice for choice in choices if choice not in taken)] = None
    return tuple(f"figures/{kind}-{name}.svg" for name in taken)


def _draw_results(variants: Sequence[Variant], folder: Path) -> str | None:
    """Draw every seed's accuracy, test where it was opened, else validation; the best at the top."""
    metric = shown_metric(variants)
    every = [variant for variant in variants if variant.values(metric)]
    shown = every[:MOST_ROWS]
    span = span_of(shown, metric)
    if span is None:
        return None
    split = "test" if metric == TEST else "validation"
    figure = new_figure(7.6, 1.0 + 0.32 * len(shown))
    axes = figure.subplots()
    which = "" if len(shown) == len(every) else f"; the first {len(shown)} of {len(every)}"
    plain_axes(axes, f"{split} accuracy in percent: each seed, mean, one standard deviation{which}")
    axes.grid(visible=True, axis="x", color=GRID, linewidth=0.8)
    low, high = (end * 100 for end in span)
    axes.set_xlim(low - 0.04 * (high - low), high + 0.04 * (high - low))
    for row, variant in enumerate(shown):
        _draw_variant(axes, row, [value * 100 for value in variant.values(metric).values()], low)
    axes.set_yticks(range(len(shown)), [literal(shortened(variant.name, 40)) for variant in shown], color=INK)
    axes.set_ylim(len(shown) - 0.4, -0.75)
    save(figure, folder / "figures" / "results.png")
    return "figures/results.png"


def _draw_variant(axes: Axes, row: int, values: Sequence[float], low: float) -> None:
    spread = spread_of(values)
    if spread is None or not math.isfinite(spread.mean):
        return
    if max(values) < low:
        axes.text(low, row, f"below: {spread.mean:.2f}", va="center", fontsize=8, color=MUTED, backgroundcolor=PAPER)
        return
    deviation = spread.deviation or 0
    axes.plot([spread.mean - deviation, spread.mean + deviation], [row, row], color=BLUE, alpha=0.35, linewidth=6)
    axes.plot(values, [row] * len(values), "o", color=BLUE, markersize=4.5, markeredgewidth=0)
    axes.plot([spread.mean], [row], "|", color=AMBER, markersize=13, markeredgewidth=2)
    place: dict[str, Any] = {"xy": (spread.mean, row), "xytext": (0, 8), "textcoords": "offset points"}
    axes.annotate(f"{spread.mean:.2f}", **place, ha="center", fontsize=7, color=MUTED)
