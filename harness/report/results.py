"""The headline table: one row a variant, none left out, each with what is wrong with it."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from textwrap import shorten
from typing import Final

from harness.contracts.metrics import (
    FLOPS,
    IMAGES_PER_SECOND,
    PARAMETERS,
    PEAK_BYTES,
    TEST_ACCURACY,
    TEST_ACCURACY_TTA,
    TEST_ECE,
    TEST_LOSS,
    TEST_MACRO_F1,
    TRAIN_SECONDS,
    VAL_ACCURACY,
)
from harness.report.gather import Entry
from harness.report.intervals import interval_text
from harness.report.links import runs_of
from harness.report.numbers import NOTHING, amount, decimals_spread, percent_spread, points, scaled, whole
from harness.report.per_device import device_notes, device_value
from harness.report.reasons import gaps_explained
from harness.report.significance import NOTHING_KNOWN, Verdicts
from harness.report.spread import Spread
from harness.report.tables import Column, Table, Value, named
from harness.report.variants import Variant, dataset_name

TEST: Final = TEST_ACCURACY
VALIDATION: Final = VAL_ACCURACY
SEALED: Final = "sealed"
REASON_LENGTH: Final = 160
CAPTION: Final = "Mean ± standard deviation over seeds [95 % interval], the best on the test set first"


@dataclass(frozen=True, slots=True)
class Shown:
    """Which columns a study's results table has beside those that all have."""

    tta: bool
    datasets: bool
    devices: bool
    baseline: Variant | None
    known: Verdicts


@dataclass(frozen=True, slots=True)
class Filled:
    """A column and what stands in it for a variant."""

    column: Column
    value: Callable[[Variant], Value]


def ranked(variants: Sequence[Variant]) -> tuple[Variant, ...]:
    """Return variants by test accuracy, then validation accuracy, the best first; without figures last."""
    return tuple(sorted(variants, key=lambda variant: (-_mean(variant, TEST), -_mean(variant, VALIDATION))))


def results_table(variants: Sequence[Variant], baseline: str | None, known: Verdicts = NOTHING_KNOWN) -> Table:
    """Return the table of all variants, the best on the test set first, with the tiers of `known`."""
    shown = Shown(
        tta=any(variant.spread(TEST_ACCURACY_TTA) for variant in variants),
        datasets=len({dataset_name(variant.cell.dataset) for variant in variants}) > 1,
        devices=len({device for variant in variants for device in variant.devices}) > 1,
        baseline=baseline_of(variants, baseline),
        known=known,
    )
    filled = _columns(shown)
    rows = tuple(tuple(each.value(variant) for each in filled) for variant in ranked(variants))
    notes = tuple(f"{variant.name}: {note}" for variant in ranked(variants) for note in notes_of(variant))
    return Table(CAPTION, tuple(each.column for each in filled), rows, (*notes, *gaps_explained(variants, known)))


def baseline_of(variants: Sequence[Variant], name: str | None) -> Variant | None:
    """Return the first variant of the baseline experiment."""
    return next((variant for variant in variants if variant.experiment == name), None)


def notes_of(variant: Variant) -> tuple[str, ...]:
    """Return what a reader must know of a variant: cells without figures and why, what it was fitted on."""
    reasons: dict[tuple[str, str], list[Entry]] = defaultdict(list)
    for entry in variant.entries:
        if entry.state != "done":
            reasons[entry.state, entry.reason].append(entry)
    notes = [_reason(state, reason, entries) for (state, reason), entries in reasons.items()]
    if variant.cell.train_on == "train+val":
        notes.append("fitted on train+val")
    return (*notes, *device_notes(variant))


def test_value(variant: Variant, metric: str) -> Value:
    """Return a test metric in percent, or that the test set is sealed for good."""
    if variant.cell.test == "never":
        return Value(SEALED, None, "muted")
    return share_value(variant.spread(metric))


def share_value(spread: Spread | None) -> Value:
    """Return a share's mean and deviation in percent, sorted by the mean."""
    return Value(percent_spread(spread), None if spread is None else spread.mean)


def train_time(variant: Variant) -> Value:
    """Return the time of fitting; times of different devices are never averaged, the notes tell them apart."""
    return device_value(variant, TRAIN_SECONDS)


def cells_value(variant: Variant) -> Value:
    """Return how many of the planned cells have figures, and what became of the others."""
    done, planned = len(variant.finished), len(variant.entries)
    states = Counter(entry.state for entry in variant.entries if entry.state != "done")
    others = ", ".join(f"{count} {state}" for state, count in states.items())
    text = f"{done}/{planned}{f' ({others})' if others else ''}"
    return Value(text, done / planned, "bad" if others else "", runs=runs_of(variant))


def parameters_value(variant: Variant) -> Value:
    """Return the number of parameters; several where seeds differ in it."""
    return _count(variant, PARAMETERS, whole)


def _columns(shown: Shown) -> list[Filled]:
    filled = [Filled(Column("experiment", numeric=False), lambda variant: named(variant.name))]
    if shown.known.sets:
        hint = "no two experiments of a tier can be told apart"
        filled += [Filled(Column("tier", hint=hint), lambda variant: _tier(variant, shown.known))]
    if shown.datasets:
        filled += [Filled(Column("data", numeric=False), lambda variant: named(dataset_name(variant.cell.dataset)))]
    return [*filled, *_quality(shown), *_cost(shown)]


def _quality(shown: Shown) -> list[Filled]:
    known, baseline = shown.known, shown.baseline
    filled = [Filled(_hinted("test top-1 %", "share of test images classified right"), lambda v: _test(v, TEST, known))]
    if shown.tta:
        hint = "test top-1 with test-time augmentation"
        filled += [Filled(_hinted("with TTA %", hint), lambda v: _test(v, TEST_ACCURACY_TTA, known))]
    if baseline is not None:
        column = _hinted(f"vs {baseline.experiment}", "difference of mean test top-1 in points")
        filled += [Filled(column, lambda v: _against(v, baseline))]
    return [
        *filled,
        Filled(_hinted("test macro-F1 %", "mean F1 over classes"), lambda v: _test(v, TEST_MACRO_F1, known)),
        Filled(_hinted("test loss", "mean cross-entropy in nats"), lambda v: _test(v, TEST_LOSS, known)),
        Filled(_hinted("test ECE %", "expected calibration error, 15 bins"), lambda v: _test(v, TEST_ECE, known)),
        Filled(
            _hinted("val. top-1 %", "share of validation images classified right"),
            lambda v: share_value(v.spread(VALIDATION)),
        ),
    ]


def _cost(shown: Shown) -> list[Filled]:
    filled = [
        Filled(_hinted("cells", "finished / planned"), cells_value),
        Filled(Column("parameters"), parameters_value),
        Filled(_hinted("FLOPs", "of a forward pass over one image"), lambda v: _count(v, FLOPS, scaled)),
        Filled(_hinted("train time", "time of fitting alone"), train_time),
        Filled(_hinted("images/s", "last epoch of fitting"), lambda v: device_value(v, IMAGES_PER_SECOND)),
        Filled(Column("peak memory"), lambda v: device_value(v, PEAK_BYTES)),
    ]
    device = Filled(Column("device", numeric=False), lambda v: named(", ".join(v.devices) or NOTHING))
    return [*filled, device] if shown.devices else filled


def _hinted(title: str, hint: str) -> Column:
    return Column(title, hint=hint)


def _tier(variant: Variant, known: Verdicts) -> Value:
    found = known.of(variant)
    if found is None:
        return Value(NOTHING)
    compared, place = found
    return Value(str(compared.tiers[place]), compared.tiers[place])


def _test(variant: Variant, metric: str, known: Verdicts) -> Value:
    """Return a test metric with its interval."""
    value = test_value(variant, metric)
    spread = variant.spread(metric)
    if spread is None or value.text == SEALED:
        return value
    found = known.of(variant)
    interval = None if found is None else found[0].interval(metric, found[1])
    text = decimals_spread(spread) if metric == TEST_LOSS else value.text
    return replace(value, text=text, detail=interval_text(metric, interval))


def _count(variant: Variant, metric: str, text: Callable[[float], str]) -> Value:
    counts = sorted(set(variant.values(metric).values()))
    if not counts:
        return Value(NOTHING)
    return Value(" to ".join(dict.fromkeys(map(text, (counts[0], counts[-1])))), counts[0])


def _against(variant: Variant, baseline: Variant) -> Value:
    ours, theirs = variant.spread(TEST), baseline.spread(TEST)
    if ours is None or theirs is None or variant is baseline:
        return Value(NOTHING)
    return Value(points(ours.mean - theirs.mean), ours.mean - theirs.mean)


def _reason(state: str, reason: str, entries: Sequence[Entry]) -> str:
    seeds = ", ".join(str(entry.seed) for entry in entries)
    return f"{amount(len(entries), 'cell')} {state} (seed {seeds}): {shorten(reason, REASON_LENGTH, placeholder='…')}"


def _mean(variant: Variant, metric: str) -> float:
    spread = variant.spread(metric)
    return -1.0 if spread is None or math.isnan(spread.mean) else spread.mean
