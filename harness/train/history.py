"""Decisions that follow from the epochs so far, so that a resumed fit takes them alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.contracts import EarlyStopping, Recipe

Metrics = Mapping[str, float]


def best_epoch(history: Sequence[Metrics]) -> int | None:
    """Return the first epoch (from 1) with the highest validation accuracy; None without validation.

    >>> best_epoch([{"val/accuracy": 0.5}, {"val/accuracy": 0.7}, {"val/accuracy": 0.7}])
    2
    """
    return _first_best(history, EarlyStopping(metric="val/accuracy"))


def is_over(history: Sequence[Metrics], recipe: Recipe) -> bool:
    """Whether all epochs are done, or validation has not improved for as many as early stopping allows."""
    if len(history) >= recipe.epochs:
        return True
    stopping = recipe.early_stopping
    best = _first_best(history, stopping) if stopping else None
    return stopping is not None and best is not None and len(history) - best >= stopping.patience


def _first_best(history: Sequence[Metrics], by: EarlyStopping) -> int | None:
    if not history or by.metric not in history[0]:
        return None
    sign = -1 if by.metric == "val/loss" else 1
    values = [sign * metrics[by.metric] for metrics in history]
    return values.index(max(values)) + 1
