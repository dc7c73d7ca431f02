"""Two runs on the same images: which answers changed, and whether chance alone would change as many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from harness.measure.paired_tests import mcnemar
from harness.measure.predictions import Predictions

if TYPE_CHECKING:
    from numpy.typing import NDArray

DRAWS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Changes:
    """What differs between two runs, A and B, on N images; the arrays hold rows of both runs' predictions."""

    count: int
    lost: NDArray[np.int64]
    """Right in A, wrong in B."""
    gained: NDArray[np.int64]
    """Wrong in A, right in B."""
    moved: NDArray[np.int64]
    """Wrong in both, with another answer."""

    @property
    def difference(self) -> float:
        """Accuracy of B less that of A."""
        return (len(self.gained) - len(self.lost)) / self.count

    @property
    def p_value(self) -> float:
        """Two-sided p-value of McNemar's exact test: of the images that one alone got right, as many are A's as B's."""
        return float(mcnemar(np.array(len(self.lost)), np.array(len(self.gained))))

    def interval(self, seed: int = 0) -> tuple[float, float]:
        """Return the 95 % interval of the difference: percentiles of a paired bootstrap of the images.

        Efron and Tibshirani 1993, chapter 13. Drawing N images again is drawing how many of them are
        lost, gained and neither, so the counts are drawn at once.
        """
        shares = np.array([len(self.gained), len(self.lost), self.count - len(self.gained) - len(self.lost)])
        drawn = np.random.default_rng(seed).multinomial(self.count, shares / self.count, size=DRAWS)
        low, high = np.percentile((drawn[:, 0] - drawn[:, 1]) / self.count, [2.5, 97.5])
        return float(low), float(high)


def changes(a: Predictions, b: Predictions) -> Changes:
    """Compare two runs' answers, row by row.

    Raises:
        ValueError: they are not of the same images; see `unlike`.
    """
    reason = unlike(a, b)
    if reason:
        raise ValueError(reason)
    differs = a.predicted != b.predicted
    return Changes(
        count=len(a),
        lost=np.flatnonzero(a.right & ~b.right),
        gained=np.flatnonzero(~a.right & b.right),
        moved=np.flatnonzero(~a.right & ~b.right & differs),
    )


def unlike(a: Predictions, b: Predictions) -> str:
    """Return why two runs' predictions are not of the same images; empty if they are."""
    if a.classes != b.classes:
        return f"the classes differ: {len(a.classes)} in A, {len(b.classes)} in B" + _first_class(a, b)
    if not np.array_equal(a.index, b.index):
        common = len(np.intersect1d(a.index, b.index))
        return f"other images: A has {len(a):,}, B has {len(b):,}, and {common:,} of them have the same index"
    wrong = np.flatnonzero(a.labels != b.labels)
    if len(wrong):
        where = f"{len(wrong):,} of {len(a):,} images, the first has index {a.index[wrong[0]]}"
        return f"the labels differ for {where}: not the same images"
    return ""


def _first_class(a: Predictions, b: Predictions) -> str:
    pairs = zip(a.classes, b.classes, strict=False)
    return next((f' ("{one}" in A is "{other}" in B)' for one, other in pairs if one != other), "")
