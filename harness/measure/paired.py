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


def difference_of_shares(
    first: float, first_count: float, second: float, second_count: float, quantile: float = NORMAL
) -> tuple[float, float]:
    """Return the interval of first minus second, shares of two independent samples of so many tries.

    From Wilson's intervals of both (Newcombe 1998, Statistics in Medicine 17, pages 873 to 890, method 10).

    >>> [round(end, 4) for end in difference_of_shares(56 / 70, 70, 48 / 80, 80)]
    [0.0524, 0.3339]
    """
    low, high = wilson(first, first_count, quantile)
    other_low, other_high = wilson(second, second_count, quantile)
    difference = first - second
    return (
        difference - math.hypot(first - low, other_high - second),
        difference + math.hypot(high - first, second - other_low),
    )


def worth_of_class_means(counts: NDArray[np.int64]) -> float:
    """Return how many images a mean over K classes rests on, by the classes' images, [K]: K^2 / sum(1 / counts).

    The harmonic mean, times K: with one image of a class, half of a mean over two classes rests on that image.

    >>> worth_of_class_means(np.array([1, 31])), worth_of_class_means(np.array([50, 50]))
    (3.875, 100.0)
    """
    occurring = counts[counts > 0]
    return float(len(occurring) ** 2 / (1 / occurring).sum())


def share_interval(share: float, standard_error: float, count: float, quantile: float) -> tuple[float, float]:
    """Return the interval of a share over `count` images whose standard error also holds what seeds add.

    Wilson's interval with the effective number of images, share (1 - share) / standard_error^2, as for clustered
    surveys (Dean and Pagano 2015, Journal of Survey Statistics and Methodology 3). With one seed it is Wilson's.
    """
    binomial = share * (1 - share)
    effective = binomial / standard_error**2 if standard_error > 0 and binomial > 0 else count
    return wilson(share, effective, quantile)


def mean_interval(mean: float, deviation: float, count: int) -> tuple[float, float]:
    """Return Student's 95 % interval of a mean of `count` > 1 values with this standard deviation (n - 1).

    >>> [round(end, 3) for end in mean_interval(10.0, 1.0, 4)]
    [8.409, 11.591]
    """
    half = float(special.stdtrit(count - 1, 0.975)) * deviation / math.sqrt(count)
    return mean - half, mean + half


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


def letters(differ: NDArray[np.bool_]) -> tuple[tuple[int, ...], ...]:
    """Return each model's letters as numbers from 0, for models in order of merit and `differ` bool [V, V] (symmetric).

    A compact letter display (Piepho 2004, Journal of Computational and Graphical Statistics 13): two models share a
    letter if and only if they do not differ. Being indistinguishable is not transitive, so a model may have several.
    Each letter is a clique of models of which no two differ, grown from a pair that shares none yet (Gramm and others
    2007, Algorithms for Compact Letter Displays, Theoretical Computer Science 388), the best models first.

    >>> import numpy as np
    >>> letters(np.array([[0, 0, 1], [0, 0, 0], [1, 0, 0]], dtype=bool))
    ((0,), (0, 1), (1,))
    """
    found: list[list[int]] = [[] for _ in differ]
    lacks = np.array(~differ)
    number = 0
    for model in range(len(differ)):
        while lacks[model, model:].any():
            first = model + int(lacks[model, model:].argmax())
            members = [model] if first == model else [model, first]
            able: NDArray[np.bool_] = np.asarray(~differ[members].any(axis=0))
            able[members] = False
            while able.any():
                members.append(int(able.argmax()))
                able &= ~differ[members[-1]]
                able[members[-1]] = False
            for member in members:
                found[member].append(number)
            lacks[np.ix_(members, members)] = False
            number += 1
    return tuple(map(tuple, found))
