"""What is taken for what: a variant's confusion matrices, summed over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from harness.measure.drawing import row_shares
from harness.measure.predictions import Confusion, read_confusion
from harness.measure.scores import class_scores
from harness.report.blocks import Column, Table, Value, named
from harness.report.store import Entry, ReportStore
from harness.report.variants import Variant, share_value
from harness.words import spread_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

WORST: Final = 5
CLASS_COLUMNS: Final = (
    Column("class", numeric=False),
    Column("images"),
    Column("precision %", hint="share of the images called so that are so"),
    Column("recall %", hint="share of the class's images that are called so"),
    Column("F1 %", hint="harmonic mean of both"),
)


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
    each: tuple[NDArray[np.int64], ...] = ()
    """The counts of each seed."""

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
    split, each = "test" if opened else "validation", tuple(one.counts for one in found)
    return Confusions(variant, split, len(found), found[0].classes, counts, each)


def class_table(confusions: Confusions) -> Table:
    """Return precision, recall and F1 of each class, means over seeds; the class with the lowest F1 is marked."""
    scores = [class_scores(counts) for counts in confusions.each]
    precision, recall, f1 = (
        np.stack([getattr(each, name) for each in scores]) for name in ("precision", "recall", "f1")
    )
    worst = int(f1.mean(axis=0).argmin())
    rows = tuple(
        (
            named(name),
            Value(f"{scores[0].support[place]:,}", int(scores[0].support[place])),
            *(share_value(spread_of(values[:, place].tolist())) for values in (precision, recall)),
            replace(share_value(spread_of(f1[:, place].tolist())), tone="bad" if place == worst else ""),
        )
        for place, name in enumerate(confusions.classes)
    )
    return Table(f"Classes of {confusions.variant.name} on {confusions.split} images", CLASS_COLUMNS, rows)


def _read(entries: Sequence[Entry], store: ReportStore) -> list[Confusion]:
    runs = [entry.run.run_id for entry in entries if entry.run is not None]
    paths = [store.artifact(run, "confusion.csv") for run in runs]
    return [read_confusion(path) for path in paths if path is not None]
