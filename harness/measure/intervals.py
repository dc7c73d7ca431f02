"""Confidence intervals of single figures."""

from __future__ import annotations

import math
from typing import Final

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
