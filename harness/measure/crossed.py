"""How sure a mean over seeds and images is: variance components of models that answered the same images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import special

if TYPE_CHECKING:
    from numpy.typing import NDArray


SEEDS_SHARE: Final = 1.25
"""Power of the seeds' share of a variance with which their quantile counts: by simulation, `benchmarks/coverage.py`."""
HALVINGS, SECANTS = 20, 4
"""Of an interval of 300 powers of ten, then from its ends: as exact as floats are, in half the time of halving."""


@dataclass(frozen=True, slots=True)
class Errors:
    """Variances of P figures by where they come from; `seeds` [k, P] are k sources with their `df` [k, P]."""

    seeds: NDArray[np.float64]
    df: NDArray[np.float64]
    images: NDArray[np.float64]
    images_df: float = np.inf
    """Degrees of freedom of what images add: the number of their groups less one, without groups infinite."""

    @property
    def standard(self) -> NDArray[np.float64]:
        """Standard errors, [P]."""
        return np.asarray(np.sqrt(self.seeds.sum(axis=0) + self.images), dtype=np.float64)


def errors_of_means(found: Components) -> Errors:
    """Return the errors of each model's accuracy, P = V."""
    images = np.maximum(np.diag(found.images) - np.diag(found.noise), 0)
    return Errors(found.seeds[None], found.seed_df[None], images, found.images_df)


def errors_of_differences(found: Components, pairs: NDArray[np.int64]) -> Errors:
    """Return the errors of accuracy a minus accuracy b for `pairs` (a, b) int [P, 2].

    What seeds add is each model's own, never pooled: that one of many recipes is unstable is just what two or three of
    its seeds cannot show beside the others' (Welch 1938, Biometrika 29). Noise moves the means over seeds and those
    over images alike, so that it is taken out of the images' once (Hillis 2007, Statistics in Medicine 26, for readers
    and cases); where both models have the same seeds, the two move together as far as their noise does. 1 / n^2 is one
    further discordant image, half of it on either side (Agresti and Min 2005, Statistics in Medicine 24): it keeps a
    handful of differing images from looking certain.
    """
    noise = of_differences(found.noise, pairs)
    own_noise = np.diag(found.noise)
    scale = np.sqrt(np.divide(found.seeds, own_noise, out=np.zeros(len(own_noise)), where=own_noise > 0))
    together = of_differences(found.noise * scale[:, None] * scale[None, :], pairs)
    own = found.seeds[pairs].T
    total = own.sum(axis=0)
    shares = np.divide(own, total, out=np.zeros(own.shape), where=total > 0)
    images = np.maximum(of_differences(found.images, pairs) - noise, 0) + 1 / found.count**2
    return Errors(shares * together, found.seed_df[pairs].T, images, found.images_df)


def critical(errors: Errors, p: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Return how many standard errors from 0 a figure's two-sided p-value is `p`, [P].

    Between Student's t of what seeds add, with the degrees of freedom of Satterthwaite 1946 (Biometrics Bulletin 2)
    for two models' seeds, and that of what images add, by their shares of the variance (Cochran and Cox 1957,
    Experimental Designs, section 4.14). Satterthwaite's for all sources together would be wrong by half with two seeds;
    Cochran and Cox's for all would find nothing where the models are alike.
    """
    tail = np.asarray(p) / 2
    of_images = -special.ndtri(tail) if np.isinf(errors.images_df) else -special.stdtrit(errors.images_df, tail)
    by_seeds = errors.seeds.sum(axis=0)
    total = by_seeds + errors.images
    parts = np.divide(errors.seeds, by_seeds, out=np.zeros(errors.seeds.shape), where=by_seeds > 0)
    inverse = np.divide(parts**2, errors.df, out=np.zeros(parts.shape), where=errors.df > 0).sum(axis=0)
    varies = inverse > 0
    of_seeds = np.where(varies, -special.stdtrit(1 / np.where(varies, inverse, 1), tail), of_images)
    share = np.divide(by_seeds, total, out=np.zeros(total.shape), where=total > 0) ** SEEDS_SHARE
    return np.asarray((1 - share) * of_images + share * of_seeds, dtype=np.float64)


def p_values(differences: NDArray[np.float64], errors: Errors) -> NDArray[np.float64]:
    """Return two-sided p-values of differences, [P]: where `critical` is their distance from 0."""
    standard = errors.standard
    distance = np.divide(np.abs(differences), standard, out=np.zeros(len(standard)), where=standard > 0)
    low, high = np.full(len(standard), -300.0), np.zeros(len(standard))
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        is_smaller = critical(errors, 10**middle) < distance
        low, high = np.where(is_smaller, low, middle), np.where(is_smaller, middle, high)
    found, start = high, low
    off, off_start = (critical(errors, 10**end) - distance for end in (found, start))
    for _ in range(SECANTS):
        rise = np.where(off == off_start, 1, off - off_start)
        found, start = np.clip(found - off * (found - start) / rise, low, high), found
        off, off_start = critical(errors, 10**found) - distance, off
    return np.asarray(10**found, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Answers:
    """Whether a model was right on each image: bool [S, n], rows in the order of `seeds`.

    Floats [S, n] do as well, for another figure that is a mean over images.
    """

    seeds: tuple[int, ...]
    right: NDArray[np.bool_] | NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Components:
    """Variances and covariances of V models' mean accuracies over S seeds and n images.

    Seeds and images are crossed random effects: all seeds answered the same images. A model with one seed is taken
    as that one fitted model, without a seed's variance.
    """

    accuracies: NDArray[np.float64]
    """Means over seeds and images, [V]."""
    images: NDArray[np.float64]
    """What images add, noise included: [V, V]."""
    noise: NDArray[np.float64]
    """What seed and image together add beyond each alone, [V, V]; 0 between models with other seeds."""
    seeds: NDArray[np.float64]
    """What seeds add, noise included, as each model's own S accuracies tell it: [V]."""
    seed_sets: tuple[tuple[int, ...], ...]
    count: int
    """Number of images, n."""
    units: int
    """Number of what was drawn independently: groups of images where they are known, else images."""

    @property
    def seed_df(self) -> NDArray[np.float64]:
        """S - 1, [V]."""
        return np.array([len(each) - 1 for each in self.seed_sets], dtype=np.float64)

    @property
    def images_df(self) -> float:
        """Degrees of freedom of what images add: groups may be few, images count as many."""
        return self.units - 1 if self.units < self.count else np.inf


def components(answers: Sequence[Answers], groups: NDArray[np.int64] | None = None) -> Components:
    """Return the components of models that answered the same n >= 2 images, in the same order.

    Args:
        answers: What each model had right.
        groups: Each image's group as a number from 0, [n], where images of a group are alike; two groups at least.
            Then groups, not images, vary independently: the cluster-robust variance of Liang and Zeger 1986
            (Biometrika 73), which for paired shares is Obuchowski's (1998, Statistics in Medicine 17).
    """
    by_image = np.stack([each.right.mean(axis=0) for each in answers])
    accuracies, count = by_image.mean(axis=1), by_image.shape[1]
    centered = sums_by_group(by_image - accuracies[:, None], groups)
    units = centered.shape[1]
    noise = np.zeros((len(answers), len(answers)))
    for seeds, members in groupby(
        sorted(range(len(answers)), key=lambda i: answers[i].seeds), lambda i: answers[i].seeds
    ):
        places = list(members)
        if len(seeds) > 1:
            noise[np.ix_(places, places)] = _noise([answers[place].right for place in places])
    return Components(
        accuracies=accuracies,
        images=centered @ centered.T * (units / (units - 1) / count**2),
        noise=noise,
        seeds=np.array([_own_seed_variance(each.right) for each in answers]),
        seed_sets=tuple(each.seeds for each in answers),
        count=count,
        units=units,
    )


def sums_by_group(values: NDArray[np.floating], groups: NDArray[np.int64] | None) -> NDArray[np.floating]:
    """Return the sums of values [V, n] over the images of each group, [V, G]; without groups the values."""
    if groups is None:
        return values
    return np.stack([np.bincount(groups, weights=each) for each in values])


def apart(each: Sequence[Components]) -> Components:
    """Return the components of single models as one, as if nothing were known of how they move together."""
    return Components(
        accuracies=np.concatenate([one.accuracies for one in each]),
        images=np.diag([one.images[0, 0] for one in each]),
        noise=np.diag([one.noise[0, 0] for one in each]),
        seeds=np.concatenate([one.seeds for one in each]),
        seed_sets=tuple(one.seed_sets[0] for one in each),
        count=each[0].count,
        units=each[0].units,
    )


def of_differences(covariance: NDArray[np.float64], pairs: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the variances of differences a minus b, [P], from a covariance [V, V] and `pairs` (a, b) int [P, 2]."""
    first, second = pairs.T
    found = covariance[first, first] + covariance[second, second] - 2 * covariance[first, second]
    return np.asarray(np.maximum(found, 0), dtype=np.float64)


def _own_seed_variance(right: NDArray[np.bool_] | NDArray[np.floating]) -> float:
    seeds = len(right)
    return float(right.mean(axis=1).var(ddof=1)) / seeds if seeds > 1 else 0.0


def _noise(right: Sequence[NDArray[np.bool_] | NDArray[np.floating]]) -> NDArray[np.float64]:
    """Return the noise among models with the same S > 1 seeds, [v, v]: the mean products of the residuals."""
    values = np.stack(right).astype(np.float32)
    models, seeds, images = values.shape
    by_seed = values.mean(axis=2, keepdims=True, dtype=np.float64)
    shifts = (by_seed - by_seed.mean(axis=1, keepdims=True)).astype(np.float32)
    residuals = (values - values.mean(axis=1, keepdims=True) - shifts).reshape(models, -1)
    freedom = float(seeds - 1) * float(images - 1)
    products: NDArray[np.float64] = np.asarray(residuals @ residuals.T, dtype=np.float64)
    return np.asarray(products / (freedom * seeds * images), dtype=np.float64)
