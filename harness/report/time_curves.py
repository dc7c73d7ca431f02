"""Validation accuracy against seconds: which model is ahead after how much time."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from statistics import fmean, median
from typing import Final, TypeAlias

import numpy as np

from harness.contracts.metrics import EPOCH_SECONDS, TRAIN_SECONDS
from harness.measure.diagnosis import History, values_of
from harness.report.sections.curves import Curves, curves_of
from harness.report.store import Entry, ReportStore
from harness.report.time_axis import SHORTEST, round_times
from harness.report.variants import VALIDATION, Variant, dataset_name, device_of
from harness.words import duration, percent, round_duration

Line: TypeAlias = tuple[tuple[float, float], ...]
"""Seconds, never falling, and the accuracy then known, a share; a model without epochs has one such point."""
MOST: Final = 12
"""Lines that can be told apart."""
TOLD: Final = 5
"""Times at which the highest is told in words."""
EARLY: Final = 10
"""What ends so many times sooner than any first epoch is not worth an axis that presses all lines together."""


@dataclass(frozen=True, slots=True)
class TimeCurve:
    """A variant on one device: a line for each seed, at least one, none of them empty."""

    name: str
    seeds: tuple[Line, ...]

    @property
    def mean(self) -> Line:
        """Median seconds and mean accuracy of each epoch, as far as all seeds go."""
        epochs = zip(*self.seeds, strict=False)
        return tuple((median(s for s, _ in points), fmean(a for _, a in points)) for points in epochs)


@dataclass(frozen=True, slots=True)
class TimeCurves:
    """A chart: at least two variants on the same images and device, those with the best accuracy first."""

    title: str
    curves: tuple[TimeCurve, ...]
    notes: tuple[str, ...]

    @property
    def span(self) -> tuple[float, float]:
        """The seconds that are worth showing."""
        first = min((each.mean[0][0] for each in self.curves if len(each.mean) > 1), default=0.0)
        times = [seconds for each in self.curves for line in each.seeds for seconds, _ in line]
        return max(min(times), first / EARLY), max(times)

    @property
    def words(self) -> str:
        """What the mean lines have reached by round times, and where the highest of them ends."""
        points = sorted((seconds, accuracy, each.name) for each in self.curves for seconds, accuracy in each.mean)
        reached: dict[tuple[float, str], float] = {}
        times = round_times(*self.span)
        for limit in times[::-1][:: math.ceil(len(times) / TOLD)][::-1]:
            highest = max((point for point in points if point[0] <= limit), key=lambda point: point[1])
            reached.setdefault(highest[1:], limit)
        told = [f"{name} {percent(top)} % by {round_duration(limit)}" for (top, name), limit in reached.items()]
        last, best = max(((each.mean[-1], each.name) for each in self.curves), key=lambda end: end[0][1])
        end = f"the highest at its end is {best}, {percent(last[1])} % after {duration(last[0])}"
        return f"Highest so far: {', '.join(told)}; {end}."

    @property
    def ends(self) -> str:
        """Where each mean line ends."""
        last = [(each.name, *each.mean[-1]) for each in self.curves]
        return ", ".join(f"{name} {percent(accuracy)} % after {duration(seconds)}" for name, seconds, accuracy in last)


def time_curves(
    variants: Sequence[Variant], store: ReportStore, known: Sequence[Curves] = (), baseline: str = ""
) -> tuple[TimeCurves, ...]:
    """Return a chart for each data set and device where two variants or more have a validation accuracy.

    Without a single line of epochs there is none: it would be the scatter chart again.

    Args:
        variants: What is to be drawn.
        store: Where curves that are not known are read from.
        known: Curves that were read before.
        baseline: The experiment that is drawn however poor it is.
    """
    groups: dict[tuple[str, str], list[Variant]] = defaultdict(list)
    for variant in variants:
        for device in variant.devices:
            groups[variant.cell.dataset.images, device].append(variant)
    by_cells = {each.variant.cells: each for each in known}
    is_only = len({images for images, _ in groups}) == 1
    charts = []
    for (_, device), group in groups.items():
        ordered = _ordered(group, device)
        chosen = _chosen(ordered, baseline)
        curves = [_curve(each, device, by_cells.get(each.cells) or curves_of(each, store)) for each in chosen]
        if len(curves) > 1 and any(len(each.mean) > 1 for each in curves):
            of = "" if is_only else f", {dataset_name(group[0].cell.dataset)}"
            title = f"validation accuracy against seconds on {device}{of}"
            charts.append(TimeCurves(title, tuple(curves), _notes(group, ordered, chosen, curves)))
    return tuple(charts)


def _measured(variant: Variant, device: str) -> list[tuple[Entry, float]]:
    """Return the finished cells on a device with their validation accuracy, where they have one."""
    values = [(entry, entry.metric(VALIDATION)) for entry in variant.finished if device_of(entry) == device]
    return [(entry, value) for entry, value in values if value is not None and math.isfinite(value)]


def _ordered(group: Sequence[Variant], device: str) -> list[Variant]:
    """Return the variants that have a validation accuracy, the best first."""
    means = {
        place: fmean(value for _, value in each)
        for place, variant in enumerate(group)
        if (each := _measured(variant, device))
    }
    return [group[place] for place in sorted(means, key=lambda place: -means[place])]


def _chosen(ordered: Sequence[Variant], baseline: str) -> list[Variant]:
    """Return as many of the best as are drawn, the best of the baseline in place of the last if it is not there."""
    best = list(ordered[:MOST])
    base = [each for each in ordered if each.experiment == baseline]
    if base and base[0] not in best:
        best[-1] = base[0]
    return best


def _curve(variant: Variant, device: str, curves: Curves | None) -> TimeCurve:
    histories = curves.by_seed if curves else {}
    measured = _measured(variant, device)
    lines = [_line(histories[entry.seed]) for entry, _ in measured if entry.seed in histories]
    ends = [(max(entry.metric(TRAIN_SECONDS) or 0.0, SHORTEST), value) for entry, value in measured]
    return TimeCurve(variant.name, tuple(filter(None, lines)) or tuple((end,) for end in ends))


def _line(history: History) -> Line:
    """Return a seed's line; empty where seconds or accuracies of its epochs were not recorded."""
    seconds, accuracies = values_of(history, EPOCH_SECONDS), values_of(history, VALIDATION)
    if not np.isfinite(seconds).all() or not np.isfinite(accuracies).all():
        return ()
    return tuple(zip((max(each, SHORTEST) for each in accumulate(seconds.tolist())), accuracies.tolist(), strict=True))


def _notes(
    group: Sequence[Variant], ordered: Sequence[Variant], chosen: Sequence[Variant], curves: Sequence[TimeCurve]
) -> tuple[str, ...]:
    """Return how to read the chart, and what is not in it."""
    notes = ["Seconds of the epochs up to then, validation included"]
    if any(len(each.seeds) > 1 for each in curves):
        notes.append(
            "thin: one seed; thick: by epoch the median of the seeds' seconds and the mean of their accuracies"
        )
    if any(len(each.mean) == 1 for each in curves):
        notes.append("a dot alone: the end of a fit without epochs, or whose epochs have no recorded seconds")
    if len(ordered) > len(chosen):
        base = "" if chosen[-1] is ordered[len(chosen) - 1] else " and the baseline"
        notes.append(f"{len(chosen)} of {len(ordered)} variants: those with the best validation accuracy{base}")
    without = [each.name for each in group if each not in ordered]
    if without:
        notes.append(f"without validation, so not here: {', '.join(without)}")
    return tuple(notes)
