"""Pictures for papers and for Markdown: files beside the report, charts as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.report.blocks import Block, Charts, Fold, Group, Images
from harness.report.compose import Report
from harness.report.tuning_files import write_pictures

OURS: Final = (
    *("results.*", "curves-*", "confusion-*", "class-f1*", "inside-*", "ablation-*"),
    *("errors-*", "agreement*", "reliability*", "cost-*"),
)
"""Names of all that is drawn, by this version and by earlier ones."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Paths relative to the report's folder; confusions and tuning studies in the order of the report's."""

    tuning: tuple[tuple[str, ...], ...] = ()


def draw_figures(report: Report, folder: Path) -> Figures:
    """Draw all pictures into `folder`/figures, in place of those of an earlier report."""
    figures = folder / "figures"
    for path in [path for pattern in OURS for path in figures.glob(pattern)]:
        path.unlink()
    tuning = write_pictures(report.tuning, folder)
    return Figures(tuning)


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
