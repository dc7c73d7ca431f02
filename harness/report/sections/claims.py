"""What was claimed beside what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from harness.contracts import Claim
from harness.report.blocks import Column, Section, Table, Value, named
from harness.report.context import Context
from harness.report.variants import Variant, by_device, dataset_name, depends_on_device, distinct_variants
from harness.words import NOTHING, Spread, metric_difference, metric_spread, metric_text, sources_in

COLUMNS: Final = (
    Column("claim for", numeric=False),
    Column("metric", numeric=False),
    Column("claimed"),
    Column("measured"),
    Column("difference", hint="measured minus claimed; points for shares"),
    Column("verdict", numeric=False),
    Column("measured on", numeric=False),
    Column("source of the claim", numeric=False),
)


def section(context: Context) -> Section | None:
    """Return the claims of the matrix file with what was measured; None without claims."""
    table = claims_table(context.findings.plan.claims, distinct_variants(context.findings))
    return Section("claims", "Claims", (table,)) if table is not None else None


def claims_table(claims: Sequence[Claim], variants: Sequence[Variant]) -> Table | None:
    """Return one row for each claim and each variant that it speaks of; None without claims."""
    rows = [row for claim in claims for row in _rows(claim, variants)]
    if not rows:
        return None
    return Table(
        "Published figures beside ours",
        COLUMNS,
        tuple(rows),
        sources_in(claim.source for claim in claims),
        label="claims",
    )


def verdict(claim: Claim, measured: Spread | None) -> Value:
    """Return whether the measured mean is within the claim's tolerance, or on which side it is out."""
    if measured is None:
        return Value("not measured", tone="muted")
    within = f"within {metric_difference(claim.metric, claim.tolerance).lstrip('+')}"
    off = measured.mean - claim.value
    if abs(off) <= claim.tolerance + 1e-12:
        return Value(f"holds ({within})", "0", "good")
    return Value(f"{'higher' if off > 0 else 'lower'} than claimed (not {within})", "1", "bad")


def _rows(claim: Claim, variants: Sequence[Variant]) -> list[tuple[Value, ...]]:
    meant = [each for each in variants if claim.experiment in {each.experiment, each.name, each.label}]
    if not meant:
        return [_row(claim, named(claim.experiment), NOTHING, None, verdict(claim, None))]
    return [
        _row(claim, named(each.name), where, found, _not_comparable(each) or verdict(claim, found))
        for each in meant
        for where, found in _measured(each, claim.metric)
    ]


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


def _row(claim: Claim, name: Value, where: str, measured: Spread | None, judged: Value) -> tuple[Value, ...]:
    off = None if measured is None else measured.mean - claim.value
    return (
        name,
        named(claim.metric),
        Value(metric_text(claim.metric, claim.value), claim.value),
        Value(metric_spread(claim.metric, measured), None if measured is None else measured.mean),
        Value(NOTHING if off is None else metric_difference(claim.metric, off, unit=False), off),
        judged,
        named(where),
        named(claim.source or NOTHING),
    )
