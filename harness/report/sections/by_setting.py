"""A matrix seen by its axes: what each value of an axis gives on average, and each two axes against each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from statistics import fmean
from typing import Final

from harness.charts.results import Level, Spot, main_effect, pivot
from harness.charts.style import Chart
from harness.contracts.metrics import VAL_ACCURACY
from harness.escape import file_stem
from harness.report.blocks import Charts, Column, Group, Section, Table, Text, Value, named
from harness.report.context import Context
from harness.report.variants import TEST, Variant, experiment_variants, mean_or_least
from harness.words import NOTHING, percent, points, short_names, value_text

FEWEST_AXES: Final = 2
MOST_PIVOTS: Final = 6
COLUMNS: Final = (
    Column("axis", numeric=False),
    Column("value", numeric=False),
    Column("variants"),
    Column("mean val. top-1 %", hint="over the variants with this value"),
    Column("to the axis's best", hint="points"),
    Column("mean test top-1 %"),
    Column("best variant with it", numeric=False, hint="by validation accuracy"),
)


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis of an experiment's matrix; coupled paths are one."""

    name: str
    values: Mapping[str, str]
    """Variant -> its value as text."""

    @property
    def levels(self) -> tuple[str, ...]:
        """The values, in file order."""
        return tuple(dict.fromkeys(self.values.values()))


def section(context: Context) -> Section | None:
    """Return the experiments that have two axes or more, each by its axes; None where there is none."""
    by_experiment: dict[str, list[Variant]] = defaultdict(list)
    for variant in experiment_variants(context.findings):
        by_experiment[variant.experiment].append(variant)
    groups = [group for name, each in by_experiment.items() if (group := _group(name, each)) is not None]
    if not groups:
        return None
    told = "By validation accuracy, which alone may choose settings; means over all variants that share a value."
    return Section("by-setting", "By setting", (Text(told), *groups))


def axes_of(variants: Sequence[Variant]) -> tuple[Axis, ...]:
    """Return the axes along which variants of one experiment differ; paths that always move together are one."""
    settings = {variant.name: dict(variant.settings) for variant in variants if variant.settings}
    paths = list(dict.fromkeys(path for each in settings.values() for path in each))
    columns = {path: {name: value_text(each.get(path), full=True) for name, each in settings.items()} for path in paths}
    found: dict[tuple[int, ...], list[str]] = defaultdict(list)
    for path, column in columns.items():
        order = list(dict.fromkeys(column.values()))
        if len(order) > 1:
            found[tuple(order.index(value) for value in column.values())].append(path)
    names = dict(zip(paths, short_names(paths), strict=True))
    return tuple(
        Axis(
            ", ".join(names[path] for path in each), {v: ", ".join(columns[path][v] for path in each) for v in settings}
        )
        for each in found.values()
    )


def _group(experiment: str, variants: Sequence[Variant]) -> Group | None:
    shown = [variant for variant in variants if variant.spread(VAL_ACCURACY) is not None]
    axes = axes_of(shown)
    if len(axes) < FEWEST_AXES:
        return None
    table = Table(f"Main effects of {experiment}'s axes", COLUMNS, tuple(_rows(axes, shown)), sortable=False)
    return Group(experiment, (table, Charts(tuple(_charts(experiment, axes, shown)))))


def _rows(axes: Sequence[Axis], variants: Sequence[Variant]) -> Iterator[tuple[Value, ...]]:
    for axis in axes:
        members = {level: [each for each in variants if axis.values.get(each.name) == level] for level in axis.levels}
        means = {level: _mean(each, VAL_ACCURACY) for level, each in members.items()}
        best = max(means.values())
        for level, each in members.items():
            test = [one for one in each if one.spread(TEST) is not None]
            lead = max(each, key=lambda one: mean_or_least(one, VAL_ACCURACY))
            yield (
                named(axis.name),
                named(level),
                Value(str(len(each)), len(each)),
                Value(percent(means[level]), means[level], "good" if means[level] == best else ""),
                Value(points(means[level] - best) if means[level] < best else NOTHING, means[level] - best),
                Value(percent(_mean(test, TEST)) if test else NOTHING),
                named(lead.name),
            )


def _mean(variants: Sequence[Variant], metric: str) -> float:
    return fmean(mean_or_least(variant, metric) for variant in variants)


def _charts(experiment: str, axes: Sequence[Axis], variants: Sequence[Variant]) -> Iterator[Chart]:
    by_name = {variant.name: mean_or_least(variant, VAL_ACCURACY) for variant in variants}
    for axis in axes:
        levels = [
            Level(level, {name: by_name[name] for name, value in axis.values.items() if value == level})
            for level in axis.levels
        ]
        yield _named(main_effect(axis.name, levels, "validation accuracy"), experiment)
    for down, across in list(combinations(axes, 2))[:MOST_PIVOTS]:
        spots: dict[tuple[str, str], list[float]] = defaultdict(list)
        for name, accuracy in by_name.items():
            if name in down.values:
                spots[down.values[name], across.values[name]].append(accuracy)
        each = [Spot(row, column, fmean(found), len(found)) for (row, column), found in spots.items()]
        yield _named(pivot(down.name, across.name, each, "validation accuracy"), experiment)


def _named(chart: Chart, experiment: str) -> Chart:
    """Return a chart named for its experiment: two may have the same axes."""
    return replace(chart, name=file_stem(chart.name, experiment))
