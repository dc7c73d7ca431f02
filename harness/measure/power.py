"""How many seeds, or how many images, would tell two models apart whose difference is the one that was seen.

With variance components of seeds and images, the standard error at other numbers of them is known: what seeds add
shrinks with seeds, what images add shrinks with images, and what seed and image add together shrinks with both. A
difference d shows in a two-sided test at level a with probability q where d >= (c(a / 2) + z(q)) SE, c being the test's
own critical value. This is the planning of studies with readers and cases (Hillis, Obuchowski and Berbaum 2011,
Academic Radiology 18, pages 129 to 142, equation 1), seeds in place of readers; for one fitted model on either side it
comes to Connor's number of pairs for McNemar's test (Connor 1987, Biometrics 43, equation 1) with one variance for both
hypotheses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import special

from harness.measure.crossed import Errors, critical, errors_of_differences

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.measure.crossed import Components

POWER: Final = 0.8
"""The chance with which a difference is to show (Cohen 1988, section 2.4)."""
MOST_SEEDS: Final = 100
"""Of each model: more nobody fits."""
MOST_IMAGES: Final = 1_000_000
TEN: Final = 10
"""Seeds of each model at which images are counted where neither does by itself."""
HALVINGS: Final = 40


@dataclass(frozen=True, slots=True)
class Needed:
    """The smallest numbers that would do by themselves, the other staying as it is, [P]; 0 where none would."""

    seeds: NDArray[np.int64]
    """Of each model; 0 too where seeds make no difference or there is one."""
    images: NDArray[np.int64]
    together: NDArray[np.int64]
    """Images that would do with `TEN` seeds of each model."""


def needed(found: Components, pairs: NDArray[np.int64], level: float) -> Needed:
    """Return what would tell pairs (a, b) int [P, 2] apart at a two-sided level, were their differences the true ones.

    Args:
        found: The components of V models on the same images.
        pairs: Places of models in `found`.
        level: Corrected for the other comparisons: 0.05 over their number.
    """
    distance = np.abs(found.accuracies[pairs[:, 0]] - found.accuracies[pairs[:, 1]])
    errors = errors_of_differences(found, pairs)
    have = np.array([len(each) for each in found.seed_sets], dtype=np.float64)[pairs].T
    shared = _shared(found, pairs)
    return Needed(
        seeds=_seeds(distance, errors, have, level),
        images=_images(distance, errors, shared, found.count, level),
        together=_images(distance, _with_seeds(errors, have, TEN), shared, found.count, level),
    )


def smallest_difference(errors: Errors, level: float) -> NDArray[np.float64]:
    """Return the smallest true differences that show with a chance of `POWER` in a two-sided test at `level`, [P]."""
    return np.asarray((critical(errors, level) + special.ndtri(POWER)) * errors.standard, dtype=np.float64)


def _shared(found: Components, pairs: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the part of what seeds add that shrinks with more images, [2, P]: all but what is beyond the noise."""
    noise = np.diag(found.noise)
    part = np.divide(noise, found.seeds, out=np.ones(len(noise)), where=found.seeds > noise)
    return np.asarray(part[pairs].T, dtype=np.float64)


def _shows(distance: NDArray[np.float64], errors: Errors, level: float) -> NDArray[np.bool_]:
    return np.asarray(distance >= smallest_difference(errors, level))


def _seeds(distance: NDArray[np.float64], errors: Errors, have: NDArray[np.float64], level: float) -> NDArray[np.int64]:
    found = np.zeros(len(distance), dtype=np.int64)
    varies = errors.seeds.sum(axis=0) > 0
    for seeds in range(MOST_SEEDS, 1, -1):
        shows = varies & (distance > 0) & _shows(distance, _with_seeds(errors, have, seeds), level)
        found = np.where(shows & ((found == seeds + 1) | (seeds == MOST_SEEDS)), seeds, found)
    return found


def _with_seeds(errors: Errors, have: NDArray[np.float64], seeds: int) -> Errors:
    """Return the errors with so many seeds of each model in place of those that it has, [2, P]."""
    more = np.where(have > 1, seeds - 1, 0)
    return Errors(errors.seeds * have / seeds, more, errors.images, errors.images_df)


def _images(
    distance: NDArray[np.float64], errors: Errors, shared: NDArray[np.float64], count: int, level: float
) -> NDArray[np.int64]:
    """Return the smallest number of images by bisection on a logarithmic scale."""
    low, high = np.zeros(len(distance)), np.full(len(distance), np.log(MOST_IMAGES))
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        shows = _shows(distance, _with_images(errors, shared, count, np.exp(middle)), level)
        low, high = np.where(shows, low, middle), np.where(shows, middle, high)
    shows = _shows(distance, _with_images(errors, shared, count, np.exp(high)), level)
    return np.where(shows & (distance > 0), np.ceil(np.exp(high)), 0).astype(np.int64)


def _with_images(errors: Errors, shared: NDArray[np.float64], count: int, images: NDArray[np.float64]) -> Errors:
    share = count / images
    return Errors(errors.seeds * (shared * share + 1 - shared), errors.df, errors.images * share, errors.images_df)
