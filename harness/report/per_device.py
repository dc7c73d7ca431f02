"""Figures that depend on the hardware: shown for one device, never averaged over several."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Final

from harness.contracts.metrics import IMAGES_PER_SECOND, PEAK_BYTES, TRAIN_SECONDS
from harness.report.blocks import Value
from harness.report.numbers import duration_spread, rate_spread, size_spread
from harness.report.spread import Spread, spread_of
from harness.report.variants import Variant, device_of

TEXTS: Final[Mapping[str, Callable[[Spread | None], str]]] = {
    TRAIN_SECONDS: duration_spread,
    IMAGES_PER_SECOND: rate_spread,
    PEAK_BYTES: size_spread,
}
"""The metrics of hardware that are shown, and how."""
NAMES: Final = {TRAIN_SECONDS: "train time", IMAGES_PER_SECOND: "images/s", PEAK_BYTES: "peak memory"}


def depends_on_device(metric: str) -> bool:
    """Whether a metric's values on different devices must not be averaged."""
    return metric in TEXTS or metric.startswith(("time/", "energy/"))


def by_device(variant: Variant, metric: str) -> dict[str, Spread]:
    """Return a metric's spread over seeds on each device that has it."""
    values: dict[str, list[float]] = defaultdict(list)
    for entry in variant.finished:
        value = entry.metric(metric)
        if value is not None:
            values[device_of(entry)].append(value)
    spreads = {device: spread_of(each) for device, each in values.items()}
    return {device: spread for device, spread in spreads.items() if spread is not None}


def device_value(variant: Variant, metric: str) -> Value:
    """Return a metric on the one device that the variant ran on; "mixed" of several, told apart in the notes."""
    spreads = by_device(variant, metric)
    if len(spreads) > 1:
        return Value("mixed", None, "muted")
    only = next(iter(spreads.values()), None)
    return Value(TEXTS[metric](only), None if only is None else only.mean)


def device_notes(variant: Variant) -> list[str]:
    """Return the figures on each device, of a variant that ran on several."""
    notes = []
    for metric, name in NAMES.items():
        spreads = by_device(variant, metric)
        if len(spreads) > 1:
            notes.append(f"{name} {', '.join(f'{TEXTS[metric](each)} on {where}' for where, each in spreads.items())}")
    return notes
