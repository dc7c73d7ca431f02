"""The headline table: one row a variant, none left out, each with what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from harness.contracts.metrics import (
    FLOPS,
    IMAGES_PER_SECOND,
    PEAK_BYTES,
    TEST_ACCURACY_TTA,
    TEST_ECE,
    TEST_LOSS,
    TEST_MACRO_F1,
)
from harness.report.blocks import Column, Table, Value, named
from harness.report.reasons import gaps_explained
from harness.report.significance import NOTHING_KNOWN, Verdicts, interval_text
from harness.report.variants import (
    SEALED,
    TEST,
    VALIDATION,
    Variant,
    cells_value,
    count_value,
    dataset_name,
    device_value,
    notes_of,
    parameters_value,
    ranked,
    share_value,
    test_value,
    train_time,
)
from harness.words import NOTHING, decimals_spread, points, scaled

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


def _columns(shown: Shown) -> list[Filled]:
    filled = [Filled(Column("experiment", numeric=False), lambda variant: named(variant.name))]
    if shown.known.sets:
        hint = "no two experiments of a tier can be told apart"
        filled += [Filled(Column("tier", hint=hint), lambda variant: tier_value(variant, shown.known))]
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
        Filled(_hinted("FLOPs", "of a forward pass over one image"), lambda v: count_value(v, FLOPS, scaled)),
        Filled(_hinted("train time", "time of fitting alone"), train_time),
        Filled(_hinted("images/s", "last epoch of fitting"), lambda v: device_value(v, IMAGES_PER_SECOND)),
        Filled(Column("peak memory"), lambda v: device_value(v, PEAK_BYTES)),
    ]
    device = Filled(Column("device", numeric=False), lambda v: named(", ".join(v.devices) or NOTHING))
    return [*filled, device] if shown.devices else filled


def _hinted(title: str, hint: str) -> Column:
    return Column(title, hint=hint)


def tier_value(variant: Variant, known: Verdicts) -> Value:
    """Return a variant's tier, nothing where it was not compared."""
    tier = known.tier(variant)
    return Value(NOTHING) if tier is None else Value(str(tier), tier)


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


def _against(variant: Variant, baseline: Variant) -> Value:
    ours, theirs = variant.spread(TEST), baseline.spread(TEST)
    if ours is None or theirs is None or variant is baseline:
        return Value(NOTHING)
    return Value(points(ours.mean - theirs.mean), ours.mean - theirs.mean)
