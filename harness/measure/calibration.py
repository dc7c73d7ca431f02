"""Whether a classifier is as often right as it says it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

BINS = 15
"""As in Guo et al. 2017, so that figures can be compared."""


@dataclass(frozen=True, slots=True)
class Reliability:
    """Images by confidence in bins of equal width over (0, 1]; each array is [bins]."""

    count: NDArray[np.int64]
    confidence: NDArray[np.float64]
    """Mean confidence of a bin's images; 0 where it has none."""
    accuracy: NDArray[np.float64]
    """Share of a bin's images that are classified right; 0 where it has none."""


def reliability(confidence: NDArray[np.float64], correct: NDArray[np.bool_], bins: int = BINS) -> Reliability:
    """Sort images into bins ((m - 1) / bins, m / bins] by top-1 confidence [N] in [0, 1]; correct is [N]."""
    edges = np.linspace(0, 1, bins + 1)[1:-1]
    place = np.searchsorted(edges, confidence, side="left")
    count = np.bincount(place, minlength=bins).astype(np.int64)
    some = np.maximum(count, 1)
    return Reliability(
        count=count,
        confidence=np.bincount(place, weights=confidence, minlength=bins) / some,
        accuracy=np.bincount(place, weights=correct.astype(np.float64), minlength=bins) / some,
    )


def expected_calibration_error(confidence: NDArray[np.float64], correct: NDArray[np.bool_], bins: int = BINS) -> float:
    """Return the mean gap between confidence and accuracy over bins, weighted by their images.

    Guo et al. 2017, "On Calibration of Modern Neural Networks", equation 3. Arguments as in `reliability`.
    """
    sorted_in = reliability(confidence, correct, bins)
    gaps = np.abs(sorted_in.accuracy - sorted_in.confidence)
    return float((sorted_in.count * gaps).sum() / sorted_in.count.sum())
