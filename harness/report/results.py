"""The results table: one row a variant, none left out, each with what is wrong with it."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import shorten
from typing import Final

from harness.report.gather import Entry
from harness.report.numbers import (
    NOTHING,
    amount,
    duration_spread,
    percent_spread,
    points,
    whole,
)
from harness.report.spread import Spread, spread_of
from harness.report.tables import Column, Table, Value, named
from harness.report.variants import Variant, dataset_name, device_of

TEST: Final = "test/accuracy"
VALIDATION: Final = "val/accuracy"
SEALED: Final = "sealed"
REASON_LENGTH: Final = 160


@dataclass(frozen=True, slots=True)
class Shown:
    """Which columns a study's results table has beside those that all have."""

    tta: bool
    datasets: bool
    devices: bool
    baseline: Variant | None


def ranked(variants: Sequence[Variant]) -> tuple[Variant, ...]:
    """Return variants by test accuracy, then validation accuracy, the best first; without figures last."""
    return tuple(sorted(variants, key=lambda variant: (-_mean(variant, TEST), -_mean(variant, VALIDATION))))


def results_table(variants: Sequence[Variant], baseline: str | None) -> Table:
    """Return the table of all variants, the best on the test set first."""
    shown = Shown(
        tta=any(variant.spread("test/accuracy_tta") for variant in variants),
        datasets=len({dataset_name(variant.cell.dataset) for variant in variants}) > 1,
        devices=len({device for variant in variants for device in variant.devices}) > 1,
        baseline=baseline_of(variants, baseline),
    )
    rows = tuple(_row(variant, shown) for variant in ranked(variants))
    notes = tuple(f"{variant.name}: {note}" for variant in ranked(variants) for note in notes_of(variant))
    return Table("Mean ± standard deviation over seeds, the best on the test set first", _columns(shown), rows, notes)


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
    times = _times(variant)
    if len(times) > 1:
        notes.append(f"train time {', '.join(f'{duration_spread(each)} on {name}' for name, each in times.items())}")
    return tuple(notes)


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
    times = _times(variant)
    if len(times) > 1:
        return Value("mixed", None, "muted")
    only = next(iter(times.values()), None)
    return Value(duration_spread(only), None if only is None else only.mean)


def cells_value(variant: Variant) -> Value:
    """Return how many of the planned cells have figures, and what became of the others."""
    done, planned = len(variant.finished), len(variant.entries)
    states = Counter(entry.state for entry in variant.entries if entry.state != "done")
    others = ", ".join(f"{count} {state}" for state, count in states.items())
    return Value(f"{done}/{planned}{f' ({others})' if others else ''}", done / planned, "bad" if others else "")


def parameters_value(variant: Variant) -> Value:
    """Return the number of parameters; several where seeds differ in it."""
    counts = sorted(set(variant.values("model/parameters").values()))
    return (
        Value(" to ".join(dict.fromkeys(map(whole, (counts[0], counts[-1])))), counts[0]) if counts else Value(NOTHING)
    )


def _columns(shown: Shown) -> tuple[Column, ...]:
    columns = [Column("experiment", numeric=False)]
    columns += [Column("data", numeric=False)] if shown.datasets else []
    columns += [Column("test top-1 %", hint="share of test images classified right")]
    columns += [Column("with TTA %", hint="test top-1 with test-time augmentation")] if shown.tta else []
    columns += [Column("test macro-F1 %", hint="mean F1 over classes")]
    if shown.baseline is not None:
        columns += [Column(f"vs {shown.baseline.experiment}", hint="difference of mean test top-1 in points")]
    columns += [Column("val. top-1 %", hint="share of validation images classified right")]
    columns += [Column("cells", hint="finished / planned"), Column("parameters")]
    columns += [Column("train time", hint="time of fitting alone")]
    return (*columns, *([Column("device", numeric=False)] if shown.devices else []))


def _row(variant: Variant, shown: Shown) -> tuple[Value, ...]:
    values = [named(variant.name)]
    values += [named(dataset_name(variant.cell.dataset))] if shown.datasets else []
    values += [test_value(variant, TEST)]
    values += [test_value(variant, "test/accuracy_tta")] if shown.tta else []
    values += [test_value(variant, "test/macro_f1")]
    values += [_against(variant, shown.baseline)] if shown.baseline is not None else []
    values += [share_value(variant.spread(VALIDATION)), cells_value(variant), parameters_value(variant)]
    values += [train_time(variant)]
    return (*values, *([named(", ".join(variant.devices) or NOTHING)] if shown.devices else []))


def _against(variant: Variant, baseline: Variant) -> Value:
    ours, theirs = variant.spread(TEST), baseline.spread(TEST)
    if ours is None or theirs is None or variant is baseline:
        return Value(NOTHING)
    return Value(points(ours.mean - theirs.mean), ours.mean - theirs.mean)


def _times(variant: Variant) -> dict[str, Spread | None]:
    """Return the seconds of fitting by device."""
    by_device: dict[str, list[float]] = defaultdict(list)
    for entry in variant.finished:
        seconds = entry.metric("time/train_seconds")
        if seconds is not None:
            by_device[device_of(entry)].append(seconds)
    return {device: spread_of(seconds) for device, seconds in by_device.items()}


def _reason(state: str, reason: str, entries: Sequence[Entry]) -> str:
    seeds = ", ".join(str(entry.seed) for entry in entries)
    return f"{amount(len(entries), 'cell')} {state} (seed {seeds}): {shorten(reason, REASON_LENGTH, placeholder='…')}"


def _mean(variant: Variant, metric: str) -> float:
    spread = variant.spread(metric)
    return -1.0 if spread is None or math.isnan(spread.mean) else spread.mean
