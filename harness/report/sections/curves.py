"""Learning curves: validation accuracy of all variants on one axis, then loss and accuracy of each by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from harness.charts.training import CurveMetric, compared_curves, learning_curves
from harness.contracts.metrics import EPOCH_SECONDS, TRAIN_ACCURACY, TRAIN_LOSS, VAL_ACCURACY, VAL_LOSS
from harness.measure.diagnosis import History
from harness.report.blocks import Charts, Fold, Section, Text
from harness.report.context import Context
from harness.report.store import ReportStore
from harness.report.variants import Variant

METRICS: Final = (TRAIN_LOSS, VAL_LOSS, TRAIN_ACCURACY, VAL_ACCURACY, EPOCH_SECONDS)
SHOWN: Final[tuple[CurveMetric, ...]] = ("loss", "accuracy")
OPEN_UP_TO: Final = 6
"""Variants whose own curves are shown at once; more are folded."""
EXPLAINED: Final = (
    "Below, each by itself: thin lines are single seeds, the thick one is their mean as far as all seeds go; a ring "
    "marks a seed's best epoch on validation."
)


@dataclass(frozen=True, slots=True)
class Curves:
    """A variant's histories, one a seed; the first entry of a history is epoch 1."""

    variant: Variant
    histories: tuple[History, ...]
    seeds: tuple[int, ...] = ()
    """The seed of each history."""

    @property
    def by_seed(self) -> Mapping[int, History]:
        """The histories by their seeds."""
        return dict(zip(self.seeds, self.histories, strict=True))


def section(context: Context) -> Section | None:
    """Return the curves of the pictured variants; None where no model knows epochs."""
    curves = context.once(all_curves)
    together = compared_curves({each.variant.name: each.histories for each in curves})
    alone = tuple(filter(None, (_alone(each, context.drawn) for each in curves)))
    if not alone:
        return None
    first = (Charts((together,)),) if together is not None else ()
    each = alone if len(alone) <= OPEN_UP_TO else (Fold(f"Loss and accuracy of each, {len(alone)} experiments", alone),)
    return Section("curves", "Learning curves", (*first, Text(EXPLAINED), *each))


def all_curves(context: Context) -> tuple[Curves, ...]:
    """Return the curves of the pictured variants that have any."""
    return tuple(filter(None, (curves_of(variant, context.store) for variant in context.pictured)))


def curves_of(variant: Variant, store: ReportStore) -> Curves | None:
    """Return the curves of a variant's finished cells, None if its model knows no epochs."""
    runs = [(entry.seed, entry.run.run_id) for entry in variant.finished if entry.run is not None]
    found = [(seed, _by_epoch(store.history(run, METRICS))) for seed, run in runs]
    found = [(seed, history) for seed, history in found if history]
    return Curves(variant, tuple(each for _, each in found), tuple(seed for seed, _ in found)) if found else None


def _alone(curves: Curves, drawn: frozenset[str]) -> Charts | None:
    """Return a variant's loss and accuracy side by side; None where neither was recorded."""
    charts = (learning_curves(curves.variant.name, metric, curves.by_seed) for metric in SHOWN)
    found = tuple(chart for chart in charts if chart is not None)
    return Charts(found, page_only=curves.variant.name not in drawn) if found else None


def _by_epoch(history: Mapping[str, Sequence[tuple[int, float]]]) -> tuple[Mapping[str, float], ...]:
    """Return each epoch's metrics; a final figure of a model without epochs stands at step 0 and is none."""
    last = max((step for points in history.values() for step, _ in points), default=0)
    epochs: list[dict[str, float]] = [{} for _ in range(last)]
    for name, points in history.items():
        for step, value in points:
            if step >= 1:
                epochs[step - 1][name] = value
    return tuple(epochs) if any(epochs) else ()
