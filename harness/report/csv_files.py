"""The figures with all their digits: a row a variant, a cell, a pair, an ablation's comparison, a search's trial."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from pydantic import JsonValue

from harness.contracts import Tuning
from harness.contracts.metrics import (
    METRICS,
    TEST_ACCURACY,
    TEST_MACRO_F1,
    VAL_ACCURACY,
    VAL_MACRO_F1,
)
from harness.escape import in_csv
from harness.matrix import flatten
from harness.measure.trials import setting_text
from harness.report.context import Context
from harness.report.sections.ablations import Effects, all_effects
from harness.report.sections.tuning_story import confirmation_of
from harness.report.significance import NOTHING_KNOWN, Pair, Significance, Verdicts
from harness.report.store import Entry, Findings
from harness.report.variants import Variant, ablation_variants, depends_on_device, device_of, experiment_variants

Scalar: TypeAlias = str | int | float | bool | None
FIRST: Final = (TEST_ACCURACY, TEST_MACRO_F1, VAL_ACCURACY, VAL_MACRO_F1)
INTERVALS: Final = tuple(name for name, row in METRICS.items() if row.is_per_image)


def csv_texts(context: Context) -> Mapping[str, str]:
    """Return the text of each file by its name; empty where there is nothing to be in it."""
    findings, known = context.findings, context.verdicts
    return {
        "results.csv": results_csv(findings, known),
        "cells.csv": cells_csv(findings),
        "pairs.csv": pairs_csv(known.sets),
        "ablations.csv": ablations_csv(context.once(all_effects)),
        "trials.csv": trials_csv(each.tuning for each in findings.tuned),
    }


def results_csv(findings: Findings, known: Verdicts = NOTHING_KNOWN) -> str:
    """Return one row for each variant: what it is, cells, letters, then n, mean and std of each metric, test intervals.

    Settings that vary are columns by their path. What depends on the hardware has no mean over several devices.
    """
    variants = _all_variants(findings)
    varying = varying_settings(findings)
    rows = []
    for section, variant in variants:
        finished = len(variant.finished)
        row: dict[str, Scalar] = {"section": section, "experiment": variant.experiment, "variant": variant.label}
        row |= {"name": variant.name, "cells_finished": finished, "cells_planned": len(variant.entries)}
        row |= {"device": "; ".join(variant.devices)}
        settings = flatten(variant.cell)
        row |= {path: settings.get(path) for path in varying} | _figures(variant, _metrics(findings))
        rows.append(row | _verdict(variant if section == "experiment" else None, known))
    return _text(rows)


def cells_csv(findings: Findings) -> str:
    """Return one row for each planned cell: its state and run, the settings that vary, and its final metrics."""
    return _text(cell_rows(findings, varying_settings(findings)))


def cell_rows(findings: Findings, paths: Sequence[str]) -> list[Mapping[str, Scalar]]:
    """Return each planned cell by columns: its state and run, some settings by their path, and its final metrics."""
    metrics = _metrics(findings)
    return [_cell_row(entry, paths, metrics) for entry in findings.entries]


def ablations_csv(effects: Sequence[Effects]) -> str:
    """Return one row for each comparison of two rows of an ablation, with interval and p-values; shares, not points."""
    return _text([_effect(each, *labels) for each in effects for labels in each.pairs])


def pairs_csv(sets: Sequence[Significance]) -> str:
    """Return all pairs of variants that have intervals; shares, not points."""
    return _text([_pair(each, pair) for each in sets for pair in each.pairs])


def trials_csv(tunings: Iterable[Tuning]) -> str:
    """Return one row for each trial of all searches: settings, scores, costs, confirmation, runs."""
    return _text([row for tuning in tunings for row in _trials(tuning)])


def varying_settings(findings: Findings) -> tuple[str, ...]:
    """Return the paths that differ among the cells that have them, the seed left out."""
    settings = [flatten(entry.planned.cell) for entry in findings.entries]
    paths = dict.fromkeys(path for each in settings for path in each if path != "seed")
    return tuple(path for path in paths if len({repr(each[path]) for each in settings if path in each}) > 1)


def _all_variants(findings: Findings) -> list[tuple[str, Variant]]:
    ablations = [
        ("ablation", row) for each in findings.plan.ablations for row in ablation_variants(findings, each).values()
    ]
    return [*(("experiment", variant) for variant in experiment_variants(findings)), *ablations]


def _figures(variant: Variant, metrics: Iterable[str]) -> dict[str, Scalar]:
    figures: dict[str, Scalar] = {}
    for metric in metrics:
        mixed = depends_on_device(metric) and len(variant.devices) > 1
        spread = None if mixed else variant.spread(metric)
        figures[f"{metric} n"] = spread.count if spread else 0
        figures[f"{metric} mean"] = spread.mean if spread else None
        figures[f"{metric} std"] = spread.deviation if spread else None
    return figures


def _verdict(variant: Variant | None, known: Verdicts) -> dict[str, Scalar]:
    """Return letters and intervals; empty columns where the variant was not compared, none where no variant was."""
    if not known.sets:
        return {}
    found = None if variant is None else known.of(variant)
    row: dict[str, Scalar] = {"letters": None if variant is None else known.letters(variant) or None}
    for metric in INTERVALS:
        interval = found[0].interval(metric, found[1]) if found else None
        row |= {
            f"{metric} low": interval.low if interval else None,
            f"{metric} high": interval.high if interval else None,
        }
    return row


def _effect(effects: Effects, metric: str, label: str, other: str) -> dict[str, Scalar]:
    pair = effects.pairs[metric, label, other]
    row: dict[str, Scalar] = {"ablation": effects.ablation.name, "metric": metric, "row": label, "compared_to": other}
    row |= {"difference": pair.difference, "low": pair.low, "high": pair.high}
    row |= {"p": pair.p, "p_holm": pair.adjusted, "differs": str(pair.differs).lower()}
    return row | {"about": pair.question, "smallest_difference": pair.visible}


def _pair(found: Significance, pair: Pair) -> dict[str, Scalar]:
    row: dict[str, Scalar] = {"dataset": found.dataset, "metric": found.ranking.test}
    row |= {"better": found.variants[pair.first].name, "than": found.variants[pair.second].name}
    row |= {"difference": pair.difference, "low": pair.low, "high": pair.high, "p": pair.p, "p_holm": pair.adjusted}
    row |= {"differs": str(pair.differs).lower(), "comparisons": found.comparisons}
    return row | {"about": pair.question, "smallest_difference": pair.visible}


def _cell_row(entry: Entry, paths: Sequence[str], metrics: Sequence[str]) -> Mapping[str, Scalar]:
    planned, settings = entry.planned, flatten(entry.planned.cell)
    row: dict[str, Scalar] = {"name": planned.name, "experiment": planned.places[0].experiment, "seed": entry.seed}
    row |= {"key": planned.key, "state": entry.state, "reason": entry.reason}
    row |= {"run_id": entry.run.run_id if entry.run else None, "device": device_of(entry) if entry.run else None}
    row |= {"test": entry.tag("test") or None}
    return row | {path: settings.get(path) for path in paths} | {name: entry.metric(name) for name in metrics}


def _metrics(findings: Findings) -> tuple[str, ...]:
    """Return the final metrics that any cell has, accuracies first; what is logged by epoch alone is left out."""
    found = {name for entry in findings.finished for name in (entry.run.metrics if entry.run else ())}
    final = {name for name in found if name in METRICS and METRICS[name].is_final}
    return (*(name for name in FIRST if name in final), *sorted(final - set(FIRST)))


def _trials(tuning: Tuning) -> Iterator[Mapping[str, Scalar]]:
    goals = [goal.metric for goal in tuning.tune.objective.goals]
    for trial in tuning.trials:
        again = confirmation_of(tuning, trial.number)
        row: dict[str, Scalar] = {"experiment": tuning.experiment, "trial": trial.number, "state": trial.state}
        row |= {path: _plain(trial.params.get(path)) for path in tuning.tune.space}
        row |= dict(zip(goals, trial.values or [None] * len(goals), strict=True))
        row |= {name: value for name, value in trial.costs.items() if name not in goals}
        row |= {"is_feasible": trial.is_feasible, "duplicate_of": trial.duplicate_of, "epochs_seen": len(trial.epochs)}
        row |= {"seconds": trial.seconds, "start": trial.start, "winner": trial.number == tuning.winner}
        row |= {"confirmed mean": again.mean if again else None, "confirmed n": len(again.values) if again else 0}
        row |= {"confirmed standard error": again.standard_error if again else None}
        yield row | {"note": trial.note, "run_ids": " ".join(trial.run_ids)}


def _plain(value: JsonValue) -> Scalar:
    return value if value is None or isinstance(value, str | int | float) else setting_text(value)


def _text(rows: Sequence[Mapping[str, Scalar]]) -> str:
    """Return rows as CSV, with the columns that any of them has; empty of no rows."""
    if not rows:
        return ""
    file = io.StringIO()
    columns = dict.fromkeys(name for row in rows for name in row)
    table = csv.DictWriter(file, list(columns), lineterminator="\n")
    table.writeheader()
    table.writerows({name: in_csv(value) for name, value in row.items()} for row in rows)
    return file.getvalue()
