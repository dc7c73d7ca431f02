"""Which models say the same: shares of equal predictions and Cohen's kappa, pair by pair."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from harness.charts.matrices import agreement
from harness.charts.style import Chart
from harness.measure.predictions import mean_agreement
from harness.report.blocks import Charts, Section, Text
from harness.report.context import Context
from harness.report.predictions import Panel
from harness.report.sections.errors import all_panels, panel_title

if TYPE_CHECKING:
    from numpy.typing import NDArray

EXPLAINED: Final = (
    "Above the diagonal: share of images that both models call the same, in percent. Below it: Cohen's kappa, the "
    "agreement beyond what chance would give (1 is all, 0 none). On the diagonal: the seeds of one model among "
    "themselves, in percent. Means over pairs of seeds. Two models that agree less than the seeds of either one err "
    "on different images."
)


def section(context: Context) -> Section | None:
    """Return a matrix for each set of images that two variants or more classified; None without any."""
    several = [panel for panel in context.once(all_panels) if len(panel.members) > 1]
    charts = tuple(agreement_chart(panel, place) for place, panel in enumerate(several))
    return Section("agreement", "Agreement", (Text(EXPLAINED), Charts(charts))) if charts else None


def agreement_chart(panel: Panel, place: int = 0) -> Chart:
    """Return how much the members of a panel agree; `place` is its number among the report's."""
    equal, kappa = agreements(panel)
    names = [member.variant.name for member in panel.members]
    name = f"agreement-{place + 1}" if place else "agreement"
    return agreement(names, equal, kappa, f"Agreement between models on {panel_title(panel)}", name)


def agreements(panel: Panel) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return shares of equal predictions and Cohen's kappa [M, M] of M members, NaN where there is no pair of seeds."""
    said = [[each.predicted for each in member.said] for member in panel.members]
    equal, kappa = (np.full((len(said), len(said)), np.nan) for _ in range(2))
    for row, ours in enumerate(said):
        for column in range(row, len(said)):
            found = mean_agreement(ours, None if row == column else said[column], len(panel.classes))
            if found is not None:
                equal[row, column] = equal[column, row] = found.equal
                kappa[row, column] = kappa[column, row] = found.kappa
    return equal, kappa
