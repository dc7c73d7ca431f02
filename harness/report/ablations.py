"""What each switch of an ablation changes, paired by seed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from harness.contracts import Ablation
from harness.report.gather import Findings
from harness.report.numbers import NOTHING, points_spread
from harness.report.results import TEST, VALIDATION, cells_value, notes_of, share_value, test_value
from harness.report.tables import Column, Table, Value
from harness.report.variants import Variant, ablation_variants, paired_differences

TITLES = {TEST: "test", VALIDATION: "val."}


def ablation_tables(findings: Findings) -> tuple[Table, ...]:
    """Return one table for each ablation of the plan, its rows in the order of the matrix file."""
    return tuple(_table(each, ablation_variants(findings, each)) for each in findings.plan.ablations)


def _table(ablation: Ablation, rows: Mapping[str, Variant]) -> Table:
    shown = [metric for metric in TITLES if metric == VALIDATION or _is_tested(rows.values())]
    stepwise = ablation.order == "cumulative"
    columns = [Column(ablation.name, numeric=False)]
    for metric in shown:
        columns.append(Column(f"{TITLES[metric]} top-1 %"))
        columns.append(
            Column(f"{TITLES[metric]}, to first row", hint="points; mean of the differences, paired by seed")
        )
        columns += [Column(f"{TITLES[metric]}, to row above", hint="points, paired by seed")] if stepwise else []
    columns += [Column("cells", hint="finished / planned")]
    above = dict(zip(ablation.rows[1:], ablation.rows, strict=False)) if stepwise else None
    body = tuple(_row(label, rows, ablation.rows[0], above, shown) for label in ablation.rows)
    notes = tuple(f"{label}: {note}" for label in ablation.rows if label in rows for note in notes_of(rows[label]))
    return Table(f"Ablation {ablation.name} of {ablation.base}", tuple(columns), body, notes)


def _row(
    label: str, rows: Mapping[str, Variant], base: str, above: Mapping[str, str] | None, shown: Sequence[str]
) -> tuple[Value, ...]:
    variant = rows.get(label)
    values = [Value(label, label)]
    for metric in shown:
        values.append(_figure(variant, metric))
        values.append(_change(variant, rows.get(base), metric))
        values += [_change(variant, rows.get(above.get(label, "")), metric)] if above is not None else []
    if variant is None:
        return (*values, Value("left out", tone="muted"))
    return (*values, cells_value(variant))


def _figure(variant: Variant | None, metric: str) -> Value:
    if variant is None:
        return Value(NOTHING)
    return test_value(variant, metric) if metric == TEST else share_value(variant.spread(metric))


def _change(variant: Variant | None, base: Variant | None, metric: str) -> Value:
    spread = None if variant is None or base is None or variant is base else paired_differences(variant, base, metric)
    return Value(points_spread(spread), None if spread is None else spread.mean)


def _is_tested(variants: Iterable[Variant]) -> bool:
    return any(variant.cell.test == "once" for variant in variants)
