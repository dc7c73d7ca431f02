"""How a cell is tried, and how it is tried next when the machine was at fault."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from harness.contracts import Cell
from harness.execute.endings import Failure

MICRO_BATCH: Final = "harness.micro_batch"
"""Tag of a run whose batches were taken in parts: images in the largest part."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of a cell; the first is `Attempt()`."""

    parts: int = 1
    """In how many micro-batches each batch is taken."""
    alone: bool = False
    """Whether nothing else of ours may run on its GPU meanwhile."""
    failures: int = 0
    """Tries before this one that count against `--retry`."""

    def next(self, cell: Cell, failure: Failure, retry: int, had_neighbors: bool) -> Attempt | None:
        """Return the try after a failure; None if there is to be none.

        Memory that ran out beside other cells is nobody's fault but the packing's: the cell is tried again by
        itself, unchanged, and that does not count. Memory that ran out otherwise halves the micro-batch.

        Args:
            cell: What was tried.
            failure: Why it has no result.
            retry: How many failures are followed by another try.
            had_neighbors: Whether other cells of this run were on its GPU when it failed.
        """
        if failure.kind == "memory" and had_neighbors:
            return replace(self, alone=True)
        if not failure.is_worth_retrying or self.failures >= retry:
            return None
        parts = self.parts
        if failure.kind == "memory" and cell.recipe is not None:
            parts = min(2 * parts, cell.recipe.batch_size)
        return replace(self, parts=parts, failures=self.failures + 1)

    def tags(self, cell: Cell) -> Mapping[str, str]:
        """Return what a run has to say of how it was tried: nothing where all was as the recipe says."""
        return {} if self.parts == 1 else {MICRO_BATCH: str(self._micro_batch(cell))}

    def text(self, cell: Cell) -> str:
        """Return how the cell is tried, as words that follow "tried again" or the device's name; empty if as usual."""
        parts = f" in micro-batches of {self._micro_batch(cell)} images" if self.parts > 1 else ""
        return f"{' with no other cell beside it' if self.alone else ''}{parts}"

    def _micro_batch(self, cell: Cell) -> int:
        assert cell.recipe is not None
        return -(-cell.recipe.batch_size // self.parts)
