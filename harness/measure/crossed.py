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


OUTLYING: Final = 0.05
HALVINGS, SECANTS = 20, 4
"""Of an interval of 300 powers of ten, then from its ends: as exact as floats are, in half the time of halving."""


@dataclass(frozen=True, slots=True)
class SeedSpread:
    """How much more seeds move each model's accuracy than the images on which its seeds disagree explain.

    `factor` [V] is about 1 where they explain all of it; `df` [V] the degrees of freedom it was estimated with,
    infinite for models without a seed's variance.
    """

    factor: NDArray[np.float64]
    df: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Errors:
    """Variances of P figures by where they come from; `seeds` [k, P] are k sources with their `df` [k, P]."""

    seeds: NDArray[np.float64]
    df: NDArray[np.float64]
    images: NDArray[np.float64]

    @property
    def standard(self) -> NDArray[np.float64]:
        """Standard errors, [P]."""
        return np.asarray(np.sqrt(self.seeds.sum(axis=0) + self.images), dtype=np.float64)


def seed_spread(found: Components) -> SeedSpread:
    """Estimate the heterogeneity factor, pooled over models (McCullagh and Nelder 1989, section 4.5.1).

    The spread of two or three accuracies says next to nothing. All models' together do, once each is measured by
    what its disagreements on single images make likely, and of those there are many. A model whose seeds spread by
    far more than the others' (F test, 5 % over all models) keeps its own estimate.
    """
    noise, df = np.diag(found.noise), found.seed_df
    varies = noise > 0
    weights = np.where(varies, df, 0)
    own = np.divide(found.seeds, noise, out=np.ones(len(noise)), where=varies)
    others = weights.sum() - weights
    rest = np.divide((weights * own).sum() - weights * own, others, out=np.ones(len(noise)), where=others > 0)
    beyond = special.fdtrc(np.maximum(weights, 1), np.maximum(others, 1), own / np.maximum(rest, 1))
    outlying = varies & (others > 0) & (beyond < OUTLYING / max(1, varies.sum()))
    pooled = np.where(outlying, 0, weights)
    factor = np.average(own, weights=pooled) if pooled.any() else 1.0
    return SeedSpread(
        factor=np.where(outlying, own, factor),
        df=np.where(varies, np.where(outlying, df, pooled.sum()), np.inf),
    )


def errors_of_means(found: Components, spread: SeedSpread) -> Errors:
    """Return the errors of each model's accuracy, P = V."""
    noise, images = np.diag(found.noise), np.diag(found.images)
    return Errors((spread.factor * noise)[None], spread.df[None], np.maximum(images - noise, 0))


def errors_of_differences(found: Components, spread: SeedSpread, pairs: NDArray[np.int64]) -> Errors:
    """Return the errors of accuracy a minus accuracy b for `pairs` (a, b) int [P, 2].

    Noise moves the means over seeds and those over images alike, so that it is taken out of the images' once (Hillis
    2007, Statistics in Medicine 26, for readers and cases); where both models have the same seeds it is paired by seed
    and image. 1 / n^2 is one further discordant image, half of it on either side (Agresti and Min 2005, Statistics in
    Medicine 24): it keeps a handful of differing images from looking certain.
    """
    scale = np.sqrt(spread.factor)
    noise = of_differences(found.noise, pairs)
    together = of_differences(found.noise * scale[:, None] * scale[None, :], pairs)
    own = (np.diag(found.noise) * spread.factor)[pairs].T
    total = own.sum(axis=0)
    shares = np.divide(own, total, out=np.zeros(own.shape), where=total > 0)
    images = np.maximum(of_differences(found.images, pairs) - noise, 0) + 1 / found.count**2
    return Errors(shares * together, spread.df[pairs].T, images)


def critical(errors: Errors, p: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Return how many standard errors from 0 a figure's two-sided p-value is `p`, [P].

    Each source's quantile of Student's t, weighted by its share of the variance (Cochran and Cox 1957, Experimental
    Designs, section 4.14): unlike Satterthwaite's degrees of freedom it keeps the level with two seeds.
    """
    tail = np.asarray(p) / 2
    total = errors.seeds.sum(axis=0) + errors.images
    weighted = errors.images * -special.ndtri(tail) + (errors.seeds * -special.stdtrit(errors.df, tail)).sum(axis=0)
    found: NDArray[np.float64] = np.full(total.shape, -special.ndtri(tail))
    np.divide(weighted, total, out=found, where=total > 0)
    return found


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

    @property
    def seed_df(self) -> NDArray[np.float64]:
        """S - 1, [V]."""
        return np.array([len(each) - 1 for each in self.seed_sets], dtype=np.float64)


def components(answers: Sequence[Answers]) -> Components:
    """Return the components of models that answered the same n >= 2 images, in the same order."""
    by_image = np.stack([each.right.mean(axis=0) for each in answers])
    accuracies, count = by_image.mean(axis=1), by_image.shape[1]
    centered = by_image - accuracies[:, None]
    noise = np.zeros((len(answers), len(answers)))
    for seeds, members in groupby(
        sorted(range(len(answers)), key=lambda i: answers[i].seeds), lambda i: answers[i].seeds
    ):
        places = list(members)
        if len(seeds) > 1:
            noise[np.ix_(places, places)] = _noise([answers[place].right for place in places])
    return Components(
        accuracies=accuracies,
        images=centered @ centered.T / (count - 1) / count,
        noise=noise,
        seeds=np.array([_own_seed_variance(each.right) for each in answers]),
        seed_sets=tuple(each.seeds for each in answers),
        count=count,
    )


def apart(each: Sequence[Components]) -> Components:
    """Return the components of single models as one, as if nothing were known of how they move together."""
    return Components(
        accuracies=np.concatenate([one.accuracies for one in each]),
        images=np.diag([one.images[0, 0] for one in each]),
        noise=np.diag([one.noise[0, 0] for one in each]),
        seeds=np.concatenate([one.seeds for one in each]),
        seed_sets=tuple(one.seed_sets[0] for one in each),
        count=each[0].count,
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
