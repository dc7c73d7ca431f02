"""What ails each variant, on what evidence, and what to try: a row a variant."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from harness.contracts.metrics import PLAIN_TRAIN_ACCURACY
from harness.measure.diagnosis import PREMISE, RULE, Diagnosis, Evidence, Fit, Known, Verdict, diagnose
from harness.report.blocks import Column, Table, Tone, Value, named
from harness.report.curves import Curves
from harness.report.numbers import NOTHING, amount, percent, points
from harness.report.predictions import PredictionFiles
from harness.report.reach import reach_tables
from harness.report.remedies import remedies
from harness.report.store import Entry
from harness.report.variants import VALIDATION, Variant, linked_name

COLUMNS: Final = (
    Column("experiment", numeric=False),
    Column("verdict", numeric=False),
    Column("evidence", numeric=False),
    Column("gap", hint="training minus validation accuracy, points"),
    Column("slope", hint="of validation accuracy over the last epochs, points an epoch, with its 95 % interval"),
    Column("to try", numeric=False, hint="settings of the matrix file, the likeliest first"),
)
TONES: Final[dict[Verdict, Tone]] = {"healthy": "good", "diverged": "bad", "overfitting": "bad", "underfitting": "bad"}
NOT_FINITE: Final = re.compile(r"loss is -?(nan|inf)|not finite", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Diagnosed:
    """A variant with its diagnosis and what to try."""

    variant: Variant
    diagnosis: Diagnosis
    to_try: tuple[str, ...]
    best: float | None
    """The best validation accuracy of any variant on the same images."""


@dataclass(frozen=True, slots=True)
class Diagnoses:
    """The section: verdicts, the rule in words, and how soon validation accuracies were reached."""

    found: tuple[Diagnosed, ...]
    table: Table
    rule: tuple[tuple[Verdict, str], ...]
    premise: str
    reach: tuple[Table, ...]


def diagnosed(variants: Sequence[Variant], curves: Sequence[Curves], files: PredictionFiles) -> tuple[Diagnosed, ...]:
    """Diagnose the variants that have a finished cell, or one that failed of a loss that was not finite."""
    by_name = {each.variant.name: each for each in curves}
    best = _best_by_images(variants)
    found = []
    for variant in variants:
        broken = sum(entry.state == "failed" and bool(NOT_FINITE.search(entry.reason)) for entry in variant.entries)
        if not variant.finished and not broken:
            continue
        images, classes = _validation_of(variant.finished, files)
        known = Known(
            chance=1 / classes if classes else 0.0,
            best=best.get(variant.cell.dataset.images),
            images=images,
            broken=broken,
        )
        diagnosis = diagnose(_fits(variant, by_name.get(variant.name)), known)
        found.append(Diagnosed(variant, diagnosis, remedies(diagnosis, variant.cell), known.best))
    return tuple(found)


def diagnosis_section(
    variants: Sequence[Variant], curves: Sequence[Curves], files: PredictionFiles
) -> Diagnoses | None:
    """Return the verdicts with their rule, and how soon accuracies were reached; None where nothing has finished."""
    found = diagnosed(variants, curves, files)
    if not found:
        return None
    table = Table("What the curves say, and what to try", COLUMNS, tuple(_row(each) for each in found))
    return Diagnoses(found, table, RULE, PREMISE, reach_tables(curves))


def _fits(variant: Variant, curves: Curves | None) -> list[Fit]:
    histories = curves.by_seed if curves else {}
    return [
        Fit(histories.get(entry.seed, ()), entry.metric(PLAIN_TRAIN_ACCURACY), entry.metric(VALIDATION))
        for entry in variant.finished
    ]


def _best_by_images(variants: Sequence[Variant]) -> dict[str, float]:
    best: dict[str, float] = {}
    for variant in variants:
        spread = variant.spread(VALIDATION)
        if spread is not None:
            images = variant.cell.dataset.images
            best[images] = max(best.get(images, 0.0), spread.mean)
    return best


def _validation_of(entries: Sequence[Entry], files: PredictionFiles) -> tuple[int | None, int]:
    """Return how many validation images were predicted, and the number of classes; None and 0 where unknown."""
    sizes = (files.size(entry, "val") for entry in entries[:1])
    return next(filter(None, sizes), (None, 0))


def _row(each: Diagnosed) -> tuple[Value, ...]:
    verdict, seen = each.diagnosis.verdict, each.diagnosis.evidence
    return (
        linked_name(each.variant),
        named(verdict, TONES.get(verdict, "muted" if verdict in {"no curve", "no validation"} else "")),
        Value("; ".join(_evidence(each))),
        Value(_gap(seen), seen.gap),
        Value(_slope(seen), None if seen.slope is None else seen.slope.rise),
        Value("; ".join(each.to_try) or NOTHING),
    )


def _evidence(each: Diagnosed) -> list[str]:
    verdict, seen, best = each.diagnosis.verdict, each.diagnosis.evidence, each.best
    recipe = each.variant.cell.recipe
    kind = "training" if seen.is_plain else f"training {'as augmented' if recipe and recipe.augment else 'by epoch'}"
    parts = []
    if verdict == "diverged":
        parts.append(f"{amount(seen.broken, 'seed')} came apart")
    elif verdict == "too short to say":
        parts.append(amount(seen.epochs, "epoch"))
    elif verdict == "no validation":
        parts.append("nothing was held out of its training")
    elif verdict == "no curve":
        parts.append("fits in one go")
    if seen.train is not None and seen.validation is not None:
        parts.append(f"{kind} {percent(seen.train)} %, validation {percent(seen.validation)} %")
    if seen.loss_rise is not None and seen.loss_rise >= 0.01 and seen.lowest_epoch is not None:
        parts.append(f"validation loss {seen.loss_rise * 100:.0f} % above its lowest (epoch {seen.lowest_epoch})")
    if seen.slope is not None:
        parts.append(f"validation {seen.slope.course} over the last {seen.slope.epochs} epochs")
    if verdict == "underfitting" and best is not None:
        parts.append(f"the best on these images reaches {percent(best)} %")
    return parts


def _gap(seen: Evidence) -> str:
    if seen.gap is None:
        return NOTHING
    return points(seen.gap) + ("" if seen.gap_half_width is None else f" ± {percent(seen.gap_half_width)}")


def _slope(seen: Evidence) -> str:
    if seen.slope is None:
        return NOTHING
    return f"{points(seen.slope.rise)} ± {percent(seen.slope.half_width)}"
