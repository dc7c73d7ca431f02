"""What accuracy costs: seconds, parameters, energy; and whether the time was foreseen."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from harness.contracts.metrics import JOULES, PARAMETERS, TRAIN_SECONDS
from harness.report.blocks import Column, Table, Value, named
from harness.report.cost_texts import energy_text, estimates, time_texts
from harness.report.scatter import Offer, Scatter
from harness.report.sections.curves import Curves
from harness.report.store import ReportStore
from harness.report.strips import shown_metric, span_of
from harness.report.time_axis import SHORTEST
from harness.report.time_curves import TimeCurves, time_curves
from harness.report.variants import TEST, Variant, device_of, linked_name, parameters_value, share_value, train_time
from harness.words import NOTHING, duration, energy


@dataclass(frozen=True, slots=True)
class Cost:
    """Charts of accuracy against each price and as it grows, the table, and what is to be known of times and energy."""

    charts: tuple[Scatter, ...]
    over_time: tuple[TimeCurves, ...]
    table: Table
    texts: tuple[str, ...]


def cost_of(
    variants: Sequence[Variant], store: ReportStore, curves: Sequence[Curves] = (), baseline: str = ""
) -> Cost | None:
    """Return what the variants cost, with curves that are known; None where no cell has finished."""
    metric = shown_metric(variants)
    shown = [variant for variant in variants if _accuracy(variant, metric) is not None]
    if not shown:
        return None
    charts = (*_time_charts(shown, metric), *_parameter_charts(shown, metric))
    over_time = time_curves(variants, store, curves, baseline)
    return Cost(charts, over_time, _table(shown, metric, charts), (*time_texts(shown), energy_text(shown, store)))


def _time_charts(variants: Sequence[Variant], metric: str) -> list[Scatter]:
    """Return one chart for each device: seconds of different devices have no common scale."""
    by_device: dict[str, list[Offer]] = defaultdict(list)
    for variant in variants:
        for device in variant.devices:
            entries = [entry for entry in variant.finished if device_of(entry) == device]
            seconds = [each for entry in entries if (each := entry.metric(TRAIN_SECONDS)) is not None]
            accuracies = [each for entry in entries if (each := entry.metric(metric)) is not None]
            if seconds and accuracies:
                by_device[device].append(Offer(variant.name, max(fmean(seconds), SHORTEST), fmean(accuracies)))
    charts = [
        _scatter(f"{_split(metric)} accuracy by time of fitting on {device}", offers, variants, metric, is_time=True)
        for device, offers in by_device.items()
    ]
    return [chart for chart in charts if chart is not None]


def _parameter_charts(variants: Sequence[Variant], metric: str) -> list[Scatter]:
    offers = []
    for variant in variants:
        parameters, accuracy = variant.spread(PARAMETERS), _accuracy(variant, metric)
        if parameters is not None and accuracy is not None and parameters.mean >= 1:
            offers.append(Offer(variant.name, parameters.mean, accuracy))
    chart = _scatter(f"{_split(metric)} accuracy by number of parameters", offers, variants, metric, is_time=False)
    return [chart] if chart else []


def _scatter(
    title: str, offers: Sequence[Offer], variants: Sequence[Variant], metric: str, *, is_time: bool
) -> Scatter | None:
    span = span_of(variants, metric)
    finite = tuple(each for each in offers if math.isfinite(each.accuracy) and math.isfinite(each.cost))
    if not finite or span is None:
        return None
    return Scatter(title, "time" if is_time else "parameters", finite, *span)


def _table(variants: Sequence[Variant], metric: str, charts: Sequence[Scatter]) -> Table:
    has_estimates = any(estimates(variant) for variant in variants)
    has_energy = any(variant.spread(JOULES) for variant in variants)
    columns = [
        Column("experiment", numeric=False),
        Column(f"{_split(metric)} top-1 %"),
        Column("train time", hint="time of fitting alone, mean over seeds"),
        Column("parameters"),
        Column("on the front by", numeric=False, hint="nothing is both cheaper and more accurate"),
    ]
    columns += (
        [
            Column("estimated", hint="whole cell, before it ran"),
            Column("actual", hint="whole cell"),
            Column("actual / estimated"),
        ]
        if has_estimates
        else []
    )
    columns += [Column("energy a fit")] if has_energy else []
    rows = tuple(_row(each, metric, charts, has_estimates, has_energy) for each in variants)
    return Table("What each experiment costs", tuple(columns), rows)


def _row(
    variant: Variant, metric: str, charts: Sequence[Scatter], has_estimates: bool, has_energy: bool
) -> tuple[Value, ...]:
    fronts = [chart.price for chart in charts if variant.name in {each.name for each in chart.front}]
    values = [
        linked_name(variant),
        share_value(variant.spread(metric)),
        train_time(variant),
        parameters_value(variant),
        named(", ".join(dict.fromkeys(fronts)) or NOTHING, "good" if fronts else "muted"),
    ]
    values += _estimated(variant) if has_estimates else []
    values += [_energy(variant)] if has_energy else []
    return tuple(values)


def _estimated(variant: Variant) -> list[Value]:
    pairs = estimates(variant)
    if not pairs:
        return [Value(NOTHING)] * 3
    estimated, actual = (fmean(values) for values in zip(*pairs, strict=True))
    ratio = actual / estimated if estimated > 0 else math.inf
    return [Value(duration(estimated), estimated), Value(duration(actual), actual), Value(f"{ratio:.2f}", ratio)]


def _energy(variant: Variant) -> Value:
    spread = variant.spread(JOULES)
    if spread is None:
        return Value(NOTHING)
    return Value(energy(spread.mean), spread.mean)


def _accuracy(variant: Variant, metric: str) -> float | None:
    spread = variant.spread(metric)
    return None if spread is None or not math.isfinite(spread.mean) else spread.mean


def _split(metric: str) -> str:
    return "test" if metric == TEST else "val."
