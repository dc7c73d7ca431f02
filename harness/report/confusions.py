"""What is taken for what: a variant's confusion matrices, summed over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from harness.measure.drawing import row_shares
from harness.measure.tables import Confusion, read_confusion
from harness.report.gather import Entry
from harness.report.records import ReportStore
from harness.report.variants import Variant

if TYPE_CHECKING:
    from numpy.typing import NDArray

WORST: Final = 5


@dataclass(frozen=True, slots=True)
class Mistake:
    """Images of one class taken for another; `share` is of the true class's images."""

    true: str
    predicted: str
    count: int
    of: int

    @property
    def share(self) -> float:
        """Share of the true class's images."""
        return self.count / self.of


@dataclass(frozen=True, slots=True)
class Confusions:
    """Counts int64 [K, K] (row = true class) summed over `seeds` cells, on the `split` that they are of."""

    variant: Variant
    split: str
    seeds: int
    classes: tuple[str, ...]
    counts: NDArray[np.int64]

    @property
    def shares(self) -> NDArray[np.float64]:
        """Shares of the row [K, K]."""
        return row_shares(self.counts)

    @property
    def worst(self) -> tuple[Mistake, ...]:
        """The pairs with the most mistakes, at most five."""
        wrong = self.counts - np.diag(np.diag(self.counts))
        order = np.argsort(-wrong, axis=None, kind="stable")[:WORST]
        pairs = [divmod(int(flat), len(self.classes)) for flat in order]
        totals = self.counts.sum(axis=1)
        return tuple(
            Mistake(self.classes[true], self.classes[said], int(wrong[true, said]), int(totals[true]))
            for true, said in pairs
            if wrong[true, said]
        )


def confusions_of(variant: Variant, store: ReportStore) -> Confusions | None:
    """Return the sum over a variant's cells, of the test set where it was opened; None where there is none."""
    opened = [entry for entry in variant.finished if entry.tag("test") == "opened"]
    found = _read(opened or variant.finished, store)
    if not found or any(each.classes != found[0].classes for each in found):
        return None
    counts = np.sum([each.counts for each in found], axis=0)
    return Confusions(variant, "test" if opened else "validation", len(found), found[0].classes, counts)


def _read(entries: Sequence[Entry], store: ReportStore) -> list[Confusion]:
    runs = [entry.run.run_id for entry in entries if entry.run is not None]
    paths = [store.artifact(run, "confusion.csv") for run in runs]
    return [read_confusion(path) for path in paths if path is not None]
