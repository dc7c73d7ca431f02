"""What was claimed beside what was measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from harness.contracts import Claim
from harness.contracts.metrics import METRICS
from harness.measure.paired import mean_interval
from harness.report.blocks import Column, Section, Table, Value, named
from harness.report.context import Context
from harness.report.predictions import image_sets
from harness.report.significance import Interval, intervals_of
from harness.report.variants import Variant, by_device, dataset_name, depends_on_device, distinct_variants
from harness.words import NOTHING, Spread, metric_difference, metric_spread, metric_text, sources_in

COLUMNS: Final = (
    Column("claim for", numeric=False),
    Column("metric", numeric=False),
    Column("claimed"),
    Column("measured", hint="mean ± standard deviation over seeds [95 % interval]"),
    Column("difference", hint="measured minus claimed; points for shares"),
    Column("verdict", numeric=False),
    Column("measured on", numeric=False),
    Column("source of the claim", numeric=False),
)

MEANING: Final = (
    "holds: the whole 95 % interval of what was measured is within the tolerance of the claim; differs: all of it is "
    "outside; undecided: it is on both sides, more seeds or images would tell; without an interval by the figure alone"
)
ROUNDING: Final = 1e-12
Intervals = Callable[[Variant, str], Interval | None]
"""The 95 % interval of a variant's figure; None where nothing but the figure is known."""


def section(context: Context) -> Section | None:
    """Return the claims of the matrix file with what was measured; None without claims."""
    intervals = partial(interval_of, context)
    table = claims_table(context.findings.plan.claims, distinct_variants(context.findings), intervals)
    return Section("claims", "Claims", (table,)) if table is not None else None


def interval_of(context: Context, variant: Variant, metric: str) -> Interval | None:
    """Return the interval for new images and new seeds where each image has a value, else for new seeds.

    None where there is one seed, or where seeds make no difference to what is no figure of images.
    """
    split, _, name = metric.partition("/")
    like = METRICS.get(f"test/{name}")
    if split in {"test", "val"} and like is not None and like.is_per_image:
        for images in context.tested if split == "test" else image_sets((variant,), context.files, split):
            place = images.place(variant)
            if place is not None:
                return intervals_of(images, [place]).get(f"test/{name}", (None,))[0]
    spread = variant.spread(metric)
    if depends_on_device(metric) or spread is None or not spread.deviation:
        return None
    return Interval(*mean_interval(spread.mean, spread.deviation, spread.count))


def claims_table(claims: Sequence[Claim], variants: Sequence[Variant], intervals: Intervals) -> Table | None:
    """Return one row for each claim and each variant that it speaks of; None without claims."""
    rows = [row for claim in claims for row in _rows(claim, variants, intervals)]
    if not rows:
        return None
    return Table(
        "Published figures beside ours",
        COLUMNS,
        tuple(rows),
        (MEANING, *sources_in(claim.source for claim in claims)),
        label="claims",
    )


def verdict(claim: Claim, measured: Spread | None, interval: Interval | None) -> Value:
    """Return whether a claim holds: by the whole interval of what was measured, undecided where that is on both sides.

    Without an interval the figure alone is held against the claim. This is a test of equivalence within the tolerance
    (Schuirmann 1987, Journal of Pharmacokinetics and Biopharmaceutics 15), and one of difference beyond it.
    """
    if measured is None:
        return Value("not measured", tone="muted")
    within = f"within {metric_difference(claim.metric, claim.tolerance).lstrip('+')}"
    low, high = (measured.mean, measured.mean) if interval is None else (interval.low, interval.high)
    least, most = claim.value - claim.tolerance - ROUNDING, claim.value + claim.tolerance + ROUNDING
    of = ", this fit" if interval is not None and measured.count == 1 else ""
    if least <= low and high <= most:
        return Value(f"holds ({within}{of})", "0", "good")
    if high < least or low > most:
        return Value(f"differs: {'lower' if high < least else 'higher'} than claimed (not {within}{of})", "2", "bad")
    where = "the mean is" if least <= measured.mean <= most else "the mean is not"
    return Value(f"undecided ({where} {within}, the interval is on both sides{of})", "1", "muted")


def _rows(claim: Claim, variants: Sequence[Variant], intervals: Intervals) -> list[tuple[Value, ...]]:
    meant = [each for each in variants if claim.experiment in {each.experiment, each.name, each.label}]
    if not meant:
        return [_row(claim, named(claim.experiment), NOTHING, None, judged=verdict(claim, None, None))]
    rows = []
    for each in meant:
        interval = intervals(each, claim.metric)
        for where, found in _measured(each, claim.metric):
            judged = _not_comparable(each) or verdict(claim, found, interval)
            rows.append(_row(claim, named(each.name), where, found, judged=judged, interval=interval))
    return rows


def _measured(variant: Variant, metric: str) -> list[tuple[str, Spread | None]]:
    """Return where a metric was measured, and what it was: hardware's figures on each device by itself."""
    dataset = dataset_name(variant.cell.dataset)
    if not depends_on_device(metric):
        return [(dataset, variant.spread(metric))]
    found = by_device(variant, metric)
    return [(f"{dataset}, {device}", spread) for device, spread in found.items()] or [(dataset, None)]


def _not_comparable(variant: Variant) -> Value | None:
    """Return why what was measured says nothing of a claim, None where it does."""
    if variant.cell.dataset.limit is not None:
        return Value("not comparable: only a part of the data", tone="muted")
    if any(entry.tag("smoke") == "true" for entry in variant.finished):
        return Value("not comparable: a smoke run of a few batches", tone="muted")
    return None


def _row(
    claim: Claim, name: Value, where: str, measured: Spread | None, *, judged: Value, interval: Interval | None = None
) -> tuple[Value, ...]:
    ends = () if interval is None else (interval.low, interval.high)
    detail = f"[{', '.join(metric_text(claim.metric, end, unit=False) for end in ends)}]" if ends else ""
    off = None if measured is None else measured.mean - claim.value
    return (
        name,
        named(claim.metric),
        Value(metric_text(claim.metric, claim.value), claim.value),
        Value(metric_spread(claim.metric, measured), None if measured is None else measured.mean, detail=detail),
        Value(NOTHING if off is None else metric_difference(claim.metric, off, unit=False), off),
        judged,
        named(where),
        named(claim.source or NOTHING),
    )
