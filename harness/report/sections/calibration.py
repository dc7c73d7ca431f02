"""Calibration: whether a model is right as often as it is sure, a reliability diagram a variant."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Final

import numpy as np

from harness.charts.matrices import reliability as reliability_chart
from harness.charts.style import Chart
from harness.measure.scores import expected_calibration_error, reliability
from harness.report.blocks import Block, Charts, Fold, Group, Section, Text
from harness.report.context import FEW_DRAWN, MOST_DRAWN, Context
from harness.report.predictions import Member, Panel
from harness.report.sections.errors import all_panels, panel_title

EXPLAINED: Final = (
    "Images in 15 bins by the confidence of the predicted class, all seeds together: a dot is a bin's accuracy at its "
    "mean confidence, its size how many images. On the line, confidence is right; below it the model is too sure. "
    "ECE, the expected calibration error, is the mean distance from the line, images counted equally (Guo et al. "
    "2017): the mean over seeds of each seed's own, as in the results."
)


def section(context: Context) -> Section | None:
    """Return the diagrams of the pictured variants whose scores are probabilities; None without any."""
    found = [(panel, charts) for panel in context.once(all_panels) if (charts := diagrams(panel))]
    if not found:
        return None
    if len(found) == 1:
        return Section("calibration", "Calibration", (Text(EXPLAINED), *_shown(found[0][1])))
    groups = (Group(panel_title(panel), _shown(charts)) for panel, charts in found)
    return Section("calibration", "Calibration", (Text(EXPLAINED), *groups))


def _shown(charts: Sequence[Chart]) -> tuple[Block, ...]:
    """Return the first charts, and what are more than twelve folded, for the page alone."""
    if len(charts) <= MOST_DRAWN:
        return (Charts(tuple(charts)),)
    first, rest = tuple(charts[:FEW_DRAWN]), tuple(charts[FEW_DRAWN:])
    return Charts(first), Fold(f"{len(rest)} more", (Charts(rest, page_only=True),))


def diagrams(panel: Panel) -> tuple[Chart, ...]:
    """Return the diagrams of the members whose scores are probabilities."""
    return tuple(chart for member in panel.members if (chart := _diagram(member, panel)) is not None)


def _diagram(member: Member, panel: Panel) -> Chart | None:
    sure = [each.confidence for each in member.said if each.confidence is not None]
    if len(sure) < len(member.said) or not sure:
        return None
    right = [each.right for each in member.said]
    bins = reliability(np.concatenate(sure), np.concatenate(right))
    logged = member.variant.spread(f"{panel.split}/ece")
    own = fmean(map(expected_calibration_error, sure, right))
    ece = own if logged is None else logged.mean
    return reliability_chart(member.variant.name, bins.confidence, bins.accuracy, bins.count, ece)
