"""A fit, epoch by epoch: what curves and diagnoses are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

History = Sequence[Mapping[str, float]]
"""Metrics of each epoch in order, the first is epoch 1."""


def values_of(history: History, name: str) -> NDArray[np.float64]:
    """Return a metric [epochs] by epoch; NaN where an epoch lacks it."""
    return np.array([epoch.get(name, np.nan) for epoch in history], dtype=np.float64)


def mean_of(lines: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return the mean line as far as all lines go; seeds that stopped early would bend it."""
    shortest = min(len(line) for line in lines)
    return np.asarray(np.mean([line[:shortest] for line in lines], axis=0), dtype=np.float64)


def best_epoch(history: History) -> int | None:
    """Return the first epoch (from 1) with the highest validation accuracy; None without validation."""
    values = values_of(history, "val/accuracy")
    return int(np.nanargmax(values)) + 1 if np.isfinite(values).any() else None
