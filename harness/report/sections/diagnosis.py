"""What ails each variant, on what evidence and what to try; and how soon validation accuracies were reached."""

from __future__ import annotations

import json
import math
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Final

import numpy as np

from harness.contracts.metrics import EPOCH_SECONDS, PLAIN_TRAIN_ACCURACY, VAL_ACCURACY
from harness.measure.diagnosis import (
    PREMISE,
    RULE,
    Diagnosis,
    Disagreement,
    Evidence,
    Fit,
    History,
    Known,
    Shortfall,
    Verdict,
    diagnose,
    disagreement,
    shortfall,
    values_of,
)
from harness.report.blocks import Column, Fact, Facts, Fold, Section, Table, Text, Tone, Value, named
from harness.report.context import PICTURED, Context
from harness.report.predictions import PredictionFiles
from harness.report.sections.curves import Curves, all_curves
from harness.report.sections.remedies import Around, remedies
from harness.report.store import Entry
from harness.report.variants import TEST, VALIDATION, Variant, dataset_name, mean_or_least
from harness.words import NOTHING, amount, duration, percent, points

COLUMNS: Final = (
    Column("experiment", numeric=False),
    Column("verdict", numeric=False),
    Column("evidence", numeric=False),
    Column("gap", hint="training minus validation accuracy, points"),
    Column("slope", hint="of validation accuracy over the last epochs, points an epoch, with its 95 % interval"),
    Column("to try", numeric=False, hint="settings of the matrix file, the likeliest first"),
)
TONES: Final[dict[Verdict, Tone]] = {
    "healthy": "good",
    "diverged": "bad",
    "overfitting": "bad",
    "underfitting": "bad",
    "no better than guessing": "bad",
    "past its best": "bad",
    "no curve": "muted",
    "no validation": "muted",
}
NOT_FINITE: Final = re.compile(r"loss is -?(nan|inf)|not finite", re.IGNORECASE)
FINE: Final = 0.03
"""Best accuracies within so little call for thresholds of half percents."""


@dataclass(frozen=True, slots=True)
class Diagnosed:
    """A variant with its diagnosis and what to try."""

    variant: Variant
    diagnosis: Diagnosis
    to_try: tuple[str, ...]
    best: float | None
    """The best validation accuracy of any variant on the same images."""
    shortfall: Shortfall | None = None
    """How far test accuracy is below validation's, where both are known."""
    disagreement: Disagreement | None = None
    """How far test and validation accuracy are apart, where that is beyond chance."""


@dataclass(frozen=True, slots=True)
class Reached:
    """When a seed's validation accuracy was first at a threshold: epoch from 1, seconds of all epochs up to it."""

    epoch: int
    seconds: float


def section(context: Context) -> Section | None:
    """Return verdicts with their rule, and how soon accuracies were reached; None where nothing has finished."""
    found = context.once(all_diagnosed)
    if not found:
        return None
    rule = (Text("The first that holds:"), Facts(tuple(Fact(name, words) for name, words in RULE)), Text(PREMISE))
    limits = (Text(_limits(len(context.every)), "muted"),) if len(context.every) > PICTURED else ()
    reach = reach_tables(context.once(all_curves))
    blocks = (verdicts_table(found), Fold("The rule behind the verdicts", rule), *reach, *limits)
    return Section("diagnosis", "Diagnosis", blocks)


def all_diagnosed(context: Context) -> tuple[Diagnosed, ...]:
    """Return the diagnoses of the pictured variants."""
    return diagnosed(context.pictured, context.once(all_curves), context.files)


def diagnosed(variants: Sequence[Variant], curves: Sequence[Curves], files: PredictionFiles) -> tuple[Diagnosed, ...]:
    """Diagnose the variants that have a finished cell, or one that failed of a loss that was not finite."""
    by_name = {each.variant.name: each for each in curves}
    best, around = _best_by_images(variants), _around_by_images(variants, files)
    found = []
    for variant in variants:
        broken = sum(entry.state == "failed" and bool(NOT_FINITE.search(entry.reason)) for entry in variant.entries)
        if not variant.finished and not broken:
            continue
        images, classes = _size(variant.finished, files, "val")
        known = Known(
            chance=1 / classes if classes else 0.0,
            commonest=files.commonest(variant.finished[0], "val") if variant.finished else 0.0,
            best=best.get(variant.cell.dataset.images),
            images=images,
            broken=broken,
            keeps_best=variant.cell.recipe is not None and variant.cell.recipe.keep == "best",
        )
        diagnosis = diagnose(_fits(variant, by_name.get(variant.name)), known)
        to_try = remedies(diagnosis, variant.cell, around.get(variant.cell.dataset.images, Around()))
        apart = _disagreement(variant, known, files, len(variants))
        found.append(Diagnosed(variant, diagnosis, to_try, known.best, _shortfall(variant, images, files), apart))
    return tuple(found)


def verdicts_table(found: Sequence[Diagnosed]) -> Table:
    """Return a row for each diagnosed variant; a note tells where test accuracies are far below validation's."""
    by_images: dict[str, list[Diagnosed]] = defaultdict(list)
    for each in found:
        if each.shortfall is not None and each.diagnosis.verdict != "underfitting":
            by_images[each.variant.cell.dataset.images].append(each)
    notes = (note for group in by_images.values() if (note := _shortfall_note(group)))
    return Table("What the curves say, and what to try", COLUMNS, tuple(map(_row, found)), tuple(notes))


def reach_tables(curves: Sequence[Curves]) -> tuple[Table, ...]:
    """Return one table for each data set: how soon each variant reached what all, half and the best of them reach."""
    by_images: dict[str, list[Curves]] = defaultdict(list)
    for each in curves:
        if any(np.isfinite(values_of(history, VAL_ACCURACY)).any() for history in each.histories):
            by_images[each.variant.cell.dataset.images].append(each)
    return tuple(_reach_table(group, is_only=len(by_images) == 1) for group in by_images.values())


def thresholds(tops: Sequence[float]) -> tuple[float, ...]:
    """Return round accuracies that all, at least half, and at least one of the best accuracies reach.

    >>> thresholds([0.541, 0.842, 0.751, 0.749])
    (0.54, 0.75, 0.84)
    """
    ordered = sorted(tops)
    step = 0.005 if ordered[-1] - ordered[0] < FINE else 0.01
    chosen = (ordered[0], ordered[len(ordered) // 2], ordered[-1])
    return tuple(dict.fromkeys(round(math.floor(top / step + 1e-9) * step, 4) for top in chosen))


def reached(history: History, threshold: float) -> Reached | None:
    """Return when validation accuracy was first at or above the threshold, None if it never was."""
    places = np.flatnonzero(values_of(history, VAL_ACCURACY) >= threshold)
    if not len(places):
        return None
    seconds = values_of(history, EPOCH_SECONDS)[: int(places[0]) + 1].sum()
    return Reached(int(places[0]) + 1, float(seconds))


def _limits(variants: int) -> str:
    return (
        f"Diagnosis, curves, confusions and errors are of the first {PICTURED} of {variants:,} variants by rank; "
        "the tables of results and cost hold all of them."
    )


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


def _around_by_images(variants: Sequence[Variant], files: PredictionFiles) -> dict[str, Around]:
    by_images: dict[str, list[Variant]] = defaultdict(list)
    for variant in variants:
        by_images[variant.cell.dataset.images].append(variant)
    return {images: Around(_side(group, files), _augmented(group)) for images, group in by_images.items()}


def _augmented(group: Sequence[Variant]) -> Variant | None:
    augmented = [each for each in group if each.cell.recipe is not None and each.cell.recipe.augment]
    return max(augmented, key=lambda each: mean_or_least(each, VALIDATION), default=None)


def _side(group: Sequence[Variant], files: PredictionFiles) -> int | None:
    """Return the images' shorter side, as a finished cell's saved model tells it."""
    runs = [entry.run.run_id for variant in group for entry in variant.finished if entry.run is not None]
    for run in runs[:1]:
        path = files.store.artifact(run, "model/task.json")
        if path is not None:
            height, width, _ = json.loads(path.read_text(encoding="utf-8"))["shape"]
            return min(int(height), int(width))
    return None


def _size(entries: Sequence[Entry], files: PredictionFiles, split: str) -> tuple[int | None, int]:
    """Return how many images of a split were predicted, and the number of classes; None and 0 where unknown."""
    sizes = (files.size(entry, split) for entry in entries[:1])
    return next(filter(None, sizes), (None, 0))


def _shortfall(variant: Variant, images: int | None, files: PredictionFiles) -> Shortfall | None:
    validation, test = variant.spread(VALIDATION), variant.spread(TEST)
    tested, _ = _size([entry for entry in variant.finished if entry.tag("test") == "opened"], files, "test")
    if validation is None or test is None or not images or not tested:
        return None
    return shortfall(validation.mean, test.mean, images, tested)


def _disagreement(variant: Variant, known: Known, files: PredictionFiles, comparisons: int) -> Disagreement | None:
    validation, test = variant.spread(VALIDATION), variant.spread(TEST)
    opened = [entry for entry in variant.finished if entry.tag("test") == "opened"]
    tested, _ = _size(opened, files, "test")
    if validation is None or test is None or not known.images or not tested:
        return None
    if not (math.isfinite(validation.mean) and math.isfinite(test.mean)):
        return None
    said = files.of(opened[0], "test")
    groups = None if said is None else said.images.groups
    independent = tested if groups is None else int(groups.max()) + 1
    guessing = max(known.chance, known.commonest)
    return disagreement(validation.mean, test.mean, (known.images, independent), guessing, comparisons)


def _shortfall_note(group: Sequence[Diagnosed]) -> str:
    """Judge by the mean over the variants: on the same images it is no less certain than each of them."""
    known = [each.shortfall for each in group if each.shortfall is not None]
    mean = Shortfall(fmean(each.size for each in known), fmean(each.half_width for each in known))
    if not mean.is_clear:
        return ""
    where = dataset_name(group[0].variant.cell.dataset)
    return (
        f"{where}: test accuracy is below validation accuracy by {percent(mean.size)} ± {percent(mean.half_width)} "
        f"points (mean of {amount(len(known), 'variant')}, 95 % interval), more than chance: either the test images "
        "are of another kind than the training images, or validation was used so often to choose that it flatters"
    )


def _row(each: Diagnosed) -> tuple[Value, ...]:
    verdict, seen = each.diagnosis.verdict, each.diagnosis.evidence
    return (
        named(each.variant.name),
        named(verdict, TONES.get(verdict, "")),
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
    elif not seen.epochs:
        parts.append("fits in one go")
    if seen.train is not None and seen.validation is not None:
        parts.append(f"{kind} {percent(seen.train)} %, validation {percent(seen.validation)} %")
    if seen.loss_rise is not None and seen.loss_rise >= 0.01 and seen.lowest_epoch is not None:
        parts.append(f"validation loss {seen.loss_rise * 100:.0f} % above its lowest (epoch {seen.lowest_epoch})")
    if seen.slope is not None:
        course = "all but flat" if seen.trend != seen.slope.course else seen.trend
        parts.append(f"validation {course} over the last {seen.slope.epochs} epochs")
    if recipe is not None and recipe.keep == "best" and seen.epochs:
        parts.append("the best epoch was kept")
    if verdict == "underfitting" and best is not None:
        parts.append(f"the best on these images reaches {percent(best)} %")
    if each.shortfall is not None and each.shortfall.is_clear:
        parts.append(
            f"test {percent(each.shortfall.size)} ± {percent(each.shortfall.half_width)} points below validation"
        )
    return parts


def _gap(seen: Evidence) -> str:
    if seen.gap is None:
        return NOTHING
    return points(seen.gap) + ("" if seen.gap_half_width is None else f" ± {percent(seen.gap_half_width)}")


def _slope(seen: Evidence) -> str:
    if seen.slope is None:
        return NOTHING
    return f"{points(seen.slope.rise)} ± {percent(seen.slope.half_width)}"


def _reach_table(group: Sequence[Curves], is_only: bool) -> Table:
    tops = [median(float(np.nanmax(values_of(each, VAL_ACCURACY))) for each in curves.histories) for curves in group]
    wanted = thresholds(tops)
    columns = [Column("experiment", numeric=False)]
    for threshold in wanted:
        text = f"{threshold * 100:.4g} %"
        columns.append(Column(f"epochs to {text}", hint="mean over the seeds that reached it"))
        columns.append(Column(f"time to {text}", hint="seconds of the epochs up to then, validation included"))
    on = "" if is_only else f" on {dataset_name(group[0].variant.cell.dataset)}"
    rows = tuple((named(each.variant.name), *_reach_cells(each, wanted)) for each in group)
    return Table(f"How soon a validation accuracy was reached{on}", tuple(columns), rows, _reach_notes(group))


def _reach_cells(curves: Curves, wanted: Sequence[float]) -> list[Value]:
    cells: list[Value] = []
    for threshold in wanted:
        found = [each for history in curves.histories if (each := reached(history, threshold))]
        if not found:
            cells += [Value(NOTHING), Value(NOTHING)]
            continue
        lacking = len(curves.histories) - len(found)
        some = f" ({len(found)} of {amount(len(curves.histories), 'seed')})" if lacking else ""
        epochs, seconds = fmean(each.epoch for each in found), fmean(each.seconds for each in found)
        cells.append(Value(f"{epochs:.3g}{some}", epochs))
        is_known = math.isfinite(seconds) and len(curves.variant.devices) == 1
        cells.append(
            Value(duration(seconds), seconds) if is_known else Value("mixed" if math.isfinite(seconds) else NOTHING)
        )
    return cells


def _reach_notes(group: Sequence[Curves]) -> tuple[str, ...]:
    devices = dict.fromkeys(device for curves in group for device in curves.variant.devices)
    notes = ["a dash: never reached; accuracy is known at the end of an epoch only"]
    if len(devices) > 1:
        by_device = "; ".join(f"{each.variant.name} on {', '.join(each.variant.devices)}" for each in group)
        notes.append(f"times of different devices cannot be compared: {by_device}")
    return tuple(notes)
