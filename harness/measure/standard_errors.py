"""Standard errors for new seeds and new images, where few seeds tell little about their own spread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import special

from harness.measure.crossed import of_differences

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.measure.crossed import Components

OUTLYING: Final = 0.05
HALVINGS: Final = 60


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
    return 10**high
