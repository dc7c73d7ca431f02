"""Epochs and seconds until a validation accuracy is reached, from the curves."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Final

import numpy as np

from harness.measure.histories import History, values_of
from harness.report.blocks import Column, Table, Value
from harness.report.curves import Curves
from harness.report.numbers import NOTHING, amount, duration
from harness.report.variants import dataset_name, linked_name

FINE: Final = 0.03
"""Best accuracies within so little call for thresholds of half percents."""


@dataclass(frozen=True, slots=True)
class Reached:
    """When a seed's validation accuracy was first at a threshold: epoch from 1, seconds of all epochs up to it."""

    epoch: int
    seconds: float


def reach_tables(curves: Sequence[Curves]) -> tuple[Table, ...]:
    """Return one table for each data set: how soon each variant reached what all, half and the best of them reach."""
    by_images: dict[str, list[Curves]] = defaultdict(list)
    for each in curves:
        if any(np.isfinite(values_of(history, "val/accuracy")).any() for history in each.histories):
            by_images[each.variant.cell.dataset.images].append(each)
    return tuple(_table(group, is_only=len(by_images) == 1) for group in by_images.values())


def thresholds(tops: Sequence[float]) -> tuple[float, ...]:
    """Return round accuracies that all, at least half, and at least one of the best accuracies reach.

    >>> thresholds([0.541, 0.842, 0.751, 0.749])
    (0.54, 0.75, 0.84)
    """
    ordered = sorted(tops)
    step = 0.005 if ordered[-1] - ordered[0] < FINE else 0.01
    chosen = (ordered[0], ordered[len(ordered) // 2], ordered[-1])
    return tuple(dict.fromkeys(round(math.floor(top / step + 1e-9) * step, 4) for top in chosen))


def reached(history: History, threshold: float) -> Reached | None:
    """Return when validation accuracy was first at or above the threshold, None if it never was."""
    places = np.flatnonzero(values_of(history, "val/accuracy") >= threshold)
    if not len(places):
        return None
    seconds = values_of(history, "epoch_seconds")[: int(places[0]) + 1].sum()
    return Reached(int(places[0]) + 1, float(seconds))


def _table(group: Sequence[Curves], is_only: bool) -> Table:
    tops = [median(float(np.nanmax(values_of(each, "val/accuracy"))) for each in curves.histories) for curves in group]
    wanted = thresholds(tops)
    columns = [Column("experiment", numeric=False)]
    for threshold in wanted:
        text = f"{threshold * 100:.4g} %"
        columns.append(Column(f"epochs to {text}", hint="mean over the seeds that reached it"))
        columns.append(Column(f"time to {text}", hint="seconds of the epochs up to then, validation included"))
    on = "" if is_only else f" on {dataset_name(group[0].variant.cell.dataset)}"
    rows = tuple((linked_name(each.variant), *_cells(each, wanted)) for each in group)
    return Table(f"How soon a validation accuracy was reached{on}", tuple(columns), rows, _notes(group))


def _cells(curves: Curves, wanted: Sequence[float]) -> list[Value]:
    cells: list[Value] = []
    for threshold in wanted:
        found = [each for history in curves.histories if (each := reached(history, threshold))]
        if not found:
            cells += [Value(NOTHING), Value(NOTHING)]
            continue
        lacking = len(curves.histories) - len(found)
        some = f" ({len(found)} of {amount(len(curves.histories), 'seed')})" if lacking else ""
        epochs, seconds = fmean(each.epoch for each in found), fmean(each.seconds for each in found)
        cells.append(Value(f"{epochs:.3g}{some}", epochs))
        is_known = math.isfinite(seconds) and len(curves.variant.devices) == 1
        cells.append(
            Value(duration(seconds), seconds) if is_known else Value("mixed" if math.isfinite(seconds) else NOTHING)
        )
    return cells


def _notes(group: Sequence[Curves]) -> tuple[str, ...]:
    devices = dict.fromkeys(device for curves in group for device in curves.variant.devices)
    notes = ["a dash: never reached; accuracy is known at the end of an epoch only"]
    if len(devices) > 1:
        by_device = "; ".join(f"{each.variant.name} on {', '.join(each.variant.devices)}" for each in group)
        notes.append(f"times of different devices cannot be compared: {by_device}")
    return tuple(notes)
