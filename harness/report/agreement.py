"""Which models say the same: shares of equal predictions and Cohen's kappa, pair by pair."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from harness.measure.drawing import INK, MUTED, RIGHT, WRONG, literal, new_figure, save, shortened
from harness.measure.predictions import Agreement, mean_agreement
from harness.report.predictions import Panel
from harness.words import NOTHING

EXPLAINED: Final = (
    "Above the diagonal: share of images that both call the same, in percent. Below it: Cohen's kappa, the agreement "
    "beyond what chance would give (1 is all, 0 none). On the diagonal: the seeds of one model among themselves, in "
    "percent. Means over pairs of seeds. Models that agree less than their own seeds do err on different images."
)


@dataclass(frozen=True, slots=True)
class Field:
    """A cell of the table: its text, how strong its color is in [0, 100], what it says in words."""

    text: str
    strength: int
    is_kappa: bool
    words: str


@dataclass(frozen=True, slots=True)
class AgreementOn:
    """The table of one set of images: the variants' names, and as many rows of as many fields."""

    title: str
    names: tuple[str, ...]
    rows: tuple[tuple[Field, ...], ...]


def agreement_on(panel: Panel, title: str) -> AgreementOn | None:
    """Return how much the members of a panel agree; None of a single one."""
    members = panel.members
    if len(members) < 2:
        return None
    said = [[each.predicted for each in member.said] for member in members]
    names = tuple(member.variant.name for member in members)
    places = range(len(members))
    pairs = {
        (row, column): mean_agreement(said[row], None if row == column else said[column], len(panel.classes))
        for row in places
        for column in places
        if row <= column
    }
    found = [each for each in pairs.values() if each]
    lows = {False: min(each.equal for each in found), True: min(each.kappa for each in found)}
    rows = [
        [_field(pairs[min(r, c), max(r, c)], names[r], names[c], r > c, lows[r > c]) for c in places] for r in places
    ]
    return AgreementOn(title, names, tuple(map(tuple, rows)))


def draw_agreement(found: AgreementOn, path: Path) -> None:
    """Draw the table as PNG."""
    size = len(found.names)
    side = float(np.clip(2.4 + 0.52 * size, 4.0, 12.0))
    figure = new_figure(side, side)
    axes = figure.subplots()
    axes.imshow(_colors(found.rows), interpolation="nearest")
    names = [literal(shortened(name, 34)) for name in found.names]
    axes.set_xticks(range(size), [str(place + 1) for place in range(size)])
    axes.set_yticks(range(size), [f"{place + 1}. {name}" for place, name in enumerate(names)])
    axes.tick_params(colors=INK, length=0, labelsize=8)
    axes.spines[:].set_visible(False)
    axes.set_title(literal(found.title), loc="left", fontsize=9, color=MUTED)
    axes.set_xlabel(
        "above: equal predictions in percent; below: Cohen's kappa; diagonal: seeds", fontsize=7, color=MUTED
    )
    for row, fields in enumerate(found.rows):
        for column, field in enumerate(fields):
            color = "white" if field.strength > 60 else INK
            axes.text(column, row, field.text, ha="center", va="center", in_layout=False, fontsize=7, color=color)
    save(figure, path)


def _colors(rows: Sequence[Sequence[Field]]) -> np.ndarray[tuple[int, int, int], np.dtype[np.float64]]:
    drawn = [[(WRONG if field.is_kappa else RIGHT)(field.strength / 100 * 0.85) for field in row] for row in rows]
    return np.array(drawn, dtype=np.float64)


def _field(found: Agreement | None, row: str, column: str, is_kappa: bool, low: float) -> Field:
    """Return a cell; its color runs from the lowest value of the table to full agreement."""
    value = math.nan if found is None else found.kappa if is_kappa else found.equal
    if not math.isfinite(value):
        return Field("" if row == column else NOTHING, 0, is_kappa, "")
    strength = round(8 + 87 * (value - low) / (1 - low)) if low < 1 else 95
    if is_kappa:
        return Field(f"{value:.2f}", strength, is_kappa, f"{row} and {column}: kappa {value:.3f}")
    who = f"seeds of {row}" if row == column else f"{row} and {column}"
    return Field(f"{value * 100:.1f}", strength, is_kappa, f"{who}: {value * 100:.2f} % equal")
