"""Whether models differ on the same test images: paired tests, many of them, intervals, tiers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import special

if TYPE_CHECKING:
    from numpy.typing import NDArray


NORMAL: Final = 1.959963984540054
"""97.5 % of a normal distribution lie below: the quantile of a 95 % interval."""


def wilson(share: float, count: float, quantile: float = NORMAL) -> tuple[float, float]:
    """Return Wilson's interval of a share that was seen in `count` > 0 independent tries.

    Wilson 1927, JASA 22; Brown, Cai and DasGupta 2001, Statistical Science 16, section 3.

    >>> [round(end, 4) for end in wilson(0.9, 10)]
    [0.5958, 0.9821]
    """
    middle = (share + quantile**2 / (2 * count)) / (1 + quantile**2 / count)
    half = quantile / (1 + quantile**2 / count)
    half *= math.sqrt(share * (1 - share) / count + quantile**2 / (4 * count**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def share_interval(share: float, standard_error: float, count: int, quantile: float) -> tuple[float, float]:
    """Return the interval of a share over `count` images whose standard error also holds what seeds add.

    Wilson's interval with the effective number of images, share (1 - share) / standard_error^2, as for clustered
    surveys (Dean and Pagano 2015, Journal of Survey Statistics and Methodology 3). With one seed it is Wilson's.
    """
    binomial = share * (1 - share)
    effective = binomial / standard_error**2 if standard_error > 0 and binomial > 0 else count
    return wilson(share, effective, quantile)


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


def tiers(differ: NDArray[np.bool_]) -> tuple[int, ...]:
    """Return the tier of each model, from 1, for models in order of merit and `differ` bool [V, V] (symmetric).

    From the top down, a model joins the tier above it unless it differs from one of its members; then it opens
    the next. So no two of a tier differ, and the first of a tier differs from one of the tier above. Being
    indistinguishable is not transitive, so two models of different tiers need not differ: the pairs say it.

    >>> import numpy as np
    >>> tiers(np.array([[0, 0, 1], [0, 0, 0], [1, 0, 0]], dtype=bool))
    (1, 1, 2)
    """
    found: list[int] = []
    members: list[int] = []
    for model in range(len(differ)):
        if differ[model, members].any():
            members = []
        found.append(found[-1] + (not members) if found else 1)
        members.append(model)
    return tuple(found)
