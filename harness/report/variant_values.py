"""What stands for a variant in a table: the same text in every table."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from textwrap import shorten
from typing import Final

from harness.contracts.metrics import PARAMETERS, TEST_ACCURACY, TRAIN_SECONDS, VAL_ACCURACY
from harness.report.blocks import Value, named
from harness.report.gather import Entry, Findings
from harness.report.links import runs_of
from harness.report.micro_batches import micro_batches_note
from harness.report.numbers import NOTHING, amount, percent_spread, whole
from harness.report.per_device import device_notes, device_value
from harness.report.spread import Spread
from harness.report.variants import Variant, distinct_variants, experiment_variants

TEST: Final = TEST_ACCURACY
VALIDATION: Final = VAL_ACCURACY
SEALED: Final = "sealed"
REASON_LENGTH: Final = 160


def ranked(variants: Sequence[Variant]) -> tuple[Variant, ...]:
    """Return variants by test accuracy, then validation accuracy, the best first; without figures last."""
    return tuple(
        sorted(variants, key=lambda variant: (-mean_or_least(variant, TEST), -mean_or_least(variant, VALIDATION)))
    )


def every_variant(findings: Findings) -> tuple[Variant, ...]:
    """Return the variants of experiments, ranked, and after them the ablations' rows that are none of these."""
    variants = experiment_variants(findings)
    return (*ranked(variants), *(each for each in distinct_variants(findings) if each not in variants))


def linked_name(variant: Variant) -> Value:
    """Return a variant's name with its runs."""
    return replace(named(variant.name), runs=runs_of(variant))


def notes_of(variant: Variant) -> tuple[str, ...]:
    """Return what a reader must know of a variant: cells without figures and why, what it was fitted on."""
    reasons: dict[tuple[str, str], list[Entry]] = defaultdict(list)
    for entry in variant.entries:
        if entry.state != "done":
            reasons[entry.state, entry.reason].append(entry)
    notes = [_reason(state, reason, entries) for (state, reason), entries in reasons.items()]
    if variant.cell.train_on == "train+val":
        notes.append("fitted on train+val")
    parted = micro_batches_note(variant.entries)
    return (*notes, *([parted] if parted else []), *device_notes(variant))


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
    return count_value(variant, PARAMETERS, whole)


def count_value(variant: Variant, metric: str, text: Callable[[float], str]) -> Value:
    """Return a count of a variant; its range where seeds differ in it."""
    counts = sorted(set(variant.values(metric).values()))
    if not counts:
        return Value(NOTHING)
    return Value(" to ".join(dict.fromkeys(map(text, (counts[0], counts[-1])))), counts[0])


def _reason(state: str, reason: str, entries: Sequence[Entry]) -> str:
    seeds = ", ".join(str(entry.seed) for entry in entries)
    return f"{amount(len(entries), 'cell')} {state} (seed {seeds}): {shorten(reason, REASON_LENGTH, placeholder='…')}"


def mean_or_least(variant: Variant, metric: str) -> float:
    """Return a metric's mean, less than any share where there is none."""
    spread = variant.spread(metric)
    return -1.0 if spread is None or math.isnan(spread.mean) else spread.mean
