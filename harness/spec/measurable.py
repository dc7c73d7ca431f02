"""Which final metrics a cell can ever leave, as far as its settings tell."""

from __future__ import annotations

from typing import Final

from harness.contracts import Cell
from harness.contracts.metrics import FLOPS, PEAK_BYTES, TEST_ACCURACY_TTA

DECIDING: Final = frozenset({"test", "train_on", "model", "model.name", "recipe", "recipe.tta"})
"""The paths on which it depends whether a metric can be measured."""


def unmeasured(metric: str, cell: Cell) -> str | None:
    """Return why a cell never leaves a final metric; None where it does, or where only its fit could tell."""
    if metric.startswith("test/") and cell.test == "never":
        return "test: never leaves the test set sealed"
    if metric.startswith("val/") and cell.train_on == "train+val":
        return "train_on: train+val leaves no validation images"
    if metric == TEST_ACCURACY_TTA and (cell.recipe is None or cell.recipe.tta == "none"):
        return "there is no test-time augmentation (recipe.tta)"
    if metric == FLOPS and cell.recipe is None:
        return f'FLOPs are counted for networks only, and model "{cell.model.name}" is none'
    return None


def no_cost(metric: str, cell: Cell) -> str | None:
    """Return why a metric says nothing of what a cell costs, or None."""
    if metric == PEAK_BYTES and cell.recipe is None:
        return f'for model "{cell.model.name}" it is the peak of the whole process, whatever that did before'
    return unmeasured(metric, cell)
