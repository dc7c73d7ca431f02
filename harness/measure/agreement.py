"""How much classifiers say the same of the same images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Agreement:
    """Between two classifiers: share of equal predictions in [0, 1], and Cohen's kappa in [-1, 1]."""

    equal: float
    kappa: float
    """NaN where both say one and the same class of every image: chance alone would agree then."""


def agreement(one: NDArray[np.integer], other: NDArray[np.integer], classes: int) -> Agreement:
    """Compare predicted classes [N] of the same N images, each in [0, classes).

    Kappa is (p - e) / (1 - e), p the share of equal predictions, e the share that two classifiers with these class
    frequencies would agree on by chance (Cohen 1960, "A Coefficient of Agreement for Nominal Scales", equation 1).
    """
    images = len(one)
    equal = float((one == other).mean())
    counts = [np.bincount(each, minlength=classes) / images for each in (one, other)]
    by_chance = float(counts[0] @ counts[1])
    return Agreement(equal, (equal - by_chance) / (1 - by_chance) if by_chance < 1 else float("nan"))


def mean_agreement(
    some: Sequence[NDArray[np.integer]], others: Sequence[NDArray[np.integer]] | None, classes: int
) -> Agreement | None:
    """Return the mean over pairs, one of each group; without others over the pairs within the group.

    Each entry is the predicted classes [N] of one seed. None where there is no pair.
    """
    if others is None:
        pairs = [(one, other) for place, one in enumerate(some) for other in some[place + 1 :]]
    else:
        pairs = [(one, other) for one in some for other in others]
    found = [agreement(one, other, classes) for one, other in pairs]
    if not found:
        return None
    return Agreement(float(np.mean([each.equal for each in found])), float(np.mean([each.kappa for each in found])))
