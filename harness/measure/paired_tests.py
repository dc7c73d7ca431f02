"""Whether two models differ on the same test images, and what to make of many such tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import special

if TYPE_CHECKING:
    from numpy.typing import NDArray


def mcnemar(only_first: NDArray[np.int64], only_second: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the exact two-sided p-values of McNemar's test, any shape.

    `only_first` counts the images that the first model alone has right, `only_second` those that the second alone
    has. McNemar 1947, Psychometrika 12; Dietterich 1998, Neural Computation 10, section 3.1, for classifiers. By the
    binomial distribution for any number of images, as `scipy.stats.binomtest`, not chi-square; 1 where there are none.
    """
    tries = only_first + only_second
    tail = special.bdtr(np.minimum(only_first, only_second).astype(np.float64), np.maximum(tries, 1), 0.5)
    return np.asarray(np.where(tries > 0, np.minimum(1.0, 2 * tail), 1.0), dtype=np.float64)


def discordant(right: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return how many images model a has right and model b has not, int64 [V, V], for answers bool [V, n]."""
    values = right.astype(np.float32)
    return np.asarray(np.rint(values @ (1 - values).T), dtype=np.int64)


def holm(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Holm's step-down adjusted p-values, [m]; below the level, they reject with it for all m together.

    Holm 1979, Scandinavian Journal of Statistics 6; adjusted p-values as in Wright 1992, Biometrics 48.

    >>> holm(np.array([0.01, 0.04, 0.03, 0.005])).round(3).tolist()
    [0.03, 0.06, 0.06, 0.02]
    """
    order = np.argsort(p_values, kind="stable")
    stepped = np.maximum.accumulate(p_values[order] * np.arange(len(p_values), 0, -1))
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted
