"""What each switch of an ablation changes, paired by image and seed: a table and a chart each."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from harness.charts.results import Switch, ablation
from harness.charts.style import Chart
from harness.contracts import Ablation
from harness.contracts.metrics import TEST_ACCURACY_TTA
from harness.report.blocks import Block, Charts, Column, Section, Table, Value
from harness.report.context import Context
from harness.report.predictions import ImageSet, PredictionFiles, image_sets
from harness.report.significance import Pair, interval_points, tested, with_intervals
from harness.report.store import Findings
from harness.report.variants import (
    TEST,
    VALIDATION,
    Variant,
    ablation_variants,
    cells_value,
    notes_of,
    paired_differences,
    share_value,
    test_value,
)
from harness.words import NOTHING, Spread, p_text, points_spread

TITLES: Final = {TEST: "test", VALIDATION: "val."}
SPLITS: Final = {TEST: "test", VALIDATION: "val"}
ACCURACIES: Final = {TEST: "test accuracy", VALIDATION: "validation accuracy"}
ROUNDING: Final = 1e-9
FIRST, ABOVE = "to first row", "to row above"


@dataclass(frozen=True, slots=True)
class Effects:
    """An ablation's rows by label, and the comparisons among them: (metric, label, label) -> the pair."""

    ablation: Ablation
    rows: Mapping[str, Variant]
    pairs: Mapping[tuple[str, str, str], Pair]

    @property
    def metrics(self) -> tuple[str, ...]:
        """Test accuracy where a row may open the test set, then validation accuracy."""
        return tuple(metric for metric in TITLES if metric == VALIDATION or _is_tested(self.rows.values()))

    @property
    def has_tta(self) -> bool:
        """Whether a row was tested with test-time augmentation too, which may be one of the switches."""
        return any(row.spread(TEST_ACCURACY_TTA) for row in self.rows.values())

    @property
    def steps(self) -> Mapping[str, Mapping[str, str]]:
        """What a row is compared with: title -> label -> the other row's label."""
        labels = self.ablation.rows
        found = {FIRST: dict.fromkeys(labels[1:], labels[0])}
        if self.ablation.order == "cumulative":
            found[ABOVE] = {label: above for above, label in pairwise(labels)}
        return found


def section(context: Context) -> Section | None:
    """Return a table and a chart for each ablation of the plan; None without any."""
    blocks: list[Block] = []
    for effects in context.once(all_effects):
        chart = effects_chart(effects)
        blocks += [effects_table(effects), *([Charts((chart,))] if chart is not None else [])]
    return Section("ablations", "Ablations", tuple(blocks)) if blocks else None


def all_effects(context: Context) -> tuple[Effects, ...]:
    """Return each ablation of the plan with its comparisons on test and on validation images."""
    return ablation_effects(context.findings, (*context.tested, *validation_sets(context.findings, context.files)))


def ablation_effects(findings: Findings, sets: Sequence[ImageSet] = ()) -> tuple[Effects, ...]:
    """Return each ablation of the plan with the comparisons that the image sets of either split allow."""
    return tuple(_effects(each, ablation_variants(findings, each), sets) for each in findings.plan.ablations)


def validation_sets(findings: Findings, files: PredictionFiles) -> tuple[ImageSet, ...]:
    """Return the ablations' rows on the validation images that they share."""
    rows = [row for each in findings.plan.ablations for row in ablation_variants(findings, each).values()]
    return image_sets(tuple({row.cells: row for row in rows}.values()), files, "val") if rows else ()


def effects_table(effects: Effects) -> Table:
    """Return an ablation's table: each row's accuracy, what it changes, and whether that is more than chance."""
    about, rows = effects.ablation, effects.rows
    columns = [Column(about.name, numeric=False)]
    for metric in effects.metrics:
        columns += [Column(f"{TITLES[metric]} top-1 %")]
        for title in effects.steps:
            columns += [Column(f"{TITLES[metric]}, {title}", hint="points [95 % interval], paired by seed and image")]
            columns += [Column("p", hint="corrected by Holm's method over this column")] if effects.pairs else []
    if effects.has_tta:
        columns += [Column("with TTA %", hint="test top-1 with test-time augmentation")]
    columns += [Column("cells", hint="finished / planned")]
    body = tuple(_row(label, effects) for label in about.rows)
    notes = tuple(f"{label}: {note}" for label in about.rows if label in rows for note in notes_of(rows[label]))
    return Table(f"Ablation {about.name} of {about.base}", tuple(columns), body, notes, label="ablation")


def effects_chart(effects: Effects) -> Chart | None:
    """Return what each switch changes, by test accuracy or, where no row has any, by validation accuracy.

    None where no two rows have figures.
    """
    first = effects.ablation.rows[0]
    for metric, words in ACCURACIES.items():
        means = {label: spread.mean for label, row in effects.rows.items() if (spread := row.spread(metric))}
        means = {label: mean for label, mean in means.items() if math.isfinite(mean)}
        if first in means and len(means) > 1:
            switches = _switches(effects, metric, means)
            return ablation(
                effects.ablation.name, words, first, means[first], switches, stepwise=ABOVE in effects.steps
            )
    return None


def _effects(about: Ablation, rows: Mapping[str, Variant], sets: Sequence[ImageSet]) -> Effects:
    bare = Effects(about, rows, {})
    found: dict[tuple[str, str, str], Pair] = {}
    for metric in bare.metrics:
        for images in (each for each in sets if each.split == SPLITS[metric]):
            for steps in bare.steps.values():
                found |= {(metric, *labels): pair for labels, pair in _compared(rows, steps, images).items()}
    return Effects(about, rows, found)


def _compared(rows: Mapping[str, Variant], steps: Mapping[str, str], images: ImageSet) -> dict[tuple[str, str], Pair]:
    """Return the comparisons of rows that are in the image set, one family."""
    places = {label: place for label, row in rows.items() if (place := images.place(row)) is not None}
    labels = [(label, other) for label, other in steps.items() if label in places and other in places]
    labels = [(label, other) for label, other in labels if places[label] != places[other]]
    if not labels:
        return {}
    family = tested(images, np.array([[places[label] for label in pair] for pair in labels]))
    return dict(zip(labels, with_intervals(images, family, range(len(labels))), strict=True))


def _switches(effects: Effects, metric: str, means: Mapping[str, float]) -> list[Switch]:
    switches = []
    for label, other in effects.steps.get(ABOVE, effects.steps[FIRST]).items():
        if label in means and other in means:
            pair = effects.pairs.get((metric, label, other))
            ends = (None, None) if pair is None else (pair.low, pair.high)
            switches.append(Switch(label, means[other], means[label], *ends))
    return switches


def _row(label: str, effects: Effects) -> tuple[Value, ...]:
    variant = effects.rows.get(label)
    values = [Value(label, label)]
    for metric in effects.metrics:
        values.append(_figure(variant, metric))
        for steps in effects.steps.values():
            values += _change(label, steps.get(label, ""), metric, effects)
    if effects.has_tta:
        values.append(_figure(variant, TEST_ACCURACY_TTA))
    return (*values, Value("left out", tone="muted") if variant is None else cells_value(variant))


def _figure(variant: Variant | None, metric: str) -> Value:
    if variant is None:
        return Value(NOTHING)
    return test_value(variant, metric) if metric == TEST else share_value(variant.spread(metric))


def _change(label: str, other: str, metric: str, effects: Effects) -> list[Value]:
    """Return the change from one row to another, and its p-value where the ablation has any."""
    variant, base = effects.rows.get(label), effects.rows.get(other)
    spread = None if variant is None or base is None or variant is base else paired_differences(variant, base, metric)
    pair = effects.pairs.get((metric, label, other))
    if pair is not None and spread is not None and abs(pair.difference - spread.mean) > ROUNDING:
        spread = Spread(spread.count, pair.difference, None)  # seeds differ: not paired by them, so nor is the figure
    interval = "" if pair is None else interval_points(pair.low, pair.high)
    change = Value(points_spread(spread), None if spread is None else spread.mean, detail=interval)
    if not effects.pairs:
        return [change]
    if pair is None:
        return [change, Value(NOTHING)]
    return [change, Value(p_text(pair.adjusted), pair.adjusted, "good" if pair.differs else "muted")]


def _is_tested(variants: Iterable[Variant]) -> bool:
    return any(variant.cell.test == "once" for variant in variants)
