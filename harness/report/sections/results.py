"""The results: one row a variant, none left out, each with what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from harness.charts.results import Seeds, seed_dots
from harness.charts.style import Chart
from harness.contracts.metrics import (
    FLOPS,
    IMAGES_PER_SECOND,
    PARAMETERS,
    PEAK_BYTES,
    TEST_ACCURACY,
    TEST_ACCURACY_TTA,
    TEST_AUC,
    TEST_BALANCED,
    TEST_ECE,
    TEST_LOSS,
    TEST_MACRO_F1,
    TEST_SET,
    TEST_TOP_K,
    TEST_WORST_CLASS,
    TEST_WORST_GROUP,
    TRAIN_SECONDS,
    VAL_ACCURACY,
    metric_of,
)
from harness.report.blocks import Charts, Column, Section, Table, Text, Value, named
from harness.report.context import Context
from harness.report.predictions import lacking as why_none
from harness.report.significance import MOST_LETTERED, NOTHING_KNOWN, Interval, Verdicts, interval_text
from harness.report.variants import (
    BY_ACCURACY,
    SEALED,
    Ranking,
    Variant,
    by_device,
    cells_value,
    count_value,
    dataset_name,
    device_value,
    notes_of,
    parameters_value,
    ranked,
    test_value,
    train_time,
)
from harness.words import (
    NOTHING,
    Spread,
    decimals_spread,
    metric_difference,
    metric_heading,
    metric_name,
    metric_spread,
    scaled,
)

CAPTION: Final = "Mean ± standard deviation over seeds, 95 % interval below; the best on the test set first"
ASIDE: Final = (TEST_BALANCED, TEST_TOP_K, TEST_AUC, TEST_WORST_CLASS, TEST_WORST_GROUP, TEST_LOSS, TEST_ECE)
"""Figures of the test images that the page hides until they are asked for, unless they rank."""
MOST_NAMED: Final = 6
FILE: Final = "pairs.csv"
MOST_DOTS: Final = 40
"""Variants in the chart of seeds: a longer one nobody takes in."""
LACKING: Final = (
    (TEST_ECE, "test loss and ECE", "its scores are not probabilities"),
    (FLOPS, "FLOPs", "counted for networks only"),
    (IMAGES_PER_SECOND, "images/s", "fitted without epochs"),
    (PEAK_BYTES, "peak memory", "not measured"),
)


@dataclass(frozen=True, slots=True)
class SummaryRow:
    """One variant as the results table has it, in numbers; shares are in [0, 1]."""

    experiment: str
    letters: str
    """Variants that share a letter cannot be told apart on the test images, others can; empty where not compared."""
    one_fit: bool
    """Whether there is one seed alone: what is said is about that fit, not about what another seed would give."""
    test: str
    """sealed (for good), opened, or empty where no cell has opened it."""
    test_accuracy: Spread | None
    test_accuracy_interval: Interval | None
    """95 %, for new images and, where there are several, new seeds."""
    test_macro_f1: Spread | None
    val_accuracy: Spread | None
    parameters: float | None
    """Mean over seeds, which hardly ever differ in it."""
    train_seconds: Mapping[str, Spread]
    """Seconds of fitting by device: times of different devices are never averaged."""
    cells_finished: int
    cells_planned: int
    notes: tuple[str, ...]
    """What is wrong or peculiar."""
    metric: str = TEST_ACCURACY
    """What ranks (`report.metric`)."""
    test_figure: Spread | None = None
    """The figure of it."""


def section(context: Context) -> Section:
    """Return the results table and what is needed to read it."""
    baseline = context.findings.plan.report.baseline
    table = results_table(context.variants, baseline, context.verdicts, context.ranking)
    links = (Text(context.links.explained, tone="muted"),) if context.findings.finished else ()
    chart = _seeds_chart(context)
    return Section("results", "Results", (table, *links, *([Charts((chart,))] if chart is not None else [])))


def rows_of(context: Context) -> tuple[SummaryRow, ...]:
    """Return the rows of a study that was read already."""
    return tuple(_summary(variant, context.verdicts, context.ranking.test) for variant in context.variants)


def results_table(
    variants: Sequence[Variant], baseline: str | None, known: Verdicts = NOTHING_KNOWN, by: Ranking = BY_ACCURACY
) -> Table:
    """Return the table of all variants, the best on the test set first, with the letters of `known`."""
    shown = _Shown(
        tta=any(variant.spread(TEST_ACCURACY_TTA) for variant in variants),
        datasets=len({dataset_name(variant.cell.dataset) for variant in variants}) > 1,
        devices=len({device for variant in variants for device in variant.devices}) > 1,
        baseline=baseline_of(variants, baseline),
        known=known,
        by=by,
        aside=tuple(metric for metric in ASIDE if any(variant.values(metric) for variant in variants)),
        test_sets=_named_sets(variants),
    )
    filled, order = _columns(shown), ranked(variants, by)
    rows = tuple(tuple(each.value(variant) for each in filled) for variant in order)
    notes = tuple(f"{variant.name}: {note}" for variant in order for note in notes_of(variant))
    columns = tuple(each.column for each in filled)
    caption = CAPTION if by == BY_ACCURACY else f"{CAPTION}, by {metric_name(by.test).removeprefix('test ')}"
    return Table(caption, columns, rows, (*notes, *_explained(variants, known, by)), label="results")


def _named_sets(variants: Sequence[Variant]) -> tuple[str, ...]:
    sets = [tuple(variant.cell.dataset.test_sets) for variant in variants]
    is_alike = len({first for first, *_ in sets}) == 1
    return tuple(dict.fromkeys(name for each in sets for name in each if name)) if is_alike else ()


def baseline_of(variants: Sequence[Variant], name: str | None) -> Variant | None:
    """Return the first variant of the baseline experiment."""
    return next((variant for variant in variants if variant.experiment == name), None)


def _seeds_chart(context: Context) -> Chart | None:
    """Return every seed of the best variants, by the test figure that ranks where it was opened, else validation's.

    None of a figure that is no share.
    """
    by = context.ranking
    is_tested = any(variant.values(by.test) for variant in context.variants)
    metric = by.test if is_tested else by.validation
    words = metric_name(metric)
    if metric_of(metric).kind != "share":
        return None
    rows = []
    for variant in context.variants:
        interval = _interval(variant, metric, context.verdicts) if is_tested else None
        ends = (None, None) if interval is None else (interval.low, interval.high)
        rows.append(Seeds(variant.name, variant.values(metric), *ends))
    known = [row for row in rows if row.values]
    which = f" (the first {MOST_DOTS} of {len(known)} variants)" if len(known) > MOST_DOTS else ""
    title = f"{words}: each seed, mean and 95 % interval{which}" if is_tested else f"{words}: each seed and mean{which}"
    return seed_dots(known[:MOST_DOTS], words, f"{title[0].upper()}{title[1:]}")


@dataclass(frozen=True, slots=True)
class _Shown:
    """Which columns a study's table has beside those that all have."""

    tta: bool
    datasets: bool
    devices: bool
    baseline: Variant | None
    known: Verdicts
    by: Ranking
    aside: tuple[str, ...]
    """Those of `ASIDE` that some variant has."""
    test_sets: tuple[str, ...]
    """The names of several test sets, the first one first, where the first is the same for all; else none."""


@dataclass(frozen=True, slots=True)
class _Filled:
    """A column and what stands in it for a variant."""

    column: Column
    value: Callable[[Variant], Value]


def _columns(shown: _Shown) -> list[_Filled]:
    """Return the columns, those that decide first; the page hides the last ones until they are asked for."""
    filled = [_Filled(Column("experiment", numeric=False), lambda variant: named(variant.name))]
    if shown.known.sets:
        hint = "experiments that share a letter cannot be told apart, others can: the tests are under Comparisons"
        column = Column("letters", numeric=False, hint=hint)
        filled += [_Filled(column, lambda variant: _letters(variant, shown.known))]
    if shown.datasets:
        filled += [_Filled(Column("data", numeric=False), lambda variant: named(dataset_name(variant.cell.dataset)))]
    return [*filled, *_quality(shown), *_cost(shown), *_extra(shown)]


def _quality(shown: _Shown) -> list[_Filled]:
    known, baseline, by = shown.known, shown.baseline, shown.by
    first, *others = shown.test_sets or ("test",)
    top_1 = Column(f"{first} top-1 %", hint="share of test images classified correctly")
    filled = [_Filled(top_1, lambda v: _test(v, TEST_ACCURACY, known))]
    for name in others:
        column = Column(f"{name} top-1 %", hint=f"share of the test images of {name} classified correctly")
        filled += [_Filled(column, partial(test_value, metric=f"{TEST_SET}{name}/accuracy"))]
    if by.test not in {TEST_ACCURACY, TEST_MACRO_F1}:
        filled = [_aside(by.test, known, extra=False), *filled]
    if shown.tta:
        column = Column("with TTA %", hint="test top-1 with test-time augmentation")
        filled += [_Filled(column, lambda v: _test(v, TEST_ACCURACY_TTA, known))]
    if baseline is not None:
        hint = f"difference of mean {metric_heading(by.test).removesuffix(' %')}"
        column = Column(f"vs {baseline.experiment}", hint=hint + (" in points" if by.test != TEST_LOSS else ""))
        filled += [_Filled(column, lambda v: _against(v, baseline, by.test))]
    hint = "share of validation images classified correctly" if by == BY_ACCURACY else metric_of(by.test).hint
    validation = Column(metric_heading(by.validation), hint=hint)
    macro_f1 = Column("test macro-F1 %", hint="mean of the classes' F1")
    mean_f1 = _Filled(macro_f1, lambda v: _test(v, TEST_MACRO_F1, known))
    by_validation = _Filled(validation, lambda v: _value(by.validation, v.spread(by.validation)))
    if by.test == TEST_MACRO_F1:
        return [mean_f1, *filled, by_validation]
    return [*filled, by_validation, mean_f1]


def _value(metric: str, spread: Spread | None) -> Value:
    return Value(metric_spread(metric, spread, unit=False), None if spread is None else spread.mean)


def _aside(metric: str, known: Verdicts, *, extra: bool = True) -> _Filled:
    """Return the column of a figure of the test images."""
    column = Column(metric_heading(metric), hint=metric_of(metric).hint, extra=extra)
    return _Filled(column, lambda v: _test(v, metric, known))


def _cost(shown: _Shown) -> list[_Filled]:
    filled = [
        _Filled(Column("cells", hint="finished / planned, and their runs in MLflow"), cells_value),
        _Filled(Column("parameters"), parameters_value),
        _Filled(Column("train time", hint="time of fitting alone"), train_time),
        _Filled(Column("peak memory"), lambda v: device_value(v, PEAK_BYTES)),
    ]
    device = _Filled(Column("device", numeric=False), lambda v: named(", ".join(v.devices) or NOTHING))
    return [*filled, device] if shown.devices else filled


def _extra(shown: _Shown) -> list[_Filled]:
    aside = [_aside(metric, shown.known) for metric in shown.aside if metric != shown.by.test]
    flops = Column("FLOPs", hint="of a forward pass over one image", extra=True)
    return [
        *aside,
        _Filled(flops, lambda v: count_value(v, FLOPS, scaled)),
        _Filled(
            Column("images/s", hint="last epoch of fitting", extra=True), lambda v: device_value(v, IMAGES_PER_SECOND)
        ),
    ]


def _letters(variant: Variant, known: Verdicts) -> Value:
    letters, found = known.letters(variant), known.of(variant)
    is_marked = found is not None and found[0].is_mixed and found[0].one_fit[found[1]]
    return Value(letters or NOTHING, letters or None, detail="one fit" if is_marked else "")


def _test(variant: Variant, metric: str, known: Verdicts) -> Value:
    """Return a test metric with its interval."""
    value, spread = test_value(variant, metric), variant.spread(metric)
    if spread is None or value.text == SEALED:
        return value
    text = decimals_spread(spread) if metric == TEST_LOSS else value.text
    return replace(value, text=text, detail=interval_text(metric, _interval(variant, metric, known)))


def _interval(variant: Variant, metric: str, known: Verdicts) -> Interval | None:
    found = known.of(variant)
    return None if found is None else found[0].interval(metric, found[1])


def _against(variant: Variant, baseline: Variant, metric: str) -> Value:
    ours, theirs = variant.spread(metric), baseline.spread(metric)
    if ours is None or theirs is None or variant is baseline:
        return Value(NOTHING)
    return Value(metric_difference(metric, ours.mean - theirs.mean, unit=False), ours.mean - theirs.mean)


def _summary(variant: Variant, known: Verdicts, metric: str) -> SummaryRow:
    parameters, is_sealed = variant.spread(PARAMETERS), variant.cell.test == "never"
    is_opened = any(entry.tag("test") == "opened" for entry in variant.finished)
    return SummaryRow(
        experiment=variant.name,
        letters=known.letters(variant),
        one_fit=len(variant.finished) == 1,
        test="sealed" if is_sealed else "opened" if is_opened else "",
        test_accuracy=None if is_sealed else variant.spread(TEST_ACCURACY),
        test_accuracy_interval=None if is_sealed else _interval(variant, TEST_ACCURACY, known),
        test_macro_f1=None if is_sealed else variant.spread(TEST_MACRO_F1),
        val_accuracy=variant.spread(VAL_ACCURACY),
        parameters=None if parameters is None else parameters.mean,
        train_seconds=by_device(variant, TRAIN_SECONDS),
        cells_finished=len(variant.finished),
        cells_planned=len(variant.entries),
        notes=notes_of(variant),
        metric=metric,
        test_figure=None if is_sealed else variant.spread(metric),
    )


def _explained(variants: Sequence[Variant], known: Verdicts, by: Ranking) -> Iterator[str]:
    """Say what intervals and letters mean, and why figures of finished variants are missing."""
    if known.sets:
        yield from _about_intervals(variants)
        yield from _about_letters(known)
    for metric, what, reason in LACKING:
        done = [each for each in variants if each.finished and (metric != TEST_ECE or each.values(TEST_ACCURACY))]
        lacking = [each.name for each in done if not each.values(metric)]
        if lacking and len(lacking) < len(variants):
            yield f"no {what} for {_listed(lacking)}: {reason}"
    if by.test not in {TEST_ACCURACY, TEST_LOSS, TEST_ECE}:
        missing = [each.name for each in variants if each.values(TEST_ACCURACY) and not each.values(by.test)]
        if missing:
            reason = f"{why_none(by.test)}, or it was measured by a version that did not record it"
            yield f"no {metric_name(by.test)} for {_listed(missing)}: {reason}"


def _about_intervals(variants: Sequence[Variant]) -> Iterator[str]:
    counts = {len(each.values(TEST_ACCURACY)) for each in variants} - {0}
    if counts == {1}:
        yield "intervals cover new test images only: with one seed they cannot say what another seed would give"
        return
    single = "; with one seed, new images only" if 1 in counts else ""
    yield f"intervals cover new test images and new seeds{single}"


def _about_letters(known: Verdicts) -> Iterator[str]:
    if any(len(each.variants) > 1 for each in known.sets):
        yield (
            "letters: experiments that share one cannot be told apart at the 5 % level, others can; "
            "the tests are under Comparisons"
        )
    if any(each.is_mixed for each in known.sets):
        yield "one fit: of one seed, letters are about that fit; what another seed would give cannot be said"
    for reason, names in known.left_out.items():
        yield f"no letter for {_listed(names)}: {reason}"
    beyond = sum(not letters for each in known.sets for letters in each.letters)
    if beyond:
        yield f"no letters beyond the first {MOST_LETTERED} experiments: {FILE} has the tests"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
